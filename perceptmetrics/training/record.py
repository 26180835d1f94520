"""``run.json``: everything needed to repeat a run, and what it gave."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from perceptmetrics.lora import parameter_count
from perceptmetrics.revision import revision
from perceptmetrics.training.inputs import Predictions
from perceptmetrics.training.source import Source
from perceptmetrics.training.stages import History, Stages, replicas_of, views_of

RUN_FILE = "run.json"
RECORDED_PACKAGES = (
    "perceptmetrics",
    "torch",
    "numpy",
    "pillow",
    "safetensors",
    "loralib",
    "scipy",
    "scikit-learn",
)


def run_record(
    stages: Stages,
    base_name: str,
    command: str,
    history: History,
    second: Mapping[str, History],
    figures: Mapping[str, Mapping[str, float]],
    predictions: Mapping[str, Predictions],
) -> dict[str, Any]:
    """A run as plain data."""
    recipe, base = stages.recipe, stages.base
    return {
        "backbone": stages.backbone.name,
        "command": command,
        "commit": revision(),
        "fingerprint": stages.fingerprint,
        "recipe": recipe.to_dict(),
        "base": {"name": base_name, "sha256": base.sha256, "origin": base.origin},
        "datasets": {
            source.name: {
                **_described(source, stages),
                "figures": figures[source.name],
                "validation_prediction": predictions[source.name].tolist(),
            }
            for source in stages.sources
        },
        "parameters": {
            "trained": stages.trained,
            "all": parameter_count(stages.model, trainable=False),
        },
        "history": [asdict(epoch) for epoch in history],
        "head_first": {n: [asdict(e) for e in epochs] for n, epochs in stages.head_first.items()},
        "second_stage": {name: [asdict(e) for e in epochs] for name, epochs in second.items()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in RECORDED_PACKAGES},
        },
        "machine": {
            "platform": platform.platform(),
            "device": str(stages.engine.device),
            "processes": stages.engine.world,
            "threads": torch.get_num_threads(),
        },
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def hashes_of_data(folder: Path) -> set[str]:
    """``Manifest.sha256`` of what a run folder's run was given; empty where there is no record.

    Example:
        >>> hashes_of_data(Path("no-such-run"))
        set()
    """
    try:
        record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        return {one["sha256"] for one in record["datasets"].values()}
    except (OSError, ValueError, KeyError):
        return set()


def _described(source: Source, stages: Stages) -> dict[str, Any]:
    views = views_of(source, stages.recipe)
    split = source.split
    return {
        "task": source.task.name,
        "selects_by": source.task.selects_by,
        "sha256": source.sha256,
        "training": len(source.training),
        "replicas": replicas_of(source, stages.recipe),
        "views": {
            "train": views.train.to_dict(),
            "validation": views.validation.to_dict(),
            "eval": views.eval.to_dict(),
        },
        "on_kept_features": source.name in stages.on_features,
        "split": None if split is None else {"name": split.name, "sha256": split.sha256},
        "validation_images": list(source.validation.names),
        "validation_target": source.validation.targets.tolist(),
    }
