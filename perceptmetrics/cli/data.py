"""``perceptmetrics data``: which datasets there are, what a folder holds, how it is split."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from perceptmetrics.cli.exit_codes import DONE, SOME_FAILED
from perceptmetrics.cli.text import columns, one_line
from perceptmetrics.errors import DataError, OptionError

if TYPE_CHECKING:
    from perceptmetrics.data.split import Split
    from perceptmetrics.datasets import Dataset
    from perceptmetrics.datasets.check import Ratings, Report

BAR = 40  # characters of the longest bar of a histogram
NAMED = 20  # unreadable images that the text names; JSON has them all

_format = click.option(
    "--format",
    "as_what",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
_root = click.argument("root", type=click.Path(file_okay=False, path_type=Path))


@click.group()
def data() -> None:
    """List, check and split datasets.

    A dataset is read as its authors distribute it: unpack it, change nothing, give the folder.
    """


@data.command("list")
@_format
def list_datasets(as_what: str) -> None:
    """List the datasets that can be read, those of installed plug-ins too."""
    from perceptmetrics.datasets import DATASETS

    for error in DATASETS.broken.values():
        click.echo(f"warning: {one_line(str(error))}", err=True)
    if as_what == "json":
        click.echo(json.dumps([_facts(d) for d in DATASETS], indent=2, ensure_ascii=False))
        return
    rows = [
        [d.name, d.task, f"{d.count:,}", _range(d.score_range), d.title, d.direction]
        for d in DATASETS
    ]
    click.echo(columns([["DATASET", "TASK", "IMAGES", "RANGE", "TITLE", "DIRECTION"], *rows]))
    click.echo("\nWhere each is to be had: perceptmetrics data list --format json")


@data.command("check")
@click.argument("name", metavar="DATASET")
@_root
@click.option("--no-open", is_flag=True, help="Only count the images, do not open them.")
@_format
@click.pass_context
def check_dataset(ctx: click.Context, name: str, root: Path, no_open: bool, as_what: str) -> None:
    """Read the labels of DATASET in the folder ROOT and open every image.

    Prints counts, what cannot be read, range, direction and histogram of the scores. Exit code 1
    says that images cannot be read, 2 that files are missing: which, and where to get them.
    """
    from tqdm import tqdm

    from perceptmetrics.datasets import DATASETS
    from perceptmetrics.datasets.check import check

    dataset = DATASETS.get(name)
    # disable=None: no bar where standard error is no terminal.
    with tqdm(desc="opening", unit="image", disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = check(dataset, root, open_images=not no_open, progress=progress)
    if as_what == "json":
        click.echo(json.dumps(asdict(report), indent=2, ensure_ascii=False))
    else:
        click.echo(_text(report))
    ctx.exit(DONE if report.usable else SOME_FAILED)


@data.command("split")
@click.argument("name", metavar="DATASET")
@_root
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the split files.",
)
def split_dataset(name: str, root: Path, output: Path) -> None:
    """Write the splits of the paper's protocol for DATASET in the folder ROOT, one JSON file each.

    They are the same on every machine: the hash says so.
    """
    from perceptmetrics.datasets import DATASETS

    dataset = DATASETS.get(name)
    splits = dataset.splits(dataset.read(root), root)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"--output {output}: cannot create the folder ({error.strerror or error}); name a "
            "folder that can be written to"
        ) from error
    files = [output / f"{split.name}.json" for split in splits]
    for split, file in zip(splits, files, strict=True):
        _refuse_other(split, file)
    for split, file in zip(splits, files, strict=True):
        try:
            split.save(file)
        except OSError as error:
            raise DataError(f"{file} cannot be written: {error.strerror or error}") from error
    rows = [
        [s.name, *(f"{len(side):,}" for side in (s.training, s.validation, s.test)), s.sha256[:12]]
        for s in splits
    ]
    click.echo(columns([["SPLIT", "TRAINING", "VALIDATION", "TEST", "SHA256"], *rows]))
    for source in dict.fromkeys(split.source for split in splits):
        click.echo(f"\n{source}")
    click.echo(f"\nwritten to {shlex.quote(str(output))}")


def _refuse_other(split: Split, file: Path) -> None:
    """A split that differs is somebody's protocol: it is not written over."""
    from perceptmetrics.data.split import load_split

    if not file.exists():
        return
    there = load_split(file)
    if (there.dataset, there.sha256) != (split.dataset, split.sha256):
        raise DataError(
            f"{file} holds another split, of {there.dataset}, sha256 {there.sha256[:12]}; give "
            "another folder with --output, or remove it first"
        )


def _facts(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "task": dataset.task,
        "images": dataset.count,
        "range": dataset.score_range,
        "direction": dataset.direction,
        "turned": dataset.turned,
        "replicas": dataset.replicas,
        "layout": dataset.layout.strip().splitlines(),
        "source": dataset.source,
        "licence": dataset.licence,
        "paper": dataset.paper,
    }


def _range(ends: tuple[float, float] | None) -> str:
    return "classes" if ends is None else f"{ends[0]:g} to {ends[1]:g}"


def _text(report: Report) -> str:
    images = f"{report.images:,} of {report.published:,} published"
    rows = [
        ["images", f"{images}, in {', '.join(report.folders)}"],
        ["opened", _opened(report)],
        ["direction", report.direction],
    ]
    if report.score_range is not None:
        rows.append(["published", _range(report.score_range)])
    if report.turned:
        rows.append(["turned", report.turned])
    alone = report.groups == report.images
    rows += [
        ["groups", "each image by itself" if alone else f"{report.groups:,}, kept whole in splits"],
        ["sha256", f"{report.sha256} (names, ratings and file sizes)"],
    ]
    if report.images != report.published:
        rows.append(["whole set", report.source])
    parts = [f"{report.title} ({report.dataset}), for the task {report.task}, in {report.root}"]
    parts.append(columns(rows))
    parts += [_histogram(ratings) for ratings in report.ratings]
    if report.classes:
        parts.append(
            _bars([[label] for label, _ in report.classes], [n for _, n in report.classes])
        )
    if report.unreadable:
        parts.append(_unreadable(report))
    return "\n\n".join(parts)


def _opened(report: Report) -> str:
    if not report.opened:
        return "none, as asked"
    good = report.opened - len(report.unreadable)
    said = f"{report.opened:,}: {good:,} can be read, {len(report.unreadable):,} cannot"
    if report.smallest is None or report.largest is None:
        return said
    sizes = dict.fromkeys((report.smallest, report.largest))
    return f"{said}; " + " to ".join(f"{width}x{height}" for width, height in sizes)


def _histogram(ratings: Ratings) -> str:
    said = f"{ratings.name}: {ratings.low:.4g} to {ratings.high:.4g}, mean {ratings.mean:.4g}"
    if ratings.outside:
        said += f"; {ratings.outside:,} outside the published range"
    ends = [f"{edge:.2f}" for edge in ratings.edges]
    wide = max(map(len, ends))
    labels = [[f"{low.rjust(wide)} .. {high.rjust(wide)}"] for low, high in pairwise(ends)]
    return f"{said}\n{_bars(labels, ratings.counts)}"


def _bars(labels: list[list[str]], counts: list[int] | tuple[int, ...]) -> str:
    most = max(*counts, 1)
    wide = max(len(f"{count:,}") for count in counts)
    rows = [
        [*label, f"{count:,}".rjust(wide), "#" * round(BAR * count / most)]
        for label, count in zip(labels, counts, strict=True)
    ]
    return columns(rows, indent=2)


def _unreadable(report: Report) -> str:
    lines = [f"  {each.name}: {one_line(each.reason)}" for each in report.unreadable[:NAMED]]
    more = len(report.unreadable) - NAMED
    if more > 0:
        lines.append(f"  and {more:,} more; --format json names them all")
    return "cannot be read, get them again:\n" + "\n".join(lines)
