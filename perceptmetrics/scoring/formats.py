"""Rows as text: a table to read, CSV and JSON lines to work with. Pure functions.

Every format is a header and one line a row, so a file can be written as rows come. A file that a
killed run left holds whole lines of what was scored until then; only its last line may be cut.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from perceptmetrics.errors import OptionError
from perceptmetrics.scoring.rows import Cell, Row

_NARROWEST = 8  # of a column of the table, in characters


@dataclass(frozen=True)
class Format:
    """A way to write rows.

    Attributes:
        name: What ``--format`` calls it.
        suffixes: Of files that are written so unless asked otherwise.
        header: Column names to text, which may be empty.
        line: Column names and a row to one line of text.
    """

    name: str
    suffixes: tuple[str, ...]
    header: Callable[[Sequence[str]], str]
    line: Callable[[Sequence[str], Row], str]


def format_for(path: Path | None, name: str | None = None) -> Format:
    """The format that was asked for, else the one of the file's suffix, else the table.

    Args:
        path: The file to write; ``None`` for standard output.
        name: Of a format.

    Raises:
        OptionError: No such format, a suffix that says nothing, or that of an image.

    Example:
        >>> format_for(Path("scores.csv")).name, format_for(None).name
        ('csv', 'table')
    """
    from PIL import Image

    # A slip of the shell must not cost a photograph.
    if path is not None and path.suffix.lower() in Image.registered_extensions():
        raise OptionError(
            f"{path}: {path.suffix} is the suffix of an image, which scores would overwrite; "
            "write them to a .csv, .jsonl or .txt"
        )
    for known in FORMATS:
        if name == known.name or (name is None and path and path.suffix.lower() in known.suffixes):
            return known
    names = ", ".join(known.name for known in FORMATS)
    if name is not None:
        raise OptionError(f"format {name!r}: expected one of {names}")
    if path is None:
        return TABLE
    raise OptionError(
        f"{path}: the suffix {path.suffix!r} does not say how to write it; call it .csv, .jsonl or "
        f".txt, or say --format {names.replace(', ', '|')}"
    )


def _table_header(columns: Sequence[str]) -> str:
    return _table_line([*columns], columns, "image")


def _table_row(columns: Sequence[str], row: Row) -> str:
    return _table_line([_readable(cell) for cell in row.values], columns, row.image)


def _table_line(cells: Sequence[str], columns: Sequence[str], image: str) -> str:
    # The image stands last, so that columns are aligned before any name is known.
    widths = [max(len(column), _NARROWEST) for column in columns]
    padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([*padded, " ".join(image.splitlines())]) + "\n"


def _readable(cell: Cell) -> str:
    if cell is None:
        return "-"
    return cell if isinstance(cell, str) else f"{cell:.4f}"


class _Unix(csv.excel):
    lineterminator = "\n"


class _AllQuoted(_Unix):
    quoting = csv.QUOTE_ALL


def _csv_header(columns: Sequence[str]) -> str:
    return _csv_line(["image", *columns, "error"])


def _csv_row(columns: Sequence[str], row: Row) -> str:
    return _csv_line([row.image, *row.values, row.error])


def _csv_line(cells: Sequence[Cell]) -> str:
    text = io.StringIO()
    # Readers take a bare carriage return for the end of a line; the writer does not quote it.
    bare = any("\r" in cell for cell in cells if isinstance(cell, str))
    csv.writer(text, _AllQuoted if bare else _Unix).writerow(cells)
    return text.getvalue()


def _no_header(columns: Sequence[str]) -> str:
    return ""


def _json_row(columns: Sequence[str], row: Row) -> str:
    values = dict(zip(columns, row.values, strict=True))
    return json.dumps({"image": row.image, **values, "error": row.error or None}) + "\n"


TABLE = Format("table", (".txt",), _table_header, _table_row)
"""Aligned, four decimals, the image last; a dash where there is no score."""

CSV = Format("csv", (".csv",), _csv_header, _csv_row)
"""``image``, the scores' columns, ``error``; no score and no error are empty."""

JSONL = Format("jsonl", (".jsonl", ".ndjson"), _no_header, _json_row)
"""One object a line with the columns of the CSV as keys; no score and no error are null."""

FORMATS = (TABLE, CSV, JSONL)
