"""A run that can kill itself as the system would, for test_resume.py: no finally, no farewell.

python killed_run.py DATA OUT [--at-step N] [--at-sync N] [--file-limit BYTES] [--nan-at-step N]
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import tiny
from test_training import RECIPE

from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.errors import PerceptError
from perceptmetrics.training.engine import engine_for
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.run import train
from perceptmetrics.training.source import source_of
from perceptmetrics.training.trainer import Watch

THOROUGH = replace(
    RECIPE,
    second_stage=True,
    optimisation=replace(RECIPE.optimisation, epochs=3, schedule="one-cycle"),
)


def run(data: Path, out: Path, recipe: Recipe = THOROUGH, watch: Watch | None = None) -> None:
    rated = read_manifest(data / "ratings.csv", tiny.TASK)
    train(
        [source_of(tiny.TASK, rated, validation_fraction=0.25)],
        out,
        backbone=tiny.BACKBONE,
        base=tiny.base(),
        base_name="tiny-vit.random",
        recipe=recipe,
        engine=engine_for(),
        watch=lambda stage: watch or Watch(),
        checkpoint_seconds=0,
    )


def main() -> None:
    data, out, *rest = sys.argv[1:]
    wanted = dict(zip(rest[::2], map(int, rest[1::2]), strict=True))

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    taken = {"steps": 0, "syncs": 0}

    def step(number: int, loss: float) -> None:
        taken["steps"] += 1
        if taken["steps"] == wanted.get("--at-step"):
            die()

    sync = os.fsync

    def dying_sync(fd: Any) -> None:
        taken["syncs"] += 1
        if taken["syncs"] == wanted.get("--at-sync"):
            die()
        sync(fd)

    os.fsync = dying_sync
    if "--file-limit" in wanted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wanted["--file-limit"],) * 2)
    try:
        run(Path(data), Path(out), watch=Watch(step=step))
    except PerceptError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
