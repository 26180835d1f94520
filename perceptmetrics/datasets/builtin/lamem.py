"""LaMem: large-scale image memorability (section 4.2, Table 3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.datasets.base import Dataset

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split

FOLDS = 5
SOURCE = "http://memorability.csail.mit.edu/download.html: lamem.tar.gz, unpack all of it"
LAYOUT = """\
images/00000001.jpg ...
splits/train_1.txt ... train_5.txt
splits/val_1.txt ... val_5.txt
splits/test_1.txt ... test_5.txt"""


def _read(root: Path) -> Manifest:
    from perceptmetrics.datasets.split_files import read_split_files

    return read_split_files(root, FOLDS, dataset="lamem", source=SOURCE, layout=LAYOUT)


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.datasets.split_files import splits_of_files

    return splits_of_files(data, root, FOLDS, dataset="lamem", source=SOURCE, layout=LAYOUT)


LAMEM = Dataset(
    name="lamem",
    title="LaMem",
    task="memorability",
    read=_read,
    splits=_splits,
    count=58_741,
    source=SOURCE,
    layout=LAYOUT,
    score_range=(0.0, 1.0),
    direction="higher is better remembered",
    paper="Khosla et al. 2015, Understanding and Predicting Image Memorability at a Large Scale",
)
