"""How sure a statistic is: bootstrap intervals over images, or over groups of images."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from perceptmetrics.deferred import Deferred
from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.statistics.checks import Indices, same_length

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = Deferred("numpy")

Key = TypeVar("Key", bound=Hashable)

LEAST_UNITS = 5
"""Of fewer images, groups or folds an evaluation gives no interval: their draws are few, and most
hold one of them several times. Three images in the right order would be sure of an SRCC of 1."""


@dataclass(frozen=True)
class ConfidenceInterval:
    """A statistic and the interval that holds it.

    Attributes:
        value: The statistic of all the data.
        low, high: Its ends; ``nan`` where there is no interval.

    Example:
        >>> print(ConfidenceInterval(0.66, 0.64, 0.68))
        0.660 [0.640, 0.680]
        >>> print(ConfidenceInterval(1.0, float("nan"), float("nan")))
        1.000 (no interval)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        known = not (np.isnan(self.low) or np.isnan(self.high))
        interval = f"[{self.low:.3f}, {self.high:.3f}]" if known else "(no interval)"
        return f"{self.value:.3f} {interval}"


def bootstrap_ci(
    statistic: Callable[[Any, Any], float],
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    least: int = 2,
) -> ConfidenceInterval:
    """Percentile bootstrap interval of a statistic, images drawn again with replacement.

    Images that share a source (the distortions of one photograph) are not independent. Name their
    groups, and whole groups are drawn: the interval is then as wide as it should be.

    A draw for which the statistic is ``nan`` is left out. If more than half of them are, if the
    statistic itself is ``nan``, or if there are fewer than ``least`` to draw from, so are both
    ends.

    Args:
        statistic: A function of (prediction, target), such as ``srcc``.
        prediction: (N, ...), whatever the statistic reads, N at least 2.
        target: (N, ...).
        groups: (N,) strings or integers, at least 2 different; ``None``: every image is its own.
        samples: Number of draws, at least 1.
        level: Confidence in (0, 1).
        seed: Of a local generator; the same seed gives the same interval.
        least: Fewer images or groups have no interval; see :data:`LEAST_UNITS`.

    Returns:
        The statistic and its interval.

    Raises:
        OptionError: If ``samples`` or ``level`` cannot be used.
        DataError: If lengths differ, there are fewer than 2 images or groups, or the statistic
            refuses the data.

    Example:
        >>> from perceptmetrics.statistics import srcc
        >>> truth = list(range(20))
        >>> bootstrap_ci(srcc, truth, truth, samples=50).high
        1.0
    """
    found = bootstrap_cis(
        lambda x, y: {"": statistic(x, y)},
        prediction,
        target,
        groups=groups,
        samples=samples,
        level=level,
        seed=seed,
        least=least,
    )
    return found[""]


def bootstrap_cis(
    statistics: Callable[[Any, Any], Mapping[Key, float]],
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    least: int = 2,
) -> dict[Key, ConfidenceInterval]:
    """:func:`bootstrap_ci` of several statistics from the same draws, each as if it were alone.

    It saves work where several rest on one thing: a logistic fit, a ranking.

    Args:
        statistics: A function of (prediction, target) that gives figures by name, or by any
            other key, the same ones each time.
        prediction: (N, ...), whatever the statistics read, N at least 2.
        target: (N, ...).
        groups: See :func:`bootstrap_ci`, as for the rest.
        samples: Number of draws, at least 1.
        level: Confidence in (0, 1).
        seed: Of a local generator.
        least: See there.

    Returns:
        Each statistic and its interval, by name.

    Raises:
        OptionError: If ``samples`` or ``level`` cannot be used.
        DataError: If lengths differ, there are fewer than 2 images or groups, or a statistic
            refuses the data.

    Example:
        >>> from perceptmetrics.statistics import mae, srcc
        >>> both = lambda x, y: {"SRCC": srcc(x, y), "MAE": mae(x, y)}
        >>> bootstrap_cis(both, range(9), range(9), samples=20)["MAE"].high
        0.0
    """
    if samples < 1:
        raise OptionError(f"samples must be at least 1, got {samples}")
    if not 0.0 < level < 1.0:
        raise OptionError(f"level must be between 0 and 1, such as 0.95; got {level}")
    x, y = np.asarray(prediction), np.asarray(target)
    count = same_length(x, y, least=2)
    members = _members(groups, count)
    values = statistics(x, y)
    nothing = all(np.isnan(value) for value in values.values())
    if nothing or len(members) < least:
        return {name: _interval(value, np.empty(0), 1, level) for name, value in values.items()}
    rng = np.random.default_rng(seed)
    draws: dict[Key, list[float]] = {name: [] for name in values}
    for _ in range(samples):
        drawn = rng.integers(len(members), size=len(members))
        chosen = np.concatenate([members[j] for j in drawn]) if groups is not None else drawn
        for name, value in statistics(x[chosen], y[chosen]).items():
            draws[name].append(value)
    return {
        name: _interval(value, np.array(draws[name]), samples, level)
        for name, value in values.items()
    }


def _interval(
    value: float, draws: npt.NDArray[np.float64], samples: int, level: float
) -> ConfidenceInterval:
    kept = draws[~np.isnan(draws)]
    if np.isnan(value) or 2 * len(kept) < samples:
        return ConfidenceInterval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(kept, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return ConfidenceInterval(float(value), float(low), float(high))


def _members(groups: npt.ArrayLike | None, count: int) -> list[Indices]:
    """The image indices of each group."""
    if groups is None:
        return [np.array([i]) for i in range(count)]
    names = np.asarray(groups)
    if names.shape != (count,):
        raise DataError(f"groups must be ({count},), one for each image; got shape {names.shape}")
    _, inverse, sizes = np.unique(names, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise DataError("a bootstrap over groups needs at least 2 different groups, got 1")
    return np.split(np.argsort(inverse, kind="stable"), np.cumsum(sizes)[:-1])
