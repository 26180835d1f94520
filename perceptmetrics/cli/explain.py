"""``perceptmetrics explain``: why a metric judges photographs as it does, as pictures and JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perceptmetrics.cli.exit_codes import DONE, FAILED, SOME_FAILED
from perceptmetrics.cli.text import columns, one_line
from perceptmetrics.errors import ImageError, OptionError

if TYPE_CHECKING:
    from perceptmetrics.metric import Metric


@click.command(
    epilog="Exit codes: 0 every image was explained; 1 some could not be and the rest were; 2 "
    "wrong usage, or none could be; 130 interrupted (what was written stays)."
)
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--metric",
    "-m",
    "metric_name",
    required=True,
    metavar="NAME",
    help="A metric's name, a run folder or an adapter file.",
)
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to; made if need be.",
)
@click.option("--heads", is_flag=True, help="Rank the heads over all images.")
@click.option(
    "--score",
    "score_name",
    metavar="NAME",
    help="Which score or class to explain; by default the only score, or the predicted class.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How many heads are shown.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Add occlusion and integrated gradients, and test which explanation is faithful by "
    "deletion and insertion; takes minutes an image.",
)
@click.option(
    "--quality-map", is_flag=True, help="Add a map of the scores of dense crops, as for iqa."
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps, ...")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Cuts, or heads of a layer, in one forward pass; changes speed and memory only.",
)
@click.option(
    "--crops",
    type=click.IntRange(min=1),
    help="Cuts to average, for metrics that average several; fewer take less time.",
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
    "--progress/--no-progress",
    default=None,
    help="A progress bar on standard error; by default where that is a terminal.",
)
@click.pass_context
def explain(
    ctx: click.Context,
    images: tuple[str, ...],
    metric_name: str,
    output: Path,
    heads: bool,
    score_name: str | None,
    top: int,
    compare: bool,
    quality_map: bool,
    device: str,
    batch_size: int,
    crops: int | None,
    seed: int | None,
    base: Path | None,
    allow_other_base: bool,
    progress: bool | None,
) -> None:
    """Show on which attention heads a judgement rests, and where they look.

    IMAGES are files, folders or globs, as for 'perceptmetrics score'. In each head of the encoder
    the class token's attention is made uniform, and the image is judged again: the change is what
    the head does (section 6 of the paper).

    Without --heads, each image gets NAME.heads.png (the top heads: where they look, where they
    looked before training, the difference), NAME.shift.png (that difference for the first head,
    over the image), NAME.methods.png (attention rollout, gradient x attention, and what --compare
    adds), NAME.quality.png (with --quality-map), and NAME.json.

    With --heads, heads are ranked over all images: heads.csv, heads.json, heads.png, and shift.png
    (the top heads on the images on which each does most). effects.jsonl keeps what was measured:
    the same command goes on where it was stopped.

    \b
    Examples:
      perceptmetrics explain photo.jpg --metric memorability -o why/
      perceptmetrics explain photo.jpg --metric affect --score arousal -o why/
      perceptmetrics explain photos/ --metric memorability --heads -o heads/
    """  # noqa: D301 (click wants the backspace itself: it keeps the lines as they are)
    if heads and (compare or quality_map):
        raise OptionError(
            f"{'--compare' if compare else '--quality-map'} is about single images; leave out "
            "--heads"
        )
    from perceptmetrics.scoring.files import find_images

    ours = output.resolve()
    found = [
        one
        for one in find_images(images)
        # Pictures of an earlier call, where the output lies inside of a folder of photographs.
        if isinstance(one, ImageError) or one in images or ours not in Path(one).resolve().parents
    ]
    if not any(isinstance(one, str) for one in found):
        raise next(one for one in found if isinstance(one, ImageError))
    _make(output)
    import numpy as np

    from perceptmetrics.create import create_metric
    from perceptmetrics.explanation.effects import explained_output
    from perceptmetrics.explanation.pictures import colour_map

    colour_map(False)  # what is missing is said before minutes are spent
    if compare and find_spec("captum") is None:
        raise OptionError("--compare needs captum: pip install 'perceptmetrics[explain]'")
    metric = create_metric(
        metric_name,
        base=base,
        allow_other_base=allow_other_base,
        crops=crops,
        seed=seed,
        batch_size=batch_size,
        device=device,
    )
    explained_output(metric, np.zeros(len(metric.labels)), score_name)  # refuses a wrong --score
    shown = sys.stderr.isatty() if progress is None else progress
    if heads:
        good, bad = _rank(metric, found, output, score_name, top, base, shown)
    else:
        good, bad = _each(
            *(metric, found, output, score_name, top, base, shown),
            compare=compare,
            quality_map=quality_map,
        )
    if bad:
        click.echo(f"{bad} of {good + bad} images could not be explained", err=True)
    ctx.exit(DONE if not bad else SOME_FAILED if good else FAILED)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"cannot make the folder {folder}: {error.strerror}; name another place"
        ) from error


def _each(
    metric: Metric,
    images: Sequence[str | ImageError],
    output: Path,
    score_name: str | None,
    top: int,
    base: Path | None,
    shown: bool,
    *,
    compare: bool,
    quality_map: bool,
) -> tuple[int, int]:
    from tqdm import tqdm

    from perceptmetrics.explanation.files import explain_file, stems
    from perceptmetrics.explanation.methods import QUICK, THOROUGH
    from perceptmetrics.explanation.pretrained import pretrained_encoder

    pretrained = pretrained_encoder(metric, base)
    names = stems([one for one in images if isinstance(one, str)])
    good = 0
    for image in tqdm(images, unit=" images", disable=not shown, file=sys.stderr):
        try:
            if isinstance(image, ImageError):
                raise image
            data = explain_file(
                metric,
                image,
                output / names[image],
                pretrained=pretrained,
                output=score_name,
                top=top,
                methods=THOROUGH if compare else QUICK,
                play=compare,
                quality_map=quality_map,
            )
        except ImageError as error:
            _say_error(error.item, error.reason)
            continue
        good += 1
        strongest = ", ".join(
            f"{head['layer']}.{head['head']} {head['change']:+.3g}" for head in data["heads"][:top]
        )
        tqdm.write(f"{image}: {data['output']} {data['score']:.4f}; heads {strongest}")
    return good, len(images) - good


def _rank(
    metric: Metric,
    images: Sequence[str | ImageError],
    output: Path,
    score_name: str | None,
    top: int,
    base: Path | None,
    shown: bool,
) -> tuple[int, int]:
    from tqdm import tqdm

    from perceptmetrics.explanation.files import RECORD, write_ranking
    from perceptmetrics.explanation.folder import Measured, rank_heads
    from perceptmetrics.explanation.pretrained import pretrained_encoder

    kept = 0
    measured: list[Measured] = []
    with tqdm(total=len(images), unit=" images", disable=not shown, file=sys.stderr) as bar:
        for one in rank_heads(metric, images, output / RECORD):
            kept += one.kept
            if one.effects is None:
                _say_error(one.image, one.error)
            else:
                measured.append(one)
            bar.update()
    if kept:
        click.echo(f"{kept} of {len(measured)} images were measured by an earlier run", err=True)
    if not measured:
        return 0, len(images)
    pretrained = pretrained_encoder(metric, base)
    data = write_ranking(
        metric, measured, output, pretrained=pretrained, output=score_name, top=top
    )
    click.echo(_table(data["heads"][:top]))
    if "top_over_random" in data:
        times = data["top_over_random"]
        if times["low"] is not None:
            click.echo(
                f"on images that did not choose it, the top head changes the judgement "
                f"{times['value']:.1f} [{times['low']:.1f}, {times['high']:.1f}] times as much as "
                "a random head"
            )
    return len(measured), len(images) - len(measured)


def _table(heads: Iterable[dict[str, Any]]) -> str:
    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    rows = [("layer", "head", "size of change", "95 % from", "to", "mean change")]
    rows += [
        (
            *(str(one["layer"]), str(one["head"]), cell(one["absolute"])),
            *(cell(one["absolute_low"]), cell(one["absolute_high"]), cell(one["mean"])),
        )
        for one in heads
    ]
    return columns(rows)


def _say_error(item: str, reason: str) -> None:
    from tqdm import tqdm

    tqdm.write(one_line(f"error: {item}: {reason}"), file=sys.stderr)
