"""Bringing scores to the rating scale of another dataset: pure functions of arrays.

A metric that was trained on one dataset scores in that dataset's unit. Ranks, and so SRCC and
KRCC, do not mind; errors do. There are two ways over, and they know different things:

* **rank statistics** know how the scores of the images are distributed, and how ratings of the
  new dataset are; never which image got which rating. The lowest score becomes the lowest rating,
  the median the median. It works for images without ratings of their own, and does not flatter.
* **logistic** (equation 1 of the paper) is fitted to pairs of score and rating of the same images
  that it is then judged on, as IQA tables have it. Errors after it are errors of a fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.statistics import logistic_fit
from perceptmetrics.statistics.checks import Floats, finite, pair

Mapped = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, eq=False)
class QuantileMap:
    """A rising, piecewise linear map from scores to ratings.

    Attributes:
        scores: (M,) different scores, ascending.
        ratings: (M,) what each becomes. Beyond the ends the map is flat.

    Example:
        >>> QuantileMap(np.array([0.0, 1.0]), np.array([1.0, 5.0]))([0.5, 7.0]).tolist()
        [3.0, 5.0]
    """

    scores: Floats
    ratings: Floats

    def __call__(self, scores: npt.ArrayLike) -> Floats:
        """Scores on the ratings' scale, float64, of the same shape."""
        return np.interp(np.asarray(scores, dtype=np.float64), self.scores, self.ratings)


def quantile_map(scores: npt.ArrayLike, ratings: npt.ArrayLike) -> QuantileMap:
    """The map that gives scores the distribution of ratings.

    Fitted on two heaps that need not be of the same images, nor of the same number: the scores of
    the images to be judged, and ratings of the dataset whose scale is wanted. Both must rise in
    the same direction.

    Args:
        scores: (N,), N at least 1. All equal, they become the median rating.
        ratings: (M,), M at least 1.

    Returns:
        The map; its ratings lie within those given.

    Raises:
        DataError: Either is empty, not (N,), or holds something else than finite numbers.

    Example:
        >>> quantile_map([0.1, 0.2, 0.9], [5.0, 1.0, 2.0])([0.9, 0.1, 0.2]).tolist()
        [5.0, 1.0, 2.0]
    """
    from scipy.stats import rankdata

    x, y = finite("scores", scores), finite("ratings", ratings)
    if x.ndim != 1 or y.ndim != 1 or not len(x) or not len(y):
        raise DataError(
            f"scores and ratings must each be (N,) with at least one entry; got {x.shape}, "
            f"{y.shape}"
        )
    different, where = np.unique(x, return_index=True)
    # Hazen's plotting position: as many scores as ratings, and they meet one to one.
    share = (rankdata(x)[where] - 0.5) / len(x)
    return QuantileMap(different, np.quantile(y, share, method="hazen"))


def as_scored(prediction: Floats, target: Floats) -> Floats:
    """No mapping: for a metric trained on this scale.

    Example:
        >>> as_scored(np.array([1.0]), np.array([5.0])).tolist()
        [1.0]
    """
    return prediction


def by_rank_statistics(prediction: Floats, target: Floats) -> Floats:
    """:func:`quantile_map` of the scores to the distribution of the targets.

    Args:
        prediction: (N,).
        target: (N,); only its distribution is used.

    Example:
        >>> by_rank_statistics(np.array([0.2, 0.1]), np.array([3.0, 4.0])).tolist()
        [4.0, 3.0]
    """
    return quantile_map(prediction, target)(prediction)


def by_logistic(prediction: Floats, target: Floats) -> Floats:
    """The scores after the 4-parameter logistic (appendix A.1), fitted to these pairs.

    Args:
        prediction: (N,), N at least 4.
        target: (N,).

    Raises:
        DataError: There is no fit: either is constant, or there are fewer than 4 images.

    Example:
        >>> scores = np.linspace(-2, 2, 50)
        >>> ratings = 1 + 4 / (1 + np.exp(-(scores - 0.2) / 0.7))
        >>> bool(np.allclose(by_logistic(scores, ratings), ratings, atol=1e-4))
        True
    """
    return logistic_fit(prediction, target)(prediction)


def logistic_falls(prediction: Floats, target: Floats) -> bool:
    """Whether :func:`by_logistic` turns the scores over; ``False`` where there is no fit.

    Args:
        prediction: (N,).
        target: (N,).

    Raises:
        DataError: Shapes differ, or a value is not finite.

    Example:
        >>> ratings = np.array([1.0, 1.5, 3.0, 4.5, 5.0])
        >>> logistic_falls(-ratings, ratings), logistic_falls(ratings, ratings)
        (True, False)
    """
    x, y = pair(prediction, target, least=1)
    try:
        return logistic_fit(x, y).falls
    except DataError:  # too few, or a constant
        return False


MAPPINGS: Mapping[str, Mapped] = {
    "as scored": as_scored,
    "rank statistics": by_rank_statistics,
    "logistic": by_logistic,
}
"""By the name that reports use: (prediction, target) -> the prediction on the target's scale."""


def to_scale(name: str, prediction: Floats, target: Floats) -> Floats:
    """The scores after one of :data:`MAPPINGS`.

    Raises:
        OptionError: There is none of that name.
        DataError: It cannot be fitted.

    Example:
        >>> to_scale("as scored", np.array([1.0]), np.array([5.0])).tolist()
        [1.0]
    """
    if name not in MAPPINGS:
        raise OptionError(f"no scale is called {name!r}; there are {', '.join(MAPPINGS)}")
    return MAPPINGS[name](prediction, target)
