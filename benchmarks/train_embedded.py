"""Trains the adapters that the package ships, on the ratings in ``../shared/data``.

    python benchmarks/train_embedded.py train oasis      # affect and aesthetics, one run
    python benchmarks/train_embedded.py train iqa
    python benchmarks/train_embedded.py train memorability
    python benchmarks/train_embedded.py embed            # all runs -> perceptmetrics/adapters

A run folder lands in ``benchmarks/runs/`` (not in git); what ``embed`` measures and ships is
written to ``benchmarks/results/embedded.json``. The three OASIS ratings are trained in one head,
because each helps the others, and are then taken apart: valence and arousal are ``affect``,
beauty is ``aesthetics``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
from tqdm import tqdm

from perceptmetrics.backbones import find_backbone
from perceptmetrics.data.manifest import Manifest, read_manifest
from perceptmetrics.tasks import TASKS, Task
from perceptmetrics.training.run import Recipe, train
from perceptmetrics.training.trainer import Epoch, Optimisation
from perceptmetrics.views import CentreCrop, RandomCrops
from perceptmetrics.weights.base import load_base

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data"
RUNS = HERE / "runs"

OASIS = replace(
    TASKS.get("affect"), name="oasis", outputs=("valence", "arousal", "beauty")
)


@dataclass(frozen=True)
class Embedding:
    """One training run."""

    task: Task
    csv: Path
    recipe: Recipe
    group_column: str | None = None


RUNS_WANTED = {
    "oasis": Embedding(
        OASIS,
        SHARED / "oasis" / "oasis.csv",
        Recipe(
            optimisation=Optimisation(epochs=6, learning_rate=5e-4, schedule="one-cycle"),
            batch_size=16,
            train_view=RandomCrops(crops=1, resize_to=224, flip_x=True),
            validation_fraction=0.2,
            half=True,
        ),
    ),
    "iqa": Embedding(
        TASKS.get("iqa"),
        SHARED / "tid2013" / "manifest.csv",
        Recipe(
            optimisation=Optimisation(epochs=6, learning_rate=5e-4, schedule="one-cycle"),
            batch_size=32,
            replicas=2,
            validation_view=RandomCrops(crops=2),
            validation_fraction=0.2,
            half=True,
        ),
        group_column="ref_name",
    ),
    "memorability": Embedding(
        TASKS.get("memorability"),
        SHARED / "lnsim" / "lnsim.csv",
        Recipe(
            optimisation=Optimisation(epochs=4, learning_rate=5e-4, schedule="one-cycle"),
            batch_size=16,
            # 192 pixels, not 224, to fit the hours of a two-core machine.
            train_view=RandomCrops(crops=1, size=192, resize_to=192, flip_x=True),
            eval_view=CentreCrop(size=192, resize_to=192),
            half=True,
        ),
    ),
}


def rated_images(wanted: Embedding, scratch: Path) -> Manifest:
    """Reads the ratings; the distorted images of TID2013 are rebuilt first."""
    if wanted.task.name != "iqa":
        return read_manifest(wanted.csv, wanted.task)
    folder = SHARED / "tid2013"
    subprocess.run(
        [sys.executable, folder / "rebuild.py", folder / "kodak", wanted.csv, scratch],
        check=True,
        stderr=subprocess.DEVNULL,  # libjpeg's cautions, which the data's README announces
    )
    return read_manifest(
        wanted.csv,
        wanted.task,
        images=scratch / "distorted_images",
        target_columns=["mos"],
        group_column=wanted.group_column,
    )


@click.group()
def main() -> None:
    """Trains and embeds the adapters of the package."""


@main.command("train")
@click.argument("name", type=click.Choice(sorted(RUNS_WANTED)))
@click.option("--out", type=click.Path(path_type=Path), default=None)
def train_command(name: str, out: Path | None) -> None:
    """Trains one run on the CLIP ViT-B/16 that the package registry carries."""
    wanted = RUNS_WANTED[name]
    backbone = find_backbone("clip-b16")
    weights = backbone.weights_of("openai-int8")
    base = load_base(backbone.name, weights)
    started = time.monotonic()

    def report(epoch: Epoch) -> None:
        minutes = (time.monotonic() - started) / 60
        click.echo(
            f"{name} epoch {epoch.number} loss {epoch.loss:.4f} "
            f"validation {epoch.validation:.4f} {minutes:.1f} min"
        )

    def progress(batches: Iterator[object], steps: int) -> Iterator[object]:
        yield from tqdm(batches, total=steps, mininterval=30)

    with tempfile.TemporaryDirectory() as scratch:
        run = train(
            wanted.task,
            rated_images(wanted, Path(scratch)),
            out or RUNS / name,
            backbone=backbone,
            base=base,
            base_name=f"{backbone.name}.{weights.tag}",
            recipe=wanted.recipe,
            command=f"python benchmarks/train_embedded.py train {name}",
            report=report,
            progress=progress,
        )
    click.echo(f"{name} {dict(run.figures)} {(time.monotonic() - started) / 60:.1f} min")


if __name__ == "__main__":
    main()
