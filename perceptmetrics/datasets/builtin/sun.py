"""SUN memorability: the first such set, in the repackaging of AMNet (Table A.2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.datasets.base import Dataset

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split

SPLITS = 25
SOURCE = (
    "https://github.com/ok1zjf/AMNet: the SUN memorability set with its 25 splits, linked from the "
    "README"
)
LAYOUT = """\
images/NAME.jpg ...
splits/train_1.txt ... train_25.txt
splits/val_1.txt ... val_25.txt (may be absent: then 10 % of train)
splits/test_1.txt ... test_25.txt"""


def _read(root: Path) -> Manifest:
    from perceptmetrics.datasets.split_files import read_split_files

    return read_split_files(root, SPLITS, dataset="sun", source=SOURCE, layout=LAYOUT)


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.datasets.split_files import splits_of_files

    return splits_of_files(data, root, SPLITS, dataset="sun", source=SOURCE, layout=LAYOUT)


SUN = Dataset(
    name="sun",
    title="SUN memorability",
    task="memorability",
    read=_read,
    splits=_splits,
    count=2_222,
    source=SOURCE,
    layout=LAYOUT,
    score_range=(0.0, 1.0),
    direction="higher is better remembered",
    paper="Isola et al. 2011, What Makes an Image Memorable?",
)
