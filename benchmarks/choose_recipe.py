"""Strategies and learning rates, measured on the validation part of the embedded runs.

    python benchmarks/choose_recipe.py oasis memorability     # results/choice.json

Every arm is trained on the images of the shipped run and judged on its validation images. To fit a
two-core machine the LoRA arms see small images for few epochs: they compare learning rates with
each other, not LoRA with frozen. OASIS: LoRA from a random head (160 pixels, three epochs, a
third of what the shipped run costs) and a frozen encoder, with three rates each. The rate of the
head that trains first follows from it; that of LoRA at 224 pixels (5e-4) was taken from an earlier
run and not compared. Memorability: LoRA behind a head that trains first, with three rates (96
pixels, one epoch, a fifth of the shipped run). A run that was stopped goes on.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from train_embedded import HERE, RUNS, RUNS_WANTED, figures_by_output, rated_source

from perceptmetrics.backbones import find_backbone
from perceptmetrics.training.recipe import HEAD_FIRST, Recipe
from perceptmetrics.training.record import RUN_FILE
from perceptmetrics.training.run import train
from perceptmetrics.training.trainer import Epoch, Optimisation, Watch
from perceptmetrics.views import CentreCrop, RandomCrops
from perceptmetrics.weights.adapter import ADAPTER_FILE
from perceptmetrics.weights.base import load_base
from perceptmetrics.weights.cache import cache_folder

RESULT = HERE / "results" / "choice.json"


def oasis_arms() -> dict[str, Recipe]:
    """Name -> recipe."""
    shipped = replace(RUNS_WANTED["oasis"].recipe, head_first=None)
    lora = replace(
        shipped,
        train_view=RandomCrops(crops=1, size=160, resize_to=160, flip_x=True),
        eval_view=CentreCrop(160, 160),
    )
    frozen = replace(shipped, strategy="frozen", augment=False, eval_view=CentreCrop())
    return {
        **{
            f"lora, 160 pixels, 3 epochs, learning rate {rate:g}": replace(
                lora,
                optimisation=Optimisation(epochs=3, learning_rate=rate, schedule="one-cycle"),
            )
            for rate in (2e-4, 5e-4, 1e-3)
        },
        **{
            f"frozen, 224 pixels, learning rate {rate:g}": replace(
                frozen, optimisation=Optimisation(epochs=40, learning_rate=rate)
            )
            for rate in (1e-4, 5e-4, 1e-3)
        },
    }


def memorability_arms() -> dict[str, Recipe]:
    """Name -> recipe."""
    small = replace(
        RUNS_WANTED["memorability"].recipe,
        train_view=RandomCrops(crops=1, size=96, resize_to=96, flip_x=True),
        eval_view=CentreCrop(96, 96),
    )
    return {
        f"head first, then lora, 96 pixels, 1 epoch, learning rate {rate:g}": replace(
            small,
            optimisation=Optimisation(epochs=1, learning_rate=rate, schedule="one-cycle"),
            head_first=HEAD_FIRST,
        )
        for rate in (2e-4, 5e-4, 1e-3)
    }


ARMS = {"oasis": oasis_arms, "memorability": memorability_arms}


@click.command()
@click.argument("runs", nargs=-1, type=click.Choice(sorted(ARMS)))
def main(runs: tuple[str, ...]) -> None:
    """Trains what is not trained yet, and writes the comparison."""
    for run in runs or sorted(ARMS):
        compare(run)


def compare(run: str) -> None:
    """Every arm of one shipped run."""
    wanted = RUNS_WANTED[run]
    backbone = find_backbone("clip-b16")
    weights = backbone.weights_of("openai-int8")
    base = load_base(backbone.name, weights)
    with tempfile.TemporaryDirectory() as scratch:
        source = rated_source(wanted, Path(scratch))
    for name, recipe in ARMS[run]().items():
        out = RUNS / "choice" / f"{run}, {name}"

        def report(history: Sequence[Epoch], name: str = name) -> None:
            click.echo(f"{name}: epoch {history[-1].number} {history[-1].validation:.4f}")

        if not (out / ADAPTER_FILE).exists():
            train(
                [source],
                out,
                backbone=backbone,
                base=base,
                base_name=f"{backbone.name}.{weights.tag}",
                recipe=recipe,
                command=f"python benchmarks/choose_recipe.py {run}",
                watch=lambda stage, report=report: Watch(report),  # type: ignore[misc]
                feature_cache=cache_folder() / "features",
            )
        record = json.loads((out / RUN_FILE).read_text())["datasets"]["default"]
        measured: dict[str, Any] = {"command": "python benchmarks/choose_recipe.py", "SRCC": {}}
        if RESULT.exists():
            measured = json.loads(RESULT.read_text())
        measured["SRCC"].setdefault(run, {})[name] = figures_by_output(
            record["validation_prediction"], record["validation_target"], wanted.task.outputs
        )
        RESULT.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
