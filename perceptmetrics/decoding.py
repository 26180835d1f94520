"""From encoded bytes, or a PIL image, to RGB uint8: Pillow, with its failures made ours.

The rules that it keeps are stated in ``images.py``.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from perceptmetrics.errors import ImageError
from perceptmetrics.pixels import to_uint8

MAX_PIXELS = 178_956_970
"""Largest width times height that is decoded; checked in the header, before any decoding.

It is the most that Pillow opens in its default settings (a gigabyte of RGBA in memory, two
photographs of 89 megapixels). From half of it on Pillow warns. Arrays and tensors have no limit.
"""

_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Brands of HEIF files whose pictures are HEVC: those of telephones.
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
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


def open_file(item: str | os.PathLike[str] | bytes | IO[bytes], name: str) -> Image.Image:
    """A path, encoded bytes or a binary file as RGB; ``ImageError`` names ``name``."""
    if isinstance(item, io.TextIOBase):
        raise ImageError(name, "the file is open as text; open it with mode 'rb'")
    source = io.BytesIO(item) if isinstance(item, bytes | bytearray | memoryview) else item
    with _decoding(name):
        # Asked beforehand, because Windows calls opening a folder a matter of permissions.
        if isinstance(source, str | os.PathLike) and source != "" and Path(source).is_dir():
            raise ImageError(
                name, f"is a folder; to score all images in it, run `perceptmetrics score {source}`"
            )
        try:
            opened = Image.open(source)
        except UnidentifiedImageError as error:
            if kind := _known_kind(source):
                raise ImageError(
                    name, f"is {kind}, which Pillow does not read; convert it to JPEG or PNG"
                ) from error
            raise
        with opened as image:
            if image.format == "EPS":
                raise ImageError(name, "PostScript is not read; export it as PNG or JPEG")
            upright = _decode(image, name)
    return _flatten(upright, name, ours=True)


def _known_kind(source: str | os.PathLike[str] | IO[bytes]) -> str | None:
    """What a file is that Pillow does not know, by its first bytes."""
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            head = file.read(12)
    elif isinstance(source, io.BytesIO):
        head = source.getvalue()[:12]
    else:
        return None  # somebody's stream, which may not go back
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return "HEIC"
    return "JPEG XL" if head[:2] == b"\xff\x0a" or head[4:8] == b"JXL " else None


def decode_pillow(image: Image.Image, name: str) -> Image.Image:
    """A PIL image as RGB: itself where it is that already; ``ImageError`` names ``name``."""
    with _decoding(name):
        upright = _decode(image, name)
    return _flatten(upright, name, ours=upright is not image)


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


def _flatten(image: Image.Image, name: str, *, ours: bool) -> Image.Image:
    """As RGB, in sRGB, over white.

    An image that is ``ours`` may be changed, which saves a copy: 400 MB of 100 megapixels.
    """
    # Pillow takes LAB to sRGB by itself, so a profile that describes LAB has had its effect.
    profile = None if image.mode == "LAB" else image.info.get("icc_profile")
    if image.mode == "RGBA" and not profile:  # the usual kind of alpha: nothing need be taken apart
        return _over_white(image, image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        colour, alpha = _deep_grey(image, name)
    else:
        with _decoding(name):  # a damaged palette shows only here
            colour, alpha = _split_alpha(image)
    rgb = _to_srgb(colour, profile, name, ours=ours or colour is not image)
    return rgb if alpha is None else _over_white(rgb, alpha)


def _over_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """RGB or RGBA over white by an L image or its own alpha, rounded to the nearest, as RGB."""
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


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
    pixels = to_uint8(values, name)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
        pixels = 255 - pixels
    key = image.info.get("transparency")
    if key is None:
        return Image.fromarray(pixels), None
    return Image.fromarray(pixels), Image.fromarray(to_uint8(values != key, name))


def _to_srgb(image: Image.Image, profile: bytes | None, name: str, *, ours: bool) -> Image.Image:
    """An image of mode L, RGB or CMYK, with its ICC profile, as RGB in sRGB."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            # Grey files often carry a camera's RGB profile: its tone curve then applies.
            grey_as_rgb = image.mode == "L" and source.profile.xcolor_space.strip() == "RGB"
            coloured = image.convert("RGB") if grey_as_rgb else image
            converted = ImageCms.profileToProfile(
                coloured,
                source,
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
                inPlace=coloured.mode == "RGB" and (ours or grey_as_rgb),
            )
            return coloured if converted is None else converted
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
            warnings.warn(
                f"{name}: its ICC colour profile cannot be used ({error}); read as sRGB",
                stacklevel=2,
            )
    return image if image.mode == "RGB" else image.convert("RGB")
