"""How often the right class wins, and how well the classes are ranked (paper, appendix A.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perceptmetrics.deferred import Deferred
from perceptmetrics.errors import DataError
from perceptmetrics.statistics.checks import Floats, Indices, finite, indices, same_length

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = Deferred("numpy")


def accuracy(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Share of images whose class is right.

    Args:
        prediction: (N, C) class scores, of which the first largest wins, or (N,) class indices.
        target: (N,) class indices.

    Returns:
        In [0, 1].

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> accuracy([[0.9, 0.1], [0.4, 0.6]], [0, 0])
        0.5
    """
    winner, truth = _classes(prediction, target)
    return float(np.mean(winner == truth))


def mean_average_precision(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Mean over classes of the average precision, one class against the rest (mAP, A.2.2).

    Average precision is scikit-learn's: the sum of precisions weighted by steps in recall. A
    class of which the target has no image has none, and is left out of the mean.

    Args:
        prediction: (N, C) scores or probabilities.
        target: (N,) class indices in [0, C).

    Returns:
        In [0, 1].

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> mean_average_precision([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], [0, 0, 1])
        1.0
    """
    from sklearn.metrics import average_precision_score

    scores, truth = _class_scores(prediction, target)
    present = np.unique(truth)
    return float(np.mean([average_precision_score(truth == c, scores[:, c]) for c in present]))


def macro_f1(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Mean over classes of the F1 score, each class counting the same (m-F1, A.2.2).

    The classes are those in the target or among the winners, as in scikit-learn; a class that is
    never right counts 0.

    Args:
        prediction: (N, C) class scores, of which the first largest wins, or (N,) class indices.
        target: (N,) class indices.

    Returns:
        In [0, 1].

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> round(macro_f1([0, 0, 1], [0, 1, 1]), 4)
        0.6667
    """
    return _f1(prediction, target, "macro")


def weighted_f1(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Mean over classes of the F1 score, weighted by images in the target (w-F1, A.2.2).

    Args:
        prediction: (N, C) class scores, of which the first largest wins, or (N,) class indices.
        target: (N,) class indices.

    Returns:
        In [0, 1].

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> round(weighted_f1([0, 0, 1, 1], [0, 1, 1, 1]), 4)
        0.7667
    """
    return _f1(prediction, target, "weighted")


def confusion_matrix(
    prediction: npt.ArrayLike, target: npt.ArrayLike, classes: int | None = None
) -> npt.NDArray[np.int64]:
    """How many images of each class were taken for which class (figure A.3).

    Args:
        prediction: (N, C) class scores, of which the first largest wins, or (N,) class indices.
        target: (N,) class indices.
        classes: How many there are; by default C, or as many as the indices tell.

    Returns:
        (C, C) counts: a row for each true class, a column for each predicted one.

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`, or holds more
            classes than stated.

    Example:
        >>> confusion_matrix([0, 1, 1], [0, 0, 1]).tolist()
        [[1, 1], [0, 1]]
    """
    winner, truth = _classes(prediction, target)
    scored = np.shape(prediction)[1] if np.ndim(prediction) == 2 else 0
    needed = int(max(winner.max(), truth.max())) + 1
    count = classes if classes is not None else max(scored, needed)
    if needed > count:
        raise DataError(f"class {needed - 1} is among the indices, expected {count} classes from 0")
    flat = np.bincount(truth * count + winner, minlength=count * count)
    return flat.reshape(count, count).astype(np.int64)


def _class_scores(prediction: npt.ArrayLike, target: npt.ArrayLike) -> tuple[Floats, Indices]:
    scores, truth = finite("prediction", prediction), indices("target", target)
    same_length(scores, truth, least=1)
    if scores.ndim != 2 or truth.max() >= scores.shape[1]:
        raise DataError(
            f"prediction must be (N, C) with a column for every class in the target, up to "
            f"{truth.max()}; got shape {scores.shape}"
        )
    return scores, truth


def _classes(prediction: npt.ArrayLike, target: npt.ArrayLike) -> tuple[Indices, Indices]:
    if np.ndim(prediction) == 2:
        scores, truth = _class_scores(prediction, target)
        return np.argmax(scores, axis=1), truth
    winner, truth = indices("prediction", prediction), indices("target", target)
    same_length(winner, truth, least=1)
    return winner, truth


def _f1(prediction: npt.ArrayLike, target: npt.ArrayLike, average: str) -> float:
    from sklearn.metrics import f1_score

    winner, truth = _classes(prediction, target)
    return float(f1_score(truth, winner, average=average, zero_division=0))
