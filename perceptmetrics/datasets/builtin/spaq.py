"""SPAQ: photographs taken with smartphones."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.binary_labels import xlsx_rows
from perceptmetrics.datasets.labels import label_file, numbers, rated_images

_NAME = "spaq"
_SOURCE = "https://github.com/h4nwei/SPAQ"
_LABELS = "Annotations/MOS and Image attribute scores.xlsx"
_LAYOUT = f"""
{_LABELS}
TestImage/
"""


def _read(root: Path) -> Manifest:
    path = label_file(root, _LABELS, dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
    rows = xlsx_rows(path, ("Image name", "MOS"))
    return rated_images(
        root,
        "TestImage",
        [str(row["Image name"]).strip() for row in rows],
        numbers(rows, "MOS", path),
        dataset=_NAME,
        source=_SOURCE,
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import loda_splits

    return loda_splits(data, _NAME)


SPAQ = Dataset(
    name=_NAME,
    title="Smartphone Photography Attribute and Quality",
    task="iqa",
    read=_read,
    splits=_splits,
    count=11125,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(2.0, 96.0),
    direction="higher is better quality",
    licence="see its page",
    paper="Fang et al., Perceptual quality assessment of smartphone photography, CVPR 2020",
    replicas=3,
)
