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
* **Strips** more than `MAX_RATIO` times longer than wide are refused: what a view would show of
  them is a sliver, blown up to gigabytes.
* **PostScript** is refused: reading it means running a program.
* **Large pictures**: see `MAX_PIXELS`. Pillow's own limit and its own settings stay untouched.

The formats are those of the installed Pillow. There is no state here and nothing is shared
between calls, so any number of threads may read (each PIL or file object in one of them).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image

from perceptmetrics.decoding import MAX_PIXELS as MAX_PIXELS
from perceptmetrics.decoding import decode_pillow, open_file
from perceptmetrics.errors import ImageError
from perceptmetrics.pixels import FLOAT_SLACK as FLOAT_SLACK
from perceptmetrics.pixels import over_white, to_uint8

if TYPE_CHECKING:
    import torch

ImageInput: TypeAlias = (
    "str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | npt.NDArray[Any] | torch.Tensor"
)
"""One picture: a path, encoded bytes, a binary file, a PIL image, an array or a tensor."""

MAX_RATIO = 100
"""How many times longer than wide, or wider than long, a picture may be."""

_CHANNELS = (1, 3, 4)


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
    read = _read(item, name)
    return np.array(read) if isinstance(read, Image.Image) else read


def load_picture(item: ImageInput, *, name: str | None = None) -> Image.Image:
    """Read one picture, by the rules at the head of this module, and leave it in Pillow's memory.

    For who goes on in Pillow, to resize it: the pixels of :func:`load_image`, without two copies.

    Args:
        item: As for :func:`load_image`.
        name: What an error calls the item. Default: its path, or ``image``.

    Returns:
        A PIL image of mode RGB, to be read only: it is ``item`` itself where nothing is to be done.

    Raises:
        ImageError: The item cannot be read.

    Example:
        >>> load_picture("no/such.jpg")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.ImageError: no/such.jpg: there is no such file; check the path
    """
    if name is None:
        name = _name(item, "image")
    read = _read(item, name)
    return read if isinstance(read, Image.Image) else Image.fromarray(read)


def check_ratio(height: int, width: int, name: str) -> None:
    """Refuses strips, by the rule at the head of this module."""
    if max(height, width) > MAX_RATIO * min(height, width):
        raise ImageError(
            name,
            f"has {width} by {height} pixels, a strip of more than {MAX_RATIO} to 1; crop it first",
        )


def _read(item: ImageInput, name: str) -> Image.Image | npt.NDArray[np.uint8]:
    """RGB, as a PIL image what Pillow decoded and as an array what came as numbers."""
    read: Image.Image | npt.NDArray[np.uint8]
    if isinstance(item, Image.Image):
        read = decode_pillow(item, name)
    elif isinstance(item, np.ndarray):
        read = _from_array(item, name, channels_first=False)
    elif _is_tensor(item):
        read = _from_tensor(item, name)
    elif is_encoded(item):
        read = open_file(item, name)
    else:
        raise ImageError(
            name,
            f"cannot read an image from {type(item).__name__}; give a path, bytes, a binary file, "
            "a PIL image, an array or a tensor (a batch only as the whole input, not in a list)",
        )
    width, height = read.size if isinstance(read, Image.Image) else read.shape[1::-1]
    check_ratio(height, width, name)
    return read


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
    return isinstance(images, Image.Image) or is_encoded(images)


def is_encoded(item: object) -> TypeGuard[str | os.PathLike[str] | bytes | IO[bytes]]:
    """Whether this is an image file or the bytes of one, as against decoded pixels.

    Example:
        >>> is_encoded("a.jpg"), is_encoded(np.zeros((2, 2, 3)))
        (True, False)
    """
    return isinstance(item, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(
        item, "read"
    )


def _name(item: object, otherwise: str) -> str:
    return os.fsdecode(item) if isinstance(item, str | os.PathLike) else otherwise


def _is_tensor(item: object) -> TypeGuard[torch.Tensor]:
    # Whoever holds a tensor has imported torch; this module never does.
    torch_module = sys.modules.get("torch")
    return torch_module is not None and isinstance(item, torch_module.Tensor)


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
    pixels = to_uint8(array, name)
    if pixels.shape[2] == 4:
        return over_white(pixels[..., :3], pixels[..., 3])
    return over_white(pixels, None)
