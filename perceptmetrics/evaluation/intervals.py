"""Bootstrap intervals of several statistics at once, and why there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.statistics import bootstrap_cis
from perceptmetrics.statistics.bootstrap import LEAST_UNITS

Key = tuple[str, str]  # measure and scale
Statistics = Callable[[Any, Any], Mapping[Key, float]]
NAN = float("nan")


def intervals(
    statistics: Statistics,
    prediction: npt.NDArray[Any],
    target: npt.NDArray[Any],
    groups: Sequence[str] | None,
    samples: int,
    seed: int,
) -> dict[Key, tuple[float, float, float, str]]:
    """Statistics of one output: value, ends of the bootstrap interval, and why there is none.

    Args:
        statistics: (prediction, target) -> figures by measure and scale.
        prediction: (N, ...), N at least 2.
        target: (N, ...).
        groups: (N,) what is drawn as a whole. Of fewer than
            :data:`~perceptmetrics.statistics.bootstrap.LEAST_UNITS` there is no interval.
        samples: Draws.
        seed: Of a local generator.

    Raises:
        DataError: The statistics refuse the data.

    Example:
        >>> worst = lambda x, y: {("largest error", ""): float(abs(x - y).max())}
        >>> intervals(worst, np.zeros(5), np.ones(5), None, samples=9, seed=0)
        {('largest error', ''): (1.0, 1.0, 1.0, '')}
        >>> intervals(worst, np.zeros(3), np.ones(3), None, samples=9, seed=0)["largest error", ""]
        (1.0, nan, nan, 'too few for an interval: 3 images, fewer than 5')
    """
    names = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if names is not None and len(names) == len(target) and names.max(initial=0) == 0:
        # One photograph and its distortions: nothing can be drawn again.
        reason = "no interval: all images are of one group"
        values = statistics(prediction, target)
        return {key: (value, NAN, NAN, reason) for key, value in values.items()}
    if names is not None and len(names) == len(np.unique(names)):
        names = None  # the same draws, without putting them together one by one
    found = bootstrap_cis(
        statistics,
        prediction,
        target,
        groups=names,
        samples=samples,
        seed=seed,
        least=LEAST_UNITS,
    )
    units, drawn = (len(target), "image") if names is None else (names.max() + 1, "group")
    few = too_few(int(units), drawn) or "no interval: most resamples have no value"
    return {
        key: (ci.value, ci.low, ci.high, few if np.isnan(ci.low) else "")
        for key, ci in found.items()
    }


def too_few(units: int, what: str) -> str:
    """Why there is no interval of so many; empty where they are enough for one.

    Args:
        units: How many would be drawn from.
        what: One of them: ``image``, ``group``, ``split``.

    Example:
        >>> too_few(2, "split"), too_few(5, "split")
        ('too few for an interval: 2 splits, fewer than 5', '')
    """
    if units >= LEAST_UNITS:
        return ""
    many = f"{units} {what}{'s' * (units != 1)}"
    return f"too few for an interval: {many}, fewer than {LEAST_UNITS}"
