"""Rivals beside ours, on images that chose the epochs of ours and trained none of them.

    python benchmarks/rivals.py measure --install    # pip fetches them, torch and all
    python benchmarks/rivals.py measure --rival-python resmem=/path/python ...
    perceptmetrics bench --check --metric iqa --crops 5 --rival niqe,brisque --out check
    python benchmarks/rivals.py check check/bench.json
    python benchmarks/rivals.py table                # docs/rivals.md out of what was measured

Ours were trained on other images of the same set, the rivals elsewhere. Each is one process that is
asked for one image after the other. What cannot be had is kept with the reason.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import click

from perceptmetrics.bench.monotony import CheckResult
from perceptmetrics.bench.record import read_result, to_json
from perceptmetrics.bench.report import markdown, number
from perceptmetrics.bench.result import BenchResult, RivalResult
from perceptmetrics.bench.rivals.table import HEADER, rival_rows

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "rivals.json"
PAGE = HERE.parent / "docs" / "rivals.md"
WANTED = {
    "lnsim": ("memorability", ("resmem", "vitmem")),
    "tid2013": ("iqa", ("brisque", "niqe", "pyiqa:piqe", "pyiqa:musiq", "clip-iqa")),
}


@click.group()
def main() -> None:
    """Measures rivals and writes the table of docs/rivals.md."""


@main.command()
@click.option("--rival-python", "pythons", multiple=True, metavar="NAME=PYTHON")
@click.option("--install", is_flag=True, help="Make the environments that are not there.")
@click.option("--images", default=150, show_default=True, help="At most so many of each set.")
@click.option("--only", multiple=True, metavar="NAME", help="These metrics; else all.")
def measure(pythons: tuple[str, ...], install: bool, images: int, only: tuple[str, ...]) -> None:
    """Judges ours and rivals, and keeps each as soon as it is there."""
    from train_embedded import RUNS_WANTED, rated_images

    from perceptmetrics.bench.rivals.beside import sampled
    from perceptmetrics.bench.rivals.contestant import own_contestant
    from perceptmetrics.bench.rivals.environment import pythons_of
    from perceptmetrics.bench.rivals.judging import judge_rival, judged
    from perceptmetrics.data.splits import split_by_group
    from perceptmetrics.tasks import TASKS

    given = pythons_of(pythons)
    for dataset, (metric, rivals) in WANTED.items():
        asked = [name for name in (*rivals, metric) if not only or name in only]
        if not asked:
            continue
        wanted = RUNS_WANTED[metric]
        with tempfile.TemporaryDirectory() as scratch:
            data = rated_images(wanted, Path(scratch))
            held = split_by_group(data.groups, wanted.validation_fraction, wanted.recipe.seed)[1]
            part = sampled(data.take(held), images)
            for name in asked:
                if name == metric:
                    outputs = TASKS.get(metric).outputs
                    one = judged([(own_contestant(name, name), part)], outputs, dataset, "mean")
                else:
                    one = judge_rival(
                        name,
                        part.images,
                        part.targets,
                        groups=part.groups,
                        python=given.get(name, given.get(name.partition(":")[0])),
                        install=install,
                    )
                click.echo(one.problem or json.dumps(rows([one])))
                keep(replace(one, dataset=dataset))


def keep(found: RivalResult) -> None:
    """Writes one result beside the others that there are, in the order of the table."""
    there = read_result(RESULTS) if RESULTS.exists() else None
    kept = {(one.dataset, one.name): one for one in (*(there.rivals if there else ()), found)}
    order = [(name, one) for name, (metric, rest) in WANTED.items() for one in (metric, *rest)]
    result = BenchResult(
        "python " + shlex.join(["benchmarks/rivals.py", *sys.argv[1:]]),
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        {"platform": platform.platform(), "threads": os.environ.get("OMP_NUM_THREADS", "all")},
        check=there.check if there else None,
        rivals=tuple(kept[key] for key in order if key in kept),
    )
    RESULTS.write_text(to_json(result))


@main.command("check")
@click.argument("bench", type=click.Path(exists=True, path_type=Path))
def take_check(bench: Path) -> None:
    """Takes the built-in check out of a bench.json."""
    check = read_result(bench).check
    RESULTS.write_text(to_json(replace(read_result(RESULTS), check=check)))


@main.command()
def table() -> None:
    """Writes the table of the page."""
    PAGE.write_text(with_table(PAGE.read_text()))


def rows(results: Sequence[RivalResult]) -> list[tuple[str, ...]]:
    """The table's rows, without what a busy machine's clock says."""
    places = [i for i, name in enumerate(HEADER) if name not in ("load", "an image")]
    return [tuple(row[i] for i in places) for row in [HEADER, *rival_rows(results)]]


def check_table(check: CheckResult) -> list[tuple[str, ...]]:
    """Mean SRCC of score and level: metrics down, distortions across."""
    names = dict.fromkeys(one.metric for one in check.orderings)
    wide: tuple[str | None, ...] = (*check.distortions, None)
    return [
        ("metric", *check.distortions, "all"),
        *((name, *(number(check.summary(name, each)[0]) for each in wide)) for name in names),
    ]


def with_table(text: str) -> str:
    """The page with its table and its failures as they were measured."""
    result = read_result(RESULTS)
    failed = "\n".join(["```", *(one.problem for one in result.rivals if one.problem), "```"])
    blocks = {"rivals": markdown(rows(result.rivals)), "failures": failed}
    if result.check is not None:
        blocks["check"] = markdown(check_table(result.check))
    for marker, inside in blocks.items():
        text = re.sub(
            f"(<!-- {marker}:begin -->\n).*?(<!-- {marker}:end -->)",
            lambda match, inside=inside: f"{match[1]}{inside}\n{match[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


if __name__ == "__main__":
    main()
