"""All that is said of a prediction against ratings or labels, each figure with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.intervals import Key, intervals
from perceptmetrics.evaluation.mapping import MAPPINGS, logistic_falls
from perceptmetrics.statistics import (
    accuracy,
    confusion_matrix,
    krcc,
    macro_f1,
    mae,
    mean_average_precision,
    mse,
    plcc,
    rmse,
    srcc,
    weighted_f1,
)
from perceptmetrics.statistics.checks import Floats, pair

Groupings = Mapping[str, Mapping[str, tuple[str, ...]]]
SAMPLES = 1000  # draws of the bootstrap
SEED = 0
NAN = float("nan")
FALLS = "the fitted logistic falls: higher scores go with lower ratings"


@dataclass(frozen=True)
class Figure:
    """One measure, with its 95 % bootstrap interval.

    Attributes:
        output: ``quality``, ``valence``; ``all classes`` or a grouping's name for classes.
        measure: ``SRCC``, ``accuracy``, ...
        value, low, high: ``nan`` where there is none; ``reason`` says why.
        images: How many images it was computed on.
        scale: How scores were brought to the ratings' scale, for measures that mind; see
            :data:`~perceptmetrics.evaluation.mapping.MAPPINGS`.
        reason: Why there is no value, or no interval.
        falls: Whether the logistic that was fitted before it falls, on any split where it is of
            several: it is then a figure of the scores turned over.

    Example:
        >>> print(Figure("quality", "SRCC", 0.92, 0.9, 0.94, 380))
        quality: SRCC 0.920 [0.900, 0.940] on 380 images
    """

    output: str
    measure: str
    value: float
    low: float
    high: float
    images: int
    scale: str = ""
    reason: str = ""
    falls: bool = False

    @property
    def note(self) -> str:
        """All that is to be minded of it, in a line; mostly nothing.

        Example:
            >>> Figure("quality", "PLCC", 0.99, 0.98, 1, 380, "logistic", falls=True).note
            'the fitted logistic falls: higher scores go with lower ratings'
        """
        return "; ".join(filter(None, (self.reason, FALLS * self.falls)))

    @property
    def name(self) -> str:
        """The measure and the scale: ``RMSE, logistic``."""
        return f"{self.measure}, {self.scale}" if self.scale else self.measure

    def __str__(self) -> str:
        if np.isnan(self.value):
            return f"{self.output}: {self.name}: none ({self.reason})"
        interval = f"[{self.low:.3f}, {self.high:.3f}]" if not self.reason else f"({self.reason})"
        falls = f"; {FALLS}" * self.falls
        return (
            f"{self.output}: {self.name} {self.value:.3f} {interval} on {self.images} images{falls}"
        )


@dataclass(frozen=True)
class Confusion:
    """Which class was taken for which (figure A.3).

    Attributes:
        output: ``all classes``, or a grouping's name.
        labels: C names.
        counts: C rows of C counts: a row for each true class, a column for each predicted one.
    """

    output: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def regression_figures(
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    outputs: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> tuple[Figure, ...]:
    """SRCC, PLCC, PLCC after the logistic, KRCC; RMSE, MSE and MAE on three scales (A.1).

    Args:
        prediction: (N, K) scores, or (N,) for one output; N at least 2.
        target: Ratings of the same shape.
        outputs: K names.
        groups: (N,) what to resample as a whole; ``None``: every image is its own.
        samples: Draws of the bootstrap. Maps to the ratings' scale are fitted anew in each.
        seed: Of a local generator.

    Returns:
        For each output, in this order, the figures that there are; those that are not carry the
        reason.

    Raises:
        DataError: Shapes differ, there are fewer than 2 images, or a value is not finite.

    Example:
        >>> figures = regression_figures([1, 2, 3, 4], [1, 2, 4, 3], ["quality"], samples=20)
        >>> figures[0].name, round(figures[0].value, 3)
        ('SRCC', 0.8)
        >>> print(regression_figures([1, 1, 1], [1, 2, 4], ["quality"])[0])
        quality: SRCC: none (all scores are equal)
    """
    x, y = pair(prediction, target, least=2)
    if x.ndim == 1:
        x, y = x[:, None], y[:, None]
    if x.shape[1] != len(outputs):
        raise DataError(f"{x.shape[1]} columns of scores for {len(outputs)} outputs {outputs}")
    figures: list[Figure] = []
    for k, output in enumerate(outputs):
        scores, ratings = x[:, k], y[:, k]
        found = intervals(_of_ratings, scores, ratings, groups, samples, seed)
        why = _why_no_correlation(scores, ratings)
        falls = logistic_falls(scores, ratings)
        for (measure, scale), (value, low, high, unsure) in found.items():
            reason = unsure
            if np.isnan(value):
                few = "the logistic needs 4 images" if len(x) < 4 else "no logistic fits"
                reason = why or few
            turned = falls and scale == "logistic"
            figures.append(Figure(output, measure, value, low, high, len(x), scale, reason, turned))
    return tuple(figures)


def classification_figures(
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    labels: Sequence[str],
    groupings: Groupings | None = None,
    *,
    groups: Sequence[str] | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> tuple[tuple[Figure, ...], tuple[Confusion, ...]]:
    """Accuracy, mAP, macro and weighted F1 (A.2.2), of all classes and of each grouping.

    The probability of a group of classes is the sum over its classes, so that the likeliest group
    need not hold the likeliest class.

    Args:
        prediction: (N, C) probabilities, N at least 2.
        target: (N,) class indices.
        labels: C names.
        groupings: Coarser views: name -> {group -> labels}.
        groups: (N,) what to resample as a whole; ``None``: every image is its own.
        samples: Draws of the bootstrap.
        seed: Of a local generator.

    Returns:
        The figures, and the confusion matrices.

    Raises:
        DataError: Shapes do not fit, there are fewer than 2 images, or a value is not finite.

    Example:
        >>> figures, (confusion,) = classification_figures(
        ...     [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], [0, 0, 1], ["sad", "glad"], samples=20
        ... )
        >>> [(figure.measure, round(figure.value, 3)) for figure in figures][:2]
        [('accuracy', 0.667), ('mAP', 1.0)]
        >>> confusion.counts
        ((1, 1), (0, 1))
    """
    scores, truth = np.asarray(prediction, np.float64), np.asarray(target)
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise DataError(
            f"prediction must be (N, {len(labels)}), a column for each class; got {scores.shape}"
        )
    figures: list[Figure] = []
    confusions: list[Confusion] = []
    whole = {label: (label,) for label in labels}
    for output, members in {"all classes": whole, **(groupings or {})}.items():
        names = list(members)
        summed, grouped = grouped_classes(scores, truth, labels, members)
        found = intervals(_of_classes, summed, grouped, groups, samples, seed)
        for (measure, _), (value, low, high, unsure) in found.items():
            figures.append(Figure(output, measure, value, low, high, len(truth), reason=unsure))
        counts = confusion_matrix(summed, grouped, len(names))
        rows = tuple(tuple(int(count) for count in row) for row in counts)
        confusions.append(Confusion(output, tuple(names), rows))
    return tuple(figures), tuple(confusions)


def grouped_classes(
    prediction: Floats,
    target: npt.NDArray[Any],
    labels: Sequence[str],
    members: Mapping[str, tuple[str, ...]],
) -> tuple[Floats, npt.NDArray[Any]]:
    """Probabilities and classes, of groups of classes.

    Args:
        prediction: (N, C) probabilities.
        target: (N,) class indices.
        labels: C names.
        members: G groups -> the labels that belong to each.

    Returns:
        (N, G) sums over the classes of each group, and (N,) indices of groups.

    Raises:
        DataError: A class in the target that has no label.

    Example:
        >>> both = {"low": ("sad", "angry"), "high": ("glad",)}
        >>> sums, groups = grouped_classes(
        ...     np.array([[0.5, 0.25, 0.25]]), np.array([1]), ["sad", "glad", "angry"], both
        ... )
        >>> sums.tolist(), groups.tolist()
        ([[0.75, 0.25]], [1])
    """
    columns = [[labels.index(label) for label in own] for own in members.values()]
    summed = np.stack([prediction[:, own].sum(axis=1) for own in columns], axis=1)
    if target.dtype.kind not in "iu":
        return summed, target  # the measures refuse it, and say why
    group_of = np.empty(len(labels), np.int64)
    for index, own in enumerate(columns):
        group_of[own] = index
    if len(target) and target.max() >= len(labels):
        raise DataError(f"class {target.max()} in the target, expected {len(labels)} from 0")
    return summed, group_of[target]


def _of_ratings(scores: Floats, ratings: Floats) -> dict[Key, float]:
    """Figures of one output by name; ``nan`` where there is none."""
    scaled: dict[str, Floats | None] = {}
    for name, to_scale in MAPPINGS.items():
        try:
            scaled[name] = to_scale(scores, ratings)
        except DataError:  # no logistic: of a constant, say; a draw may be one
            scaled[name] = None
    bent = scaled["logistic"]
    found = {
        ("SRCC", ""): srcc(scores, ratings),
        ("PLCC", ""): plcc(scores, ratings),
        ("PLCC", "logistic"): NAN if bent is None else plcc(bent, ratings),
        ("KRCC", ""): krcc(scores, ratings),
    }
    for measure, error in (("RMSE", rmse), ("MSE", mse), ("MAE", mae)):
        for name, there in scaled.items():
            found[measure, name] = NAN if there is None else error(there, ratings)
    return found


def _of_classes(scores: Floats, truth: npt.NDArray[np.int64]) -> dict[Key, float]:
    return {
        ("accuracy", ""): accuracy(scores, truth),
        ("mAP", ""): mean_average_precision(scores, truth),
        ("macro F1", ""): macro_f1(scores, truth),
        ("weighted F1", ""): weighted_f1(scores, truth),
    }


def _why_no_correlation(scores: Floats, ratings: Floats) -> str:
    from perceptmetrics.statistics.regression import constant

    if constant(scores):
        return "all scores are equal"
    return "all ratings are equal" if constant(ratings) else ""
