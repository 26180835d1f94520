"""Text for a terminal: aligned columns."""

from __future__ import annotations

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], *, indent: int = 0) -> str:
    """Rows of cells, each column as wide as its widest cell; the last one is not padded.

    Args:
        rows: All with as many cells.
        indent: Spaces before each line.

    Example:
        >>> print(columns([["clip-b16", "86 M"], ["mae-h14", "631 M"]]))
        clip-b16  86 M
        mae-h14   631 M
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(" " * indent + line.rstrip() for line in padded)


def size(count: int) -> str:
    """Bytes for people.

    Example:
        >>> size(344_790_000), size(900)
        ('344.8 MB', '900 B')
    """
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def one_line(text: str) -> str:
    """Any text without line breaks.

    Example:
        >>> one_line("first" + chr(10) + "  second")
        'first second'
    """
    return " ".join(text.split())
