"""Bootstrap intervals of several statistics at once, and why there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.statistics import bootstrap_cis

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
        groups: (N,) what is drawn as a whole; all of one group, there is no interval.
        samples: Draws.
        seed: Of a local generator.

    Raises:
        DataError: The statistics refuse the data.

    Example:
        >>> worst = lambda x, y: {("largest error", ""): float(abs(x - y).max())}
        >>> intervals(worst, np.zeros(5), np.ones(5), None, samples=9, seed=0)
        {('largest error', ''): (1.0, 1.0, 1.0, '')}
    """
    names = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if names is not None and len(names) == len(target) and names.max(initial=0) == 0:
        # One photograph and its distortions: nothing can be drawn again.
        reason = "no interval: all images are of one group"
        values = statistics(prediction, target)
        return {key: (value, NAN, NAN, reason) for key, value in values.items()}
    if names is not None and len(names) == len(np.unique(names)):
        names = None  # the same draws, without putting them together one by one
    found = bootstrap_cis(statistics, prediction, target, groups=names, samples=samples, seed=seed)
    few = "no interval: most resamples have no value"
    return {
        key: (ci.value, ci.low, ci.high, few if np.isnan(ci.low) else "")
        for key, ci in found.items()
    }
