"""FLIVE, also called PaQ-2-PiQ: pictures of social media."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.labels import csv_rows, label_file, numbers, rated_images

_NAME = "flive"
_SOURCE = "https://github.com/niu-haoran/FLIVE_Database"
_LAYOUT = """
labels_image.csv
database/voc_emotic_ava/
database/blur_dataset/
database/EE371R/
"""


def _read(root: Path) -> Manifest:
    path = label_file(root, "labels_image.csv", dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
    rows = csv_rows(path, ("name", "mos"))
    return rated_images(
        root,
        "database",
        [row["name"] for row in rows],
        numbers(rows, "mos", path),
        dataset=_NAME,
        source=_SOURCE,
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import loda_splits

    return loda_splits(data, _NAME)


FLIVE = Dataset(
    name=_NAME,
    title="FLIVE (PaQ-2-PiQ)",
    task="iqa",
    read=_read,
    splits=_splits,
    count=39810,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(0.0, 94.33),
    direction="higher is better quality",
    licence="CC BY-NC 4.0",
    paper="Ying et al., From patches to pictures (PaQ-2-PiQ): Mapping the perceptual space of "
    "picture quality, CVPR 2020",
    replicas=1,
)
