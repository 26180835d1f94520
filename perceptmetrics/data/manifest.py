"""Rated images in a CSV or Parquet file: ``image,score`` or ``image,label`` is enough to train."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.data.alike import joined_groups
from perceptmetrics.data.tables import Table, read_table
from perceptmetrics.errors import DataError

if TYPE_CHECKING:
    from perceptmetrics.tasks.base import Task

IMAGE_COLUMNS = ("image", "image_name", "path", "file", "filename")
SCORE_COLUMNS = ("score", "mos", "MOS", "rating")
LABEL_COLUMNS = ("label", "class", "emotion")
LARGEST_RATING = 1e15


@dataclass(frozen=True, eq=False)
class Manifest:
    """Images and what people said of them.

    Attributes:
        images: N paths.
        names: What each image is called on every machine: its path inside the dataset's folder,
            with forward slashes, or the entry of the manifest. Splits name images by it.
        targets: (N, K) float64 ratings, or (N,) int64 class indices.
        groups: What must stay on one side of a split (the reference image, or copies of one
            image); one entry an image.
        sha256: Hash of targets, and of names and file sizes (a published dataset) or of the files'
            contents (a manifest): the same data, wherever it lies.
        columns: What else is known of the images: name -> N texts, an empty one where a cell is
            missing. Errors can be broken down by them; they enter no hash.

    Raises:
        DataError: A column is not of N texts.
    """

    images: tuple[Path, ...]
    names: tuple[str, ...]
    targets: npt.NDArray[Any]
    groups: tuple[str, ...]
    sha256: str
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses columns that are not aligned with the images."""
        for name, cells in self.columns.items():
            if len(cells) != len(self.images):
                raise DataError(
                    f"column {name!r} has {len(cells)} entries for {len(self.images)} images"
                )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Manifest:
        """A part of it, in the order of the indices."""
        chosen = [int(index) for index in indices]
        return replace(
            self,
            images=tuple(self.images[index] for index in chosen),
            names=tuple(self.names[index] for index in chosen),
            targets=self.targets[chosen],
            groups=tuple(self.groups[index] for index in chosen),
            columns={
                name: tuple(cells[index] for index in chosen)
                for name, cells in self.columns.items()
            },
        )

    def joined(self, other: Manifest) -> Manifest:
        """Both, one after the other; its ``sha256`` follows from the two.

        A column that only one of them has is empty for the other's images.
        """
        none = ("",) * len(self), ("",) * len(other)
        return Manifest(
            self.images + other.images,
            self.names + other.names,
            np.concatenate([self.targets, other.targets]),
            self.groups + other.groups,
            hashlib.sha256(f"{self.sha256} {other.sha256}".encode()).hexdigest(),
            {
                name: self.columns.get(name, none[0]) + other.columns.get(name, none[1])
                for name in {**self.columns, **other.columns}
            },
        )

    def column(self, name: str) -> tuple[str, ...]:
        """One of :attr:`columns`.

        Raises:
            DataError: There is none of that name; the text lists those that there are.
        """
        if name not in self.columns:
            there = ", ".join(self.columns) or "none"
            raise DataError(f"the data has no column {name!r} beside its ratings; it has {there}")
        return self.columns[name]


def read_manifest(
    path: Path,
    task: Task,
    *,
    images: Path | None = None,
    image_column: str | None = None,
    target_columns: Sequence[str] = (),
    group_column: str | None = None,
) -> Manifest:
    r"""Reads a CSV with a header line, or a Parquet file.

    Args:
        path: A UTF-8 text with comma, semicolon or tab between columns, or ``.parquet``.
        task: Says what the targets are. A regression task with one output reads its output's
            name, or ``score``, ``mos``, ``rating``; with several, the columns of its outputs'
            names. A classification task reads ``label``: one of the task's labels, or its index.
        images: The folder that image paths are relative to; the file's own when ``None``.
        image_column: The column of image paths, where it has another name.
        target_columns: The columns of the targets, in the order of the task's outputs.
        group_column: What must stay on one side of a split, such as the reference image; each
            image by itself when ``None``.

    Returns:
        The rows in their order; every other column is kept in :attr:`Manifest.columns`. Groups
        that hold the same image, byte for byte, are one: a warning counts such images, and
        another those whose rows differ in the targets.

    Raises:
        DataError: A column, a file or a value is missing or cannot be read; the row is named.
        OptionError: It is Parquet and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> from perceptmetrics.tasks import TASKS
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ratings.csv")
        ...     _ = Path(folder, "a.jpg").write_bytes(b"a picture")
        ...     _ = path.write_text("image,score\na.jpg,3.5")
        ...     data = read_manifest(path, TASKS.get("iqa"))
        >>> data.names, data.targets.tolist()
        (('a.jpg',), [[3.5]])
    """
    table = read_table(path)
    folder = images if images is not None else path.parent
    image_key = table.column((image_column,) if image_column else IMAGE_COLUMNS, "image")
    keys = _target_keys(table, task, target_columns)
    if group_column is not None:
        table.column((group_column,), "group")
    files, names, targets, groups = [], [], [], []
    for where, row in zip(table.places, table.rows, strict=True):
        file = folder / row[image_key]
        if not file.is_file():
            raise DataError(
                f"{where}: there is no image {file}; image paths are relative to {folder}, "
                "give another folder with --images"
            )
        files.append(file)
        names.append(row[image_key])
        targets.append(_target(where, row, keys, task))
        groups.append(row[group_column] if group_column else row[image_key])
    array = np.asarray(targets, np.int64 if task.kind == "classification" else np.float64)
    contents = _contents(files)
    _warn_of_alike(table, names, contents, keys, array)
    columns = {
        name: tuple(row[name] for row in table.rows)
        for name in table.columns
        if name not in (image_key, *keys)
    }
    return Manifest(
        tuple(files),
        tuple(names),
        array,
        joined_groups(groups, contents),
        hashlib.sha256(b"".join((np.ascontiguousarray(array).tobytes(), *contents))).hexdigest(),
        columns,
    )


def _target_keys(table: Table, task: Task, asked: Sequence[str]) -> tuple[str, ...]:
    if asked:
        expected = 1 if task.kind == "classification" else len(task.outputs)
        if len(asked) != expected:
            raise DataError(
                f"{len(asked)} target columns given; task {task.name!r} needs {expected}"
            )
        return tuple(table.column((name,), "target") for name in asked)
    if task.kind == "classification":
        return (table.column(LABEL_COLUMNS, "target"),)
    if len(task.outputs) == 1:
        return (table.column((*task.outputs, *SCORE_COLUMNS), "target"),)
    return tuple(table.column((name,), "target") for name in task.outputs)


def _target(where: str, row: dict[str, str], keys: tuple[str, ...], task: Task) -> Any:
    if task.kind == "classification":
        label = row[keys[0]].strip()
        if label in task.outputs:
            return task.outputs.index(label)
        if label.isdecimal() and int(label) < len(task.outputs):
            return int(label)
        raise DataError(
            f"{where}: label {label!r} is none of task {task.name!r}: {', '.join(task.outputs)}"
        )
    values = []
    for key in keys:
        try:
            value = float(row[key])
        except ValueError:
            value = float("nan")
        # Losses square them in float32.
        if not abs(value) <= LARGEST_RATING:
            raise DataError(
                f"{where}: {key} is {row[key]!r}, expected a finite number of at most 1e15"
            )
        values.append(value)
    return values


def _contents(files: Sequence[Path]) -> list[bytes]:
    """The hash of each file."""
    contents = []
    for file in files:
        try:
            contents.append(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error}") from error
    return contents


def _warn_of_alike(
    table: Table,
    names: Sequence[str],
    contents: Sequence[bytes],
    keys: Sequence[str],
    targets: npt.NDArray[Any],
) -> None:
    places: dict[bytes, list[int]] = {}
    for place, content in enumerate(contents):
        places.setdefault(content, []).append(place)
    alike = [rows for rows in places.values() if len(rows) > 1]
    if not alike:
        return
    one, other = (names[row] for row in alike[0][:2])
    example = f"{one} stands there twice" if one == other else f"{one} and {other} are the same"
    warnings.warn(
        f"{table.path}: {len(names):,} rows show {len(places):,} images ({example}); rows of one "
        "image stay on one side of a split",
        stacklevel=3,
    )
    pairs = [(rows[0], row) for rows in alike for row in rows[1:]]
    differ = [(first, row) for first, row in pairs if (targets[first] != targets[row]).any()]
    if differ:
        said = (", ".join(table.rows[row][key] for key in keys) for row in differ[0])
        warnings.warn(
            f"{table.path}: rows of one image differ in {', '.join(keys)}; images of which they "
            f"do: {len({first for first, _ in differ}):,}, such as {names[differ[0][0]]} "
            f"({' and '.join(said)}); each row counts by itself, so give one row an image",
            stacklevel=3,
        )
