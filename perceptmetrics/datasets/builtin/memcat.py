"""MemCat: memorability of photographs in five categories; the paper names it but has no protocol.

Its rivals ResMem and ViTMem were trained on it beside LaMem (Table A.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.datasets.base import Dataset

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split

LABELS = "memcat_image_data.csv"
SCORE = "memorability_w_fa_correction"
SOURCE = (
    "http://gestaltrevision.be/projects/memcat, files on OSF: the images, and "
    f"{LABELS} beside the five category folders"
)
LAYOUT = f"""\
{LABELS}
animal/SUBCATEGORY/*.jpg
food/SUBCATEGORY/*.jpg
landscape/SUBCATEGORY/*.jpg
sports/SUBCATEGORY/*.jpg
vehicle/SUBCATEGORY/*.jpg"""


def _read(root: Path) -> Manifest:
    from perceptmetrics.datasets.labels import (
        csv_rows,
        label_file,
        numbers,
        other_columns,
        rated_images,
    )

    path = label_file(root, LABELS, dataset="memcat", source=SOURCE, layout=LAYOUT)
    rows = csv_rows(path, ["category", "subcategory", "image_file", SCORE])
    return rated_images(
        root,
        "",
        [f"{row['category']}/{row['subcategory']}/{row['image_file']}" for row in rows],
        numbers(rows, SCORE, path),
        dataset="memcat",
        source=SOURCE,
        columns=other_columns(rows, {"category": "category", "subcategory": "subcategory"}),
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    """Five random 75/5/20: as the paper does where a set has no splits of its own."""
    from perceptmetrics.data.protocols import random_splits

    return random_splits(data, "memcat")


MEMCAT = Dataset(
    name="memcat",
    title="MemCat",
    task="memorability",
    read=_read,
    splits=_splits,
    count=10_000,
    source=SOURCE,
    layout=LAYOUT,
    score_range=(0.0, 1.0),
    direction="higher is better remembered",
    licence="CC BY (labels); each image its own",
    paper="Goetschalckx & Wagemans 2019, MemCat, PeerJ 7:e8169",
)
