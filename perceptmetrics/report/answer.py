"""What came out, in a few lines: the first thing that a reader of a page sees."""

from __future__ import annotations

import math
from collections.abc import Iterator

from perceptmetrics.bench import report as words
from perceptmetrics.bench.result import BenchResult, CellResult

MOST_NAMED = 4
"""Columns whose best figure is named; with more, the tables tell."""
SURE = 0.05


def answer_lines(result: BenchResult) -> tuple[str, ...]:
    """The answer, as sentences.

    Example:
        >>> answer_lines(BenchResult("", "", {}))
        ('Nothing was judged.',)
    """
    found = (*_extent(result), *_best(result), *_against(result), *_check(result))
    return found or ("Nothing was judged.",)


def _extent(result: BenchResult) -> Iterator[str]:
    if not result.trainings:
        return
    judged = [one for one in result.trainings if one.folds]
    cells = [cell for table in result.tables for cell in table.cells]
    datasets = dict.fromkeys(cell.dataset for cell in cells if cell.ours is not None)
    line = f"{len(judged)} of {_count(len(result.trainings), 'training')} "
    line += f"{'is' if len(judged) == 1 else 'are'} judged"
    line += f", on {', '.join(datasets)}." if datasets else "."
    lacking = len(words.problems(result)) + len(words.left_out(result))
    if lacking:
        line += f" {_count(lacking, 'thing')} could not be done; they are listed below."
    yield line


def _best(result: BenchResult) -> Iterator[str]:
    best: dict[tuple[str, str], CellResult] = {}
    for table in result.tables:
        main: dict[str, str] = {}  # dataset -> the measure that its first column prints
        for cell in table.cells:
            measure = cell.column.rpartition("|")[2]
            if main.setdefault(cell.dataset, measure) != measure:
                continue
            if cell.ours is None or math.isnan(cell.ours.value) or cell.ours.falls:
                continue
            place = (table.name, cell.column)
            sign = 1 if cell.higher_is_better else -1
            other = best.get(place)
            if other is None or sign * cell.ours.value > sign * _value(other):
                best[place] = cell
    named = [f"{cell.column} {words.number(_value(cell))} by {cell.row}" for cell in best.values()]
    if named:
        more = len(named) - MOST_NAMED
        line = f"Best of ours: {'; '.join(named[:MOST_NAMED])}"
        yield line + (f"; and {_count(more, 'column')} more below." if more > 0 else ".")


def _value(cell: CellResult) -> float:
    return math.nan if cell.ours is None else cell.ours.value


def _against(result: BenchResult) -> Iterator[str]:
    cells = [cell for table in result.tables for cell in table.cells if cell.ours is not None]
    published = [(cell, cell.difference) for cell in cells if cell.difference is not None]
    # A verdict is only on what was made as the paper's, and has an interval to be judged by.
    offs = [
        (cell, off)
        for cell, off in published
        if not cell.departures
        and not (cell.ours is not None and cell.ours.falls)
        and not (math.isnan(off.low) or math.isnan(off.high))
    ]
    compared = [
        one for table in result.tables for one in table.comparisons if not math.isnan(one.p)
    ]
    parts = []
    if offs:
        above = sum(off.low > 0 if c.higher_is_better else off.high < 0 for c, off in offs)
        below = sum(off.high < 0 if c.higher_is_better else off.low > 0 for c, off in offs)
        parts.append(
            f"Of {_count(len(offs), 'figure')} that the paper prints too, {above} of ours "
            f"{'is' if above == 1 else 'are'} better, {below} worse, and "
            f"{len(offs) - above - below} cannot be told apart."
        )
    if unlike := len(published) - len(offs):
        also = "further " if offs else ""
        parts.append(
            f"{_count(unlike, f'{also}figure')} that the paper prints "
            f"{'is' if unlike == 1 else 'are'} shown and not counted: made otherwise than the "
            "paper's (fewer folds, say, or other learning rates), or without an interval, or after "
            "a logistic that falls."
        )
    if cells and not published:
        parts.append("The paper prints no figure of the same images, so none is compared with it.")
    if compared:
        sure = sum(one.p_holm < SURE for one in compared)
        parts.append(
            f"Of {_count(len(compared), 'comparison')} between methods of ours on the same images, "
            f"{sure} {'shows' if sure == 1 else 'show'} more than chance."
        )
    if parts:
        yield " ".join(parts)


def _check(result: BenchResult) -> Iterator[str]:
    found = result.check
    if found is None or not found.orderings:
        return
    metrics = dict.fromkeys(one.metric for one in found.orderings)
    summed = {name: found.summary(name)[1] for name in metrics}
    best = max(summed, key=lambda name: summed[name])
    yield (
        f"Built-in check: {best} orders {summed[best]:.0%} of neighbouring levels of distortion"
        + (f", the most of {len(summed)} metrics." if len(summed) > 1 else ".")
        + " That is monotony, not human judgement."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
