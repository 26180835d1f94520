"""Which of two predictions of the same images agrees better with people, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.statistics.checks import same_length

Statistic = Callable[[Any, Any], float]


@dataclass(frozen=True, eq=False)
class PairedPart:
    """Images of one fold, and what two methods say of them.

    Attributes:
        first, second: (N, ...) predictions, whatever the statistic reads.
        target: (N, ...).
        units: N names. What bears one name is drawn as a whole, in all folds at once: an image,
            or the photograph that several images are distortions of.

    Raises:
        DataError: They are not of the same images.
    """

    first: npt.NDArray[Any]
    second: npt.NDArray[Any]
    target: npt.NDArray[Any]
    units: tuple[str, ...]

    def __post_init__(self) -> None:
        same_length(self.first, self.target, least=2)
        same_length(self.second, self.target, least=2)
        if len(self.units) != len(self.target):
            raise DataError(f"{len(self.units)} units for {len(self.target)} images")


@dataclass(frozen=True)
class PairedDifference:
    """The first method's statistic minus the second's, on the same images.

    Attributes:
        value: The difference; ``nan`` where a statistic does not exist.
        low, high: Its 95 % interval over images.
        p: Two-sided: how often a draw of images would turn the sign.
        images: How many different units were drawn from.
    """

    value: float
    low: float
    high: float
    p: float
    images: int


def paired_difference(
    statistic: Statistic,
    parts: Sequence[PairedPart],
    *,
    average: Callable[[Any], Any] = np.mean,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """A paired bootstrap: both methods are judged on the same draws of images.

    What makes an image hard for both falls out of the difference, so that it is known better than
    either figure alone. A draw is of images over all folds: one that is in the test part of
    several folds comes and goes in all of them. The interval and ``p`` know which images happened
    to be in the dataset. They do not know another seed of the training.

    Args:
        statistic: Of (prediction, target), such as ``srcc``.
        parts: One entry a fold.
        average: Over folds, of each method alone.
        samples: Draws.
        level: Confidence in (0, 1).
        seed: Of a local generator.

    Raises:
        DataError: There are no parts, or fewer than two units.
        OptionError: ``samples`` or ``level`` cannot be used.

    Example:
        >>> from perceptmetrics.statistics import srcc
        >>> truth = np.arange(20.0)
        >>> turned = truth.copy()
        >>> turned[:4] = truth[3::-1]
        >>> part = PairedPart(truth, turned, truth, tuple(map(str, range(20))))
        >>> found = paired_difference(srcc, [part], samples=200)
        >>> round(found.value, 4), found.low > 0, round(found.p, 4)
        (0.015, False, 0.2289)
    """
    if samples < 1 or not 0.0 < level < 1.0:
        raise OptionError(f"samples {samples}, level {level}: expected at least 1, and below 1")
    names = sorted({unit for part in parts for unit in part.units})
    if len(names) < 2:
        raise DataError(f"a paired bootstrap needs at least 2 different images, got {len(names)}")
    place = {name: index for index, name in enumerate(names)}
    units = [np.array([place[unit] for unit in part.units]) for part in parts]

    def difference(counts: npt.NDArray[np.intp]) -> float:
        found = []
        for part, unit in zip(parts, units, strict=True):
            rows = np.repeat(np.arange(len(unit)), counts[unit])
            if len(rows) < 2:
                return float("nan")
            target = part.target[rows]
            found.append(
                (statistic(part.first[rows], target), statistic(part.second[rows], target))
            )
        first, second = zip(*found, strict=True)
        return float(average(first)) - float(average(second))

    value = difference(np.ones(len(names), np.intp))
    if np.isnan(value):
        return PairedDifference(value, value, value, value, len(names))
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(names), size=len(names)) for _ in range(samples))
    draws = np.array([difference(np.bincount(one, minlength=len(names))) for one in drawn])
    kept = draws[~np.isnan(draws)]
    if 2 * len(kept) < samples:
        nan = float("nan")
        return PairedDifference(value, nan, nan, nan, len(names))
    low, high = np.quantile(kept, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    # The one that is added keeps p above zero: no more is known than so many draws can tell.
    tail = 1 + min(int((kept <= 0).sum()), int((kept >= 0).sum()))
    p = min(1.0, 2.0 * tail / (len(kept) + 1))
    return PairedDifference(value, float(low), float(high), p, len(names))


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """p-values of several comparisons, so that any one of them is taken for real wrongly in 5 %.

    Holm's step-down: the smallest is multiplied by their number, the next by one less, and so on,
    and none falls below one before it. A ``nan`` is no comparison, and stays.

    Example:
        >>> holm([0.04, 0.01, float("nan"), 0.03])
        (0.06, 0.03, nan, 0.06)
    """
    values = np.asarray(p, np.float64)
    found = np.full(values.shape, np.nan)
    there = np.flatnonzero(~np.isnan(values))
    order = there[np.argsort(values[there], kind="stable")]
    scaled = values[order] * np.arange(len(order), 0, -1)
    found[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return tuple(float(one) for one in found)
