"""The built-in check as a part of a page: a table, what it took, and a chart a metric."""

from __future__ import annotations

import math
from collections.abc import Iterator

from perceptmetrics.bench import report as words
from perceptmetrics.bench.result import BenchResult
from perceptmetrics.report import charts
from perceptmetrics.report.view import Cell, Chart, Section, table


def check_section(result: BenchResult) -> Iterator[Section]:
    """Scores of the built-in check by metric and distortion, and how they fall.

    Args:
        result: Of a bench; without a check there is no such chapter.

    Example:
        >>> list(check_section(BenchResult("perceptmetrics bench", "2025-01-01", {})))
        []
    """
    found = result.check
    if found is None:
        return
    tables, drawn = [], []
    names = tuple(dict.fromkeys(one.metric for one in found.orderings))
    if names:
        rows: list[list[str | Cell]] = []
        for name in names:
            summed = [found.summary(name, one) for one in (None, *found.distortions)]
            cells = [
                Cell(words.number(srcc), after=f"{pairs:.0%}", share=_share(srcc))
                for srcc, pairs in summed
            ]
            rows.append([name, *cells])
        tables.append(table(words.LEGEND, ("metric", "all", *found.distortions), rows))
    if found.speeds:
        tables.append(
            table(
                "What each metric took.",
                ("metric", "images", "seconds", "seconds of CPU"),
                [
                    (
                        one.metric,
                        str(one.images),
                        words.number(one.seconds),
                        words.number(one.cpu_seconds),
                    )
                    for one in found.speeds
                ],
            )
        )
    if not charts.why_no_charts():
        for name in names:
            scores = tuple(
                (distortion, tuple(one.scores for one in found.of(name, distortion)))
                for distortion in found.distortions
            )
            caption = f"{name}: scores by level, a line a photograph; level 0 is untouched."
            drawn.append(Chart(charts.falls(scores, caption), caption))
    yield Section(
        "check", "Built-in check", (found.note,), tables=tuple(tables), charts=tuple(drawn)
    )


def _share(srcc: float) -> float:
    return 0.0 if math.isnan(srcc) else max(0.0, srcc) ** 2
