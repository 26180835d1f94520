"""LNSIM: memorability of outdoor natural scenes; a set of ours, not of the paper.

The paper has no protocol for it: five folds with disjoint tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.datasets.base import Dataset

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split

SOURCE = (
    "https://github.com/JiaxinLu-home/Natural-Scene-Memorability-Dataset; write the scores as "
    "lnsim.csv with the columns image,memorability (mean hit rate) beside images/"
)
LAYOUT = """\
lnsim.csv (image,memorability)
images/0001.jpg ..."""


def _read(root: Path) -> Manifest:
    from perceptmetrics.datasets.labels import csv_rows, label_file, numbers, rated_images

    path = label_file(root, "lnsim.csv", dataset="lnsim", source=SOURCE, layout=LAYOUT)
    rows = csv_rows(path, ["image", "memorability"])
    names = [row["image"] for row in rows]
    scores = numbers(rows, "memorability", path)
    return rated_images(root, "", names, scores, dataset="lnsim", source=SOURCE)


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import fold_splits

    return fold_splits(data, "lnsim", folds=5)


LNSIM = Dataset(
    name="lnsim",
    title="LNSIM",
    task="memorability",
    read=_read,
    splits=_splits,
    count=2_632,
    source=SOURCE,
    layout=LAYOUT,
    score_range=(0.0, 1.0),
    split_half=0.778,  # over 25 random halves
    direction="higher is better remembered",
    licence="not stated; cite",
    paper="Lu et al. 2020, Understanding and Predicting the Memorability of Outdoor Natural Scenes",
)
