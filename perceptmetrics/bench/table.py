"""A table of a paper as data: its rows and columns as printed, and what each cell takes to make.

Figures stand as they are printed, so that ``0.7500`` keeps its digits and a rounded figure is known
to be rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from perceptmetrics.bench.experiment import Measure, Setup, Training
from perceptmetrics.bench.methods import Method
from perceptmetrics.bench.protocols import protocol
from perceptmetrics.datasets.combinations import COMBINATIONS
from perceptmetrics.errors import OptionError
from perceptmetrics.registry import unknown_name

ABSENT = ("-", "unknown")  # how the paper prints that there is no figure


@dataclass(frozen=True)
class Column:
    """What one column reports.

    Attributes:
        name: The header as printed without arrows, groups joined: ``IQA | LIVEC | SRCC``.
        measure: Of what.
        dataset: On which images it is judged; a name of the dataset registry.
        trained_on: On which datasets a row trains; the judged one where empty. A row that trains
            on several together (:attr:`Row.joint`) takes the combination that holds the dataset.
        output: Which output: ``polarity`` for positive against negative; all classes where empty.
        whole: Judged on all images of a set that was not trained on, and not on a test part.
        alpha: LoRA's, where the columns differ in it.
    """

    name: str
    measure: Measure
    dataset: str
    trained_on: tuple[str, ...] = ()
    output: str = ""
    whole: bool = False
    alpha: float | None = None


@dataclass(frozen=True)
class Row:
    """One method, or one setup of the paper's.

    Attributes:
        name: As printed.
        method: Whose.
        figures: As printed, in the order of the columns, parted by blanks; ``-`` or ``unknown``
            where there is none.
        setup: How the paper's method is set up; ``None`` for rivals, which are not trained here.
        joint: Trained on a combination of datasets together (section 3.2).
        trainable: Trainable parameters in millions, where printed.
        note: What the paper leaves open about this row.
    """

    name: str
    method: Method
    figures: str
    setup: Setup | None = None
    joint: bool = False
    trainable: int | None = None
    note: str = ""

    @property
    def printed(self) -> tuple[str, ...]:
        """The figures one by one, as printed."""
        return tuple(self.figures.split())


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Attributes:
        table: The table's name.
        row, column: Where it stands.
        printed: As printed.
        training: What must be trained for it; ``None`` for rivals.

    Example:
        >>> from perceptmetrics.bench import TABLES
        >>> cell = TABLES.get("2").cell("PerceptCLIP (Ours)", "FLIVE | KonIQ")
        >>> cell.value, cell.training.datasets, cell.column.dataset
        (0.812, ('flive',), 'koniq10k')
    """

    table: str
    row: Row
    column: Column
    printed: str
    training: Training | None

    @property
    def value(self) -> float | None:
        """The figure; ``None`` where the paper has none."""
        return None if self.printed.lower() in ABSENT else float(self.printed)

    @property
    def rounding(self) -> float:
        """By how much the figure may be off as printed: half of its last digit."""
        return 0.5 * 10.0 ** -len(self.printed.partition(".")[2])

    @property
    def average(self) -> str:
        """What is printed of the folds: ``median`` or ``mean``."""
        return protocol(self.column.dataset).average


@dataclass(frozen=True)
class Table:
    """A published table.

    Attributes:
        name: Its number: ``1``, ``A.8``.
        title: What it is about, in a few words.
        section: Where the paper speaks of it.
        columns: In the order of print.
        rows: In the order of print.
        note: Where text and table disagree, what looks misprinted, what the paper leaves open.

    Raises:
        OptionError: Two rows or columns of one name, a row with too few or too many figures, one
            that is no number, or a joint row on a dataset that is in no combination.

    Example:
        >>> from perceptmetrics.bench import TABLES
        >>> [row.name for row in TABLES.get("A.8").rows]
        ['MAE', 'DinoV2', 'TULIP', 'CLIP']
    """

    name: str
    title: str
    section: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""

    def __post_init__(self) -> None:
        for kind, names in (
            ("columns", [column.name for column in self.columns]),
            ("rows", [row.name for row in self.rows]),
        ):
            if len(set(names)) < len(names):
                raise OptionError(f"table {self.name}: two {kind} have one name among {names}")
        for row in self.rows:
            if len(row.printed) != len(self.columns):
                raise OptionError(
                    f"table {self.name}, row {row.name!r}: {len(row.printed)} figures for "
                    f"{len(self.columns)} columns; write - where there is none"
                )
            for printed in row.printed:
                if printed.lower() not in ABSENT and not _is_number(printed):
                    raise OptionError(
                        f"table {self.name}, row {row.name!r}: {printed!r} is no figure; expected "
                        f"a number, or one of {', '.join(ABSENT)}"
                    )
        if any(row.joint for row in self.rows):
            for column in self.columns:
                _together(column.dataset)

    def cell(self, row: str, column: str) -> Cell:
        """One figure, by the names of its row and column.

        Raises:
            UnknownNameError: No such row or column.
        """
        for found in self.cells():
            if (found.row.name, found.column.name) == (row, column):
                return found
        if row not in [one.name for one in self.rows]:
            raise unknown_name(f"row of table {self.name}", row, [r.name for r in self.rows])
        raise unknown_name(f"column of table {self.name}", column, [c.name for c in self.columns])

    def cells(self) -> Iterator[Cell]:
        """All figures, row by row."""
        for row in self.rows:
            for column, printed in zip(self.columns, row.printed, strict=True):
                yield Cell(self.name, row, column, printed, _training(row, column))

    def best(self, column: Column) -> tuple[Row, ...]:
        """The rows with the best figure of a column; more than one where they tie."""
        there = [cell for cell in self.cells() if cell.column == column]
        values = [cell.value for cell in there if cell.value is not None]
        if not values:
            return ()
        best = max(values) if column.measure.higher_is_better else min(values)
        return tuple(cell.row for cell in there if cell.value == best)

    @property
    def trainings(self) -> tuple[Training, ...]:
        """What must be trained for the whole table, each once, in the order of print."""
        needed = (cell.training for cell in self.cells())
        return tuple(dict.fromkeys(one for one in needed if one is not None))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Every dataset that the table's trainings train on or are judged on, each once."""
        trained = [name for training in self.trainings for name in training.datasets]
        return tuple(dict.fromkeys([*trained, *(column.dataset for column in self.columns)]))


def _is_number(printed: str) -> bool:
    try:
        return math.isfinite(float(printed))
    except ValueError:
        return False


def _training(row: Row, column: Column) -> Training | None:
    if row.setup is None:
        return None
    setup, datasets = row.setup, column.trained_on or (column.dataset,)
    if column.alpha is not None:
        setup = replace(setup, lora=replace(setup.lora, alpha=column.alpha))
    return Training(setup, _together(column.dataset) if row.joint else datasets)


def _together(dataset: str) -> tuple[str, ...]:
    """The combination that holds the dataset; no dataset is in two."""
    for one in COMBINATIONS:
        if dataset in one.datasets:
            return one.datasets
    raise OptionError(
        f"{dataset} is in no combination of datasets that are trained together; there are "
        + ", ".join(one.name for one in COMBINATIONS)
    )
