"""From values of any depth to RGB uint8: arithmetic on arrays, with errors that name the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import ImageError

FLOAT_SLACK = 1e-5
"""How far a float may leave [0, 1] by rounding, after a resize for instance."""


def to_uint8(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
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
    check_float_range(float(values.min()), float(values.max()), name)
    scaled = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return scaled


def check_float_range(low: float, high: float, name: str) -> None:
    """Refuses floats that leave [0, 1] by more than rounding, and says how to mend them."""
    if low >= -FLOAT_SLACK and high <= 1 + FLOAT_SLACK:
        return
    if not (np.isfinite(low) and np.isfinite(high)):
        fix = "remove NaN and infinity"
    elif low < 0:
        fix = "undo the normalisation (x * std + mean) or clip"
    else:
        fix = "divide by 255 if they are 8-bit values"
    raise ImageError(name, f"float values span {low:g} to {high:g}, expected [0, 1]; {fix}")


def over_white(
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
