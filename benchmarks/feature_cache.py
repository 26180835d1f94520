"""An epoch of a head on kept features against an epoch that encodes: the same images, one run.

    python benchmarks/feature_cache.py     # writes benchmarks/results/feature_cache.json

CPU seconds of one epoch with its validation, CLIP ViT-B/16 frozen, images of LNSIM, alternated.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from train_embedded import HERE, RUNS_WANTED

from perceptmetrics.backbones import find_backbone
from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.run import train
from perceptmetrics.training.source import source_of
from perceptmetrics.training.trainer import Optimisation, Watch
from perceptmetrics.weights.base import load_base

RESULT = HERE / "results" / "feature_cache.json"


@click.command()
@click.option("--images", default=64, show_default=True)
@click.option("--rounds", default=2, show_default=True)
def main(images: int, rounds: int) -> None:
    """Measures and writes the result."""
    wanted = RUNS_WANTED["memorability"]
    backbone = find_backbone("clip-b16")
    base = load_base(backbone.name, backbone.weights_of("openai-int8"))
    data = read_manifest(wanted.csv, wanted.task).take(range(images))
    source = source_of(wanted.task, data, validation_fraction=0.25)
    recipe = Recipe(strategy="frozen", optimisation=Optimisation(epochs=3))
    seconds: dict[str, list[float]] = {"encoding": [], "kept": []}
    with tempfile.TemporaryDirectory() as scratch:
        features = Path(scratch) / "features"

        def epoch_seconds(name: str, cache: Path | None) -> list[float]:
            ends: list[float] = []
            train(
                [source],
                Path(scratch) / name,
                backbone=backbone,
                base=base,
                base_name="clip-b16.openai-int8",
                recipe=recipe,
                watch=lambda stage: Watch(lambda history: ends.append(time.process_time())),
                feature_cache=cache,
            )
            return [float(seconds) for seconds in np.diff(ends)]

        for number in range(rounds):
            seconds["encoding"] += epoch_seconds(f"encoding-{number}", None)
            seconds["kept"] += epoch_seconds(f"kept-{number}", features)
    each = {name: float(np.median(found)) for name, found in seconds.items()}
    result = {
        "command": "python benchmarks/feature_cache.py",
        "images": images,
        "cpu_seconds_an_epoch": each,
        "ratio": each["encoding"] / each["kept"],
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
