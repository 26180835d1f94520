"""Anything that holds a picture in, RGB uint8 out.

The rules, so that a score never depends on how a picture was handed over:

* **Orientation** in EXIF is applied, to files and to PIL images that still carry it. EXIF that
  cannot be read counts as none.
* **Alpha**, of any kind, is composited over white.
* **An embedded ICC profile** is converted to sRGB. A profile that cannot be used is a
  ``UserWarning`` naming the item, and the picture is read as if it were sRGB. Pictures without
  a profile are taken to be sRGB already (CMYK: by Pillow's formula). Other colour marks (PNG
  gAMA, EXIF colour space) are not read.
* **16 bits** are scaled by 1/257 and rounded, never clipped. Pillow's mode I counts as 16 bits.
* **Floats** (arrays, tensors, Pillow's mode F) must lie in [0, 1]; `FLOAT_SLACK` beyond either
  end is taken for rounding and clipped.
* **Animated files** give their first frame, a PIL image the frame that it stands at.
* **File objects** are read from their start where they can seek, and are left open.
* **PostScript** is refused: reading it means running a program.
* **Large pictures**: see `MAX_PIXELS`. Pillow's own limit and its own settings stay untouched.

The formats are those of the installed Pillow. There is no state here and nothing is shared
between calls, so any number of threads may read (each PIL or file object in one of them).
"""

from __future__ import annotations

import io
import os
import struct
import sys
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from perceptmetrics.errors import ImageError

if TYPE_CHECKING:
    import torch

ImageInput: TypeAlias = (
    "str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | npt.NDArray[Any] | torch.Tensor"
)
"""One picture: a path, encoded bytes, a binary file, a PIL image, an array or a tensor."""

MAX_PIXELS = 178_956_970
"""Largest width times height that is decoded; checked in the header, before any decoding.

It is the most that Pillow opens in its default settings (a gigabyte of RGBA in memory, two
photographs of 89 megapixels). From half of it on Pillow warns. Arrays and tensors have no limit.
"""

FLOAT_SLACK = 1e-5
"""How far a float may leave [0, 1] by rounding, after a resize for instance."""

_CHANNELS = (1, 3, 4)

_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow's decoders raise, beside OSError, when the bytes are not what a header promised.
_DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def load_image(item: ImageInput, *, name: str | None = None) -> npt.NDArray[np.uint8]:
    """Read one picture, by the rules at the head of this module.

    Args:
        item: A path; the bytes of an image file; a binary file object; a PIL image; an array
            (H, W) or (H, W, C); a tensor (H, W) or (C, H, W). C is 1, 3 or 4. Arrays and
            tensors are uint8, uint16, bool, or float in [0, 1].
        name: What an error calls the item. Default: its path, or ``image``.

    Returns:
        (H, W, 3) uint8, RGB, contiguous, writable and not shared with the input.

    Raises:
        ImageError: The item cannot be read; the message names it, tells why and what to do.

    Example:
        >>> load_image(np.ones((2, 4), dtype=np.float32)).shape
        (2, 4, 3)
        >>> load_image(np.full((2, 4, 3), 255.0), name="images[3]")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.ImageError: images[3]: float values span 255 to 255, expected \
[0, 1]; divide by 255 if they are 8-bit values
    """
    if name is None:
        name = _name(item, "image")
    if isinstance(item, Image.Image):
        with _decoding(name):
            upright = _decode(item, name)
        return _from_pillow(upright, name)
    if isinstance(item, np.ndarray):
        return _from_array(item, name, channels_first=False)
    if _is_tensor(item):
        return _from_tensor(item, name)
    if _is_encoded(item):
        return _from_file(item, name)
    raise ImageError(
        name,
        f"cannot read an image from {type(item).__name__}; give a path, bytes, a binary file, "
        "a PIL image, an array or a tensor (a batch only as the whole input, not in a list)",
    )


def iterate_images(images: ImageInput | Iterable[ImageInput]) -> Iterator[tuple[str, ImageInput]]:
    """Walk over one picture or many, lazily, giving each a name for messages.

    Nothing is read here: a bad item is an error of `load_image`, and the walk can go on.

    Args:
        images: One picture; a list, tuple, generator or other iterable of pictures; a batch:
            a tensor (N, C, H, W) or an array (N, H, W, C).

    Yields:
        ``(name, item)``. The name of a path is the path; in a list or batch other items are
        ``images[3]``; one picture alone is ``image``.

    Raises:
        ImageError: There is no picture at all, or ``images`` is nothing of the above.

    Example:
        >>> [name for name, _ in iterate_images(["a.jpg", np.zeros((2, 2), np.uint8)])]
        ['a.jpg', 'images[1]']
    """
    if is_single_image(images):
        yield _name(images, "image"), images
        return
    if isinstance(images, Mapping) or not isinstance(images, Iterable):
        raise ImageError(
            "images", f"cannot read images from {type(images).__name__}; give an image or a list"
        )
    index = -1
    for index, item in enumerate(images):
        yield _name(item, f"images[{index}]"), item
    if index < 0:
        raise ImageError("images", "there are none in it; give at least one image")


def is_single_image(images: object) -> TypeGuard[ImageInput]:
    """Whether this is one picture, as against a list, a generator or a batch of them.

    Example:
        >>> is_single_image("a.jpg"), is_single_image(["a.jpg"])
        (True, False)
        >>> is_single_image(np.zeros((2, 2, 3))), is_single_image(np.zeros((5, 2, 2, 3)))
        (True, False)
    """
    if isinstance(images, np.ndarray):
        # A one-dimensional array of paths (a column of a table) is a list.
        return images.ndim <= 3 and not (images.ndim == 1 and images.dtype.kind in "OU")
    if _is_tensor(images):
        return bool(images.ndim <= 3)
    return isinstance(images, Image.Image) or _is_encoded(images)


def _name(item: object, otherwise: str) -> str:
    return os.fsdecode(item) if isinstance(item, str | os.PathLike) else otherwise


def _is_encoded(item: object) -> TypeGuard[str | os.PathLike[str] | bytes | IO[bytes]]:
    return isinstance(item, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(
        item, "read"
    )


def _is_tensor(item: object) -> TypeGuard[torch.Tensor]:
    # Whoever holds a tensor has imported torch; this module never does.
    torch_module = sys.modules.get("torch")
    return torch_module is not None and isinstance(item, torch_module.Tensor)


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turn what Pillow and the file system raise into ImageError."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            name, f"too many pixels to decode safely ({error}); make it smaller first"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            name, "not an image that Pillow can read, or its first bytes are missing or damaged"
        ) from error
    except FileNotFoundError as error:
        hint = "download it first" if "://" in name else "check the path"
        raise ImageError(name, f"there is no such file; {hint}") from error
    except PermissionError as error:
        raise ImageError(name, "may not be read by this user; change its permissions") from error
    except _DECODER_ERRORS as error:
        raise ImageError(
            name, f"the file is damaged or ends early ({error}); copy or export it again"
        ) from error


def _from_file(
    item: str | os.PathLike[str] | bytes | IO[bytes], name: str
) -> npt.NDArray[np.uint8]:
    if isinstance(item, io.TextIOBase):
        raise ImageError(name, "the file is open as text; open it with mode 'rb'")
    source = io.BytesIO(item) if isinstance(item, bytes | bytearray | memoryview) else item
    with _decoding(name):
        # Asked beforehand, because Windows calls opening a folder a matter of permissions.
        if isinstance(source, str | os.PathLike) and source != "" and Path(source).is_dir():
            raise ImageError(
                name, f"is a folder; to score all images in it, run `perceptmetrics score {source}`"
            )
        with Image.open(source) as image:
            if image.format == "EPS":
                raise ImageError(name, "PostScript is not read; export it as PNG or JPEG")
            upright = _decode(image, name)
    return _from_pillow(upright, name)


def _decode(image: Image.Image, name: str) -> Image.Image:
    """Check the header, then decode the pixels and turn them upright."""
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(name, f"has no pixels ({width} by {height}); give an image that has")
    if width * height > MAX_PIXELS:
        raise ImageError(
            name,
            f"has {width} by {height} pixels, more than the {MAX_PIXELS:,} that are decoded; "
            "make it smaller first, or pass it as an array",
        )
    image.load()
    transpose = _ORIENTATIONS.get(_orientation(image))
    return image if transpose is None else image.transpose(transpose)


def _from_pillow(image: Image.Image, name: str) -> npt.NDArray[np.uint8]:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        colour, alpha = _deep_grey(image, name)
    else:
        with _decoding(name):  # a damaged palette shows only here
            colour, alpha = _split_alpha(image)
    # Pillow takes LAB to sRGB by itself, so a profile that describes LAB has had its effect.
    profile = None if image.mode == "LAB" else image.info.get("icc_profile")
    rgb = _to_srgb(colour, profile, name)
    return _over_white(np.asarray(rgb), None if alpha is None else np.asarray(alpha))


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DECODER_ERRORS:  # stated rule: EXIF that cannot be read counts as none
        return 1
    return orientation if isinstance(orientation, int) else 1


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """An 8-bit image of any mode as L, RGB or CMYK, and its alpha as L."""
    if image.mode == "La":  # Pillow undoes the premultiplication in this step only
        image = image.convert("LA")
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA")
        image = image.convert("LA" if grey else "RGBA")
        return image.convert("L" if grey else "RGB"), image.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB"), None


def _deep_grey(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """A grey image of 12 to 32 bits as L, and its alpha as L."""
    values = np.asarray(image)
    # Pillow leaves two things of TIFF to the reader: 12 bits, and white as zero.
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    if tags.get(ExifTags.Base.BitsPerSample) == (12,):
        values = (values.astype(np.uint32) * 65535 // 4095).astype(np.uint16)
    elif image.mode == "I":
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise ImageError(
                name,
                f"32-bit integer values span {low} to {high}, expected 16 bits, [0, 65535]; "
                "convert it to 8 or 16 bits first",
            )
        values = values.astype(np.uint16)
    pixels = _to_uint8(values, name)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
        pixels = 255 - pixels
    key = image.info.get("transparency")
    if key is None:
        return Image.fromarray(pixels), None
    return Image.fromarray(pixels), Image.fromarray(_to_uint8(values != key, name))


def _to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """An image of mode L, RGB or CMYK, with its ICC profile, as RGB in sRGB."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            # Grey files often carry a camera's RGB profile: its tone curve then applies.
            grey_as_rgb = image.mode == "L" and source.profile.xcolor_space.strip() == "RGB"
            converted = ImageCms.profileToProfile(
                image.convert("RGB") if grey_as_rgb else image,
                source,
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            if converted is not None:  # None is only for inPlace=True
                return converted
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
            warnings.warn(
                f"{name}: its ICC colour profile cannot be used ({error}); read as sRGB",
                stacklevel=2,
            )
    return image.convert("RGB")


def _from_tensor(tensor: torch.Tensor, name: str) -> npt.NDArray[np.uint8]:
    try:
        tensor = tensor.detach().cpu()
        # numpy does not know bfloat16
        array = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    except (TypeError, RuntimeError) as error:
        raise ImageError(
            name, f"the tensor has no plain values ({error}); give a dense uint8 or float tensor"
        ) from error
    return _from_array(array, name, channels_first=True)


def _from_array(
    array: npt.NDArray[Any], name: str, *, channels_first: bool
) -> npt.NDArray[np.uint8]:
    shape = array.shape
    axis, layout = (0, "(C, H, W)") if channels_first else (2, "(H, W, C)")
    if array.size == 0:
        raise ImageError(name, f"has no pixels (shape {shape}); give an image that has")
    if array.ndim == 2:
        array = array[..., None]
    elif array.ndim == 3 and shape[axis] in _CHANNELS:
        array = np.moveaxis(array, axis, -1)
    else:
        fix = ""
        if array.ndim == 4:
            fix = "; a batch must be the whole input, not an item of a list"
        elif array.ndim == 3 and shape[2 - axis] in _CHANNELS:
            fix = "; use .permute(2, 0, 1)" if channels_first else "; use .transpose(1, 2, 0)"
        raise ImageError(
            name,
            f"has shape {shape}, expected (H, W) or {layout} with 1, 3 or 4 channels C{fix}",
        )
    pixels = _to_uint8(array, name)
    if pixels.shape[2] == 4:
        return _over_white(pixels[..., :3], pixels[..., 3])
    return _over_white(pixels, None)


def _to_uint8(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """Scale bool, uint8, uint16 or float in [0, 1] to uint8, rounding to the nearest."""
    scaled: npt.NDArray[np.uint8]
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        scaled = np.where(values, np.uint8(255), np.uint8(0))
        return scaled
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        scaled = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return scaled
    if values.dtype.kind != "f":
        raise ImageError(
            name, f"values of type {values.dtype}; expected uint8, uint16, bool or float in [0, 1]"
        )
    if values.dtype.itemsize < 4:  # float16 cannot hold every 255th
        values = values.astype(np.float32)
    low, high = values.min(), values.max()
    if not (low >= -FLOAT_SLACK and high <= 1 + FLOAT_SLACK):
        if not (np.isfinite(low) and np.isfinite(high)):
            fix = "remove NaN and infinity"
        elif low < 0:
            fix = "undo the normalisation (x * std + mean) or clip"
        else:
            fix = "divide by 255 if they are 8-bit values"
        raise ImageError(name, f"float values span {low:g} to {high:g}, expected [0, 1]; {fix}")
    scaled = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return scaled


def _over_white(
    colour: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8] | None
) -> npt.NDArray[np.uint8]:
    """(H, W, 1 or 3) over white by (H, W), rounded to the nearest, as a new (H, W, 3)."""
    height, width, _ = colour.shape
    result = np.empty((height, width, 3), dtype=np.uint8)
    if alpha is None:
        result[...] = colour
        return result
    # At most 255 * 255 + 127, which uint16 holds.
    weight = alpha[..., None].astype(np.uint16)
    result[...] = (colour * weight + 255 * (255 - weight) + 127) // 255
    return result
