"""A bench for people: rows of cells for a terminal, Markdown and a page. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perceptmetrics.bench.experiment import LOGISTIC
from perceptmetrics.bench.monotony import CheckResult
from perceptmetrics.bench.plan import Plan, PlannedTraining
from perceptmetrics.bench.result import BenchResult, CellResult, TableResult

Rows = list[tuple[str, ...]]

DETAILS = ("row", "column", "ours", "95 % interval", "published", "difference", "best rival")
TRAININGS = ("training", "folds", "runs", "done", "at most", "weights")
SUMMARY = ("metric", "distortion", "SRCC", "pairs in order")
FALLS = "falls"
"""Beside a figure whose logistic does; :func:`notes` say what that means."""
ABOUT_LOGISTIC = (
    "PLCC of ours is after the 4-parameter logistic (A.1 of the paper), which is fitted to the "
    "very images that are judged and takes the direction that it finds; SRCC knows the direction."
)
LEGEND = (
    "SRCC is of the score with the level, turned so that 1 means a fall at every step; pairs are "
    "neighbouring levels, the untouched photograph being the first. Means over photographs."
)


def duration(seconds: float | None) -> str:
    """Seconds for people, rounded to two units.

    Example:
        >>> duration(42), duration(3725), duration(900_000), duration(None)
        ('42 s', '1 h 2 min', '10 d 10 h', 'not known')
    """
    if seconds is None:
        return "not known"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


def number(value: float) -> str:
    """A figure with the digits that it deserves.

    Example:
        >>> number(0.94512), number(0.00687), number(float("nan"))
        ('0.945', '0.00687', '-')
    """
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


def title(table: TableResult) -> str:
    """A table's name and what it is about."""
    named = table.title if table.name == "own" else f"Table {table.name}: {table.title}"
    return named[0].upper() + named[1:]


def detail_rows(table: TableResult) -> Rows:
    """One row for each figure of ours, with what the paper prints, under :data:`DETAILS`."""
    return [_detail(table, cell) for cell in table.cells if cell.ours_is_asked]


def _detail(table: TableResult, cell: CellResult) -> tuple[str, ...]:
    interval = "-"
    if cell.ours is not None and not math.isnan(cell.ours.low):
        interval = f"{number(cell.ours.low)} to {number(cell.ours.high)}"
    published = cell.published
    if cell.published_in and cell.published_in != table.name:
        published += f" (Table {cell.published_in})"
    rival = table.best_rival(cell.column)
    return (
        cell.row,
        cell.column,
        ours_said(cell),
        interval,
        published,
        _difference(cell),
        "-" if rival is None else f"{rival.published} {rival.row}",
    )


def ours_said(cell: CellResult) -> str:
    """Our figure, marked where the logistic that was fitted before it falls."""
    if cell.ours is None:
        return "-"
    return number(cell.ours.value) + f" ({FALLS})" * cell.ours.falls


def _difference(cell: CellResult) -> str:
    off = cell.difference
    if off is None:
        return "-"
    interval = "" if math.isnan(off.low) else f" [{_signed(off.low)}, {_signed(off.high)}]"
    return _signed(off.value) + interval


def _signed(value: float) -> str:
    # A squared error of 0.0069 is told from 0.0071 in the fourth digit.
    return f"{value:+.3f}" if abs(value) >= 0.01 else f"{value:+.2g}"


def wide_rows(table: TableResult) -> Rows:
    """The table as it is printed: ours in front, the published figure in brackets."""
    rows: Rows = [("", *table.columns)]
    for name in table.rows:
        rows.append((name, *(_wide(cell) for cell in table.row(name))))
    return rows


def _wide(cell: CellResult) -> str:
    if not cell.ours_is_asked:
        return cell.published
    ours = "-" if cell.ours is None else f"**{ours_said(cell)}**"
    return f"{ours} ({cell.published})" if cell.published_in else ours


def notes(result: BenchResult) -> list[str]:
    """What stands in the way of reading a figure as the paper's, one line each."""
    said: list[str] = []
    for table in result.tables:
        departures: dict[tuple[str, ...], list[CellResult]] = {}
        for cell in table.cells:
            if cell.departures:
                departures.setdefault(cell.departures, []).append(cell)
        for departure, cells in departures.items():
            rows = ", ".join(dict.fromkeys(cell.row for cell in cells))
            said.append(f"{title(table)}: {rows}: {'; '.join(departure)}")
        said += [f"{title(table)}: {line}" for line in _of_figures(table)]
        if table.note:
            said.append(f"{title(table)}: {table.note}")
    return said


def _of_figures(table: TableResult) -> list[str]:
    """What is to be minded of figures of ours as they are, whatever the paper prints."""
    few: dict[str, list[str]] = {}  # why there is no interval -> rows
    falling: dict[str, list[str]] = {}  # column -> rows
    for cell in table.cells:
        if cell.ours is None or math.isnan(cell.ours.value):
            continue
        if cell.ours.falls:
            falling.setdefault(cell.column, []).append(cell.row)
        if math.isnan(cell.ours.low) and cell.ours.reason:
            few.setdefault(cell.ours.reason, []).append(cell.row)
    said = [
        f"{', '.join(dict.fromkeys(rows))}: {column}: the fitted logistic {FALLS}, higher scores "
        "go with lower ratings. The figure is that of the scores turned over; it is not taken for "
        "the best, and not compared"
        for column, rows in falling.items()
    ]
    return said + [f"{', '.join(dict.fromkeys(rows))}: {why}" for why, rows in few.items()]


def about_measures(table: TableResult) -> str:
    """What a column's name does not say of ours; empty where there is nothing.

    Example:
        >>> about_measures(TableResult("own", "a table", "", "", (), (), ()))
        ''
    """
    scales = {cell.ours.scale for cell in table.cells if cell.ours is not None}
    return ABOUT_LOGISTIC if LOGISTIC in scales else ""


def problems(result: BenchResult) -> list[str]:
    """What is missing or failed, one line each."""
    said = [f"{one.kind} {one.name}: {one.reason}" for one in result.missing]
    for training in result.trainings:
        if training.error:
            said.append(f"{training.name}: {training.error}")
        for dataset, reason in training.unjudged.items():
            said.append(f"{training.name}, judged on {dataset}: {reason}")
    if result.check is not None:
        said += [f"cannot load: {name}: {reason}" for name, reason in result.check.failures]
    said += [one.problem for one in result.rivals if one.problem]
    return said


def left_out(result: BenchResult) -> list[str]:
    """What the budget did not reach, one line each."""
    return [
        f"{one.name}: {one.folds} of {one.folds_asked} folds"
        for one in result.trainings
        if one.left_by_budget
    ]


def training_rows(plan: Plan) -> Rows:
    """What would run, under :data:`TRAININGS`."""
    return [
        (
            one.name,
            f"{one.folds} of {one.protocol_folds}",
            str(one.runs),
            str(one.done),
            duration(one.seconds),
            one.weights,
        )
        for one in plan.trainings
    ]


def how_estimated(trainings: Sequence[PlannedTraining]) -> list[str]:
    """From where the times are, each way once."""
    return list(dict.fromkeys(one.speed.how for one in trainings))


def plan_totals(plan: Plan) -> str:
    """A plan in one line."""
    if not plan.tables:
        return "nothing to train"
    runs = sum(one.runs for one in plan.trainings)
    done = sum(one.done for one in plan.trainings)
    tables = ", ".join(table.name for table in plan.tables)
    line = (
        f"tables {tables}: {_count(len(plan.trainings), 'training')}, {_count(runs, 'run')} "
        f"(folds x learning rates), of which {done} done; at most {duration(plan.seconds)}"
    )
    if plan.unrunnable:
        line += f"; {_count(plan.unrunnable, 'training')} cannot, for want of a dataset"
    return line


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def check_rows(check: CheckResult) -> Rows:
    """Each metric under all distortions and under each, under :data:`SUMMARY`."""
    rows: Rows = []
    for metric in dict.fromkeys(one.metric for one in check.orderings):
        for distortion in (None, *check.distortions):
            srcc, pairs = check.summary(metric, distortion)
            named = distortion or "all"
            rows.append((metric, named, number(srcc), f"{pairs:.0%}"))
    return rows


def ordering_rows(check: CheckResult) -> Rows:
    """Every score, photograph by photograph; the first row is a header."""
    levels = [f"level {level}" for level in range(1, 6)]
    rows: Rows = [("metric", "photograph", "distortion", "untouched", *levels, "SRCC", "pairs")]
    for one in check.orderings:
        scores = (f"{score:.4g}" for score in one.scores)
        said = (number(one.srcc), f"{one.in_order} of 5")
        rows.append((one.metric, one.photograph, one.distortion, *scores, *said))
    return rows


def speed_lines(check: CheckResult) -> list[str]:
    """What each metric took."""
    return [
        f"{one.metric}: {one.images} images in {duration(one.seconds)}, "
        f"{duration(one.cpu_seconds)} of CPU"
        for one in check.speeds
    ]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    r"""A Markdown table; the first row is its header.

    Example:
        >>> print(markdown([("a", "b"), ("1", "x|y")]))
        | a | b |
        |---|---|
        | 1 | x\|y |
    """

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    header, *body = rows
    return "\n".join([line(header), "|" + "---|" * len(header), *map(line, body)])
