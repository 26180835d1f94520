"""``perceptmetrics train``: a metric from one's own ratings."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from perceptmetrics.errors import OptionError

if TYPE_CHECKING:
    from perceptmetrics.adaptation import Strategy
    from perceptmetrics.backbones import Backbone
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.tasks import Task
    from perceptmetrics.training.recipe import Recipe
    from perceptmetrics.training.run import Run
    from perceptmetrics.training.trainer import Epoch, Schedule
    from perceptmetrics.weights.base import LoadedBase

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_POSITIVE = click.IntRange(min=1)


def _option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """An option whose default is shown. Defaults are the Recipe's; a test compares them."""
    return click.option(*names, show_default="default" in settings, **settings)


@click.command()
@_option("--task", "task_name", required=True, help="What is judged; see 'perceptmetrics list'.")
@_option("--data", required=True, type=_FILE, help="CSV of images and ratings, or labels.")
@_option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The run folder to make.",
)
@_option(
    "--backbone",
    "backbone_name",
    default="clip-b16",
    help="A backbone, a family (its default size), or either with the tag of its weights, as in "
    "clip-b16.openai.",
)
@_option("--base", type=_FILE, help="A file of base weights to use instead of registered ones.")
@_option(
    "--strategy",
    type=click.Choice(["lora", "frozen", "full"]),
    default="lora",
    help="What trains beside the head: low-rank pairs, nothing, or the whole encoder.",
)
@_option("--rank", type=_POSITIVE, default=16, help="Of LoRA.")
@_option("--alpha", type=float, default=8, help="Of LoRA; the update is scaled by alpha / rank.")
@_option("--lora-dropout", type=float, default=0.1, help="Of LoRA.")
@_option("--head", type=click.Choice(["mlp", "linear"]), help="Instead of the task's own head.")
@_option("--epochs", type=_POSITIVE, default=40, help="At most.")
@_option("--patience", type=_POSITIVE, default=12, help="Epochs without a better one, then stop.")
@_option("--learning-rate", "--lr", type=float, default=1e-4, help="Of AdamW.")
@_option("--weight-decay", type=click.FloatRange(min=0), default=1e-4, help="Of AdamW.")
@_option(
    "--schedule",
    type=click.Choice(["constant", "one-cycle"]),
    default="constant",
    help="Of the learning rate; one-cycle goes up, then down to zero over all epochs.",
)
@_option("--batch-size", type=click.IntRange(min=2), default=32, help="Cuts in one step.")
@_option("--replicas", type=_POSITIVE, help="Cuts of each image per epoch; else the task's own.")
@_option(
    "--validation-fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    help="Share of the images (or groups) that training never sees; it chooses the best epoch.",
)
@_option("--seed", type=click.IntRange(min=0), default=0, help="Of split, LoRA, head and order.")
@_option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that image paths are relative to; else the CSV's own.",
)
@_option("--image-column", help="Else image, image_name, path, file or filename.")
@_option(
    "--target-column",
    "target_columns",
    multiple=True,
    help="Else the output's name, score, mos or rating; label for classes. Once for each output.",
)
@_option("--group-column", help="Images of one group stay on one side of the split.")
@_option("--device", default="cpu", help="cpu, cuda, cuda:1, mps, ...")
@_option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    default="fp32",
    help="bf16 is autocast, for devices that have it.",
)
@_option("--half", is_flag=True, help="Store the adapter in float16: half the size.")
@_option(
    "--progress/--no-progress",
    default=None,
    help="A progress bar on standard error; by default where that is a terminal.",
)
@click.pass_context
def train(
    ctx: click.Context,
    task_name: str,
    data: Path,
    out: Path,
    backbone_name: str,
    base: Path | None,
    strategy: Strategy,
    rank: int,
    alpha: float,
    lora_dropout: float,
    head: str | None,
    epochs: int,
    patience: int,
    learning_rate: float,
    weight_decay: float,
    schedule: Schedule,
    batch_size: int,
    replicas: int | None,
    validation_fraction: float,
    seed: int,
    images: Path | None,
    image_column: str | None,
    target_columns: tuple[str, ...],
    group_column: str | None,
    device: str,
    precision: Literal["fp32", "bf16"],
    half: bool,
    progress: bool | None,
) -> None:
    """Train a metric on rated images.

    DATA has a header line and one line an image: image,score or image,label, or a column for each
    output of the task. Defaults are the paper's. The run folder gets adapter.safetensors, which
    'score --metric' and create_metric take, and run.json, which holds what repeats the run. They
    are written at the end: an interrupted run leaves an empty folder.
    """
    from perceptmetrics.backbones import find_backbone
    from perceptmetrics.data.manifest import read_manifest
    from perceptmetrics.tasks import TASKS

    # What is cheap to find wrong comes first.
    task = TASKS.get(task_name)
    family, _, tag = backbone_name.partition(".")
    backbone = find_backbone(family)
    if out.exists() and any(out.iterdir()):
        raise OptionError(f"{out} is not empty; give another --out")
    rated = read_manifest(
        data,
        task,
        images=images,
        image_column=image_column,
        target_columns=target_columns,
        group_column=group_column,
    )
    _check_device(device)

    from perceptmetrics.adaptation import LoRAConfig
    from perceptmetrics.heads import head_named
    from perceptmetrics.training.recipe import Recipe
    from perceptmetrics.training.trainer import Optimisation

    recipe = Recipe(
        strategy=strategy,
        lora=LoRAConfig(rank, alpha, lora_dropout),
        head=None if head is None else head_named(head),
        optimisation=Optimisation(
            epochs=epochs,
            patience=patience,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            schedule=schedule,
            precision=precision,
        ),
        batch_size=batch_size,
        replicas=replicas,
        validation_fraction=validation_fraction,
        seed=seed,
        half=half,
    )
    loaded, base_name = _base(backbone, tag, base)
    _make_folder(out)
    _say_split(rated, recipe, base_name)
    run = _train(
        task,
        rated,
        out,
        recipe,
        backbone=backbone,
        base=loaded,
        base_name=base_name,
        device=device,
        command=ctx.meta["perceptmetrics.command_line"],
        progress=sys.stderr.isatty() if progress is None else progress,
    )
    _summary(run, task)


def _make_folder(out: Path) -> None:
    # Before hours of training, not after them.
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"cannot make the run folder {out}: {error.strerror}") from error


def _check_device(name: str) -> None:
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(f"device {name!r} cannot be used: {reason}") from error


def _base(backbone: Backbone, tag: str, file: Path | None) -> tuple[LoadedBase, str]:
    from perceptmetrics.backbones.weight_maps import canonical
    from perceptmetrics.weights.base import load_base, load_base_file

    if file is None:
        weights = backbone.weights_of(tag or None)
        return load_base(backbone.name, weights), f"{backbone.name}.{weights.tag}"
    if tag:
        raise OptionError(f"--base {file} and the tag {tag!r} of --backbone: give one of them")
    loaded = load_base_file(file, canonical)
    return loaded, f"{backbone.name}.{loaded.sha256[:12]}"


def _say_split(rated: Manifest, recipe: Recipe, base_name: str) -> None:
    from perceptmetrics.data.splits import split_by_group

    first, second = split_by_group(rated.groups, recipe.validation_fraction, recipe.seed)
    click.echo(
        f"{base_name}, {recipe.strategy}: {len(first)} images to train on, {len(second)} held out "
        f"to validate on (seed {recipe.seed})",
        err=True,
    )


def _train(
    task: Task,
    rated: Manifest,
    out: Path,
    recipe: Recipe,
    *,
    backbone: Backbone,
    base: LoadedBase,
    base_name: str,
    device: str,
    command: str,
    progress: bool,
) -> Run:
    from tqdm import tqdm

    from perceptmetrics.training.run import train as run_training

    started = time.monotonic()
    best: list[Epoch] = []

    def report(epoch: Epoch) -> None:
        if not best or epoch.validation > best[-1].validation:
            best.append(epoch)
        tqdm.write(
            f"epoch {epoch.number}/{recipe.optimisation.epochs}  loss {epoch.loss:.4f}  "
            f"validation {task.selects_by} {epoch.validation:.4f} (best "
            f"{best[-1].validation:.4f} in epoch {best[-1].number})  "
            f"{time.monotonic() - started:.0f} s",
            file=sys.stderr,
        )

    def wrap(batches: Iterable[Any], steps: int) -> Iterable[Any]:
        bar: Iterable[Any] = tqdm(
            batches, total=steps, disable=not progress, leave=False, file=sys.stderr
        )
        return bar

    return run_training(
        task,
        rated,
        out,
        backbone=backbone,
        base=base,
        base_name=base_name,
        recipe=recipe,
        device=device,
        command=command,
        report=report,
        progress=wrap,
    )


def _summary(run: Run, task: Task) -> None:
    figures = ", ".join(f"{name} {value:.4f}" for name, value in run.figures.items())
    card = run.adapter.card
    click.echo(f"{run.folder}: {figures} ({card.validated_how})")
    for figure in card.validation:
        click.echo(f"  {figure}")
    click.echo(
        f"Score with it:  perceptmetrics score photos/ --metric {shlex.quote(str(run.folder))}"
    )
    click.echo(
        f"In Python:      perceptmetrics.create_metric({task.name!r}, weights={str(run.folder)!r})"
    )
