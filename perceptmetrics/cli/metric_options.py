"""The options of a command that loads metrics, as click declares them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def metric_options(*, batch: str, crops: str | None = None) -> Callable[[Command], Command]:
    """Gives a command the options of :func:`perceptmetrics.create_metric`, and ``--progress``.

    Args:
        batch: Help of ``--batch-size``: what one forward pass holds.
        crops: Help of ``--crops``; without it, cuts are those of the metric's card, and there is
            no ``--seed`` either.
    """
    cuts = (
        click.option("--crops", type=click.IntRange(min=1), help=crops),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            help="Draws the cuts, for metrics that draw them.",
        ),
    )
    options = (
        click.option(
            "--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps, ..."
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            default=32,
            show_default=True,
            help=batch,
        ),
        *(cuts if crops is not None else ()),
        click.option(
            "--base",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file of base weights to use instead of the cache.",
        ),
        click.option(
            "--allow-other-base",
            is_flag=True,
            help="Use base weights that the adapter was not trained on; scores change.",
        ),
        click.option(
            "--progress/--no-progress",
            default=None,
            help="A progress bar on standard error; by default where that is a terminal.",
        ),
    )

    def give(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return give
