"""From the numbers of a map to colours, for all eyes.

Viridis runs from dark violet to yellow and means more where it is lighter; differences run from
blue (less) over white (none) to orange (more). Both are matplotlib's (extra ``explain``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from perceptmetrics.explanation.placement import Maps

_BLUE_ORANGE = ("#0b4fa8", "#4f9be0", "#ffffff", "#f59b2f", "#b34a00")
# Above so many times the 99th percentile, a map's few largest values leave the rest without
# colour: vision transformers park much attention on a few patches (Darcet et al. 2024).
_OUTLYING = 2.0


def colour_map(diverging: bool) -> Colormap:
    """[0, 1] to colours: viridis, or blue, white and orange for differences.

    Raises:
        OptionError: matplotlib is not installed.

    Example:
        >>> [round(float(part), 2) for part in colour_map(diverging=True)(0.5)[:3]]
        [1.0, 1.0, 1.0]
    """
    if find_spec("matplotlib") is None:
        raise OptionError("pictures need matplotlib: pip install 'perceptmetrics[explain]'")
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    if not diverging:
        return colormaps["viridis"]
    # An odd number of steps, so that one of them is zero.
    return LinearSegmentedColormap.from_list("blue_orange", _BLUE_ORANGE, N=257)


def colour_table(diverging: bool) -> npt.NDArray[np.float32]:
    """The colours of :func:`colour_map`, one after the other: (N, 3) float32 from 0 to 255.

    Raises:
        OptionError: matplotlib is not installed.

    Example:
        >>> colour_table(diverging=True)[128].tolist()
        [255.0, 255.0, 255.0]
    """
    colours = colour_map(diverging)
    return np.asarray(colours(np.arange(colours.N))[:, :3] * 255, dtype=np.float32)


@dataclass(frozen=True)
class Limits:
    """The values at the two ends of a colour map, and whether some lie beyond."""

    low: float
    high: float
    beyond: bool

    @classmethod
    def of(cls, heats: Sequence[Maps], diverging: bool) -> Limits:
        """Limits that suit all of these maps; symmetric about zero if diverging.

        ``nan`` is no value, and does not count.

        Example:
            >>> Limits.of([np.array([[0.0, 2.0, np.nan]])], diverging=False)
            Limits(low=0.0, high=2.0, beyond=False)
        """
        values = np.concatenate([heat[~np.isnan(heat)] for heat in heats])
        low = 0.0 if diverging else float(values.min())
        above = np.abs(values) if diverging else values - low
        most, usual = float(above.max()), float(np.quantile(above, 0.99))
        beyond = most > _OUTLYING * usual > 0
        reach = usual if beyond else most
        if reach <= 0:
            reach = 1.0  # a flat map has one colour, whatever the range
        return cls(-reach if diverging else low, low + reach, beyond)

    def place(self, heat: Maps) -> Maps:
        """Values to [0, 1]; ``nan`` stays."""
        placed: Maps = np.clip((heat - self.low) / (self.high - self.low), 0, 1)
        return placed
