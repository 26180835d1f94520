"""Where a training's metric errs, on one fold (appendix A.4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        fold: Its number: of the folds that are done the one whose first figure is nearest to the
            middle of all.
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
    figures: Mapping[int, Sequence[Figure]],
    judged: Mapping[int, Judgements],
) -> Analysed:
    """The errors of the fold that speaks for all.

    Args:
        name: Of the training.
        dataset: On which it was judged.
        figures: Number of a fold -> what it reached. A fold that failed is not in it.
        judged: The same image by image, of the folds of which it was kept.
    """
    fold = middle_fold(figures)
    if fold not in judged:
        return Analysed(dataset, fold, None, "no judgements of single images are kept")
    try:
        return Analysed(dataset, fold, _analysis(name, dataset, judged[fold]))
    except (DataError, OptionError) as error:
        return Analysed(dataset, fold, None, str(error))


def middle_fold(figures: Mapping[int, Sequence[Figure]]) -> int:
    """Which fold has a first figure nearest to their median.

    Args:
        figures: Number of a fold, from 1 -> what it reached.

    Returns:
        Its number; the first one's where none has a figure.

    Example:
        >>> from perceptmetrics.evaluation.figures import Figure
        >>> values = {2: 0.9, 3: 0.7, 5: 0.8}  # folds 1 and 4 failed
        >>> middle_fold({k: [Figure("quality", "SRCC", v, 0, 1, 9)] for k, v in values.items()})
        5
    """
    values = {fold: found[0].value for fold, found in figures.items() if found}
    there = sorted((value, fold) for fold, value in values.items() if not math.isnan(value))
    if not there:
        return min(figures, default=1)
    return there[(len(there) - 1) // 2][1]  # one of them, and not between two


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
