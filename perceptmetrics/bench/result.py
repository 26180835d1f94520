"""What a bench gave, as plain values to draw and to print; ``record.py`` keeps them as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from perceptmetrics.bench.analysing import Analysed
from perceptmetrics.bench.comparing import Comparison
from perceptmetrics.bench.monotony import CheckResult
from perceptmetrics.bench.provenance import RunRecord
from perceptmetrics.evaluation.figures import Figure


@dataclass(frozen=True)
class Difference:
    """Ours minus the published figure.

    Attributes:
        value: Positive where ours is the larger number, better or not.
        low, high: Its interval: that of ours, widened by the rounding of the printed figure;
            ``nan`` where ours has none.
    """

    value: float
    low: float
    high: float


def difference(ours: Figure, published: float, rounding: float) -> Difference:
    """Ours minus a printed figure.

    The paper gives no interval of its own, so this one knows our side only.

    Args:
        ours: With its interval.
        published: As printed.
        rounding: By how much it may be off as printed.

    Example:
        >>> ours = Figure("quality", "SRCC", 0.940, 0.930, 0.945, 2015)
        >>> found = difference(ours, 0.945, 0.0005)
        >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
        (-0.005, -0.0155, 0.0005)
    """
    return Difference(
        ours.value - published,
        ours.low - published - rounding,
        ours.high - published + rounding,
    )


@dataclass(frozen=True)
class CellResult:
    """One figure of a table: the printed one, and ours beside it.

    Attributes:
        row, column: Names.
        ours_is_asked: Whether the row is the paper's method, and not a rival's.
        published: As printed; ``-`` where there is none.
        published_in: The table that prints it; another one for the table of one's own.
        higher_is_better: Of the measure.
        dataset: On which it is judged.
        training: :attr:`TrainingResult.name`; empty for rivals.
        ours: Over the folds that are done, with its interval.
        by_fold: The same of each fold.
        difference: ``None`` where either is missing, or the images are not the same ones.
        departures: In what ours is not made as the printed one.
        reason: Why there is none of ours.
    """

    row: str
    column: str
    ours_is_asked: bool
    published: str
    published_in: str
    higher_is_better: bool
    dataset: str
    training: str = ""
    ours: Figure | None = None
    by_fold: tuple[float, ...] = ()
    difference: Difference | None = None
    departures: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class TableResult:
    """A table with ours in it.

    Attributes:
        name: ``A.8``; ``own`` for the table of one's own.
        title, section, note: Of the table.
        columns, rows: Names, in the order of print.
        cells: Row by row, all of them.
        comparisons: Of our own rows, on the same images.
    """

    name: str
    title: str
    section: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[CellResult, ...]
    comparisons: tuple[Comparison, ...] = ()

    def row(self, name: str) -> tuple[CellResult, ...]:
        """The cells of one row."""
        return tuple(cell for cell in self.cells if cell.row == name)

    def best_rival(self, column: str) -> CellResult | None:
        """The best published figure of another method in a column, if there is one."""
        rivals = [
            cell
            for cell in self.cells
            if cell.column == column and not cell.ours_is_asked and _number(cell.published)
        ]
        if not rivals:
            return None
        sign = 1 if rivals[0].higher_is_better else -1
        return max(rivals, key=lambda cell: sign * float(cell.published))


def _number(printed: str) -> bool:
    try:
        float(printed)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class TrainingResult:
    """One training, as far as it went.

    Attributes:
        name: Setup and datasets, in words.
        folder: Of its sweep: runs, ``sweep.md``.
        command: The sweep that makes it again.
        folds: How many are judged.
        folds_asked: How many were to be.
        protocol_folds: How many the protocol has.
        seconds: Of wall time in this call.
        error: Why it is not whole; empty if it is.
        left_by_budget: Whether the budget ended it.
        runs: The chosen run of each fold that is judged.
        analyses: Its errors on each dataset that it was judged on.
        unjudged: Whole set -> why it was not judged on it, or not by every fold.
    """

    name: str
    folder: str
    command: str
    folds: int
    folds_asked: int
    protocol_folds: int
    seconds: float = 0.0
    error: str = ""
    left_by_budget: bool = False
    runs: tuple[RunRecord, ...] = ()
    analyses: tuple[Analysed, ...] = ()
    unjudged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Missing:
    """Something that was asked for and is not to be had.

    Attributes:
        kind: ``dataset``, ``table``.
        name: Of it.
        reason: Why, and where to get it.
    """

    kind: str
    name: str
    reason: str


@dataclass(frozen=True)
class RivalDifference:
    """SRCC of one of ours minus that of a rival, on the images that both have scores of.

    Attributes:
        ours: :attr:`RivalResult.name` of ours.
        output: Of the task.
        value: Positive where ours agrees better with people; ``nan`` where there is none.
        low, high: Its 95 % interval, of a paired bootstrap over images, or over their references.
        p: Two-sided.
        p_holm: After Holm's correction for all of ours against all rivals of the dataset.
        images: How many different ones both have.
        folds: On how many test parts.
        reason: Why there is no value.
    """

    ours: str
    output: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan
    images: int = 0
    folds: int = 0
    reason: str = ""


@dataclass(frozen=True)
class RivalResult:
    """A rival, or ours beside it, on the rated images of one dataset.

    Each is measured in the same way, in a process of its own that is asked for one image after
    the other.

    Attributes:
        name: ``resmem``; of ours, :attr:`TrainingResult.name`.
        ours: Whether it is a metric of ours.
        dataset: Name; empty for images of one's own.
        images: How many different ones were asked for.
        figures: SRCC, PLCC and PLCC after the logistic, over folds; a rival whose scores fall
            where ratings rise is turned. Empty where there is a reason.
        folds: On how many test parts.
        load_seconds: Wall time of imports and weights.
        seconds_per_image: Wall time, reading the file included; the median.
        cpu_seconds_per_image: CPU time of all threads; the median.
        peak_bytes: The most memory that the process held; 0 where that is not known.
        versions: Of its packages, and of the Python that it ran in.
        licence, weights: Of a rival: under which, and from where.
        unreadable: (image, why it has no score).
        reason: Why there are no figures.
        against: Of a rival: each of ours that is judged, minus it.
    """

    name: str
    ours: bool
    dataset: str
    images: int = 0
    figures: tuple[Figure, ...] = ()
    folds: int = 0
    load_seconds: float = math.nan
    seconds_per_image: float = math.nan
    cpu_seconds_per_image: float = math.nan
    peak_bytes: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    weights: str = ""
    unreadable: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    against: tuple[RivalDifference, ...] = ()

    @property
    def problem(self) -> str:
        """What failed, in a line: all of it, or some images; empty if nothing did.

        Example:
            >>> RivalResult("resmem", False, "lnsim", reason="ended (SIGKILL)").problem
            'resmem on lnsim: ended (SIGKILL)'
        """
        named = f"{self.name} on {self.dataset}" if self.dataset else self.name
        if self.reason:
            return f"{named}: {self.reason}"
        if not self.unreadable:
            return ""
        (image, reason), count = self.unreadable[0], len(self.unreadable)
        which = f"{count} images have no score, the first is {image}" if count > 1 else image
        return f"{named}: {which}: {reason}"

    def figure(self, measure: str, scale: str = "") -> Figure | None:
        """One of the figures, of the first output, if it is there.

        Example:
            >>> RivalResult("resmem", False, "lnsim").figure("SRCC") is None
            True
        """
        for one in self.figures:
            if (one.measure, one.scale) == (measure, scale):
                return one
        return None


@dataclass(frozen=True)
class BenchResult:
    """All that a call of ``bench`` gave.

    Attributes:
        command: What was typed.
        finished: When, in UTC, ISO 8601.
        machine: What it ran on, by name: platform, device, versions.
        tables: With ours in them.
        trainings: Each once.
        missing: What could not be had.
        check: The built-in check, where it was run.
        rivals: Others' metrics and ours on the same images, where rivals were asked for.
    """

    command: str
    finished: str
    machine: Mapping[str, str]
    tables: tuple[TableResult, ...] = ()
    trainings: tuple[TrainingResult, ...] = ()
    missing: tuple[Missing, ...] = ()
    check: CheckResult | None = None
    rivals: tuple[RivalResult, ...] = ()
