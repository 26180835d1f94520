"""Errors of classes: who is taken for whom, and where the metric was surest (appendix A.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.evaluation.error_analysis import ClassErrors, ClassMiss, ClassScore
from perceptmetrics.statistics import confusion_matrix
from perceptmetrics.statistics.checks import Floats, Indices, finite, indices, same_length

ALL = "all classes"
TOP = 5


def class_errors(
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    names: Sequence[str],
    labels: Sequence[str],
    output: str = ALL,
    *,
    top: int = TOP,
) -> ClassErrors:
    """The confusion matrix, what it says of each class, and the surest of the wrong (A.3 to A.5).

    Args:
        prediction: (N, C) probabilities.
        target: (N,) class indices.
        names: N names of images.
        labels: C names of classes.
        output: ``all classes``, or a grouping's name.
        top: Wrong images that are named, at most.

    Raises:
        DataError: Shapes do not fit, or there is no image.
        OptionError: ``top`` is below 0.

    Example:
        >>> found = class_errors(
        ...     [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], [0, 0, 1], ["a", "b", "c"], ["sad", "glad"]
        ... )
        >>> found.counts, found.shares[0], found.misses[0].image
        (((1, 1), (0, 1)), (0.5, 0.5), 'b')
        >>> found.scores[1].precision, found.scores[1].recall
        (0.5, 1.0)
    """
    from sklearn.metrics import precision_recall_fscore_support

    scores, truth = probabilities(prediction, target, labels)
    if len(names) != len(truth):
        raise DataError(f"{len(names)} names for {len(truth)} images")
    if top < 0:
        raise OptionError(f"top must be at least 0, got {top}")
    winner = np.argmax(scores, axis=1)
    counts = confusion_matrix(scores, truth, len(labels))
    sums = counts.sum(axis=1, keepdims=True)
    shares = np.where(sums > 0, counts / np.maximum(sums, 1), np.nan)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, winner, labels=range(len(labels)), zero_division=np.nan
    )
    sure = scores[np.arange(len(truth)), winner]
    wrong = [place for place in np.argsort(-sure, kind="stable") if winner[place] != truth[place]]
    return ClassErrors(
        output,
        tuple(labels),
        tuple(tuple(row) for row in counts.tolist()),
        tuple(tuple(row) for row in shares.tolist()),
        tuple(
            ClassScore(
                label,
                int(sums[k, 0]),
                int(counts[:, k].sum()),
                *(float(values[k]) for values in (precision, recall, f1)),
            )
            for k, label in enumerate(labels)
        ),
        tuple(
            ClassMiss(
                names[place],
                labels[truth[place]],
                labels[winner[place]],
                float(sure[place]),
                float(scores[place, truth[place]]),
            )
            for place in wrong[:top]
        ),
    )


def probabilities(
    prediction: npt.ArrayLike, target: npt.ArrayLike, labels: Sequence[str]
) -> tuple[Floats, Indices]:
    """Checked (N, C) probabilities and (N,) class indices.

    Raises:
        DataError: Shapes do not fit, a value is not finite, or there is no image.

    Example:
        >>> probabilities([[0.5, 0.5]], [1], ["sad", "glad"])[1].tolist()
        [1]
    """
    scores, truth = finite("prediction", prediction), indices("target", target)
    same_length(scores, truth, least=1)
    if scores.ndim != 2 or scores.shape[1] != len(labels) or truth.max() >= len(labels):
        raise DataError(
            f"prediction must be (N, {len(labels)}), a column for each class, and the target below "
            f"{len(labels)}; got {scores.shape}, up to {truth.max()}"
        )
    return scores, truth
