"""What a page shows, as plain values: templates lay it out and compute nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ONE = r"[-+−]?\d[\d.,]*(e[-+]?\d+)?"
_NUMBER = re.compile(rf"{_ONE}( ?%| of \d+| to {_ONE})?")


@dataclass(frozen=True)
class Whisker:
    """A difference and its interval on an axis around zero, in per cent of the axis's length.

    Attributes:
        dot: Where the value is.
        range: Where the interval begins, and how long it is; ``None`` where there is none.
    """

    dot: float
    range: tuple[float, float] | None


def whisker(value: float, low: float, high: float, reach: float) -> Whisker:
    """Places a difference on an axis from ``-reach`` to ``reach``.

    Example:
        >>> whisker(0.1, 0.0, 0.2, 0.2)
        Whisker(dot=75.0, range=(50.0, 50.0))
    """

    def place(one: float) -> float:
        return 50.0 + 50.0 * max(-1.0, min(1.0, one / reach)) if reach > 0 else 50.0

    known = not (math.isnan(low) or math.isnan(high))
    return Whisker(place(value), (place(low), place(high) - place(low)) if known else None)


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What it says.
        after: What follows in small letters.
        strong: Whether it stands out.
        code: Whether it is a command, or a hash.
        share: How dark it is, from 0 to 1; ``None`` for a plain one.
        whisker: Drawn in place of the text, which is then read aloud only.
    """

    text: str
    after: str = ""
    strong: bool = False
    code: bool = False
    share: float | None = None
    whisker: Whisker | None = None

    @property
    def number(self) -> bool:
        """Whether it is a number, and stands to the right."""
        return self.text == "-" or _NUMBER.fullmatch(self.text) is not None


@dataclass(frozen=True)
class Row:
    """A row of a table; the first cell names it."""

    cells: tuple[Cell, ...]
    ours: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def is_number(self, column: int) -> bool:
        """Whether a column holds numbers, so that its name stands to the right too."""
        cells = [row.cells[column] for row in self.rows]
        plain = [cell.number and not cell.whisker and not cell.code for cell in cells]
        return column > 0 and bool(plain) and all(plain)


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> Table:
    """A table of texts and cells, without the columns in which nothing stands.

    Example:
        >>> found = table("Scores", ("metric", "SRCC"), [("iqa", "0.92")])
        >>> found.is_number(1), found.rows[0].cells[0].text
        (True, 'iqa')
    """
    made = [tuple(one if isinstance(one, Cell) else Cell(one) for one in row) for row in rows]
    # A column in which nothing stands takes room from the others.
    kept = [k for k in range(len(header)) if any(row[k].text not in ("", "-") for row in made)]
    kept = kept or list(range(len(header)))
    return Table(
        caption,
        tuple(header[k] for k in kept),
        tuple(Row(tuple(row[k] for k in kept)) for row in made),
    )


@dataclass(frozen=True)
class Chart:
    """A chart and what it shows. The SVG is the only thing that a template does not escape."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Miss:
    """An image that a metric got wrong.

    Attributes:
        name: Of the image.
        said: By how much, in words.
        alt: For those who cannot see it.
        picture: A data URI; empty where the image is gone.
        gone: Why there is no picture.
    """

    name: str
    said: str
    alt: str
    picture: str
    gone: str = ""


@dataclass(frozen=True)
class MissGroup:
    """Images that are wrong in one way."""

    title: str
    misses: tuple[Miss, ...]


@dataclass(frozen=True)
class Part:
    """One thing that was judged: charts, failures, tables.

    Attributes:
        anchor: By which links find it.
        title: What it is.
        said: Lines under the title.
        charts, failures, tables: What is shown, in this order.
    """

    anchor: str
    title: str
    said: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    failures: tuple[MissGroup, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Section:
    """A chapter of a page.

    Attributes:
        anchor: By which links find it.
        title: Its heading.
        said: Paragraphs.
        parts, tables, charts: What is shown, in this order.
        notes: A list, after these.
        notes_title: What is listed, where the heading does not say it.
        facts: Names and values.
    """

    anchor: str
    title: str
    said: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    notes_title: str = ""
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        kind: Which command made it, in small letters above the title.
        title: Its heading.
        made: When and on what.
        answer: What came out, in three lines or so.
        sections: The detail.
    """

    kind: str
    title: str
    made: str
    answer: tuple[str, ...]
    sections: tuple[Section, ...]
