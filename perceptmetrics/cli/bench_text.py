"""A bench on a terminal: what would run, and what came out."""

from __future__ import annotations

from collections.abc import Sequence

from perceptmetrics.bench import report
from perceptmetrics.bench.plan import Plan
from perceptmetrics.bench.result import BenchResult
from perceptmetrics.bench.rivals import table as rival_table
from perceptmetrics.bench.tabulating import missing
from perceptmetrics.cli.text import columns, one_line


def plan_text(plan: Plan) -> str:
    """What would run, how long it takes, what is missing."""
    parts = [report.plan_totals(plan)]
    if plan.trainings:
        parts.append(columns([report.TRAININGS, *report.training_rows(plan)]))
        parts += _list("Time:", report.how_estimated(plan.trainings))
    parts += _list("Not here:", [f"{one.kind} {one.name}: {one.reason}" for one in missing(plan)])
    parts += _list("A part of a set:", [one.part for one in plan.places.values() if one.part])
    return "\n\n".join(parts)


def result_text(result: BenchResult) -> str:
    """Figures, then what is to be minded, then what is missing."""
    parts: list[str] = []
    for table in result.tables:
        parts.append(
            f"{report.title(table)}\n" + columns([report.DETAILS, *report.detail_rows(table)])
        )
        parts += [report.about_measures(table)] * bool(report.about_measures(table))
    if rows := rival_table.rival_rows(result.rivals):
        parts += [columns([rival_table.HEADER, *rows]), rival_table.LEGEND]
    if result.check is not None:
        parts.append(result.check.note)
        if result.check.orderings:
            parts.append(columns([report.SUMMARY, *report.check_rows(result.check)]))
            parts.append(report.LEGEND)
        parts += report.speed_lines(result.check)
    parts += _list("To mind:", report.notes(result))
    parts += _list("Left out by the budget:", report.left_out(result))
    parts += _list("Not done:", report.problems(result))
    return "\n\n".join(parts)


def _list(heading: str, lines: Sequence[str]) -> list[str]:
    return ["\n".join([heading, *(f"  {one_line(line)}" for line in lines)])] if lines else []
