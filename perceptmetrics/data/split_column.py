"""A manifest that says itself which image trains: its column ``split``."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.protocols import published_split
from perceptmetrics.data.split import Split
from perceptmetrics.data.tables import read_table
from perceptmetrics.errors import DataError

COLUMN = "split"
SIDES = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}


def split_of_manifest(path: Path, data: Manifest) -> Split | None:
    r"""The split that a manifest's column ``split`` states.

    Args:
        path: The CSV or Parquet file.
        data: What :func:`~perceptmetrics.data.manifest.read_manifest` read from it, whole.

    Returns:
        ``None`` where there is no such column. Where no row is for validation, 10 % of the
        training groups are held out, the same ones each time.

    Raises:
        DataError: A row says something other than train, training, val, validation or test, in
            small or capital letters; an image or a group is on two sides; or nothing trains.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> names = ("a.jpg", "b.jpg", "c.jpg")
        >>> data = Manifest(tuple(map(Path, names)), names, np.zeros((3, 1)), names, "")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ratings.csv")
        ...     _ = path.write_text("image,split\na.jpg,train\nb.jpg,val\nc.jpg,test")
        ...     split = split_of_manifest(path, data)
        >>> split.training, split.validation, split.test
        (('a.jpg',), ('b.jpg',), ('c.jpg',))
    """
    table = read_table(path)
    if COLUMN not in table.columns:
        return None
    if len(table.rows) != len(data):
        raise DataError(
            f"{path} has {len(table.rows)} rows, but {len(data)} images were read from it; give "
            "all of them"
        )
    sides: dict[str, list[str]] = {"training": [], "validation": [], "test": []}
    for place, row, name in zip(table.places, table.rows, data.names, strict=True):
        side = SIDES.get(row[COLUMN].strip().lower())
        if side is None:
            raise DataError(
                f"{place}: {COLUMN} is {row[COLUMN]!r}, expected train, validation or test"
            )
        sides[side].append(name)
    if not sides["training"]:
        raise DataError(f"{path}: no row has {COLUMN} train; expected at least one to train on")
    return published_split(
        data,
        path.name,
        COLUMN,
        sides["training"],
        sides["test"],
        sides["validation"],
        source=f"column {COLUMN} of {path.name}",
    )
