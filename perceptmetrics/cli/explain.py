"""``perceptmetrics explain``: why a metric judges photographs as it does, as pictures and JSON."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from perceptmetrics.cli.exit_codes import DONE, FAILED, SOME_FAILED
from perceptmetrics.cli.metric_options import metric_options
from perceptmetrics.cli.output_folder import output_folder
from perceptmetrics.errors import OptionError


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
    "deletion and insertion, over all images from two on. Played on the first cut of each image. "
    "Takes minutes an image; where a metric averages many cuts (15 for iqa), give --crops 1.",
)
@click.option(
    "--quality-map", is_flag=True, help="Add a map of the scores of dense crops, as for iqa."
)
@metric_options(
    batch="Cuts, or heads of a layer, in one forward pass; changes speed and memory only.",
    crops="Cuts to average, for metrics that average several; fewer take less time.",
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
    adds), NAME.quality.png (with --quality-map), and NAME.json. With --compare, comparison.csv and
    comparison.json say which explanation is the more faithful over two images or more. An image
    that is given twice counts once, pictures of an earlier call are no photographs, and no file
    that this command did not write is overwritten.

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
    from perceptmetrics.cli.explain_images import check_nothing_is_lost, photographs

    found = photographs(images)
    shown = sys.stderr.isatty() if progress is None else progress
    with output_folder(output):
        check_nothing_is_lost(found, output, heads=heads, compare=compare)
        from perceptmetrics.explanation.colours import colour_map

        colour_map(False)  # what is missing is said before minutes are spent
        _require("captum", "--compare", compare)
        _require("scipy", "--heads", heads)
        from perceptmetrics.create import create_metric

        metric = create_metric(
            metric_name,
            base=base,
            allow_other_base=allow_other_base,
            crops=crops,
            seed=seed,
            batch_size=batch_size,
            device=device,
        )
        from perceptmetrics.cli.explain_work import explain_each, rank_all
        from perceptmetrics.explanation.requirements import check_metric, check_quality_map

        check_metric(metric, score_name)
        if quality_map:
            check_quality_map(metric, score_name)
        if heads:
            good, bad = rank_all(
                metric, found, output, score=score_name, top=top, base=base, progress=shown
            )
        else:
            good, bad = explain_each(
                metric,
                found,
                output,
                score=score_name,
                top=top,
                base=base,
                progress=shown,
                compare=compare,
                quality_map=quality_map,
            )
    if bad:
        click.echo(f"{bad} of {good + bad} images could not be explained", err=True)
    ctx.exit(DONE if not bad else SOME_FAILED if good else FAILED)


def _require(package: str, option: str, wanted: bool) -> None:
    if wanted and find_spec(package) is None:
        raise OptionError(f"{option} needs {package}: pip install 'perceptmetrics[explain]'")
