"""Where a training's metric errs, on one fold (appendix A.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.evaluation.analyse import analyse
from perceptmetrics.evaluation.breakdown import LEAST, MANY
from perceptmetrics.evaluation.error_analysis import ErrorAnalysis
from perceptmetrics.evaluation.error_record import FORMAT, from_record
from perceptmetrics.evaluation.evaluate import Evaluation
from perceptmetrics.evaluation.figures import Figure
from perceptmetrics.evaluation.judgements import Judgements

SAMPLES = 500  # draws behind the intervals of a breakdown
_DOUBTS = ("_sd", "_n", "_se")  # columns that say how sure a rating is: no groups of images


@dataclass(frozen=True)
class Analysed:
    """The errors on one dataset.

    Attributes:
        dataset: On which it was judged.
        fold: Of which fold: the one whose first figure is nearest to the middle of all.
        analysis: What came out; ``None`` where there is none.
        reason: Why there is none.
    """

    dataset: str
    fold: int
    analysis: ErrorAnalysis | None
    reason: str = ""


def analysed(
    name: str,
    dataset: str,
    figures: Sequence[Sequence[Figure]],
    judged: Sequence[Judgements],
) -> Analysed:
    """The errors of the fold that speaks for all.

    Args:
        name: Of the training.
        dataset: On which it was judged.
        figures: Of each fold.
        judged: The same image by image; empty where it was not kept.
    """
    fold = middle_fold(figures)
    if not judged:
        return Analysed(dataset, fold, None, "no judgements of single images are kept")
    try:
        return Analysed(dataset, fold, _analysis(name, dataset, judged[fold - 1]))
    except (DataError, OptionError) as error:
        return Analysed(dataset, fold, None, str(error))


def middle_fold(figures: Sequence[Sequence[Figure]]) -> int:
    """Which fold, from 1, has a first figure nearest to their median.

    Example:
        >>> from perceptmetrics.evaluation.figures import Figure
        >>> middle_fold([(Figure("quality", "SRCC", v, 0, 1, 9),) for v in (0.9, 0.7, 0.8)])
        3
    """
    values = [found[0].value if found else math.nan for found in figures]
    there = sorted(value for value in values if not math.isnan(value))
    if not there:
        return 1
    median = there[(len(there) - 1) // 2]  # one of them, and not between two
    return values.index(median) + 1


@lru_cache(maxsize=1024)
def _analysis(name: str, dataset: str, judged: Judgements) -> ErrorAnalysis:
    # Kept, because a bench takes stock after each step, and a bootstrap takes its time.
    data = Manifest(
        tuple(map(Path, judged.files)),
        judged.names,
        judged.target,
        judged.groups,
        judged.data_sha256,
        judged.columns,
    )
    found = Evaluation(
        metric=name,
        data=dataset,
        figures=(),
        confusions=(),
        names=judged.names,
        prediction=judged.prediction,
        target=judged.target,
        data_sha256=judged.data_sha256,
    )
    return analyse(
        found,
        data,
        judged.labels,
        groupings=judged.groupings,
        by=[column for column, cells in judged.columns.items() if _groups(column, cells)],
        split_half=DATASETS.get(dataset).split_half,
        samples=SAMPLES,
    )


def _groups(column: str, cells: Sequence[str]) -> bool:
    """Whether a column parts the images into some groups of which one is worth a figure."""
    counts = {cell: cells.count(cell) for cell in set(cells)}
    some = 2 <= len(counts) <= MANY and max(counts.values()) >= LEAST
    return some and not column.endswith(_DOUBTS)


def analysed_from(plain: dict[str, Any]) -> Analysed:
    """As JSON holds it.

    Raises:
        DataError: The analysis is not one.
    """
    kept = plain.pop("analysis")
    found = None if kept is None else from_record({"format": FORMAT, **kept})
    return Analysed(analysis=found, **plain)
