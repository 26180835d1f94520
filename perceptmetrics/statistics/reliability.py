"""How far ratings can be trusted, and so how well a perfect predictor could do on them.

A mean rating is what all people would say, plus the chance of who was asked. The *reliability* is
the share of its variance that is not chance. A predictor that knows what all people would say
correlates with the mean rating by ``sqrt(reliability)``, its ceiling (classical test theory:
Spearman 1904). A metric may come above it on few images, by luck.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError
from perceptmetrics.statistics.checks import finite


@dataclass(frozen=True)
class Reliability:
    """Of mean ratings.

    Attributes:
        reliability: At most 1; below 0 where chance alone would spread the ratings more than they
            are.
        ceiling: ``sqrt(reliability)``: the correlation of a perfect predictor; ``nan`` where the
            reliability is below 0, or does not exist.
    """

    reliability: float
    ceiling: float


def ceiling_from_split_half(r: float) -> Reliability:
    """The ceiling, from how well two random halves of the raters agree.

    Each half has half of the raters; the label is the mean over all. Spearman and Brown's formula
    is of that: ``reliability = 2 r / (1 + r)``. It is derived for Pearson's correlation. With a
    Spearman one, as memorability has it, it is an approximation.

    Args:
        r: Correlation between the means of the two halves, over images, in [-1, 1].

    Raises:
        DataError: It is not.

    Example:
        >>> found = ceiling_from_split_half(0.778)  # LNSIM
        >>> round(found.reliability, 4), round(found.ceiling, 4)
        (0.8751, 0.9355)
    """
    if not -1.0 <= r <= 1.0:
        raise DataError(f"a split-half correlation is in [-1, 1]; got {r}")
    return _of(2.0 * r / (1.0 + r) if r > -1.0 else float("nan"))


def ceiling_from_deviations(
    mean: npt.ArrayLike, sd: npt.ArrayLike, n: npt.ArrayLike
) -> Reliability:
    """The ceiling, from how far raters of one image differ.

    The error variance of an image's mean is ``sd^2 / n``: ``reliability = 1 - mean(sd^2 / n) /
    variance(mean)``. Where the same raters saw all images, what sets one rater apart from another
    on all of them is in ``sd``, but moves no image against another: the ceiling is then a little
    low.

    Args:
        mean: (N,) mean rating of each image, N at least 2.
        sd: (N,) standard deviation between its raters, with n - 1.
        n: (N,) how many raters, at least 1.

    Raises:
        DataError: Lengths differ, or a value is not finite, below 0, or not above 0 for ``n``.

    Example:
        >>> found = ceiling_from_deviations([1.0, 3.0, 5.0], [1.0, 1.0, 1.0], [4, 4, 4])
        >>> found.reliability
        0.9375
    """
    spread, count = finite("sd", sd), finite("n", n)
    if (count <= 0).any():
        raise DataError("n must be above 0: how many people rated each image")
    if spread.shape != count.shape:
        raise DataError(f"sd and n must have one shape, (N,); got {spread.shape}, {count.shape}")
    return ceiling_from_errors(mean, spread / np.sqrt(count))


def ceiling_from_errors(mean: npt.ArrayLike, standard_error: npt.ArrayLike) -> Reliability:
    """The ceiling, from the standard errors of the mean ratings.

    ``reliability = 1 - mean(standard_error^2) / variance(mean)``.

    Args:
        mean: (N,) mean rating of each image, N at least 2.
        standard_error: (N,) of each mean: ``sd / sqrt(n)``.

    Raises:
        DataError: Lengths differ, or a value is not finite, or an error is below 0.

    Example:
        >>> ceiling_from_errors([1.0, 3.0, 5.0], [0.5, 0.5, 0.5]).reliability
        0.9375
    """
    means, errors = finite("mean", mean), finite("standard_error", standard_error)
    if means.ndim != 1 or means.shape != errors.shape or len(means) < 2:
        raise DataError(
            "mean and its error must be (N,), an entry for each image, of at least 2; got "
            f"{means.shape} and {errors.shape}"
        )
    if (errors < 0).any():
        raise DataError("a standard deviation or error is at least 0; one is below")
    variance = float(np.var(means, ddof=1))
    return _of(1.0 - float(np.mean(errors**2)) / variance if variance > 0 else float("nan"))


def _of(reliability: float) -> Reliability:
    ceiling = float(np.sqrt(reliability)) if reliability >= 0 else float("nan")
    return Reliability(reliability, ceiling)
