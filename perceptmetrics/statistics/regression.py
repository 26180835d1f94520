"""Correlations and errors of ratings; the rules are those of the package's docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perceptmetrics.deferred import Deferred
from perceptmetrics.statistics.checks import Floats, mean_over_outputs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = Deferred("numpy")


def srcc(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Spearman's rank correlation (SRCC): Pearson's on average ranks.

    Args:
        prediction: (N,) or (N, K), N at least 2.
        target: The ratings, of the same shape.

    Returns:
        In [-1, 1], or ``nan`` if either is constant.

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> round(srcc([1.0, 2.0, 9.0], [3.0, 4.0, 5.0]), 6)
        1.0
    """
    return mean_over_outputs(_srcc, prediction, target, least=2)


def plcc(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Pearson's linear correlation (PLCC), with no mapping before it.

    A spread at the level of float64 rounding counts as constant.

    Args:
        prediction: (N,) or (N, K), N at least 2.
        target: The ratings, of the same shape.

    Returns:
        In [-1, 1], or ``nan`` if either is constant.

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> round(plcc([1.0, 2.0, 3.0], [2.0, 4.0, 7.0]), 4)
        0.9934
    """
    return mean_over_outputs(plcc_of, prediction, target, least=2)


def krcc(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Kendall's rank correlation (KRCC), the tau-b that allows for ties.

    Args:
        prediction: (N,) or (N, K), N at least 2.
        target: The ratings, of the same shape.

    Returns:
        In [-1, 1], or ``nan`` if either is constant.

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> round(krcc([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), 4)
        0.3333
    """
    return mean_over_outputs(_krcc, prediction, target, least=2)


def mse(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Mean squared error.

    Args:
        prediction: (N,) or (N, K), N at least 1.
        target: The ratings, of the same shape.

    Returns:
        At least 0, in squared units of the target.

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> mse([1.0, 2.0], [1.0, 4.0])
        2.0
    """
    return mean_over_outputs(_mse, prediction, target, least=1)


def rmse(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Root of the mean squared error; with K outputs, the mean of the K roots.

    Args:
        prediction: (N,) or (N, K), N at least 1.
        target: The ratings, of the same shape.

    Returns:
        At least 0, in units of the target.

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> rmse([1.0, 2.0], [4.0, 5.0])
        3.0
    """
    return mean_over_outputs(lambda x, y: _mse(x, y) ** 0.5, prediction, target, least=1)


def mae(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Mean absolute error.

    Args:
        prediction: (N,) or (N, K), N at least 1.
        target: The ratings, of the same shape.

    Returns:
        At least 0, in units of the target.

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> mae([1.0, 2.0], [1.0, 4.0])
        1.0
    """
    return mean_over_outputs(
        lambda x, y: float(np.mean(np.abs(x - y))), prediction, target, least=1
    )


def _srcc(x: Floats, y: Floats) -> float:
    from scipy.stats import rankdata

    return plcc_of(rankdata(x), rankdata(y))


def plcc_of(x: Floats, y: Floats) -> float:
    """:func:`plcc` of two (N,) arrays that were checked already.

    Example:
        >>> round(plcc_of(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])), 6)
        -1.0
    """
    if constant(x) or constant(y):
        return float("nan")
    x, y = _deviations(x), _deviations(y)
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def _krcc(x: Floats, y: Floats) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(x, y).statistic)


def _mse(x: Floats, y: Floats) -> float:
    return float(np.mean(np.square(x - y)))


def constant(values: Floats) -> bool:
    """Whether (N,) values vary by no more than rounding.

    Example:
        >>> constant(np.array([0.3, 0.1 + 0.2])), constant(np.array([0.3, 0.4]))
        (True, False)
    """
    size = float(np.max(np.abs(values)))
    # The mean of n equal floats is off by a few units in the last place.
    return bool(np.max(values) - np.min(values) <= 16.0 * np.finfo(np.float64).eps * size)


def _deviations(values: Floats) -> Floats:
    # Dividing first keeps squares of 1e200 or 1e-200 from overflowing or vanishing.
    values = values / np.max(np.abs(values))
    values = values - values.mean()
    deviations: Floats = values / np.max(np.abs(values))
    return deviations
