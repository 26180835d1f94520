"""``perceptmetrics score``: photographs in, one row of scores each out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from perceptmetrics.cli.exit_codes import DONE, FAILED, SOME_FAILED
from perceptmetrics.cli.text import one_line
from perceptmetrics.errors import ImageError, OptionError

if TYPE_CHECKING:
    from perceptmetrics.metric import Metric
    from perceptmetrics.scoring.formats import Format
    from perceptmetrics.scoring.rows import Row


@click.command(
    epilog="Exit codes: 0 every image was scored; 1 some could not be and the rest were; 2 wrong "
    "usage, or none could be scored; 130 interrupted (what was written stays)."
)
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--metric",
    "-m",
    "names",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A metric's name, a run folder or an adapter file; may be given several times.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here instead of standard output; .csv, .jsonl and .txt (a table) say how. A file "
    "of that name is replaced.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["table", "csv", "jsonl"]),
    help="Instead of what the file's suffix says.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps, ...")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Cuts in one forward pass; changes speed and memory, not scores.",
)
@click.option(
    "--crops",
    type=click.IntRange(min=1),
    help="Cuts to average, for metrics that average several; others refuse it.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="Draws the cuts, for metrics that draw them."
)
@click.option(
    "--base",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of base weights to use instead of the cache.",
)
@click.option(
    "--allow-other-base",
    is_flag=True,
    help="Use base weights that the adapter was not trained on; scores change.",
)
@click.option("--null", "-0", is_flag=True, help="Paths on standard input end with NUL.")
@click.option(
    "--progress/--no-progress",
    default=None,
    help="A progress bar on standard error; by default where that is a terminal.",
)
@click.pass_context
def score(
    ctx: click.Context,
    images: tuple[str, ...],
    names: tuple[str, ...],
    output: Path | None,
    format_name: str | None,
    device: str,
    batch_size: int,
    crops: int | None,
    seed: int | None,
    base: Path | None,
    allow_other_base: bool,
    null: bool,
    progress: bool | None,
) -> None:
    r"""Score images with one metric or several.

    IMAGES are files, folders, globs (quoted or not), or - for paths on standard input, one a
    line. Folders are searched with all that is in them, in the order of names: files count whose
    suffix Pillow reads (.jpg, .png, .webp, .tif, .gif, .bmp, .avif, ...), hidden ones do not. A
    file that is named itself is read whatever its suffix.

    Columns: image, then NAME for a metric with one score, NAME.OUTPUT for several, NAME.label and
    one probability NAME.CLASS each for classes, where NAME is the metric's name or the last part
    of its path; CSV and JSON lines have a column error at the end. Each image that cannot be read
    is named on standard error, and the rest is scored.

    Rows are written as they are computed. A file that a killed run left holds whole lines of what
    was scored until then; only its last line may be cut.

    \b
    Examples:
      perceptmetrics score photos/ --metric memorability --metric affect -o scores.csv
      perceptmetrics score "photos/**/*.jpg" --metric my-run
      find photos -newer mark -print0 | perceptmetrics score -0 - --metric iqa
    """
    from perceptmetrics.scoring.files import find_images, read_paths
    from perceptmetrics.scoring.formats import format_for
    from perceptmetrics.scoring.rows import columns_of, score_images

    form = format_for(output, format_name)
    if null and "-" not in images:
        raise OptionError("--null is about standard input: give - as the image")
    listed = read_paths(sys.stdin.buffer, null=null)
    found: Iterator[str | ImageError] = chain.from_iterable(
        find_images(listed, globs=False) if argument == "-" else find_images([argument])
        for argument in images
    )
    # Nothing is loaded, and no old file replaced, before there is something to score.
    first = next(found, None)
    if first is None:
        raise OptionError("no images: standard input named none")
    metrics = _load(
        names,
        device=device,
        batch_size=batch_size,
        crops=crops,
        seed=seed,
        base=base,
        allow_other_base=allow_other_base,
    )
    columns = [column for name, metric in metrics.items() for column in columns_of(name, metric)]
    chunks = score_images(metrics, chain([first], found), chunk=batch_size)
    if progress is None:
        # Rows on a terminal are progress enough.
        progress = sys.stderr.isatty() and not (output is None and sys.stdout.isatty())
    with _open(output) as stream:
        good, bad = _write(chunks, columns, form, stream, progress)
    if bad:
        click.echo(f"{bad} of {good + bad} images could not be scored", err=True)
    ctx.exit(DONE if not bad else SOME_FAILED if good else FAILED)


def column_name(metric: str) -> str:
    """What a metric's columns are called: its name, or the last part of its path.

    Example:
        >>> column_name("iqa"), column_name("runs/mine/"), column_name("old/mine.safetensors")
        ('iqa', 'mine', 'mine')
    """
    name = Path(metric).name or Path(metric).resolve().name
    return name.removesuffix(".safetensors")


def _load(
    names: tuple[str, ...],
    *,
    device: str,
    batch_size: int,
    crops: int | None,
    seed: int | None,
    base: Path | None,
    allow_other_base: bool,
) -> dict[str, Metric]:
    from perceptmetrics.create import create_metric

    metrics: dict[str, Metric] = {}
    for typed in names:
        name = column_name(typed)
        if name in metrics:
            raise OptionError(
                f"--metric {typed}: {name!r} names the columns of another metric already; give "
                "each once, and run folders of different names"
            )
        metrics[name] = create_metric(
            typed,
            base=base,
            allow_other_base=allow_other_base,
            crops=crops,
            seed=seed,
            batch_size=batch_size,
            device=device,
        )
    return metrics


def _write(
    chunks: Iterable[list[Row]],
    columns: list[str],
    form: Format,
    stream: IO[str],
    progress: bool,
) -> tuple[int, int]:
    """Writes rows as they come; gives how many images were scored and how many were not."""
    from tqdm import tqdm

    good = bad = 0
    stream.write(form.header(columns))
    with tqdm(unit=" images", disable=not progress, file=sys.stderr) as bar:
        for rows in chunks:
            for row in rows:
                if row.error:
                    bad += 1
                    line = one_line(f"error: {row.image}: {row.error}")
                    tqdm.write(line, file=sys.stderr)
                else:
                    good += 1
            with tqdm.external_write_mode(file=stream):
                stream.write("".join(form.line(columns, row) for row in rows))
                stream.flush()
            bar.update(len(rows))
    return good, bad


@contextmanager
def _open(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    try:
        # Names that are no UTF-8 come back out as the bytes that they were.
        stream = output.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise OptionError(f"cannot write {output}: {error.strerror}") from error
    with stream:
        yield stream
