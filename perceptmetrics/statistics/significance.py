"""Whether two predictions of the same images differ by more than chance.

Beside the paired bootstrap of :mod:`perceptmetrics.statistics.paired`. Each ``p`` is two-sided, and
``nan`` where a test does not exist for the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.statistics.checks import Floats, indices, pair, same_length
from perceptmetrics.statistics.regression import constant, plcc_of

NAN = float("nan")


@dataclass(frozen=True)
class Significance:
    """What a test says.

    Attributes:
        statistic: Positive where the first is better: a t value, or a difference.
        p: Two-sided, in [0, 1].
    """

    statistic: float
    p: float


@dataclass(frozen=True)
class FoldComparison:
    """Two methods over the same folds.

    Attributes:
        difference: Mean over folds of first minus second.
        t_p: Of Student's paired t-test.
        wilcoxon_p: Of Wilcoxon's signed-rank test; with 5 folds it is never below 0.0625.
        folds: How many.
    """

    difference: float
    t_p: float
    wilcoxon_p: float
    folds: int


def williams(
    first: npt.ArrayLike, second: npt.ArrayLike, target: npt.ArrayLike, *, ranks: bool = False
) -> Significance:
    """Williams's t-test of two correlations that share one variable (Williams 1959, Steiger 1980).

    With ``r1`` and ``r2`` of the predictions with the target, ``r12`` between the predictions, ``d
    = 1 - r1^2 - r2^2 - r12^2 + 2 r1 r2 r12`` and ``m = (r1 + r2) / 2``, the statistic is ``t = (r1
    - r2) sqrt((n - 1)(1 + r12) / (2 d (n - 1) / (n - 3) + m^2 (1 - r12)^3))`` with n - 3 degrees of
    freedom. It takes images as independent, and values as normal; on ranks it is an approximation.

    Args:
        first: (N,) scores.
        second: (N,) scores of the same images.
        target: (N,) ratings.
        ranks: Of Spearman's correlations, instead of Pearson's.

    Returns:
        t and p; ``nan`` with fewer than 4 images, where one is constant, or where both predictions
        are one line.

    Raises:
        DataError: Shapes differ, there are fewer than 2 images, or a value is not finite.

    Example:
        >>> found = williams([1, 2, 3, 4, 5], [2, 1, 4, 5, 3], [1, 2, 3, 5, 4])
        >>> round(found.statistic, 3), round(found.p, 3)
        (0.494, 0.67)
    """
    from scipy.stats import rankdata

    x, y = pair(first, target, least=2)
    z, _ = pair(second, target, least=2)
    if x.ndim != 1:
        raise DataError(f"a test of correlations takes one output, (N,); got shape {x.shape}")
    if ranks:
        x, y, z = rankdata(x), rankdata(y), rankdata(z)
    return williams_of(plcc_of(x, y), plcc_of(z, y), plcc_of(x, z), len(y))


def williams_of(r1: float, r2: float, r12: float, n: int) -> Significance:
    """:func:`williams` of the three correlations.

    Args:
        r1: Of the first prediction with the target.
        r2: Of the second with the target.
        r12: Between the predictions.
        n: Images.

    Example:
        >>> found = williams_of(0.4, 0.5, 0.1, 103)  # example of r.test in R's package psych
        >>> round(found.statistic, 2), round(found.p, 2)
        (-0.89, 0.37)
    """
    from scipy.stats import t as student

    if n < 4 or np.isnan([r1, r2, r12]).any() or 1.0 - abs(r12) < 1e-12:
        return Significance(NAN, NAN)
    # No less than 0, whatever rounding makes of three correlations that fit exactly.
    determinant = max(0.0, 1.0 - r1**2 - r2**2 - r12**2 + 2.0 * r1 * r2 * r12)
    mean = (r1 + r2) / 2.0
    spread = 2.0 * determinant * (n - 1) / (n - 3) + mean**2 * (1.0 - r12) ** 3
    if spread <= 0.0:
        return Significance(NAN, NAN)
    statistic = (r1 - r2) * np.sqrt((n - 1) * (1.0 + r12) / spread)
    return Significance(float(statistic), float(2.0 * student.sf(abs(statistic), n - 3)))


def swap_test(
    statistic: Callable[[Any, Any], float],
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> Significance:
    """A permutation test: were the two metrics alike, their scores could be swapped at will.

    The scores of an image are swapped between the metrics, or not, by a coin; those of a group
    together. Scores must be on one scale first: ranks for SRCC, z-scores for PLCC. All swaps are
    tried where they are not more than ``samples``.

    Args:
        statistic: Of (prediction, target), such as ``srcc``.
        first: (N, ...) scores, whatever the statistic reads.
        second: (N, ...) scores of the same images.
        target: (N, ...).
        groups: (N,) what is swapped as a whole; ``None``: every image is its own.
        samples: Draws.
        seed: Of a local generator.

    Returns:
        First minus second, and p; ``nan`` where the statistic does not exist.

    Raises:
        DataError: Lengths differ, or there are fewer than 2 images.
        OptionError: There are no samples.

    Example:
        >>> from perceptmetrics.statistics import srcc
        >>> found = swap_test(srcc, [1, 2, 3, 4], [4, 2, 3, 1], [1, 2, 3, 4])
        >>> round(found.statistic, 1), found.p
        (1.8, 0.5)
    """
    from scipy.stats import permutation_test

    if samples < 1:
        raise OptionError(f"samples must be at least 1, got {samples}")
    x, z, y = np.asarray(first), np.asarray(second), np.asarray(target)
    count = same_length(x, y, least=2)
    same_length(z, y, least=2)
    names = np.arange(count) if groups is None else np.asarray(groups)
    if names.shape != (count,):
        raise DataError(f"groups must be ({count},), one for each image; got shape {names.shape}")
    different, of_image = np.unique(names, return_inverse=True)
    difference = statistic(x, y) - statistic(z, y)
    if np.isnan(difference):
        return Significance(NAN, NAN)

    def swapped(signs: npt.NDArray[Any]) -> float:
        kept = (signs[of_image] > 0).reshape(-1, *[1] * (x.ndim - 1))
        return statistic(np.where(kept, x, z), y) - statistic(np.where(kept, z, x), y)

    found = permutation_test(
        (np.ones(len(different)),),
        swapped,
        permutation_type="samples",  # of one sample: its signs are drawn
        vectorized=False,
        n_resamples=samples,
        random_state=np.random.default_rng(seed),
    )
    return Significance(float(difference), float(found.pvalue))


def mcnemar(first: npt.ArrayLike, second: npt.ArrayLike, target: npt.ArrayLike) -> Significance:
    """McNemar's exact test: of the images that one alone gets right, are half the first's?

    Args:
        first: (N,) class indices.
        second: (N,) class indices for the same images.
        target: (N,) class indices.

    Returns:
        The difference of accuracies, and the p of a binomial test; 1 where both are right on the
        same images.

    Raises:
        DataError: These are no class indices, or not as many.

    Example:
        >>> found = mcnemar([0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1])
        >>> round(found.statistic, 3), found.p
        (0.833, 0.0625)
    """
    from scipy.stats import binomtest

    truth = indices("target", target)
    predicted = [indices("prediction", values) for values in (first, second)]
    for values in predicted:
        same_length(values, truth, least=1)
    one, other = (values == truth for values in predicted)
    only_first, only_second = int((one & ~other).sum()), int((other & ~one).sum())
    apart = only_first + only_second
    p = float(binomtest(only_first, apart, 0.5).pvalue) if apart else 1.0
    return Significance((only_first - only_second) / len(truth), p)


def over_folds(first: npt.ArrayLike, second: npt.ArrayLike) -> FoldComparison:
    """Two methods' figures over the same folds: paired t-test, and Wilcoxon's signed-rank test.

    Folds share training images, so that their figures are not independent, and both tests are too
    sure of themselves (Nadeau and Bengio 2003).

    Args:
        first: (F,) a figure of each fold.
        second: (F,) the other method's, of the same folds.

    Raises:
        DataError: They are not of as many folds, fewer than 2, or not finite.

    Example:
        >>> found = over_folds([0.91, 0.93, 0.92], [0.90, 0.90, 0.91])
        >>> round(found.difference, 4), round(found.t_p, 4), found.wilcoxon_p
        (0.0167, 0.1296, 0.25)
    """
    from scipy.stats import ttest_rel, wilcoxon

    x, y = pair(first, second, least=2)
    if x.ndim != 1:
        raise DataError(f"figures of folds must be (F,); got shape {x.shape}")
    apart: Floats = x - y
    if not apart.any():
        return FoldComparison(0.0, NAN, NAN, len(x))
    t_p = NAN if constant(apart) else float(ttest_rel(x, y).pvalue)
    return FoldComparison(float(apart.mean()), t_p, float(wilcoxon(apart).pvalue), len(x))
