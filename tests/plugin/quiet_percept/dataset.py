"""Two small datasets in a layout of their own: a table, and the images beside it."""

from dataclasses import replace
from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets import Dataset


def read(root: Path) -> Manifest:
    from perceptmetrics.data.manifest import read_manifest
    from quiet_percept.task import CALM

    return read_manifest(root / "ratings.csv", CALM)


def splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import fold_splits

    return fold_splits(data, "calm-photos", folds=3)


PHOTOS = Dataset(
    name="calm-photos",
    title="Calm photographs",
    task="calm",
    read=read,
    splits=splits,
    count=24,
    source="made by the test",
    layout="ratings.csv, 00.png ...",
    score_range=(0.0, 1.0),
    direction="higher is calmer",
    paper="none",
)
DRAWINGS = replace(PHOTOS, name="calm-drawings", title="Calm drawings", replicas=2)
DATASETS = (PHOTOS, DRAWINGS)
