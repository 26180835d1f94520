"""Label files that are not text: MATLAB's .mat and Excel's .xlsx. Needs the extra ``data``."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.datasets.labels import check_columns
from perceptmetrics.errors import DataError


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
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}; expected an Excel workbook") from error
    table = [row for row in table if any(cell is not None for cell in row)]
    header = [str(cell).strip() for cell in table[0]] if table else []
    check_columns(path, header, columns)
    if len(table) < 2:
        raise DataError(f"{path} holds no rows; expected a header and one row an image")
    return [dict(zip(header, row, strict=False)) for row in table[1:]]


def _mat(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        import scipy.io
    except ImportError as error:
        raise DataError(_needs(path, "scipy")) from error
    try:
        found = scipy.io.loadmat(path, variable_names=[name])
    except (OSError, ValueError, TypeError, NotImplementedError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read: {error}; expected the MATLAB file as its authors distribute it"
        ) from error
    if name not in found:
        raise DataError(f"{path} holds no variable {name!r}; get the file again")
    return np.asarray(found[name])


def _needs(path: Path, package: str) -> str:
    return f"reading {path} needs {package}: pip install 'perceptmetrics[data]'"
