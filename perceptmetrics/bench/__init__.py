"""The bench: what the paper reports, as data, and what it takes to report it again.

A file dropped in ``published/``, or an entry point in the group ``perceptmetrics.tables``, adds a
table; nothing else is edited.
"""

from __future__ import annotations

from perceptmetrics.bench.table import Table
from perceptmetrics.registry import Registry

TABLES: Registry[Table] = Registry(
    "table", Table, package="perceptmetrics.bench.published", group="perceptmetrics.tables"
)


def tables_in_order() -> list[Table]:
    """All tables as the paper numbers them: 2 before 10, the appendix last.

    Example:
        >>> [table.name for table in tables_in_order()][5:9]
        ['6', '7', 'A.1', 'A.2']
    """
    return sorted(TABLES, key=_place)


def _place(table: Table) -> tuple[str, int, str]:
    part, _, number = table.name.rpartition(".")
    # A plug-in may number its tables as it likes; those come last in their part.
    return (part, int(number) if number.isdecimal() else 10**9, number)


__all__ = ["TABLES", "Table", "tables_in_order"]
