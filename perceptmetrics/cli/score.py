"""``perceptmetrics score``: photographs in, one row of scores each out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import click

from perceptmetrics.cli.exit_codes import DONE, FAILED, SOME_FAILED
from perceptmetrics.cli.text import one_line
from perceptmetrics.errors import ImageError, OptionError

if TYPE_CHECKING:
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
    "of that name is replaced once an image is scored.",
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
    "--readers",
    type=click.IntRange(min=0),
    help="Threads that read and resize images while the model computes; changes speed, not "
    "scores. Without it none on a CPU, up to 8 for a GPU.",
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
@click.option(
    "--precision",
    type=click.Choice(["full", "fast"]),
    default="full",
    show_default=True,
    help="fast: matrices in bfloat16, where the device has instructions for it; scores move a "
    "little.",
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
    readers: int | None,
    crops: int | None,
    seed: int | None,
    base: Path | None,
    allow_other_base: bool,
    precision: Literal["full", "fast"],
    null: bool,
    progress: bool | None,
) -> None:
    """Score images with one metric or several.

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
    """  # noqa: D301 (click wants the backspace itself: it keeps the lines as they are)
    from perceptmetrics.create import create_metrics
    from perceptmetrics.scoring.files import find_images, read_paths
    from perceptmetrics.scoring.formats import format_for
    from perceptmetrics.scoring.rows import columns_of, score_images

    form = format_for(output, format_name)
    if output is None and sys.stdout is None:  # the caller closed it
        raise OptionError("standard output is closed: give a file by -o")
    if output is not None:
        _check_place(output)
    if null and "-" not in images:
        raise OptionError("--null is about standard input: give - as the image")
    if "-" in images and sys.stdin is None:  # the caller closed it
        raise OptionError("standard input is closed: there are no paths to read for -")
    found: Iterator[str | ImageError] = chain.from_iterable(
        find_images(read_paths(sys.stdin.buffer, null=null), globs=False)
        if argument == "-"
        else find_images([argument])
        for argument in images
    )
    # Nothing is loaded before there is something to score.
    first = next(found, None)
    if first is None:
        raise OptionError("no images: standard input named none")
    metrics = create_metrics(
        names,
        device=device,
        batch_size=batch_size,
        crops=crops,
        seed=seed,
        base=base,
        allow_other_base=allow_other_base,
        precision=precision,
    )
    judges = dict(metrics.items())
    columns = [column for name, metric in judges.items() for column in columns_of(name, metric)]
    together = partial(metrics.in_chunks, readers=readers)
    # As many images as fill a batch: more would keep rows waiting where an image has many cuts.
    most = max(metric.view.count for metric in judges.values())
    chunk = max(1, batch_size // most)
    chunks = score_images(judges, chain([first], found), chunk=chunk, together=together)
    if progress is None:
        # Rows on a terminal are progress enough.
        progress = sys.stderr.isatty() and not (output is None and sys.stdout.isatty())
    count, scored, bad = _write(chunks, columns, form, output, progress)
    if bad:
        untouched = f"; {output} was not written" if output is not None and not scored else ""
        click.echo(f"{bad} of {count} images could not be scored{untouched}", err=True)
    ctx.exit(DONE if not bad else SOME_FAILED if scored else FAILED)


def _write(
    chunks: Iterable[list[Row]],
    columns: list[str],
    form: Format,
    output: Path | None,
    progress: bool,
) -> tuple[int, int, int]:
    """Writes rows as they come.

    Returns:
        How many rows, how many of them with a score, and how many with an error. Where one of
        several metrics failed, a row has both.
    """
    from tqdm import tqdm

    count = scored = bad = 0
    stream = sys.stdout if output is None else None
    waiting = [form.header(columns)]
    with ExitStack() as opened, tqdm(unit=" images", disable=not progress, file=sys.stderr) as bar:
        for rows in chunks:
            for row in rows:
                if row.error:
                    bad += 1
                    line = one_line(f"error: {row.image}: {row.error}")
                    tqdm.write(line, file=sys.stderr)
                scored += any(cell is not None for cell in row.values)
                count += 1
                waiting.append(form.line(columns, row))
            # An old file is replaced by scores, never by errors alone.
            if stream is None and output is not None and scored:
                stream = _open(output)
                opened.callback(_close, stream, output)
            if stream is not None:
                with _writing(output), tqdm.external_write_mode(file=stream):
                    stream.write("".join(waiting))
                    stream.flush()
                waiting.clear()
            bar.update(len(rows))
    return count, scored, bad


def _check_place(output: Path) -> None:
    """Finds before any model is loaded what would stop the first row."""
    if not os.path.isdir(output.parent):  # noqa: PTH112 (Path.is_dir raises where it may not look)
        raise OptionError(f"cannot write {output}: there is no folder {output.parent}; make it")
    if not os.access(output if os.path.exists(output) else output.parent, os.W_OK):  # noqa: PTH110
        raise OptionError(f"cannot write {output}: permission denied; name another place")


def _open(output: Path) -> IO[str]:
    with _writing(output):
        # Names that are no UTF-8 come back out as the bytes that they were.
        return output.open("w", encoding="utf-8", errors="surrogateescape", newline="")


def _close(stream: IO[str], output: Path) -> None:
    # Closing writes once more what a full disk did not take.
    with _writing(output):
        stream.close()


@contextmanager
def _writing(output: Path | None) -> Iterator[None]:
    """Makes a full disk and its like an error of ours; a reader who left is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if output is None:
            # Python would complain once more when it closes standard output.
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise OptionError(
            f"cannot write {output or 'standard output'}: {error.strerror}; make room or name "
            "another place (rows already written stay)"
        ) from error
