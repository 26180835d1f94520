"""``perceptmetrics bench``: the paper's tables, with figures of one's own beside them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perceptmetrics.cli.bench_check import check_plan, counted_failures, run_check
from perceptmetrics.cli.bench_options import SELECTS, budget, listed, select_options
from perceptmetrics.cli.bench_output import (
    earlier_rivals,
    make_folder,
    plan_shown,
    remake,
    result_shown,
    write_result,
)
from perceptmetrics.cli.bench_rivals import (
    RivalOptions,
    checked_rivals,
    rival_options,
)
from perceptmetrics.cli.bench_sweep import SweepRunner, terms_of, with_handed_on
from perceptmetrics.cli.exit_codes import DONE, FAILED, SOME_FAILED
from perceptmetrics.cli.text import one_line
from perceptmetrics.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from perceptmetrics.bench.places import Place, Roots
    from perceptmetrics.bench.plan import Plan
    from perceptmetrics.bench.result import BenchResult, Missing
    from perceptmetrics.bench.selection import Selection
    from perceptmetrics.bench.table import Table

DATA = "PERCEPTMETRICS_DATA"
OUT = Path("bench")
MARKDOWN_FILE = "bench.md"
REPORT_FILE = "bench.html"


@with_handed_on
@click.command(
    epilog="Exit codes: 0 all that was asked for is done; 1 something was missing or failed, and "
    "the rest is done; 2 wrong usage, or nothing could be done; 130 interrupted (the same command "
    "goes on)."
)
@listed("--table", "tables", str, "Tables of the paper: A.8, or all; else a table of your own.")
@select_options
@click.option(
    "--data",
    multiple=True,
    type=click.Path(),
    envvar=DATA,
    show_envvar=True,
    metavar="ROOT",
    help="A folder with a folder for each dataset, by its name; or NAME=FOLDER for one dataset.",
)
@click.option(
    "--base",
    "bases",
    nargs=2,
    multiple=True,
    type=(str, click.Path(exists=True, dir_okay=False, path_type=Path)),
    metavar="BACKBONE FILE",
    help="A file of a backbone's weights, in place of those that are registered.",
)
@click.option("--folds", type=click.IntRange(min=1), help="The first so many of each protocol.")
@click.option(
    "--budget",
    callback=budget,
    metavar="TIME",
    help="30m, 2h: fold by fold over all trainings; what would not fit is not begun.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Say what would run, and run nothing.")
@click.option(
    "--report",
    "only_report",
    is_flag=True,
    help=f"Make {REPORT_FILE} and {MARKDOWN_FILE} again from OUT/bench.json, and run nothing.",
)
@click.option("--check", "checks", is_flag=True, help="Also run the built-in check.")
@click.option(
    "--photographs",
    type=click.Path(exists=True, path_type=Path),
    help="For the check: a folder; else the two photographs of scikit-learn.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="For the check: a metric, a run folder or an adapter file; else all of image quality.",
)
@click.option("--crops", type=click.IntRange(min=1), help="For the check: cuts to average.")
@rival_options
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Holds all runs, bench.json, {MARKDOWN_FILE} and {REPORT_FILE}; else ./{OUT}. The check "
    "alone is written only where this is given.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@click.pass_context
def bench(
    ctx: click.Context,
    /,
    tables: tuple[str, ...],
    data: tuple[str, ...],
    bases: tuple[tuple[str, Path], ...],
    folds: int | None,
    budget: float | None,
    only_plan: bool,
    only_report: bool,
    checks: bool,
    photographs: Path | None,
    metrics: tuple[str, ...],
    crops: int | None,
    out: Path | None,
    form: str,
    **given: Any,
) -> None:
    """Train and judge what the paper's tables report, and print it beside their figures.

    With --table the options choose rows and columns of the paper's tables. Without it they make a
    table of your own: every combination of the setups, on every dataset of --data. Every training
    is a 'perceptmetrics sweep' in a folder of --out: what is done is not done again, and the same
    command goes on where it was stopped.

    Without --data the built-in check runs: real photographs are spoiled step by step, and metrics
    of image quality are to see it. That is not human judgement.

    \b
    Examples:
      perceptmetrics bench --data /data --table A.8 --task memorability --plan
      perceptmetrics bench --data /data --backbone clip,dinov2 --dataset lnsim,oasis --budget 2h
      perceptmetrics bench --check --photographs holiday/
    """  # noqa: D301 (click wants the backspace itself: it keeps the lines as they are)
    if only_report:
        click.echo(f"written: {remake(out or OUT)}", err=True)
        ctx.exit(DONE)
    from perceptmetrics.bench.estimate import read_paces
    from perceptmetrics.bench.places import roots_of
    from perceptmetrics.bench.plan import Plan, plan
    from perceptmetrics.bench.running import run
    from perceptmetrics.bench.selection import Selection

    chosen = {field: given.pop(field) for field in SELECTS}
    selection = Selection(bases=dict(bases), **chosen)
    rivals = RivalOptions.take(given)
    roots, terms = roots_of(data), terms_of(given, folds, selection.bases)
    folder = out or OUT
    trains = bool(roots or tables)
    if not trains and not checks:
        idle = "; what is to be trained has no bearing on it" if any(chosen.values()) else ""
        click.echo(
            f"no dataset is configured (--data ROOT, or {DATA}): the built-in check runs{idle}",
            err=True,
        )
        checks = True
    planned = Plan((), (), {})
    if trains:
        found, missed = _tables(tables, selection, roots)
        place = _place_of(roots)
        planned = plan(found, place, terms, folder, paces=read_paces(folder), missed=missed)
    planned, prepared = rivals.prepare(
        planned, device=given["device"], checks=checks, install=not only_plan
    )
    if only_plan:
        said = ""
        if checks:
            said = check_plan(metrics, photographs, crops=crops, device=given["device"])
        click.echo(plan_shown(planned, prepared, said, form))
        ctx.exit(DONE if planned.trainings or checks or prepared else FAILED)
    for line in _absent(planned):
        click.echo(line, err=True)
    runner = SweepRunner(given, terms, planned.places)
    writes = bool(planned.trainings) or out is not None
    if writes:
        make_folder(folder)
    # Rivals are asked last: until then the files keep what earlier ones said.
    earlier = earlier_rivals(folder) if prepared else ()
    check = None
    if checks:
        check = run_check(
            metrics,
            photographs,
            crops=crops,
            device=given["device"],
            progress=given["progress"],
            bases=selection.bases,
            rivals=checked_rivals(prepared),
        )
    result = run(
        rivals.to_train(planned),
        terms,
        folder,
        runner,
        command=ctx.meta["perceptmetrics.command_line"],
        budget=budget,
        check=check,
        save=partial(write_result, folder=folder, rivals=earlier)
        if writes
        else lambda result: None,
        report=lambda line: click.echo(one_line(line), err=True),
    )
    result = rivals.judge(planned, prepared, result, folder, given, selection.bases)
    if result.rivals:
        write_result(result, folder)
    click.echo(result_shown(result, form))
    if writes:
        click.echo(f"written to {folder}", err=True)
    ctx.exit(_exit_code(result, metrics))


def _tables(
    names: tuple[str, ...], selection: Selection, roots: Roots
) -> tuple[tuple[Table, ...], tuple[Missing, ...]]:
    """The paper's tables by name, or one of one's own on what is there."""
    from perceptmetrics.bench.own import own_table
    from perceptmetrics.bench.result import Missing
    from perceptmetrics.bench.selection import chosen_tables
    from perceptmetrics.datasets import DATASETS

    missed: list[Missing] = []
    for name in selection.datasets:
        try:
            DATASETS.get(name)
        except UnknownNameError as error:
            missed.append(Missing("dataset", name, str(error)))
    if names:
        found, unknown = chosen_tables(names, selection)
        return found, (*missed, *unknown)
    datasets = [
        name
        for name in selection.datasets or roots.present()
        if name in DATASETS and selection.has_dataset(name)
    ]
    if datasets:
        return (own_table(selection, datasets),), tuple(missed)
    if missed:
        return (), tuple(missed)
    raise OptionError(
        f"{', '.join(map(str, roots.roots))}: no folder is called as a dataset that is asked for; "
        "expected a folder for each, by the names of 'perceptmetrics data list', or --data "
        "NAME=FOLDER"
    )


def _place_of(roots: Roots) -> Any:
    from perceptmetrics.bench.places import Place, place_of
    from perceptmetrics.datasets import DATASETS

    def find(dataset: str) -> Place:
        if not roots:
            source = DATASETS.get(dataset).source
            problem = f"no folder is configured, give --data; to be had at: {source}"
            return Place(dataset, Path(), problem)
        click.echo(f"looks at {dataset}", err=True)
        return place_of(dataset, roots.folder(dataset))

    return find


def _absent(planned: Plan) -> list[str]:
    """What is known to be missing before anything runs."""
    from perceptmetrics.bench.tabulating import missing

    lines = [f"not here: {one.kind} {one.name}: {one.reason}" for one in missing(planned)]
    for one in planned.trainings:
        if one.weights_missing:
            lines.append(f"{one.name}: its weights are {one.weights}")
    return [one_line(line) for line in lines]


def _exit_code(result: BenchResult, metrics: tuple[str, ...]) -> int:
    from perceptmetrics.bench.report import problems

    judged = any(cell.ours is not None for table in result.tables for cell in table.cells)
    judged = judged or any(one.figures for one in result.rivals)
    failed = bool(problems(replace(result, check=None)))
    if result.check is not None:
        judged = judged or bool(result.check.orderings)
        failed = failed or bool(counted_failures(result.check, metrics))
    if not judged:
        return FAILED
    return SOME_FAILED if failed else DONE
