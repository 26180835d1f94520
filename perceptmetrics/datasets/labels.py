"""How label files are read and joined to their images; the same for every dataset."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.tables import read_table
from perceptmetrics.errors import DataError

NAMED = 3  # missing images that an error names; the rest is counted


def label_file(
    root: Path, relative: str | Path, *, dataset: str, source: str, layout: str = ""
) -> Path:
    """The path of a label file that must be there.

    Args:
        root: The dataset's folder, unpacked and unchanged.
        relative: The file inside it.
        dataset: What the error calls the set.
        source: Where the set is to be had.
        layout: The files and folders that are expected in ``root``.

    Raises:
        DataError: There is no such file, nothing is in it, or its folder may not be entered; the
            text names it, and the layout and the source where it is missing.

    Example:
        >>> label_file(Path("/no/where"), "dmos.csv", dataset="kadid10k", source="example.org")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.DataError: kadid10k: there is no folder /no/where; give the folder \
into which the dataset was unpacked; to be had at: example.org
    """
    path = root / relative
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        found = None
    except OSError as error:
        raise _locked(dataset, error, path) from error
    if found is None and not root.is_dir():
        raise DataError(
            f"{dataset}: there is no folder {root}; give the folder into which the dataset was "
            f"unpacked; to be had at: {source}"
        )
    if found is None or not stat.S_ISREG(found.st_mode):
        tree = ", ".join(line.strip() for line in layout.splitlines() if line.strip())
        expected = f"; expected in {root}: {tree}" if tree else ""
        raise DataError(f"{dataset}: there is no file {path}{expected}; to be had at: {source}")
    if not found.st_size:
        raise DataError(
            f"{dataset}: {path} is empty, as an unpacking that was interrupted leaves it; unpack "
            f"the dataset again; to be had at: {source}"
        )
    return path


def csv_rows(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV with a header line, by column.

    Args:
        path: The file, as :func:`~perceptmetrics.data.tables.read_table` takes it.
        columns: Those that must be there.

    Raises:
        DataError: The file cannot be read, is empty, lacks a column, or a row is too short or long.
    """
    table = read_table(path)
    check_columns(path, table.columns, columns)
    return list(table.rows)


def check_columns(path: Path, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuses a table that lacks a column.

    Raises:
        DataError: The first column that is missing, and those that are there.
    """
    for name in wanted:
        if name not in found:
            raise DataError(
                f"{path} has no column {name!r}; found {', '.join(map(str, found))}; expected "
                "the file as its authors distribute it"
            )


def other_columns(
    rows: Sequence[Mapping[str, str]], names: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Columns that not every copy of a label file has, for :attr:`Manifest.columns`.

    Args:
        rows: At least one.
        names: What the file calls a column -> what we call it.

    Example:
        >>> other_columns([{"SD": "0.8"}], {"SD": "quality_sd", "c_total": "quality_n"})
        {'quality_sd': ('0.8',)}
    """
    return {
        ours: tuple(row[theirs].strip() for row in rows)
        for theirs, ours in names.items()
        if theirs in rows[0]
    }


def distortion_columns(
    names: Sequence[str], distortions: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """What file names of synthetic distortions say: ``I01_08_3.bmp``, reference, kind and level.

    Args:
        names: Of the files.
        distortions: What each number means, from 1.

    Returns:
        ``distortion`` and ``level``; empty for a name of another form or number.

    Example:
        >>> distortion_columns(["I01_02_3.bmp"], ["blur", "JPEG"])
        {'distortion': ('JPEG',), 'level': ('3',)}
    """
    kinds, levels = [], []
    for name in names:
        _, kind, level = ([*Path(name).stem.split("_"), "", "", ""])[:3]
        known = kind.isdecimal() and 1 <= int(kind) <= len(distortions)
        kinds.append(distortions[int(kind) - 1] if known else "")
        levels.append(level.lstrip("0") if known else "")
    return {"distortion": tuple(kinds), "level": tuple(levels)}


def check_lengths(first: Path, count: int, second: Path, other: int) -> None:
    """Refuses two files that belong together but hold different numbers of rows.

    Raises:
        DataError: With both files and both numbers.
    """
    if count != other:
        raise DataError(
            f"{first} holds {count} entries and {second} {other}; expected as many, get both again"
        )


def text_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, stripped, each with its number from 1.

    Raises:
        DataError: The file cannot be read or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}; expected a UTF-8 text") from error
    found = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise DataError(f"{path} holds no rows; expected one line an image, get the file again")
    return found


def numbers(rows: Sequence[Mapping[str, Any]], column: str, path: Path) -> list[float]:
    """One column as finite numbers.

    Raises:
        DataError: A cell is not a finite number; its row (the first is 1) and the file are named.

    Example:
        >>> numbers([{"MOS": "3.5"}, {"MOS": "4"}], "MOS", Path("scores.csv"))
        [3.5, 4.0]
    """
    values = []
    for number, row in enumerate(rows, 1):
        try:
            value = float(row[column])
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise DataError(
                f"{path}, row {number}: {column} is {row[column]!r}, expected a finite number"
            )
        values.append(value)
    return values


def rated_images(
    root: Path,
    folder: str | Path,
    names: Sequence[str],
    targets: Sequence[float] | npt.NDArray[Any],
    groups: Sequence[str] | None = None,
    *,
    dataset: str,
    source: str,
    any_case: bool = False,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Manifest:
    """Joins names and ratings to the images on disk. Each folder is listed once, none is opened.

    Args:
        root: The dataset's folder.
        folder: The folder inside it that ``names`` are relative to; ``""`` is ``root`` itself.
        names: N paths inside ``folder``, with forward slashes: what splits call the images.
        targets: N ratings, (N, K) ratings, or an *array of integers* (N,): class indices.
        groups: What must stay on one side of a split; each image by itself when ``None``.
        dataset: What errors call the set.
        source: Where the set is to be had.
        any_case: File names may differ from ``names`` in upper and lower case.
        columns: See :attr:`Manifest.columns`.

    Returns:
        Rows in the order of ``names``. Its ``sha256`` covers ``folder``, names, targets and the
        size in bytes of each file, not the pixels, which would all have to be read, nor when a
        file was written: a copy of the folder is the same data.

    Raises:
        DataError: There are no names, a name stands twice, a rating is not finite, a folder or a
            file may not be looked at, or images are missing: one error that counts them and names
            the first few.
    """
    if not names:
        raise DataError(
            f"{dataset}: the labels in {root} rate no image; unpack the dataset again; to be had "
            f"at: {source}"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{dataset}: the labels name {twice[0]} {Counter(names)[twice[0]]} times; expected "
            "one row an image"
        )
    array = np.asarray(targets)
    if not (isinstance(targets, np.ndarray) and array.dtype.kind in "iu"):
        array = np.ascontiguousarray(array, np.float64).reshape(len(names), -1)
        wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if wrong.size:
            raise DataError(
                f"{dataset}: the rating of {names[wrong[0]]} is {array[wrong[0]].tolist()}, "
                "expected finite numbers"
            )
    else:
        array = array.astype(np.int64)
    base = root / folder
    try:
        images = _located(base, names, any_case=any_case)
        sizes = [image.stat().st_size for image in images if image is not None]
    except OSError as error:
        raise _locked(dataset, error, base) from error
    missing = [name for name, image in zip(names, images, strict=True) if image is None]
    if missing:
        few = ", ".join(missing[:NAMED]) + (", ..." if len(missing) > NAMED else "")
        raise DataError(
            f"{dataset}: {len(missing):,} of {len(names):,} images are missing in {base}: {few}; "
            f"to be had at: {source}"
        )
    return Manifest(
        tuple(image for image in images if image is not None),
        tuple(names),
        array,
        tuple(names if groups is None else groups),
        _digest(Path(folder).as_posix(), names, sizes, array),
        {name: tuple(cells) for name, cells in (columns or {}).items()},
    )


def _locked(dataset: str, error: OSError, path: Path) -> DataError:
    return DataError(
        f"{dataset}: {error.filename or path} cannot be read ({error.strerror or error}); mend its "
        "rights, and those of the folders above it"
    )


def _located(base: Path, names: Sequence[str], *, any_case: bool) -> list[Path | None]:
    listed: dict[str, dict[str, Path]] = {}
    found: list[Path | None] = []
    for name in names:
        parent, _, file = name.rpartition("/")
        if parent not in listed:
            listed[parent] = _files(base / parent, any_case=any_case)
        files = listed[parent]
        found.append(files.get(file) or (files.get(file.casefold()) if any_case else None))
    return found


def _files(folder: Path, *, any_case: bool) -> dict[str, Path]:
    try:
        with os.scandir(folder) as entries:
            exact = {entry.name: folder / entry.name for entry in entries if entry.is_file()}
    # What a damaged file gives for a name may be none that a file can have: a null byte, say.
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    if not any_case:
        return exact
    # A name as it stands wins over one that differs in case.
    return {**{name.casefold(): path for name, path in sorted(exact.items())}, **exact}


def _digest(
    folder: str, names: Sequence[str], sizes: Sequence[int], targets: npt.NDArray[Any]
) -> str:
    described = [folder, list(names), list(sizes)]
    digest = hashlib.sha256(json.dumps(described, ensure_ascii=False).encode())
    # The byte order is stated, so that the hash is the same on every machine.
    digest.update(targets.astype(targets.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
