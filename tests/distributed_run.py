"""One process of a run of several, for test_distributed.py: python distributed_run.py DATA OUT."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import killed_run
import tiny
from torch import Tensor

from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.heads import HeadSpec
from perceptmetrics.lora import LoRAConfig
from perceptmetrics.losses import mse_loss, plcc_loss
from perceptmetrics.training.engine import engine_for
from perceptmetrics.training.run import train
from perceptmetrics.training.source import source_of

# Masks of dropout are drawn in each process for its own rows, so the comparison is without it.
STILL = replace(
    killed_run.THOROUGH, lora=LoRAConfig(rank=4, dropout=0), head=HeadSpec((16,), dropout=0)
)


def batch_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Looks at the whole batch; the second term holds the biases that PLCC alone leaves open."""
    return plcc_loss(prediction, target) + mse_loss(prediction, target)


def run(data: Path, out: Path) -> None:
    """Two datasets, one of them tiny, with the loss that looks at the whole batch."""
    task = replace(tiny.TASK, loss=batch_loss, replicas=2)
    rated = read_manifest(data / "ratings.csv", task)
    train(
        [
            source_of(task, rated, name="all", validation_fraction=0.25),
            source_of(task, rated.take(range(0, 24, 3)), name="few", validation_fraction=0.3),
        ],
        out,
        backbone=tiny.BACKBONE,
        base=tiny.base(),
        base_name="tiny-vit.random",
        recipe=replace(STILL, batch_size=7),
        engine=engine_for(),
        feature_cache=out.parent / "features",
    )


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
