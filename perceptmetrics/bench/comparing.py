"""Our own methods against each other, on the same images: which differences are not chance?"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from perceptmetrics.bench.table import Column
from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.evaluate import Average
from perceptmetrics.evaluation.judgements import Judgements
from perceptmetrics.evaluation.mapping import MAPPINGS
from perceptmetrics.statistics import (
    accuracy,
    macro_f1,
    mean_average_precision,
    mse,
    plcc,
    srcc,
    weighted_f1,
)
from perceptmetrics.statistics.paired import (
    PairedDifference,
    PairedPart,
    holm,
    paired_difference,
)

_STATISTICS: Mapping[str, Callable[[Any, Any], float]] = {
    "SRCC": srcc,
    "PLCC": plcc,
    "MSE": mse,
    "accuracy": accuracy,
    "mAP": mean_average_precision,
    "macro F1": macro_f1,
    "weighted F1": weighted_f1,
}
_AVERAGES: Mapping[Average, Callable[[Any], Any]] = {"median": np.median, "mean": np.mean}


@dataclass(frozen=True)
class Comparison:
    """One row of ours against the best one, in one column, on the same images.

    Attributes:
        column: Name.
        best: The row with the best figure over all its own folds, of those whose logistic does not
            fall. It was picked by the images that it is compared on, so the difference is one of a
            selected row, and rather too large.
        row: The other one.
        value: Best minus other, over the folds that both have; ``nan`` where there is none.
        low, high: Its 95 % interval, of a paired bootstrap over units.
        p: Two-sided.
        p_holm: After Holm's correction for all comparisons of the column.
        images: How many different ones both judged.
        groups: Units that were drawn as a whole: the photographs that images are distortions of,
            or as many as images where each is its own. 0 where there is no value.
        folds: On how many.
        reason: Why there is no value.
    """

    column: str
    best: str
    row: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan
    images: int = 0
    groups: int = 0
    folds: int = 0
    reason: str = ""


def compared(
    column: Column,
    average: Average,
    figures: Mapping[str, float],
    judged: Mapping[str, Mapping[int, Judgements]],
    falling: Collection[str] = (),
) -> tuple[Comparison, ...]:
    """The best row of a column against each other one.

    Args:
        column: Names the measure, and the output where it is not the first.
        average: Over folds.
        figures: Row -> what it reached over its folds.
        judged: Row -> fold -> its judgements; a row without is a line that says so. Folds are
            matched by their number: two rows that lack another one share the rest.
        falling: Rows whose fitted logistic falls. Their figures are of scores turned over: none of
            them is the best, and none is compared.

    Example:
        >>> from perceptmetrics.bench.experiment import SRCC
        >>> compared(Column("iqa", SRCC, "livec"), "mean", {"ours": 0.9}, {})
        ()
    """
    there = {row: value for row, value in figures.items() if not math.isnan(value)}
    if len(there) < 2:
        return ()
    sign = 1 if column.measure.higher_is_better else -1
    upright = [row for row in there if row not in falling]
    if not upright:
        return ()
    best = max(upright, key=lambda row: sign * there[row])
    turned = "its fitted logistic falls: the figure is of its scores turned over"
    found = [
        Comparison(column.name, best, row, reason=turned)
        if row in falling
        else _against(column, average, best, row, judged)
        for row in there
        if row != best
    ]
    corrected = holm([one.p for one in found])
    return tuple(replace(one, p_holm=p) for one, p in zip(found, corrected, strict=True))


def _against(
    column: Column,
    average: Average,
    best: str,
    row: str,
    judged: Mapping[str, Mapping[int, Judgements]],
) -> Comparison:
    empty = Comparison(column.name, best, row)
    lacking = [name for name in (best, row) if not judged.get(name)]
    if lacking:
        return replace(empty, reason=f"no judgements of single images are kept of {lacking[0]}")
    shared = sorted(judged[best].keys() & judged[row].keys())
    if not shared:
        return replace(empty, reason="they have no fold in common")
    folds = len(shared)
    ours = tuple(judged[best][fold] for fold in shared)
    theirs = tuple(judged[row][fold] for fold in shared)
    try:
        found = _difference(column, average, ours, theirs)
    except DataError as error:
        return replace(empty, reason=str(error))
    if math.isnan(found.value):
        return replace(empty, folds=folds, reason=f"there is no {column.measure.name} of one")
    return replace(
        empty,
        value=found.value,
        low=found.low,
        high=found.high,
        p=found.p,
        images=len({name for one in ours for name in one.names}),
        groups=found.images,
        folds=folds,
    )


@lru_cache(maxsize=4096)
def _difference(
    column: Column,
    average: Average,
    first: tuple[Judgements, ...],
    second: tuple[Judgements, ...],
) -> PairedDifference:
    # Kept, because a bench is tabulated after each step, and a bootstrap takes its time.
    parts = [_part(column, one, other) for one, other in zip(first, second, strict=True)]
    statistic = _STATISTICS[column.measure.name]
    return paired_difference(statistic, parts, average=_AVERAGES[average])


def _part(column: Column, one: Judgements, other: Judgements) -> PairedPart:
    if one.names != other.names or not np.array_equal(one.target, other.target):
        raise DataError("they were not judged on the same images")
    if one.kind == "classification":
        first, target = one.of_classes(column.output)
        second, _ = other.of_classes(column.output)
        return PairedPart(first, second, target, one.groups)
    ours, ratings = one.of_output(column.output)
    theirs, _ = other.of_output(column.output)
    if column.measure.scale:
        # The map to the ratings' scale is fitted once, and not in each draw.
        onto = MAPPINGS[column.measure.scale]
        ours, theirs = onto(ours, ratings), onto(theirs, ratings)
    return PairedPart(ours, theirs, ratings, one.groups)
