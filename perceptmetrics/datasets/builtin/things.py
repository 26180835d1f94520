"""THINGS memorability: objects on plain and natural ground (section 4.2, Table A.1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.datasets.base import Dataset

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split

LABELS = "THINGS_Memorability_Scores.csv"
SOURCE = f"https://osf.io/5a7z6: {LABELS}; https://osf.io/jum2f: the THINGS images, folder images/"
LAYOUT = f"""\
images/CONCEPT/CONCEPT_01b.jpg ...
{LABELS}"""


def _read(root: Path) -> Manifest:
    from perceptmetrics.datasets.labels import csv_rows, label_file, numbers, rated_images

    path = label_file(root, LABELS, dataset="things", source=SOURCE, layout=LAYOUT)
    rows = csv_rows(path, ["cr"])
    column = _image_column(path, rows[0])
    return rated_images(
        root,
        "images",
        [_name(row[column]) for row in rows],
        numbers(rows, "cr", path),
        dataset="things",
        source=SOURCE,
    )


def _image_column(path: Path, first: dict[str, str]) -> str:
    """The column of file names: its title has changed between releases, its content has not."""
    from perceptmetrics.errors import DataError

    columns = [name for name, value in first.items() if value.lower().endswith((".jpg", ".jpeg"))]
    if len(columns) != 1:
        raise DataError(
            f"{path} has {len(columns)} columns of .jpg files among {', '.join(first)}; expected "
            "one, as in aardvark_01b.jpg"
        )
    return columns[0]


def _name(entry: str) -> str:
    """``aardvark/aardvark_01b.jpg``, whether or not the entry names the folder.

    Example:
        >>> _name("images/aardvark/aardvark_01b.jpg"), _name("bow2_01b.jpg")
        ('aardvark/aardvark_01b.jpg', 'bow2/bow2_01b.jpg')
    """
    *folders, file = entry.strip().replace("\\", "/").split("/")
    concept = folders[-1] if folders else file.rsplit("_", 1)[0]
    return f"{concept}/{file}"


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import random_splits

    return random_splits(data, "things")


THINGS = Dataset(
    name="things",
    title="THINGS memorability",
    task="memorability",
    read=_read,
    splits=_splits,
    count=26_107,
    source=SOURCE,
    layout=LAYOUT,
    # Corrected recognition is a hit rate less a false alarm rate.
    score_range=(-1.0, 1.0),
    direction="higher is better remembered",
    paper="Kramer et al. 2023, The Features Underlying the Memorability of Objects",
)
