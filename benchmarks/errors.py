"""Where the embedded metrics err, on images that their training never saw.

    python benchmarks/errors.py measure   # results/errors.json and the tables of docs/errors.md
    python benchmarks/errors.py tables    # the tables alone, from results/errors.json

The images are the validation part of each run (``results/*.run.json``). They chose its best epoch,
which flatters a little. ``tests/test_errors_page.py`` fails when page and results disagree.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.datasets import DATASETS
from perceptmetrics.evaluation.analyse import analyse
from perceptmetrics.evaluation.comparing import compare_ratings
from perceptmetrics.evaluation.error_analysis import ErrorAnalysis
from perceptmetrics.evaluation.error_record import from_record, to_record
from perceptmetrics.evaluation.error_tables import Rows, cell, error_tables
from perceptmetrics.evaluation.evaluate import Evaluation, evaluate
from perceptmetrics.evaluation.report import markdown_table
from perceptmetrics.metrics import METRICS
from perceptmetrics.statistics import srcc

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data"
RESULTS = HERE / "results" / "errors.json"
PAGE = HERE.parent / "docs" / "errors.md"
RUNS = {"memorability": "memorability", "affect": "oasis", "aesthetics": "beauty", "iqa": "iqa"}
SETS = {
    "memorability": "lnsim",
    "affect": "oasis",
    "aesthetics": "oasis-beauty",
    "iqa": "tid2013",
}
BY: dict[str, tuple[str, ...]] = {
    "memorability": (),
    "affect": ("category",),
    "aesthetics": ("category",),
    "iqa": ("distortion", "level"),
}
SCORED_HERE = ("affect",)  # three crops; its run saw one
OUTPUTS_OF_RUN = {"aesthetics": ("valence", "arousal", "beauty")}


def recorded(metric: str) -> dict[str, Any]:
    """What the run of an embedded metric kept of its validation images."""
    record = json.loads((HERE / "results" / f"{RUNS[metric]}.run.json").read_text())
    found: dict[str, Any] = record.get("datasets", {}).get("default", record)  # flat before 0.2
    return found


def held_out(metric: str, scratch: Path) -> Manifest:
    """The images that the run did not train on, with all that is known of them."""
    # Without their folder, as older runs named them; no two files of a set share a name.
    names = [name.rpartition("/")[2] for name in recorded(metric)["validation_images"]]
    root = SHARED / SETS[metric].partition("-")[0]
    if metric == "iqa":
        rebuild(root, set(names), scratch)
        root = scratch
    data = DATASETS.get(SETS[metric]).read(root)
    places = {path.name: place for place, path in enumerate(data.images)}
    if set(names) - set(places):
        raise SystemExit(f"{metric}: not all of its validation images are in {root}")
    return data.take([places[name] for name in names])


def judged(metric: str, data: Manifest) -> Evaluation:
    """What the metric says of them.

    A run keeps its scores of these images. Where the shipped metric sees an image as the run did,
    these scores are taken, as for the figures of its card; else the images are scored here.

    Raises:
        SystemExit: The kept scores do not give the figure of the card.
    """
    card = METRICS.get(metric).card
    title = f"{SETS[metric]}, validation images"
    if metric in SCORED_HERE:
        import perceptmetrics as pm

        found = evaluate(pm.create_metric(metric), data, metric_name=metric, data_name=title)
    else:
        outputs = OUTPUTS_OF_RUN.get(metric, card.outputs)
        columns = [outputs.index(output) for output in card.outputs]
        prediction = np.asarray(recorded(metric)["validation_prediction"])[:, columns]
        found = Evaluation(
            *(metric, title, (), (), data.names, prediction, data.targets),
            data_sha256=data.sha256,
        )
    for column, figure in enumerate(card.validation):
        value = srcc(found.prediction[:, column], found.target[:, column])
        # Another CPU's arithmetic may differ in the last digits.
        if abs(value - figure.value) > 1e-3:
            raise SystemExit(f"{metric}: SRCC {value:.4f}, its card says {figure.value:.4f}")
        click.echo(f"{metric}: SRCC of {figure.output} {value:.4f}")
    return found


def rebuild(source: Path, names: set[str], out: Path) -> None:
    """Makes those images of TID2013, in its own layout, with the standard errors beside them."""
    with (source / "manifest.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["image_name"] in names]
    wanted = out / "wanted.csv"
    with wanted.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    subprocess.run(
        [sys.executable, source / "rebuild.py", source / "kodak", wanted, out],
        check=True,
        stderr=subprocess.DEVNULL,  # libjpeg's cautions, which the data's README announces
    )
    (out / "mos_std.txt").write_text("".join(f"{row['mos_std']}\n" for row in rows))


def measured() -> dict[str, Any]:
    """Analyses the errors of each embedded metric."""
    analyses: dict[str, Any] = {}
    found: dict[str, Evaluation] = {}
    for name in RUNS:
        with tempfile.TemporaryDirectory() as scratch:
            data = held_out(name, Path(scratch))
            found[name] = judged(name, data)
        analysis = analyse(
            found[name],
            data,
            METRICS.get(name).card.outputs,
            by=BY[name],
            scale="as scored",  # each was trained on the scale that it is judged on
            split_half=DATASETS.get(SETS[name]).split_half,
        )
        analyses[name] = to_record(analysis)
    beauty, affect = found["aesthetics"], found["affect"]
    if beauty.names != affect.names:
        raise SystemExit("affect and aesthetics were not held out on the same images")
    compared = compare_ratings(
        beauty.prediction[:, 0],
        affect.prediction[:, 0],
        beauty.target[:, 0],
        "beauty",
        names=("aesthetics", "affect.valence"),
    )
    both = ErrorAnalysis("aesthetics", beauty.data, len(beauty.names), comparisons=compared)
    analyses["beauty or valence"] = to_record(both)
    return {"command": "python benchmarks/errors.py measure", "analyses": analyses}


def analyses() -> dict[str, ErrorAnalysis]:
    """What was measured."""
    kept = json.loads(RESULTS.read_text())["analyses"]
    return {name: from_record(record) for name, record in kept.items()}


# Marker in the page -> which analysis, and the caption of which of its tables.
OF_ONE = {
    "overrated": ("memorability", "memorability: most overrated"),
    "underrated": ("memorability", "memorability: most underrated"),
    "valence": ("affect", "valence by category"),
    "arousal": ("affect", "arousal by category"),
    "beauty": ("aesthetics", "beauty by category"),
    "distortion": ("iqa", "quality by distortion"),
    "level": ("iqa", "quality by level"),
    "against": ("beauty or valence", "Two metrics on the same images"),
}


def one_table(found: dict[str, ErrorAnalysis], marker: str) -> Rows:
    """A table of :data:`OF_ONE`."""
    name, caption = OF_ONE[marker]
    return next(table.rows for table in error_tables(found[name]) if table.caption == caption)


def spread_table(found: dict[str, ErrorAnalysis]) -> Rows:
    """Mean and standard deviation of scores and ratings; the line that calibrates."""
    rows = [("score", "images", "predicted", "true", "slope", "intercept")]
    for one in found.values():
        lines = {c.output: c for c in one.rating_calibrations if c.scale == "as scored"}
        for rated in one.ratings:
            spread, line = rated.histogram, lines[rated.output]
            rows.append(
                (
                    rated.output,
                    str(rated.images),
                    f"{cell(spread.predicted_mean)} ± {cell(spread.predicted_sd)}",
                    f"{cell(spread.true_mean)} ± {cell(spread.true_sd)}",
                    cell(line.slope),
                    cell(line.intercept),
                )
            )
    return tuple(rows)


def ceiling_table(found: dict[str, ErrorAnalysis]) -> Rows:
    """What the ratings allow, and what is reached."""
    header = ("score", "measure", "reached", "ceiling", "share", "reliability", "from")
    rows: list[tuple[str, ...]] = [header]
    for one in found.values():
        for known in one.ceilings:
            numbers = (known.reached, known.ceiling)
            share = f"{100 * known.share:.1f} %"
            rows.append(
                (
                    *(known.output, known.measure, *map(cell, numbers), share),
                    *(cell(known.reliability), known.basis),
                )
            )
    return tuple(rows)


def with_tables(text: str) -> str:
    """The page's text with its tables as they were measured."""
    found = analyses()
    tables = {marker: one_table(found, marker) for marker in OF_ONE}
    tables |= {"spread": spread_table(found), "ceilings": ceiling_table(found)}
    for marker, rows in tables.items():
        begin, end = f"<!-- {marker}:begin -->\n", f"<!-- {marker}:end -->"
        before, there, after = text.partition(begin)
        if there:
            text = before + begin + markdown_table(rows) + "\n" + end + after.partition(end)[2]
    return text


@click.group()
def main() -> None:
    """Measures where the embedded metrics err, and writes docs/errors.md."""


@main.command("measure")
def measure_command() -> None:
    """Judges the held-out images, which takes minutes; then writes the tables."""
    RESULTS.write_text(json.dumps(measured(), indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(with_tables(PAGE.read_text()))


@main.command("tables")
def tables_command() -> None:
    """Writes the tables from what was measured."""
    PAGE.write_text(with_tables(PAGE.read_text()))


if __name__ == "__main__":
    main()
