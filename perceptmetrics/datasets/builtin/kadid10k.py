"""KADID-10k: 81 photographs under 25 distortions at five levels."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.labels import csv_rows, label_file, numbers, rated_images

_NAME = "kadid10k"
_SOURCE = "http://database.mmsp-kn.de/kadid-10k-database.html (kadid10k.zip)"
_LAYOUT = """
dmos.csv
images/
"""


def _read(root: Path) -> Manifest:
    path = label_file(root, "dmos.csv", dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
    rows = csv_rows(path, ("dist_img", "ref_img", "dmos"))
    return rated_images(
        root,
        "images",
        [row["dist_img"] for row in rows],
        numbers(rows, "dmos", path),  # in spite of its name, higher is better
        [row["ref_img"] for row in rows],
        dataset=_NAME,
        source=_SOURCE,
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import loda_reference_splits

    return loda_reference_splits(data, _NAME)


KADID10K = Dataset(
    name=_NAME,
    title="Konstanz Artificially Distorted Image quality Database",
    task="iqa",
    read=_read,
    splits=_splits,
    count=10125,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(1.0, 4.93),
    direction="higher is better quality",
    licence="see its page",
    paper="Lin, Hosu and Saupe, KADID-10k: A large-scale artificially distorted IQA database, "
    "QoMEX 2019",
    replicas=3,
)
