"""``perceptmetrics train``: a metric from one's own ratings, or from the paper's datasets."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perceptmetrics.cli.train_options import train_options
from perceptmetrics.cli.train_plan import TrainPlan
from perceptmetrics.errors import OptionError

FEW_IMAGES = 30  # the 95 % interval of an SRCC of 0.7 is then 0.4 wide, by Fisher's z

if TYPE_CHECKING:
    from perceptmetrics.training.recipe import Recipe
    from perceptmetrics.training.run import Run
    from perceptmetrics.training.source import Source


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The run folder to make, or to go on with.",
)
@click.option("--learning-rate", "--lr", default=1e-4, show_default=True, help="Of AdamW.")
@click.option(
    "--fold",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="With --dataset: which split of its protocol.",
)
@train_options
@click.pass_context
def train(ctx: click.Context, /, out: Path, learning_rate: float, fold: int, **given: Any) -> None:
    """Train a metric on rated images.

    --data has a header line and one line an image: image,score or image,label, or a column for
    each output of the task; a column split (train, val, test) is obeyed. --dataset reads the
    paper's datasets as their authors distribute them. Defaults are the paper's. The run folder
    gets adapter.safetensors, which 'score --metric' and create_metric take, and run.json, which
    holds what repeats the run. The same command goes on with a run that was stopped.

    On several GPUs: torchrun --nproc-per-node 4 -m perceptmetrics train ...
    """
    from perceptmetrics.training.engine import engine_for
    from perceptmetrics.training.run import is_unfinished
    from perceptmetrics.training.run import train as run_training
    from perceptmetrics.weights.adapter import ADAPTER_FILE

    options = TrainPlan.take(given)
    # What is cheap to find wrong comes first.
    options.check()
    recipe = options.recipe(learning_rate)
    if (out / ADAPTER_FILE).is_file():
        raise OptionError(f"{out} holds a finished run; score with it, or give another --out")
    started = is_unfinished(out)
    if out.exists() and any(out.iterdir()) and not started:
        raise OptionError(f"{out} is not empty; give another --out")
    sources = options.sources(fold)
    engine = engine_for(options.device)
    backbone, base, base_name = options.encoder()
    _make_folder(out)
    if engine.is_main:
        _say_sources(sources, recipe, base_name)
        if started:
            click.echo(f"goes on with what is in {out}", err=True)

    from perceptmetrics.cli.watching import watch_run

    with watch_run(options, sources, out, speaks=engine.is_main) as watch:
        run = run_training(
            sources,
            out,
            backbone=backbone,
            base=base,
            base_name=base_name,
            recipe=recipe,
            engine=engine,
            command=ctx.meta["perceptmetrics.command_line"],
            watch=watch,
            checkpoint_seconds=options.checkpoint_seconds,
            feature_cache=options.features_folder(),
        )
    if engine.is_main:
        _summary(run, sources)


def _make_folder(out: Path) -> None:
    # Before hours of training, not after them.
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"cannot make the run folder {out}: {error.strerror}") from error


def _say_sources(sources: list[Source], recipe: Recipe, base_name: str) -> None:
    for source in sources:
        how = f"seed {recipe.seed}" if source.split is None else f"split {source.split.name}"
        name = "" if len(sources) == 1 else f"{source.name}: "
        click.echo(
            f"{base_name}, {recipe.strategy}: {name}{len(source.training)} images to train on, "
            f"{len(source.validation)} held out to validate on ({how})",
            err=True,
        )
        if len(source.validation) < FEW_IMAGES:
            click.echo(
                f"warning: {name}{len(source.validation)} validation images choose the epoch "
                "almost by luck; rate more, or hold out more with --validation-fraction",
                err=True,
            )


def _summary(run: Run, sources: list[Source]) -> None:
    for source in sources:
        name = None if len(sources) == 1 else source.name
        card = run.adapter.pick(name).card
        figures = run.figures[source.name].items()
        click.echo(
            f"{run.folder}{'' if name is None else '@' + name}: "
            + ", ".join(f"{measure} {value:.4f}" for measure, value in figures)
            + f" ({card.validated_how})"
        )
        for figure in card.validation:
            click.echo(f"  {figure}")
    metric, chosen = str(run.folder), ""
    if len(sources) > 1:
        metric, chosen = f"{run.folder}@{sources[0].name}", f", dataset={sources[0].name!r}"
    click.echo(f"Score with it:  perceptmetrics score photos/ --metric {shlex.quote(metric)}")
    click.echo(f"In Python:      perceptmetrics.create_metric({str(run.folder)!r}{chosen})")
