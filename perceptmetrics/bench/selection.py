"""What of the paper's tables is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from perceptmetrics.adaptation import Strategy
from perceptmetrics.backbones import BACKBONES, Backbone, find_backbone
from perceptmetrics.bench import TABLES, tables_in_order
from perceptmetrics.bench.experiment import Setup
from perceptmetrics.bench.places import is_of_task
from perceptmetrics.bench.result import Missing
from perceptmetrics.bench.table import Cell, Row, Table
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import DuplicateNameError, PluginError, UnknownNameError
from perceptmetrics.heads import head_named
from perceptmetrics.tasks import TASKS

ALL_TABLES = "all"


@dataclass(frozen=True)
class Selection:
    """Options that choose; an empty one leaves nothing out.

    Attributes:
        tasks, datasets: On what is judged.
        backbones: Families, backbones, or either with the tag of the weights to use.
        sizes: What follows the family in a backbone's name: ``b16``.
        strategies, heads, ranks, alphas: How is trained.
        bases: Backbone -> a file of its weights, in place of those that are registered.
    """

    tasks: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    strategies: tuple[Strategy, ...] = ()
    heads: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    alphas: tuple[float, ...] = ()
    bases: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses names that nothing has.

        Raises:
            UnknownNameError: The text suggests the nearest.
        """
        for name in self.backbones:
            find_backbone(name.partition(".")[0])
        for name in self.bases:
            BACKBONES.get(name)
        for task in self.tasks:
            TASKS.get(task)

    def has_dataset(self, dataset: str) -> bool:
        """Whether what is judged on a dataset is asked for."""
        return (not self.datasets or dataset in self.datasets) and (
            not self.tasks or is_of_task(dataset, self.tasks)
        )

    def has_setup(self, setup: Setup) -> bool:
        """Whether a setup is asked for, but for LoRA's alpha, which may stand in a column."""
        spec = BACKBONES.get(setup.backbone)
        names = [name.partition(".")[0] for name in self.backbones]
        return (
            (not names or spec.name in names or spec.family in names)
            and (not self.sizes or size_of(spec) in self.sizes)
            and (not self.strategies or setup.strategy in self.strategies)
            and (not self.heads or setup.head in [head_named(name) for name in self.heads])
            and (not self.ranks or setup.lora.rank in self.ranks)
        )

    def weights(self, spec: Backbone, default: str) -> str:
        """The tag of the weights that a backbone is to have; empty where a file is given.

        Raises:
            UnknownNameError: The backbone has no weights of the tag that is asked for.
        """
        if spec.name in self.bases:
            return ""
        for name in self.backbones:
            asked, _, tag = name.partition(".")
            if tag and asked in (spec.name, spec.family):
                return spec.weights_of(tag).tag
        return default


def size_of(spec: Backbone) -> str:
    """What a backbone's name says beside its family.

    Example:
        >>> size_of(find_backbone("clip-l14-336"))
        'l14-336'
    """
    return spec.name.removeprefix(f"{spec.family}-")


def chosen_tables(
    names: Sequence[str], selection: Selection
) -> tuple[tuple[Table, ...], tuple[Missing, ...]]:
    """The tables of those names, with the rows and columns that are asked for.

    Rows of rivals stay: their figures are what ours stand beside.

    Args:
        names: ``A.8``, ...; ``all`` means every one.
        selection: What of them.

    Returns:
        Tables in the paper's order, and why there is nothing of the others.

    Example:
        >>> tables, missed = chosen_tables(["A.8", "A.99"], Selection(tasks=("memorability",)))
        >>> [column.name for column in tables[0].columns], missed[0].name
        (['Memorability | LaMem | SRCC', 'Memorability | LaMem | MSE'], 'A.99')
    """
    wanted: dict[str, Table] = {}
    missed: list[Missing] = []
    for name in names:
        if name == ALL_TABLES:
            wanted.update({table.name: table for table in tables_in_order()})
        elif name in TABLES:
            wanted[name] = TABLES.get(name)
        else:
            missed.append(Missing("table", name, _why_no_table(name)))
    found = []
    for table in tables_in_order():
        if table.name in wanted:
            narrowed = _narrowed(table, selection)
            if narrowed is not None:
                found.append(narrowed)
            elif ALL_TABLES not in names:
                reason = "nothing of it is among what the options ask for"
                missed.append(Missing("table", table.name, reason))
    return tuple(found), tuple(missed)


def _why_no_table(name: str) -> str:
    try:
        TABLES.get(name)
    except UnknownNameError:
        near = get_close_matches(name, TABLES.names(), n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        return f"no such table: {meant}there are {', '.join(one.name for one in tables_in_order())}"
    except (DuplicateNameError, PluginError) as error:
        return str(error)
    return ""  # pragma: no cover - it is asked of names that TABLES lacks


def _narrowed(table: Table, selection: Selection) -> Table | None:
    in_columns = any(column.alpha is not None for column in table.columns)
    columns = [
        number
        for number, column in enumerate(table.columns)
        if selection.has_dataset(column.dataset)
        and not (column.alpha is not None and _leaves_out(selection, column.alpha))
    ]
    rows: list[Row] = []
    ours = False
    for row in table.rows:
        setup = row.setup
        if setup is not None:
            other_alpha = not in_columns and _leaves_out(selection, setup.lora.alpha)
            if not selection.has_setup(setup) or other_alpha:
                continue
            ours = True
            tag = selection.weights(BACKBONES.get(setup.backbone), setup.weights)
            setup = replace(setup, weights=tag)
        figures = " ".join(row.printed[number] for number in columns)
        rows.append(replace(row, figures=figures, setup=setup))
    if not ours or not columns:
        return None
    kept = tuple(table.columns[number] for number in columns)
    return replace(table, columns=kept, rows=tuple(rows))


def _leaves_out(selection: Selection, alpha: float) -> bool:
    return bool(selection.alphas) and alpha not in selection.alphas


def as_published(cell: Cell) -> Cell | None:
    """The paper's own cell that a cell of ours stands beside; ``None`` where it has none.

    Weights may be others: the int8-rounded CLIP ViT-B/16 stands beside OpenAI's.

    Example:
        >>> cell = TABLES.get("A.7").cell("ViT-B/16", "IQA | KonIQ-10k | SRCC")
        >>> as_published(replace(cell, table="own", printed="-")).printed
        '0.938'
    """
    if cell.training is None:
        return None
    if cell.table in TABLES:
        return TABLES.get(cell.table).cell(cell.row.name, cell.column.name)
    same = _same(cell)
    candidates = (other for table in tables_in_order() for other in table.cells())
    return next((other for other in candidates if same(other)), None)


def _same(cell: Cell) -> Callable[[Cell], bool]:
    def key(one: Cell) -> object:
        if one.training is None:
            return None
        column = one.column
        first = TASKS.get(DATASETS.get(column.dataset).task).outputs[0]
        # The paper names an output only where it is not the first one.
        output = "" if column.output == first else column.output
        judged = (column.measure, column.dataset, output, column.whole)
        return replace(one.training.setup, weights=""), one.training.datasets, judged

    wanted = key(cell)
    return lambda other: key(other) == wanted
