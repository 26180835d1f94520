"""Label files that are not text: MATLAB's .mat and Excel's .xlsx. Needs the extra ``data``."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.datasets.labels import check_columns
from perceptmetrics.errors import DataError

# MAT-File Level 5: the length of its header, and the number of a compressed variable.
_MAT_HEADER = 128
_MAT_COMPRESSED = 15


def mat_numbers(path: Path, name: str) -> npt.NDArray[np.float64]:
    """A numeric variable of a .mat file, flat.

    Args:
        path: MATLAB 5 to 7.2, as the datasets are distributed.
        name: Of the variable.

    Returns:
        (N,) values, in the order of the file.

    Raises:
        DataError: The file cannot be read, or holds no numbers of that name.
    """
    value = _mat(path, name)
    if value.dtype.kind not in "biuf":
        raise DataError(f"{path}: {name} holds {value.dtype}, expected numbers")
    return value.ravel().astype(np.float64)


def mat_strings(path: Path, name: str) -> list[str]:
    """A cell array of strings of a .mat file, flat.

    Raises:
        DataError: The file cannot be read, or holds no cell array of strings of that name.
    """
    strings = []
    for cell in _mat(path, name).ravel():
        text = np.asarray(cell).ravel()
        if text.size != 1 or text.dtype.kind != "U":
            raise DataError(f"{path}: {name} holds {cell!r}, expected a cell array of strings")
        strings.append(str(text[0]).strip())
    return strings


def xlsx_rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the first sheet of a workbook, by the names in its first row.

    Args:
        path: The .xlsx file.
        columns: Those that must be there.

    Raises:
        DataError: The file cannot be read, lacks a column, or holds no rows.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(_needs(path, "openpyxl")) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            # Some writers state a wrong size of the sheet, which would cut it.
            sheet.reset_dimensions()
            table = [list(row) for row in sheet.iter_rows(values_only=True)]
        finally:
            book.close()
    # Cut or overwritten bytes lead zipfile, zlib and the XML parser into errors of every kind.
    except Exception as error:
        raise DataError(
            f"{path} cannot be read: {_said(error)}; expected an Excel workbook, get the file again"
        ) from error
    table = [row for row in table if any(cell is not None for cell in row)]
    header = [str(cell).strip() for cell in table[0]] if table else []
    check_columns(path, header, columns)
    if len(table) < 2:
        raise DataError(f"{path} holds no rows; expected a header and one row an image")
    # Rows end at their last cell; one that ends early lacks what would have followed.
    return [dict(zip_longest(header, row[: len(header)])) for row in table[1:]]


def _mat(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        import scipy.io
    except ImportError as error:
        raise DataError(_needs(path, "scipy")) from error
    try:
        _check_streams(path.read_bytes())
        found = scipy.io.loadmat(path, variable_names=[name])
    # Cut or overwritten bytes lead scipy into its own MatReadError, zlib.error, IndexError, ...
    except Exception as error:
        raise DataError(
            f"{path} cannot be read: {_said(error)}; expected the MATLAB file as its authors "
            "distribute it, get it again"
        ) from error
    if name not in found:
        raise DataError(f"{path} holds no variable {name!r}; get the file again")
    return np.asarray(found[name])


def _check_streams(content: bytes) -> None:
    """Refuses a .mat file whose compressed variables are damaged, before scipy sees it.

    scipy parses what comes out of a stream before it checks the stream's sum, and wrong bytes in a
    cell array then end the whole process.

    Raises:
        ValueError: A stream is cut. MATLAB writes some without their end: all bytes are there then.
        zlib.error: A stream is damaged.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    at = _MAT_HEADER
    while order and at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        at += 8
        if kind == _MAT_COMPRESSED:
            stream = zlib.decompressobj()
            plain = stream.decompress(content[at : at + size])
            whole = 8 + struct.unpack_from(f"{order}I", plain, 4)[0] if len(plain) >= 8 else -1
            if not stream.eof and len(plain) != whole:
                raise ValueError("a compressed variable is cut")
        at += size


def _said(error: Exception) -> str:
    """One line; some of these errors say nothing, or nothing without their kind: ``KeyError: 0``.

    Example:
        >>> _said(KeyError("a")), _said(EOFError())
        ("KeyError: 'a'", 'EOFError')
    """
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def _needs(path: Path, package: str) -> str:
    return f"reading {path} needs {package}: pip install 'perceptmetrics[data]'"
