"""A package that brings two datasets and a table, as pip would have installed it, for one test."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
import tiny_plugin
from PIL import Image

from perceptmetrics import backbones, bench, datasets, metrics, tasks
from perceptmetrics.bench.table import Table
from perceptmetrics.datasets import Dataset
from perceptmetrics.evaluation.evaluate import evaluate
from perceptmetrics.registry import Registry

# Now, and not while the registries are exchanged: a module would keep the exchanged ones.
for _module in pkgutil.iter_modules(bench.__path__):
    importlib.import_module(f"perceptmetrics.bench.{_module.name}")

_MODULE = '''"""Photographs and drawings rated by their brightness, and a table about them."""

from dataclasses import replace

from perceptmetrics.adaptation import LoRAConfig
from perceptmetrics.bench.experiment import SRCC, Setup
from perceptmetrics.bench.methods import Method
from perceptmetrics.bench.table import Column, Row, Table
from perceptmetrics.datasets import Dataset
from perceptmetrics.heads import LINEAR_HEAD


def read(root):
    from perceptmetrics.datasets.labels import csv_rows, label_file, numbers, rated_images

    found = label_file(root, "ratings.csv", dataset=root.name, source="example.org")
    rows = csv_rows(found, ["image", "score"])
    names, scores = [row["image"] for row in rows], numbers(rows, "score", found)
    return rated_images(root, "", names, scores, dataset=root.name, source="example.org")


def splits(data, root):
    from perceptmetrics.data.protocols import fold_splits

    return fold_splits(data, "photos", folds=3)


PHOTOS = Dataset(
    name="photos", title="Photographs", task="brightness", read=read, splits=splits, count=48,
    source="example.org", layout="ratings.csv, 00.png ...", score_range=(0.0, 1.0),
    direction="higher is brighter", paper="none",
)
DRAWINGS = replace(PHOTOS, name="drawings", title="Drawings", count=30)
DATASETS = (PHOTOS, DRAWINGS)

US, RIVAL = Method("us", "none"), Method("a rival", "none")
SETUP = Setup(backbone="tiny-percept", weights="", lora=LoRAConfig(rank=4))
TABLE = Table(
    name="T.1",
    title="brightness",
    section="1",
    columns=(
        Column("photos | SRCC", SRCC, "photos"),
        Column("photos to drawings | SRCC", SRCC, "drawings", trained_on=("photos",), whole=True),
    ),
    rows=(
        Row("A rival", RIVAL, "0.70 -"),
        Row("Ours", US, "0.90 0.80", setup=SETUP),
        Row("Ours, linear", US, "0.85 0.75", setup=replace(SETUP, head=LINEAR_HEAD)),
    ),
)
'''
_ENTRY_POINTS = """[perceptmetrics.datasets]
tiny-sets = tiny_bench_sets:DATASETS

[perceptmetrics.tables]
tiny-table = tiny_bench_sets:TABLE
"""


def write_plugin(folder: Path) -> Path:
    """Writes both packages; ``folder`` is then to be on ``sys.path``."""
    tiny_plugin.write_plugin(folder)
    (folder / "tiny_bench_sets.py").write_text(_MODULE, encoding="utf-8")
    info = folder / "tiny_bench_sets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-bench-sets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder


def plug_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process one in which the packages were installed from the start, for one test."""
    old = {
        "BACKBONES": backbones.BACKBONES,
        "TASKS": tasks.TASKS,
        "METRICS": metrics.METRICS,
        "DATASETS": datasets.DATASETS,
        "TABLES": bench.TABLES,
    }
    tiny_plugin.plug_in(folder, monkeypatch)
    monkeypatch.delitem(sys.modules, "tiny_bench_sets", raising=False)
    new = {
        "BACKBONES": backbones.BACKBONES,
        "TASKS": tasks.TASKS,
        "METRICS": metrics.METRICS,
        "DATASETS": Registry(
            "dataset",
            Dataset,
            package="perceptmetrics.datasets.builtin",
            group="perceptmetrics.datasets",
        ),
        "TABLES": Registry(
            "table",
            Table,
            package="perceptmetrics.bench.published",
            group="perceptmetrics.tables",
        ),
    }
    # A thousand fits of the logistic for every figure's interval are not what is tested here.
    quick = partial(evaluate, samples=20)
    for where in ("perceptmetrics.evaluation.evaluate", "perceptmetrics.bench.judging"):
        monkeypatch.setattr(f"{where}.evaluate", quick)
    # Nor is the picture of every run.
    monkeypatch.setattr("perceptmetrics.cli.watching.why_no_curves", lambda: "no curves here")
    for name, module in list(sys.modules.items()):
        if not name.startswith("perceptmetrics"):
            continue
        for attribute, registry in old.items():
            if vars(module).get(attribute) is registry:
                monkeypatch.setattr(module, attribute, new[attribute])


def write_data(root: Path, photos: int = 48, drawings: int = 30) -> Path:
    """Both datasets under one root; small images whose rating is their brightness."""
    for name, count in (("photos", photos), ("drawings", drawings)):
        folder = root / name
        folder.mkdir(parents=True)
        lines = ["image,score"]
        for index in range(count):
            level = index / (count - 1)
            pixels = tiny.photograph(32, 32, index).astype(float) * 0.3 + 178 * level
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index:02}.png")
            lines.append(f"{index:02}.png,{level:.4f}")
        (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    return root
