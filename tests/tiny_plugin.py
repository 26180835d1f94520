"""A plug-in package as another team would ship it: a tiny backbone and two tasks, on a disk.

It is not in our code and not registered by it: it is found by its entry points, like any package
that pip has installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BACKBONE = "tiny-percept"
TASK = "brightness"
CLASSES = "shade"

_MODULE = '''"""A backbone and two tasks."""

from dataclasses import replace

from perceptmetrics import Backbone, Task
from perceptmetrics.heads import LINEAR_HEAD
from perceptmetrics.losses import cross_entropy_loss, mse_loss
from perceptmetrics.statistics import accuracy, srcc
from perceptmetrics.views import CentreCrop

ENCODER = Backbone(
    name="tiny-percept", family="tiny-percept", width=32, depth=2, heads=2, patch_size=8,
    image_size=32, mean=(0.5,) * 3, std=(0.5,) * 3, weights=(), paper="none",
)
BRIGHTNESS = Task(
    name="brightness", kind="regression", outputs=("brightness",), loss=mse_loss,
    train_view=CentreCrop(32, 32), eval_view=CentreCrop(32, 32), measures={"SRCC": srcc},
    head=LINEAR_HEAD, score_range=(0.0, 1.0), direction="higher is brighter",
)
SHADE = replace(
    BRIGHTNESS, name="shade", kind="classification", outputs=("dark", "light"),
    loss=cross_entropy_loss, measures={"accuracy": accuracy},
)
TASKS = (BRIGHTNESS, SHADE)
'''
_ENTRY_POINTS = """[perceptmetrics.backbones]
tiny-percept = tiny_percept:ENCODER

[perceptmetrics.tasks]
brightness-and-shade = tiny_percept:TASKS
"""


def write_plugin(folder: Path) -> Path:
    """Writes the package as pip would install it; ``folder`` is then to be on ``sys.path``."""
    (folder / "tiny_percept").mkdir(parents=True)
    (folder / "tiny_percept" / "__init__.py").write_text(_MODULE, encoding="utf-8")
    info = folder / "tiny_percept-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-percept\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder


def plug_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process one in which the package was installed from the start, for one test.

    The registries that are already filled are exchanged for new ones, which look again.
    """
    from perceptmetrics import backbones, create, listing, locate, metrics, tasks
    from perceptmetrics.registry import Registry

    monkeypatch.syspath_prepend(str(folder))
    new_backbones = Registry(
        "backbone",
        backbones.Backbone,
        package="perceptmetrics.backbones.families",
        group="perceptmetrics.backbones",
    )
    new_tasks = Registry(
        "task", tasks.Task, package="perceptmetrics.tasks.builtin", group="perceptmetrics.tasks"
    )
    new_metrics = Registry(
        "metric",
        metrics.MetricSpec,
        package="perceptmetrics.metrics.builtin",
        group="perceptmetrics.metrics",
    )
    for module in (backbones, create, listing, locate):
        monkeypatch.setattr(module, "BACKBONES", new_backbones)
    for module in (tasks, listing, locate):
        monkeypatch.setattr(module, "TASKS", new_tasks)
    for module in (metrics, listing, locate):
        monkeypatch.setattr(module, "METRICS", new_metrics)
    # What the entry points resolve to must be of this process, not of an earlier test's folder.
    monkeypatch.delitem(sys.modules, "tiny_percept", raising=False)


def write_base(plugin: Path, file: Path, seed: int = 0) -> Path:
    """Random weights of the plug-in's backbone, in a safetensors file with canonical names."""
    from perceptmetrics.backbones.vit import random_encoder
    from perceptmetrics.weights.files import save_tensors

    namespace: dict[str, object] = {}
    exec((plugin / "tiny_percept" / "__init__.py").read_text(encoding="utf-8"), namespace)
    encoder = namespace["ENCODER"]
    from perceptmetrics.backbones import Backbone

    assert isinstance(encoder, Backbone)
    save_tensors(random_encoder(encoder, seed).state_dict(), file)
    return file


def train_run(
    plugin: Path, base: Path, data: Path, out: Path, task: str = TASK, epochs: int = 2
) -> Path:
    """A run folder that this package's tasks and backbone made; takes a tenth of a second."""
    from perceptmetrics.cli.main import main

    with pytest.MonkeyPatch.context() as patch:
        plug_in(plugin, patch)
        with pytest.raises(SystemExit) as ended:
            main(train_arguments(base, data, out, task, epochs))
    assert ended.value.code == 0
    return out


def train_arguments(
    base: Path, data: Path, out: Path, task: str = TASK, epochs: int = 2
) -> list[str]:
    """The command line of such a run."""
    return [
        *("train", "--task", task, "--data", str(data), "--out", str(out)),
        *("--backbone", BACKBONE, "--base", str(base), "--rank", "4"),
        *("--epochs", str(epochs), "--batch-size", "8", "--lr", "0.003"),
        *("--validation-fraction", "0.25"),
    ]
