"""Errors of scores: how they are spread, and the images that are furthest off (appendix A.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.evaluation.error_analysis import Histogram, RatingErrors, RatingMiss
from perceptmetrics.statistics.checks import Floats, pair
from perceptmetrics.statistics.regression import constant

BINS = 20
TOP = 5


def histogram(prediction: npt.ArrayLike, target: npt.ArrayLike, bins: int = BINS) -> Histogram:
    """How scores and ratings are spread, on shared bins of equal width (figure A.6).

    Args:
        prediction: (N,) scores as they are, N at least 2.
        target: (N,) ratings.
        bins: From the smallest of both to the largest.

    Raises:
        DataError: Shapes differ, there are fewer than 2 images, or a value is not finite.
        OptionError: There are no bins.

    Example:
        >>> found = histogram([2.0, 3.0, 3.0], [1.0, 3.0, 5.0], bins=2)
        >>> found.edges, found.predicted, found.true
        ((1.0, 3.0, 5.0), (1, 2), (1, 2))
    """
    x, y = _one_output(prediction, target)
    if bins < 1:
        raise OptionError(f"bins must be at least 1, got {bins}")
    edges = np.histogram_bin_edges(np.concatenate([x, y]), bins)
    predicted, true = np.histogram(x, edges)[0], np.histogram(y, edges)[0]
    return Histogram(
        tuple(edges.tolist()),
        tuple(predicted.tolist()),
        tuple(true.tolist()),
        *(float(value) for value in (x.mean(), x.std(ddof=1), y.mean(), y.std(ddof=1))),
    )


def rating_errors(
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    names: Sequence[str],
    output: str,
    *,
    top: int = TOP,
    bins: int = BINS,
) -> RatingErrors:
    """The histogram, and the images with the largest errors at both ends (figures A.6 to A.8).

    An error is the z-score of the prediction less that of the rating, both over these images, as
    the paper has it: no unit or scale matters, and neither does a spread that is too narrow.

    Args:
        prediction: (N,) scores, N at least 2.
        target: (N,) ratings.
        names: N names of images.
        output: What is judged.
        top: Images at each end, at most; only those with an error of that sign.
        bins: Of the histogram.

    Raises:
        DataError: Shapes differ, there are fewer than 2 images, or a value is not finite.
        OptionError: ``top`` is below 0, or there are no bins.

    Example:
        >>> found = rating_errors([1, 2, 9], [1, 3, 2], ["a", "b", "c"], "quality", top=1)
        >>> worst = found.overrated[0]
        >>> worst.image, round(worst.z_prediction, 3), worst.z_rating, round(worst.error, 3)
        ('c', 1.405, 0.0, 1.405)
    """
    x, y = _one_output(prediction, target)
    if len(names) != len(x):
        raise DataError(f"{len(names)} names for {len(x)} images")
    if top < 0:
        raise OptionError(f"top must be at least 0, got {top}")
    spread = histogram(x, y, bins)
    if constant(x) or constant(y):
        reason = f"all {'scores' if constant(x) else 'ratings'} are equal"
        return RatingErrors(output, len(x), spread, reason=reason)
    z_x, z_y = z_scores(x), z_scores(y)
    errors = z_x - z_y

    def miss(place: int) -> RatingMiss:
        values = (x[place], y[place], z_x[place], z_y[place], errors[place])
        return RatingMiss(names[place], *(float(value) for value in values))

    order = np.argsort(errors, kind="stable").tolist()
    return RatingErrors(
        output,
        len(x),
        spread,
        tuple(miss(place) for place in order[::-1][:top] if errors[place] > 0),
        tuple(miss(place) for place in order[:top] if errors[place] < 0),
    )


def z_scores(values: Floats) -> Floats:
    """(N,) values less their mean, over their standard deviation (that of N, as scipy's zscore).

    Example:
        >>> z_scores(np.array([1.0, 3.0])).tolist()
        [-1.0, 1.0]
    """
    from scipy.stats import zscore

    return np.asarray(zscore(values), np.float64)


def _one_output(prediction: npt.ArrayLike, target: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = pair(prediction, target, least=2)
    if x.ndim != 1:
        raise DataError(f"errors are those of one output, (N,); got shape {x.shape}")
    return x, y
