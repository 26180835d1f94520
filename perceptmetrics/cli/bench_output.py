"""What ``bench`` leaves in its folder and prints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from perceptmetrics.cli.bench_rivals import rivals_plan
from perceptmetrics.cli.text import one_line
from perceptmetrics.errors import DataError, OptionError, PerceptError

if TYPE_CHECKING:
    from perceptmetrics.bench.plan import Plan
    from perceptmetrics.bench.result import BenchResult, RivalResult
    from perceptmetrics.bench.rivals.beside import Prepared


def make_folder(folder: Path) -> None:
    """Makes the bench folder.

    Raises:
        OptionError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"cannot make the folder {folder}: {error.strerror}") from error


def earlier_rivals(folder: Path) -> tuple[RivalResult, ...]:
    """What a bench folder says of rivals; nothing where there is no result, or a damaged one."""
    from perceptmetrics.bench.record import RESULT_FILE, read_result

    try:
        return read_result(folder / RESULT_FILE).rivals
    except DataError:
        return ()  # it is about to be written anew


def write_result(
    result: BenchResult, folder: Path, *, rivals: tuple[RivalResult, ...] = ()
) -> None:
    """Writes ``bench.json``, ``bench.md`` and, last of all, the page.

    A page that cannot be made is a line on standard error: it is made again from ``bench.json``
    by ``bench --report``, and must not end the trainings that are still to come.

    Args:
        result: All that there is.
        folder: The bench folder.
        rivals: Of an earlier run, where this one has not asked them yet.

    Raises:
        RunFolderError: ``bench.json`` or ``bench.md`` cannot be written.
    """
    from perceptmetrics.bench.markdown import to_markdown
    from perceptmetrics.bench.monotony import reason_of
    from perceptmetrics.bench.record import RESULT_FILE, to_json
    from perceptmetrics.report.bench_files import MARKDOWN_FILE, REPORT_FILE, write_report
    from perceptmetrics.report.rendering import why_no_page
    from perceptmetrics.training.writing import write_text

    result = replace(result, rivals=result.rivals or rivals)
    write_text(folder / RESULT_FILE, to_json(result))
    write_text(folder / MARKDOWN_FILE, to_markdown(result))
    if missing := why_no_page():
        click.echo(missing, err=True)
        return
    try:
        write_report(result, folder)
    # Names of plug-ins and files of others go through matplotlib, Pillow and Jinja, which may raise
    # anything; days of training may still be to come.
    except Exception as error:  # noqa: BLE001
        click.echo(one_line(f"no {REPORT_FILE}: {reason_of(error)}; the rest goes on"), err=True)


def remake(folder: Path) -> Path:
    """Makes ``bench.md`` and the page again from ``bench.json``.

    Args:
        folder: The bench folder.

    Returns:
        The page.

    Raises:
        PerceptError: There is nothing to read, nowhere to write, or the page cannot be made.
    """
    from perceptmetrics.bench.monotony import reason_of
    from perceptmetrics.report.bench_files import REPORT_FILE, remake_report

    try:
        return remake_report(folder)
    except PerceptError:
        raise
    except Exception as error:  # as in write_result
        raise DataError(
            f"no {REPORT_FILE}: {reason_of(error)}; {folder / 'bench.md'} is written"
        ) from error


def result_shown(result: BenchResult, form: str) -> str:
    """The result as it is printed.

    Args:
        result: All of it.
        form: ``text``, ``markdown`` or ``json``.
    """
    from perceptmetrics.bench.markdown import to_markdown
    from perceptmetrics.bench.record import to_json
    from perceptmetrics.cli.bench_text import result_text

    if form == "json":
        return to_json(result).rstrip()
    return to_markdown(result).rstrip() if form == "markdown" else result_text(result)


def plan_shown(planned: Plan, rivals: tuple[Prepared, ...], check: str, form: str) -> str:
    """What would run, as it is printed.

    Args:
        planned: The trainings.
        rivals: That would be asked.
        check: What the built-in check would do, in a line; empty where it would not run.
        form: ``json``, or text for any other.
    """
    from perceptmetrics.bench.plan import plan_record
    from perceptmetrics.cli.bench_text import plan_text

    if form == "json":
        record = {**plan_record(planned), "rivals": rivals_plan(rivals), "check": check or None}
        return json.dumps(record, indent=1, ensure_ascii=False)
    parts = [plan_text(planned)] if planned.tables or planned.missed else []
    parts += rivals_plan(rivals)
    return "\n\n".join([*parts, *([check] if check else [])])
