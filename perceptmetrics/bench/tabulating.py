"""Puts figures of ours into their tables, beside the published ones."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version

from perceptmetrics.bench.comparing import Comparison, compared
from perceptmetrics.bench.experiment import Training
from perceptmetrics.bench.judging import Figures, over_folds, pick
from perceptmetrics.bench.monotony import CheckResult
from perceptmetrics.bench.plan import PAPER_EPOCHS, PAPER_RATES, Plan, PlannedTraining, Terms
from perceptmetrics.bench.result import (
    BenchResult,
    CellResult,
    Missing,
    TableResult,
    TrainingResult,
    difference,
)
from perceptmetrics.bench.selection import as_published
from perceptmetrics.bench.table import Cell, Table
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.judgements import Judgements
from perceptmetrics.revision import revision
from perceptmetrics.tasks import TASKS

_PACKAGES = ("perceptmetrics", "torch", "numpy", "pillow")


@dataclass(frozen=True)
class Judged:
    """A training, as far as it went.

    Attributes:
        planned: What was asked for.
        result: How it went.
        figures: Dataset -> fold -> the figures, of each fold that is done.
        judgements: Dataset -> fold -> the same image by image, where that is kept.
    """

    planned: PlannedTraining
    result: TrainingResult
    figures: Mapping[str, Mapping[int, Figures]]
    judgements: Mapping[str, Mapping[int, Judgements]] = field(default_factory=dict)


def tabulated(
    plan: Plan,
    terms: Terms,
    trainings: Sequence[Judged] = (),
    *,
    command: str = "",
    check: CheckResult | None = None,
) -> BenchResult:
    """Everything that there is, as one value.

    Args:
        plan: What was asked for.
        terms: Of all trainings.
        trainings: As far as they went.
        command: What was typed.
        check: A result of the built-in check, to go along.
    """
    judged = {one.planned.training: one for one in trainings}
    return BenchResult(
        command,
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine(terms.device),
        tuple(_table(table, plan, terms, judged) for table in plan.tables),
        tuple(one.result for one in trainings),
        missing(plan),
        check,
    )


def missing(plan: Plan) -> tuple[Missing, ...]:
    """What a plan lacks, one entry each."""
    absent = (Missing("dataset", one.dataset, one.problem) for one in plan.absent)
    return (*plan.missed, *absent)


def machine(device: str) -> dict[str, str]:
    """What figures are made on.

    Example:
        >>> sorted(machine("cpu"))[:3]
        ['commit', 'device', 'name']
    """
    return {
        "name": platform.node(),
        "platform": platform.platform(),
        "device": device,
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "commit": revision() or "a release",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _table(
    table: Table, plan: Plan, terms: Terms, judged: Mapping[Training, Judged]
) -> TableResult:
    return TableResult(
        table.name,
        table.title,
        table.section,
        table.note,
        tuple(column.name for column in table.columns),
        tuple(row.name for row in table.rows),
        tuple(_cell(cell, plan, terms, judged) for cell in table.cells()),
        _comparisons(table, judged),
    )


def _comparisons(table: Table, judged: Mapping[Training, Judged]) -> tuple[Comparison, ...]:
    """Of each column in which several rows of ours are judged."""
    found: list[Comparison] = []
    for column in table.columns:
        figures: dict[str, float] = {}
        judgements: dict[str, Mapping[int, Judgements]] = {}
        falling: list[str] = []
        average = TASKS.get(DATASETS.get(column.dataset).task).average
        for cell in table.cells():
            one = None if cell.training is None else judged.get(cell.training)
            if cell.column != column or one is None or column.dataset not in one.figures:
                continue
            try:
                each = [pick(folds, column) for folds in one.figures[column.dataset].values()]
            except DataError:
                continue  # the cell itself says why
            ours = over_folds(each, average)
            figures[cell.row.name] = ours.value
            falling += [cell.row.name] * ours.falls
            judgements[cell.row.name] = one.judgements.get(column.dataset, {})
        found += compared(column, average, figures, judgements, falling)
    return tuple(found)


def _cell(cell: Cell, plan: Plan, terms: Terms, judged: Mapping[Training, Judged]) -> CellResult:
    column, training = cell.column, cell.training
    published = as_published(cell) or cell
    bare = CellResult(
        row=cell.row.name,
        column=column.name,
        ours_is_asked=training is not None,
        published=published.printed,
        published_in=published.table if published.value is not None else "",
        higher_is_better=column.measure.higher_is_better,
        dataset=column.dataset,
    )
    if training is None:
        return bare
    needed = dict.fromkeys([*training.datasets, column.dataset])
    absent = [name for name in needed if plan.places[name].problem]
    if absent:
        return replace(bare, reason=f"no dataset {', '.join(absent)}")
    if training not in judged:
        return replace(bare, reason="not run yet")
    one = judged[training]
    bare = replace(bare, training=one.planned.name)
    folds = one.figures.get(column.dataset)
    lacking = one.result.unjudged.get(column.dataset, "") or one.result.error
    if not folds:
        left = "left out by the budget" if one.result.left_by_budget else "not run yet"
        return replace(bare, reason=lacking or left)
    try:
        each = [pick(figures, column) for figures in folds.values()]
    except DataError as error:
        return replace(bare, reason=str(error))
    ours = over_folds(each, TASKS.get(DATASETS.get(column.dataset).task).average)
    said = departures(cell, one.planned, plan, terms)
    if len(folds) < one.planned.protocol_folds:
        said = (f"{len(folds)} of {one.planned.protocol_folds} folds", *said)
    off = None
    # On a part of a set the figures are not of the same images, and no difference is one.
    whole = not any(plan.places[name].part for name in needed)
    if published.value is not None and whole and not math.isnan(ours.value):
        off = difference(ours, published.value, published.rounding)
    return replace(
        bare,
        ours=ours,
        by_fold=tuple(figure.value for figure in each),
        difference=off,
        departures=said,
        reason=lacking,
    )


def departures(cell: Cell, planned: PlannedTraining, plan: Plan, terms: Terms) -> tuple[str, ...]:
    """In what a figure of ours is not made as the printed one was, each in a few words."""
    said = []
    published = as_published(cell)
    training = planned.training
    if published is not None and published.training is not None:
        theirs = published.training.setup
        if training.setup.weights != theirs.weights:
            ours = training.setup.weights or "from a file"
            said.append(f"weights {ours}, not {theirs.weights}")
    if terms.rates != PAPER_RATES:
        said.append("learning rates " + ", ".join(f"{rate:g}" for rate in terms.rates))
    if terms.epochs != PAPER_EPOCHS:
        said.append(f"at most {terms.epochs} epochs, not {PAPER_EPOCHS}")
    if terms.replicas is not None:
        said.append(f"{terms.replicas} cuts of an image per epoch")
    if not terms.augment:
        said.append("no augmentation")
    said += [f"{option} {value}".strip() for option, value in terms.others.items()]
    needed = dict.fromkeys([*training.datasets, cell.column.dataset])
    return (*said, *(plan.places[name].part for name in needed if plan.places[name].part))
