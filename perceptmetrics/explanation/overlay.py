"""A map over its photograph, in little more memory than the photograph itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.explanation.colours import Limits, colour_table
from perceptmetrics.views import Pixels

if TYPE_CHECKING:
    from perceptmetrics.explanation.placement import Maps

DARKEST = 0.35  # a photograph's black in grey: colour must show on it too
STRIPES = (255.0, 195.0)  # over what the map does not know, so that white and black show it alike
HATCHED = 0.75  # how much of the photograph they cover
_BAND = 128  # rows at a time: the arithmetic takes 30 times the memory of the bytes


def overlay(
    image: Pixels,
    heat: npt.ArrayLike,
    *,
    diverging: bool = False,
    alpha: float = 0.6,
    limits: Limits | None = None,
) -> Image.Image:
    """A map over its photograph, which turns light grey so that all colour is the map's.

    Args:
        image: (H, W, 3) uint8, what the map is a map of: the cut, if the map is of a cut.
        heat: (h, w) numbers; resized to (H, W). ``nan`` is where the map says nothing, outside of
            all cuts: there the photograph is pale and hatched, and has no colour.
        diverging: A difference: zero shows the photograph, the further from zero the more colour.
        alpha: How much colour covers the photograph, from 0 to 1; for a difference, at the ends.
        limits: Values at the ends of the colours; the map's own when ``None``.

    Returns:
        An RGB picture of W x H.

    Raises:
        DataError: ``heat`` is not (h, w), has infinite entries, or ``nan`` alone.
        OptionError: ``image`` or ``alpha`` cannot be used, or matplotlib is not installed.

    Example:
        >>> overlay(np.zeros((30, 40, 3), np.uint8), [[0.0, 1.0]]).size
        (40, 30)
    """
    check_image(image)
    if not 0 <= alpha <= 1:
        raise OptionError(f"alpha is {alpha}, expected 0 to 1")
    values = checked_map(heat)
    limits = limits or Limits.of([values], diverging)
    colours = colour_table(diverging)
    placed = resized_map(values, image.shape[0], image.shape[1])
    drawn = np.empty_like(image)
    wide = max(2, min(image.shape[:2]) // 60)
    for top in range(0, len(image), _BAND):
        band = np.s_[top : top + _BAND]
        grey = Image.fromarray(np.ascontiguousarray(image[band])).convert("L")
        shades = np.asarray(grey, dtype=np.float32)[..., None]
        blended = _blend(shades, limits.place(placed[band]), colours, alpha, diverging)
        unknown = np.isnan(placed[band])
        if unknown.any():
            blended[unknown] = _hatched(shades, top, wide)[unknown]
        drawn[band] = blended.round()
    return Image.fromarray(drawn)


def checked_map(heat: npt.ArrayLike) -> Maps:
    """(h, w) float32, ``nan`` where the map says nothing.

    Raises:
        DataError: It is something else, has infinite entries, or ``nan`` alone.

    Example:
        >>> checked_map([[1, 2]]).dtype.name
        'float32'
    """
    try:
        values = np.asarray(heat, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"heat must be an array of numbers: {error}") from error
    if values.ndim != 2 or values.size == 0:
        raise DataError(f"heat has shape {values.shape}, expected (h, w)")
    if np.isinf(values).any() or np.isnan(values).all():
        raise DataError(
            "heat must be finite numbers, and nan where it says nothing: it has infinite entries "
            "or nan alone"
        )
    return values


def resized_map(heat: Maps, height: int, width: int) -> Maps:
    """A map at another size, bilinear: it never shows a value that no patch has (bicubic rings).

    What lies half outside of what the map knows keeps the value of the half that lies inside.

    Args:
        heat: (h, w) float32, ``nan`` where it says nothing.
        height: Wanted.
        width: Wanted.

    Returns:
        (height, width) float32; ``heat`` itself where that is its size.

    Example:
        >>> resized_map(np.array([[0, np.nan]], np.float32), 1, 4).tolist()
        [[0.0, 0.0, nan, nan]]
    """
    if heat.shape == (height, width):
        return heat
    unknown = np.isnan(heat)
    placed = _bilinear(np.where(unknown, np.float32(0), heat), height, width)
    if not unknown.any():
        return placed
    known = _bilinear((~unknown).astype(np.float32), height, width)
    inside = known > 0.5
    return np.where(inside, placed / np.where(inside, known, np.float32(1)), np.float32(np.nan))


def check_image(image: Pixels) -> None:
    """Refuses what is not (H, W, 3) uint8.

    Raises:
        OptionError: It is something else.
    """
    shape, dtype = getattr(image, "shape", None), getattr(image, "dtype", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise OptionError(f"image is {dtype} of shape {shape}, expected uint8 (H, W, 3)")


def _bilinear(values: Maps, height: int, width: int) -> Maps:
    resized = Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def _blend(
    grey: Maps, placed: Maps, colours: npt.NDArray[np.float32], alpha: float, diverging: bool
) -> Maps:
    """(h, w, 1) shades from 0 to 255 and a map's places in [0, 1] -> (h, w, 3)."""
    placed = np.nan_to_num(placed)
    chosen = np.minimum((placed * len(colours)).astype(np.intp), len(colours) - 1)
    light = DARKEST * 255 + (1 - DARKEST) * grey
    strength = np.minimum(1, 2 * np.abs(2 * placed - 1))[..., None] if diverging else 1.0
    cover = alpha * strength
    blended: Maps = light * (1 - cover) + colours[chosen] * cover
    return blended


def _hatched(grey: Maps, top: int, wide: int) -> Maps:
    """(h, w, 1) shades, from the row ``top`` of the picture on -> (h, w, 3)."""
    rows, columns = np.ogrid[top : top + grey.shape[0], : grey.shape[1]]
    stripes = np.asarray(STRIPES, dtype=np.float32)[(rows + columns) // wide % 2, None]
    return np.repeat((1 - HATCHED) * grey + HATCHED * stripes, 3, axis=-1)
