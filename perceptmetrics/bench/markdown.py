"""A bench as Markdown, the whole of it. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator

from perceptmetrics.bench import evidence
from perceptmetrics.bench.analysing import Analysed
from perceptmetrics.bench.report import (
    DETAILS,
    LEGEND,
    SUMMARY,
    about_measures,
    check_rows,
    detail_rows,
    left_out,
    markdown,
    notes,
    ordering_rows,
    problems,
    speed_lines,
    title,
    wide_rows,
)
from perceptmetrics.bench.result import BenchResult
from perceptmetrics.bench.rivals import table as rival_table
from perceptmetrics.evaluation.error_tables import error_tables


def to_markdown(result: BenchResult) -> str:
    """The whole result as Markdown.

    Example:
        >>> print(to_markdown(BenchResult("perceptmetrics bench", "2025-01-01", {"python": "3"})))
        `perceptmetrics bench`, 2025-01-01, on python 3
        <BLANKLINE>
    """
    parts = [f"`{result.command}`, {result.finished}, on {_machine(result)}"]
    for table in result.tables:
        parts += [f"## {title(table)}", markdown(wide_rows(table))]
        parts.append(markdown([DETAILS, *detail_rows(table)]))
        parts += [about_measures(table)] * bool(about_measures(table))
        if table.comparisons:
            parts.append("Ours against each other, on the same images:")
            parts.append(markdown([evidence.COMPARISONS, *evidence.comparison_rows(table)]))
    if rows := rival_table.rival_rows(result.rivals):
        parts += ["## Rivals", rival_table.LEGEND, markdown([rival_table.HEADER, *rows])]
        parts.append("\n".join(f"- {line}" for line in rival_table.provenance(result.rivals)))
    if result.check is not None:
        parts += ["## Built-in check", result.check.note]
        if result.check.orderings:
            parts += [LEGEND, markdown([SUMMARY, *check_rows(result.check)])]
            parts.append(markdown(ordering_rows(result.check)))
        parts += speed_lines(result.check)
    for heading, lines in (
        ("To mind", notes(result)),
        ("Left out by the budget", left_out(result)),
        ("Not done", problems(result)),
    ):
        if lines:
            parts += [f"## {heading}", "\n".join(f"- {line}" for line in lines)]
    for training in result.trainings:
        for found in training.analyses:
            parts += _errors(training.name, found)
    if result.trainings:
        commands = [(one.name, f"{one.folds}", f"`{one.command}`") for one in result.trainings]
        parts += ["## Trainings", markdown([("training", "folds judged", "command"), *commands])]
    parts += _sources(result)
    return "\n\n".join(parts) + "\n"


def _errors(name: str, found: Analysed) -> Iterator[str]:
    yield f"## Errors: {name}, judged on {found.dataset}"
    if found.analysis is None:
        yield f"None: {found.reason}."
        return
    yield f"Fold {found.fold}, {found.analysis.images} images."
    for table in error_tables(found.analysis):
        yield f"{table.caption}:"
        yield markdown(table.rows)
        if table.note:
            yield table.note


def _sources(result: BenchResult) -> Iterator[str]:
    runs = evidence.run_rows(result)
    tables = [markdown([evidence.RUNS, *runs]), evidence.HASHED] if runs else []
    if result.check is not None and result.check.metrics:
        tables.append(markdown([evidence.CHECKED, *evidence.checked_rows(result.check)]))
    if result.check is not None and result.check.photograph_sha256:
        tables.append(markdown([evidence.PHOTOGRAPHS, *evidence.photograph_rows(result.check)]))
    if tables:
        yield "## Where every number comes from"
        yield from tables


def _machine(result: BenchResult) -> str:
    return ", ".join(f"{key} {value}" for key, value in result.machine.items())
