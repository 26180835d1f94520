"""Where a metric errs: the images by category, by distortion, by any column of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.evaluation.error_analysis import Breakdown, GroupErrors
from perceptmetrics.evaluation.figures import SAMPLES, SEED, Figure
from perceptmetrics.evaluation.intervals import Key, Statistics, intervals
from perceptmetrics.evaluation.mapping import to_scale
from perceptmetrics.statistics import accuracy, mae, srcc
from perceptmetrics.statistics.checks import Floats, pair, same_length

LEAST = 8
"""Fewer images in a group have no figures: a correlation of seven says next to nothing."""
SCALE = "rank statistics"
MANY = 30  # different values; more of them are no groups
PARTS = 4  # of a column of numbers with more values than that
NAN = float("nan")


def rating_breakdown(
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    values: Sequence[str],
    output: str,
    column: str,
    *,
    scale: str = SCALE,
    groups: Sequence[str] | None = None,
    least: int = LEAST,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> Breakdown:
    """SRCC, bias and MAE of the images with each value of a column.

    The scores are brought to the ratings' scale on all images at once, so that a bias is that of
    the group against the rest. Its intervals take that map as given, and draw the group's images.

    Args:
        prediction: (N,) scores, N at least 2.
        target: (N,) ratings.
        values: N cells of the column. Numbers of more than 30 values are cut into four parts of
            about as many images.
        output: What is judged.
        column: Its name.
        scale: A name of :data:`~perceptmetrics.evaluation.mapping.MAPPINGS`.
        groups: N names of what is resampled as a whole; ``None``: every image is its own.
        least: Groups of fewer images are counted, and have no figures.
        samples: Draws of the bootstrap.
        seed: Of a local generator.

    Raises:
        DataError: Shapes differ, a value is not finite, or the column has more than 30 values that
            are no numbers. Where the map cannot be fitted, bias and MAE say so.
        OptionError: There is no such scale, or ``least`` is below 2.

    Example:
        >>> kinds = ["blur", "blur", "JPEG"]
        >>> found = rating_breakdown(
        ...     [1, 2, 4],
        ...     [2, 3, 3],
        ...     kinds,
        ...     "quality",
        ...     "kind",
        ...     scale="as scored",
        ...     least=2,
        ...     samples=20,
        ... )
        >>> found.groups[0].value, found.groups[0].figure("bias").value
        ('blur', -1.0)
        >>> print(found.groups[1].figures[0])
        quality: SRCC: none (1 image, fewer than 2)
    """
    x, y = pair(prediction, target, least=2)
    if x.ndim != 1:
        raise DataError(f"a breakdown is of one output, (N,); got shape {x.shape}")
    lost = ""
    try:
        mapped = to_scale(scale, x, y)
    except DataError as error:
        mapped, lost = x, str(error)

    def of_group(scores: Floats, ratings: Floats) -> dict[Key, float]:
        # The second column is the mapped score: ranks are those of the scores as they are.
        return {
            ("SRCC", ""): srcc(scores[:, 0], ratings),
            ("bias", scale): NAN if lost else float(np.mean(scores[:, 1] - ratings)),
            ("MAE", scale): NAN if lost else mae(scores[:, 1], ratings),
        }

    found = _by_value(
        np.stack([x, mapped], axis=1),
        y,
        values,
        output,
        column,
        of_group,
        groups=groups,
        least=least,
        samples=samples,
        seed=seed,
        lost=lost,
    )
    return Breakdown(output, column, scale, found, least)


def class_breakdown(
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    values: Sequence[str],
    output: str,
    column: str,
    *,
    groups: Sequence[str] | None = None,
    least: int = LEAST,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> Breakdown:
    """Accuracy on the images with each value of a column.

    Args:
        prediction: (N, C) probabilities, N at least 2.
        target: (N,) class indices.
        values: As for :func:`rating_breakdown`, as are the rest.
        output: ``all classes``, or a grouping's name.
        column: Its name.
        groups: See there.
        least: See there.
        samples: See there.
        seed: See there.

    Raises:
        DataError: As there.
        OptionError: As there.

    Example:
        >>> found = class_breakdown(
        ...     [[0.9, 0.1], [0.2, 0.8]],
        ...     [0, 0],
        ...     ["in", "in"],
        ...     "all classes",
        ...     "place",
        ...     least=2,
        ...     samples=20,
        ... )
        >>> found.groups[0].figure("accuracy").value
        0.5
    """

    def of_group(scores: Floats, truth: npt.NDArray[Any]) -> dict[Key, float]:
        return {("accuracy", ""): accuracy(scores, truth)}

    scores, truth = np.asarray(prediction), np.asarray(target)
    found = _by_value(
        scores,
        truth,
        values,
        output,
        column,
        of_group,
        groups=groups,
        least=least,
        samples=samples,
        seed=seed,
    )
    return Breakdown(output, column, "", found, least)


def _by_value(
    prediction: npt.NDArray[Any],
    target: npt.NDArray[Any],
    values: Sequence[str],
    output: str,
    column: str,
    statistics: Statistics,
    *,
    groups: Sequence[str] | None,
    least: int,
    samples: int,
    seed: int,
    lost: str = "",
) -> tuple[GroupErrors, ...]:
    """The groups; ``lost`` says why there is nothing on the ratings' scale."""
    count = same_length(prediction, target, least=2)
    if len(values) != count:
        raise DataError(f"column {column!r} has {len(values)} entries for {count} images")
    if least < 2:
        raise OptionError(f"least is {least}, expected at least 2 images in a group")
    measures = list(statistics(prediction, target))
    cells = np.asarray(group_values(values, column))
    names = np.arange(count).astype(str) if groups is None else np.asarray(groups)
    found = []
    for value in dict.fromkeys(cells.tolist()):
        there = cells == value
        images = int(there.sum())
        if images < least:
            reason = f"{images} image{'s' * (images != 1)}, fewer than {least}"
            of_each = dict.fromkeys(measures, (NAN, NAN, NAN, reason))
        else:
            of_each = intervals(
                statistics, prediction[there], target[there], names[there], samples, seed
            )
        figures = []
        for (measure, scale), (number, low, high, why) in of_each.items():
            if np.isnan(number) and images >= least:
                why = (lost if scale else "") or "all scores or all ratings of the group are equal"
            figures.append(Figure(output, measure, number, low, high, images, scale, why))
        found.append(GroupErrors(value, images, tuple(figures)))
    return tuple(sorted(found, key=lambda group: -group.images))


def group_values(values: Sequence[str], column: str) -> tuple[str, ...]:
    """The cells of a column as groups: as they are, or numbers cut into four parts.

    Args:
        values: N cells.
        column: Its name.

    Raises:
        DataError: There are more than 30 different values, and not all are numbers.

    Example:
        >>> group_values(["a", " b ", "a"], "kind")
        ('a', 'b', 'a')
        >>> group_values([str(number) for number in range(40)], "age")[0]
        '0 to 9.75'
    """
    cells = [value.strip() for value in values]
    if len(set(cells)) <= MANY:
        return tuple(cells)
    try:
        numbers = np.array([float(cell) for cell in cells])
    except ValueError:
        numbers = np.array([NAN])
    if not np.isfinite(numbers).all():
        raise DataError(
            f"column {column!r} has {len(set(cells)):,} different values, which are no groups; "
            f"expected at most {MANY}, or numbers in every row"
        )
    ends = np.unique(np.quantile(numbers, np.linspace(0.0, 1.0, PARTS + 1)))
    place = np.clip(np.searchsorted(ends, numbers, side="right") - 1, 0, len(ends) - 2)
    return tuple(f"{ends[k]:.4g} to {ends[k + 1]:.4g}" for k in place)
