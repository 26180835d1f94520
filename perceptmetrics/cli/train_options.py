"""The options that ``train`` and ``sweep`` share, as click declares them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_POSITIVE = click.IntRange(min=1)


def _option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """An option whose default is shown. Defaults are the Recipe's; a test compares them."""
    return click.option(*names, show_default="default" in settings, **settings)


_DATA = (
    _option("--task", "task_name", help="What is judged; with --dataset, the dataset's own."),
    _option("--data", type=_FILE, help="CSV or Parquet of images and ratings, or labels."),
    _option(
        "--dataset",
        "datasets",
        nargs=2,
        multiple=True,
        metavar="NAME ROOT",
        help="A published dataset in its own layout; see 'perceptmetrics data list'. Given twice "
        "or more, one encoder is trained on all of them, with a head for each.",
    ),
    _option(
        "--combination",
        nargs=2,
        metavar="NAME ROOT",
        help="Datasets that the paper trains together, as folders of ROOT called by their names: "
        "quality-authentic, quality-synthetic, memorability or emotion.",
    ),
    _option("--split", "splits", type=_FILE, multiple=True, help="A split file for each dataset."),
    _option(
        "--validation-fraction",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Without a split: share of the images (or groups) that training never sees; it "
        "chooses the best epoch. Else 0.1.",
    ),
    _option("--images", type=_FOLDER, help="What image paths are relative to; else --data's own."),
    _option("--image-column", help="Else image, image_name, path, file or filename."),
    _option(
        "--target-column",
        "target_columns",
        multiple=True,
        help="Else the output's name, score, mos or rating; label for classes. Once an output.",
    ),
    _option("--group-column", help="Images of one group stay on one side of the split."),
)
_MODEL = (
    _option(
        "--backbone",
        "backbone_name",
        default="clip-b16",
        help="A backbone, a family (its default size), or either with the tag of its weights, as "
        "in clip-b16.openai.",
    ),
    _option("--base", type=_FILE, help="A file of base weights to use instead."),
    _option(
        "--strategy",
        type=click.Choice(["lora", "frozen", "full"]),
        default="lora",
        help="What trains beside the head: low-rank pairs, nothing, or the whole encoder.",
    ),
    _option("--rank", type=_POSITIVE, default=16, help="Of LoRA."),
    _option("--alpha", type=float, default=8, help="Of LoRA; scaled by alpha / rank."),
    _option("--lora-dropout", type=float, default=0.1, help="Of LoRA."),
    _option("--head", type=click.Choice(["mlp", "linear"]), help="Instead of the task's own."),
)
_OPTIMISATION = (
    _option("--epochs", type=_POSITIVE, default=40, help="At most."),
    _option("--patience", type=_POSITIVE, default=12, help="Epochs without a better one, at most."),
    _option("--weight-decay", type=click.FloatRange(min=0), default=1e-4, help="Of AdamW."),
    _option(
        "--schedule",
        type=click.Choice(["constant", "one-cycle"]),
        default="constant",
        help="Of the learning rate; one-cycle goes up, then down to zero over all epochs.",
    ),
    _option("--batch-size", type=click.IntRange(min=2), default=32, help="Cuts in one step."),
    _option("--replicas", type=_POSITIVE, help="Cuts of each image per epoch; else the dataset's."),
    _option(
        "--no-augmentation",
        is_flag=True,
        help="Train on what scoring sees, where that is one cut; a frozen encoder's features are "
        "then kept.",
    ),
    _option(
        "--head-first",
        is_flag=True,
        help="First train each head alone on the pretrained encoder, for up to 40 epochs: quick "
        "where scoring sees one cut, whose features are kept; else it encodes in every epoch.",
    ),
    _option("--second-stage", is_flag=True, help="Then train each head alone, encoder frozen."),
    _option("--seed", type=click.IntRange(min=0), default=0, help="Of LoRA, heads and order."),
    _option("--half", is_flag=True, help="Store the adapter in float16: half the size."),
)
_MACHINE = (
    _option("--device", default="cpu", help="cpu, cuda, cuda:1, mps, ..."),
    _option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "fp16"]),
        default="fp32",
        help="bf16 and fp16 are autocast, for devices that have them.",
    ),
    _option(
        "--rows",
        type=_POSITIVE,
        help="Encode so many cuts at once, where a batch does not fit; the gradient is the same, "
        "the time grows.",
    ),
    _option("--recompute", is_flag=True, help="Gradient checkpointing: less memory, more time."),
    _option(
        "--feature-cache",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where features of a frozen encoder are kept; else the cache folder.",
    ),
    _option("--no-feature-cache", is_flag=True, help="Encode in every epoch, also what is frozen."),
    _option(
        "--checkpoint-seconds",
        type=click.FloatRange(min=0, min_open=True),
        default=300.0,
        help="Least time between checkpoints inside an epoch.",
    ),
    _option("--tensorboard", is_flag=True, help="Also write scalars for TensorBoard."),
    _option(
        "--progress/--no-progress",
        default=None,
        help="A progress bar on standard error; by default where that is a terminal.",
    ),
)


def train_options(command: Command) -> Command:
    """Gives a command the options of :class:`~perceptmetrics.cli.train_plan.TrainPlan`."""
    for option in reversed((*_DATA, *_MODEL, *_OPTIMISATION, *_MACHINE)):
        command = option(command)
    return command
