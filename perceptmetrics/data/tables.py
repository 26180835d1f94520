"""The rows of a CSV or Parquet file, as text, and where each of them stands."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perceptmetrics.errors import DataError, OptionError

PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Table:
    """A file of rows under a header.

    Attributes:
        path: The file.
        columns: Names of its columns.
        rows: Column name -> text; one dict a row.
        places: What a message calls each row: ``"ratings.csv, line 2"``.
        passed_over: Columns of a Parquet file that hold neither text nor numbers, with their type.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    places: tuple[str, ...]
    passed_over: tuple[str, ...] = ()

    def column(self, names: Sequence[str], what: str) -> str:
        """The first of the names that is a column.

        Raises:
            DataError: None is.
        """
        for name in names:
            if name in self.columns:
                return name
        other = f"; {', '.join(self.passed_over)} is not text or numbers" * bool(self.passed_over)
        raise DataError(
            f"{self.path} has no {what} column: looked for {' or '.join(names)}, "
            f"found {', '.join(self.columns)}{other}; name it with --{what}-column"
        )


def read_table(path: Path) -> Table:
    r"""Reads a file with a header: ``.parquet`` by pyarrow, everything else as CSV.

    Args:
        path: Parquet, or UTF-8 text with comma, semicolon or tab between columns.

    Returns:
        At least one row. Numbers of Parquet come as the shortest text that reads back as the same
        number; what is missing comes as an empty text. Cells of a CSV come without the spaces
        around them, and lines of nothing but spaces are passed over.

    Raises:
        DataError: The file cannot be read, holds no rows, or has two columns of one name.
        OptionError: It is Parquet and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ratings.csv")
        ...     _ = path.write_text("image;score\na.jpg;3.5")
        ...     table = read_table(path)
        >>> table.columns, table.rows
        (('image', 'score'), ({'image': 'a.jpg', 'score': '3.5'},))
    """
    table = _read_parquet(path) if path.suffix.lower() in PARQUET else _read_csv(path)
    # Columns without a name, as programs leave them at the end of a line, nobody can ask for.
    twice = [name for name, count in Counter(table.columns).items() if name and count > 1]
    if twice:
        raise DataError(
            f"{path} has {table.columns.count(twice[0])} columns {twice[0]!r}; expected names that "
            "differ, rename or remove all but one"
        )
    if not table.rows:
        raise DataError(f"{path} holds no rows; expected a header and one row an image")
    return table


def _read_csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            sample = stream.read(8192).splitlines()
            stream.seek(0)
            first = next((line for line in sample if line.strip()), "")
            delimiter = max(",;\t", key=first.count)
            reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True)
            stripped = (([cell.strip() for cell in line], reader.line_num) for line in reader)
            # Of a tab file, a line of nothing but tabs is as blank as one of spaces.
            lines = [
                (cells, number)
                for cells, number in stripped
                if any(cells) or (len(cells) > 1 and delimiter != "\t")
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}; expected a UTF-8 CSV") from error
    header = lines[0][0] if lines else []
    for cells, number in lines[1:]:
        if len(cells) != len(header):
            raise DataError(f"{path}, line {number}: expected {len(header)} columns as the header")
    return Table(
        path,
        tuple(header),
        tuple(dict(zip(header, cells, strict=True)) for cells, _ in lines[1:]),
        tuple(f"{path}, line {number}" for _, number in lines[1:]),
    )


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise OptionError(
            f"{path} is Parquet, which needs pyarrow: pip install 'perceptmetrics[data]', or write "
            "the same columns as a CSV"
        ) from error

    def readable(kind: pa.DataType) -> bool:
        if pa.types.is_dictionary(kind):
            return readable(kind.value_type)
        checks = (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_decimal,
        )
        return any(check(kind) for check in checks)

    try:
        with pq.ParquetFile(path) as file:
            fields = list(file.schema_arrow)
            # Pictures inside the file, as hubs store them, are not loaded only to be refused.
            columns = tuple(field.name for field in fields if readable(field.type))
            records = file.read(columns=list(columns)).to_pylist() if columns else []
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {error}; expected a Parquet file") from error
    rows = tuple(
        {name: "" if value is None else str(value) for name, value in record.items()}
        for record in records
    )
    return Table(
        path,
        columns,
        rows,
        tuple(f"{path}, row {number}" for number in range(1, len(rows) + 1)),
        tuple(f"{field.name} ({field.type})" for field in fields if not readable(field.type)),
    )
