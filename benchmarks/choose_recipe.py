"""Strategies and learning rates on OASIS, measured on the validation part of the embedded run.

    python benchmarks/choose_recipe.py     # writes benchmarks/results/choice.json

Every arm is trained on the images of the shipped run and judged on its validation images: LoRA from
a random head with three learning rates, and a frozen encoder with three. To fit a two-core machine
the LoRA arms see 160 pixels for three epochs, a quarter of what the shipped run costs: they compare
learning rates with each other, not LoRA with frozen. The rate of the head that trains first follows
from it; that of LoRA at 224 pixels (5e-4) was taken from an earlier run and not compared. A run
that was stopped goes on.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from train_embedded import HERE, RUNS, RUNS_WANTED, figures_by_output, rated_source

from perceptmetrics.backbones import find_backbone
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.record import RUN_FILE
from perceptmetrics.training.run import train
from perceptmetrics.training.trainer import Epoch, Optimisation, Watch
from perceptmetrics.views import CentreCrop, RandomCrops
from perceptmetrics.weights.adapter import ADAPTER_FILE
from perceptmetrics.weights.base import load_base
from perceptmetrics.weights.cache import cache_folder

RESULT = HERE / "results" / "choice.json"


def arms() -> dict[str, Recipe]:
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


@click.command()
def main() -> None:
    """Trains what is not trained yet, and writes the comparison."""
    wanted = RUNS_WANTED["oasis"]
    backbone = find_backbone("clip-b16")
    weights = backbone.weights_of("openai-int8")
    base = load_base(backbone.name, weights)
    measured = {}
    with tempfile.TemporaryDirectory() as scratch:
        source = rated_source(wanted, Path(scratch))
    for name, recipe in arms().items():
        out = RUNS / "choice" / f"{recipe.strategy}-{recipe.optimisation.learning_rate:g}"

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
                command="python benchmarks/choose_recipe.py",
                watch=lambda stage, report=report: Watch(report),  # type: ignore[misc]
                feature_cache=cache_folder() / "features",
            )
        record = json.loads((out / RUN_FILE).read_text())["datasets"]["default"]
        measured[name] = figures_by_output(
            record["validation_prediction"], record["validation_target"], wanted.task.outputs
        )
        result = {"command": "python benchmarks/choose_recipe.py", "SRCC": measured}
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
