"""A metric against rated images: score them, name those that cannot be read, judge the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.figures import (
    SAMPLES,
    SEED,
    Confusion,
    Figure,
    Groupings,
    classification_figures,
    regression_figures,
)
from perceptmetrics.evaluation.intervals import too_few
from perceptmetrics.scoring.rows import Judge, Row, score_images

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest

Average = Literal["median", "mean"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a metric agrees with people on some images.

    Attributes:
        metric: What the caller calls the metric.
        data: What the caller calls the images.
        figures: Each with its interval.
        confusions: For classes; empty for ratings.
        names: Of the images that were judged; see :attr:`Manifest.names`.
        prediction: (N, K) scores or probabilities of these, float64.
        target: Their ratings (N, K), or class indices (N,).
        unreadable: The other images, with what is wrong with each.
        data_sha256: :attr:`Manifest.sha256` of what was given.
        files: Paths of the images that were judged; may be left out.
        trained_on: What the metric's card says it was trained on; may be left out.
    """

    metric: str
    data: str
    figures: tuple[Figure, ...]
    confusions: tuple[Confusion, ...]
    names: tuple[str, ...]
    prediction: npt.NDArray[np.float64]
    target: npt.NDArray[Any]
    unreadable: tuple[tuple[str, str], ...] = ()
    data_sha256: str = ""
    files: tuple[str, ...] = ()
    trained_on: str = ""

    def figure(self, measure: str, output: str | None = None, scale: str = "") -> Figure:
        """One of the figures.

        Args:
            measure: ``SRCC``, ``accuracy``, ...
            output: The first one's when ``None``.
            scale: See :attr:`Figure.scale`.

        Raises:
            DataError: There is no such figure.
        """
        for found in self.figures:
            if (found.measure, found.scale) == (measure, scale) and output in (None, found.output):
                return found
        there = ", ".join(dict.fromkeys(found.name for found in self.figures))
        raise DataError(f"there is no {measure} of {output or 'any output'}; there are {there}")


def evaluate(
    metric: Judge,
    data: Manifest,
    *,
    groupings: Groupings | None = None,
    metric_name: str = "metric",
    data_name: str = "data",
    chunk: int = 32,
    samples: int = SAMPLES,
    seed: int = SEED,
    report: Callable[[Sequence[Row]], None] = lambda rows: None,
) -> Evaluation:
    """Scores rated images with a metric and says how well it agrees with people.

    Args:
        metric: Made by :func:`perceptmetrics.create_metric`.
        data: Rated images; for classes the targets are indices of ``metric.labels``. Whole groups
            are resampled for the intervals.
        groupings: Coarser views of the classes: name -> {group -> labels}. A metric that was
            trained with some has them in ``metric.config.groupings``.
        metric_name: For the report.
        data_name: For the report.
        chunk: Images that are judged together.
        samples: Draws of the bootstrap.
        seed: Of the bootstrap.
        report: Called with the rows of each chunk as it is judged, for a progress bar.

    Raises:
        DataError: The targets are not what this metric gives, or fewer than 2 images could be
            judged.

    Example:
        >>> import perceptmetrics as pm
        >>> evaluation = evaluate(pm.create_metric("iqa"), data)  # doctest: +SKIP
        >>> print(evaluation.figure("SRCC"))  # doctest: +SKIP
        quality: SRCC 0.924 [0.893, 0.945] on 380 images
    """
    check_targets(metric, data)
    skip = 1 if metric.kind == "classification" else 0  # the label's own column
    kept: list[int] = []
    scores: list[list[float]] = []
    unreadable: list[tuple[str, str]] = []
    place = 0
    for rows in score_images({metric_name: metric}, map(str, data.images), chunk=chunk):
        report(rows)
        for row in rows:
            if row.error:
                unreadable.append((data.names[place], row.error))
            else:
                kept.append(place)
                scores.append([float(cell) for cell in row.values[skip:] if cell is not None])
            place += 1
    if len(kept) < 2:
        raise DataError(
            f"{len(kept)} of {len(data)} images of {data_name} could be judged, expected at least "
            "2" + (f"; {unreadable[0][0]}: {unreadable[0][1]}" if unreadable else "")
        )
    judged = data.take(kept)
    prediction = np.asarray(scores, np.float64)
    confusions: tuple[Confusion, ...] = ()
    if metric.kind == "classification":
        figures, confusions = classification_figures(
            prediction,
            judged.targets,
            metric.labels,
            groupings,
            groups=judged.groups,
            samples=samples,
            seed=seed,
        )
    else:
        figures = regression_figures(
            prediction,
            judged.targets,
            metric.labels,
            groups=judged.groups,
            samples=samples,
            seed=seed,
        )
    return Evaluation(
        metric=metric_name,
        data=data_name,
        figures=figures,
        confusions=confusions,
        names=judged.names,
        prediction=prediction,
        target=judged.targets,
        unreadable=tuple(unreadable),
        data_sha256=data.sha256,
        files=tuple(map(str, judged.images)),
    )


def check_targets(metric: Judge, data: Manifest) -> None:
    """Refuses data that this metric cannot be judged on, before anything is scored.

    Raises:
        DataError: Ratings against classes, or another number of them.

    Example:
        >>> from perceptmetrics.data.manifest import Manifest
        >>> class Affect:
        ...     labels, kind = ("valence", "arousal"), "regression"
        >>> check_targets(Affect(), Manifest((), (), np.zeros((0, 1)), (), ""))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.DataError: the data has 1 ratings an image, the metric gives 2 ...
    """
    classes = data.targets.ndim == 1
    outputs = ", ".join(metric.labels)
    if classes != (metric.kind == "classification"):
        held, given = ("labels", "scores") if classes else ("ratings", "classes")
        raise DataError(f"the data has {held}, the metric gives {given} ({outputs})")
    if classes:
        last = int(data.targets.max(initial=0))
        if last >= len(metric.labels):
            raise DataError(
                f"the data has a class {last}, the metric has {len(metric.labels)} ({outputs})"
            )
    elif data.targets.shape[1] != len(metric.labels):
        raise DataError(
            f"the data has {data.targets.shape[1]} ratings an image, the metric gives "
            f"{len(metric.labels)} scores ({outputs}); name their columns"
        )


def over_splits(
    splits: Sequence[Sequence[Figure]], average: Average, *, seed: int = SEED
) -> tuple[Figure, ...]:
    """The figures of several splits as one table gives them (section 5).

    The paper takes the median over ten splits for IQA, the mean over five folds for memorability
    and emotion. The interval is a bootstrap over the splits: how far the number would move had
    others been drawn. It is not about the images, which the splits share.

    Args:
        splits: The figures of each split, the same ones in each.
        average: ``median`` or ``mean``.
        seed: Of the bootstrap.

    Returns:
        One figure each; its ``images`` is the sum over splits. Where a split has no value, there
        is none; where there are fewer than five splits, there is no interval.

    Raises:
        DataError: There are no splits, or their figures differ.

    Example:
        >>> each = [[Figure("quality", "SRCC", v, 0, 1, 20)] for v in (0.8, 0.9, 0.95)]
        >>> over_splits(each, "median")[0].value
        0.9
    """
    from perceptmetrics.statistics import bootstrap_ci
    from perceptmetrics.statistics.bootstrap import LEAST_UNITS

    keys = [[(f.output, f.name) for f in figures] for figures in splits]
    if not keys or any(other != keys[0] for other in keys):
        raise DataError(f"{len(splits)} splits whose figures differ, or none; expected the same")
    averages: Mapping[str, Callable[[Any], Any]] = {"median": np.median, "mean": np.mean}
    taken = averages[average]
    found = []
    for same in zip(*splits, strict=True):
        values = np.array([figure.value for figure in same])
        first, images = same[0], sum(figure.images for figure in same)
        missing = [k for k, value in enumerate(values, 1) if np.isnan(value)]
        value, low, high, reason = float("nan"), float("nan"), float("nan"), ""
        if missing:
            reason = f"split {missing[0]} has none: {same[missing[0] - 1].reason}"
        elif len(values) < 2:
            value, reason = float(values[0]), "no interval: one split"
        else:
            ci = bootstrap_ci(
                lambda x, _: float(taken(x)), values, values, seed=seed, least=LEAST_UNITS
            )
            value, low, high = ci.value, ci.low, ci.high
            reason = too_few(len(values), "split")
        falls = any(figure.falls for figure in same)
        found.append(
            Figure(
                first.output, first.measure, value, low, high, images, first.scale, reason, falls
            )
        )
    return tuple(found)
