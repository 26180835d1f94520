"""Folds times learning rates: what is done is skipped, what fails is noted, one table at the end.

The paper explores four learning rates and keeps, on each split, the run with the best validation
score; the figure is the median (quality) or the mean (memorability, emotion) over splits of what
that run scores on the test part (sections 3.1 and 5).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from perceptmetrics.errors import PerceptError, RunFolderError, TrainingError
from perceptmetrics.evaluation.evaluate import Average, over_splits
from perceptmetrics.evaluation.figures import Figure
from perceptmetrics.training.record import RUN_FILE
from perceptmetrics.training.writing import write_text
from perceptmetrics.weights.adapter import ADAPTER_FILE

PAPER_LEARNING_RATES = (5e-5, 1e-4, 5e-4, 1e-3)
TEST_FILE = "test.json"
SWEEP_FILE = "sweep.json"
TABLE_FILE = "sweep.md"

Figures = Mapping[str, Sequence[Figure]]
"""Dataset -> what its test part gave."""


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        fold: Which split, from 1.
        learning_rate: Of AdamW.
        folder: The run folder.
        validation: The measure that each task selects by, mean over datasets; ``None`` where the
            run failed.
        error: Why it failed.
        chosen: Whether it is the best of its fold, and was judged on the test part.
    """

    fold: int
    learning_rate: float
    folder: Path
    validation: float | None = None
    error: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Sweep:
    """What a sweep gave.

    Attributes:
        cells: Every run.
        folds: Fold -> the test figures of its chosen run.
        over_folds: Dataset -> the figures over all folds.
    """

    cells: tuple[Cell, ...]
    folds: Mapping[int, Figures]
    over_folds: Figures


def sweep(
    folds: Sequence[int],
    learning_rates: Sequence[float],
    out: Path,
    *,
    identify: Callable[[int, float], str],
    train: Callable[[int, float, Path], None],
    test: Callable[[int, Path], Figures],
    averages: Mapping[str, Average],
    command: str = "",
    report: Callable[[Cell], None] = lambda cell: None,
) -> Sweep:
    """Runs what is not done yet, and sums up.

    A run that fails by an error of ours is noted, and the sweep goes on. A sweep that was killed
    goes on where it stood, in the middle of a run too, when it is called again.

    Args:
        folds: Which splits, from 1.
        learning_rates: The grid.
        out: Holds a run folder for each cell, ``sweep.json`` and ``sweep.md``.
        identify: (fold, learning rate) -> fingerprint of the run; a run of another one that lies
            in its place is an error, not a result.
        train: (fold, learning rate, run folder) trains one run.
        test: (fold, run folder) judges a run on the fold's test part.
        averages: Dataset -> median or mean over folds.
        command: The command line that started this, for the record and the table.
        report: Called after each run.

    Raises:
        RunFolderError: The folder holds runs with other options, data or folds, or a damaged
            record of one, or cannot be written.
        TrainingError: Every run of a fold failed; the table of the others is written first.
    """
    cells: list[Cell] = []
    tested: dict[int, Figures] = {}
    failed: list[Cell] = []
    for fold in folds:
        row = []
        for rate in learning_rates:
            folder = out / f"fold-{fold}" / f"lr-{rate:g}"
            row.append(_cell(fold, rate, folder, identify(fold, rate), train))
            report(row[-1])
        best = max(row, key=lambda cell: -math.inf if cell.validation is None else cell.validation)
        if best.validation is None:
            failed.append(best)
        else:
            tested[fold] = _tested(fold, best, identify(fold, best.learning_rate), test)
        cells += [replace(c, chosen=c is best and c.validation is not None) for c in row]
    summed = {
        name: over_splits([one[name] for one in tested.values()], average)
        for name, average in averages.items()
        if tested
    }
    found = Sweep(tuple(cells), tested, summed)
    write_text(out / SWEEP_FILE, json.dumps({"command": command, **_plain(found)}, indent=1) + "\n")
    write_text(out / TABLE_FILE, table(found, averages, command))
    if failed:
        raise TrainingError(
            f"every run of fold {failed[0].fold} failed, one of them so: {failed[0].error}; "
            f"{out / TABLE_FILE} holds the others"
        )
    return found


def _cell(
    fold: int,
    rate: float,
    folder: Path,
    fingerprint: str,
    train: Callable[[int, float, Path], None],
) -> Cell:
    if not (folder / ADAPTER_FILE).exists():
        try:
            train(fold, rate, folder)
        except RunFolderError:
            raise  # of the folder, not of this run: the next one would fail in the same way
        except PerceptError as error:
            return Cell(fold, rate, folder, error=str(error))
    file = folder / RUN_FILE
    remedy = f"delete the folder {folder}, and the same command trains that run again"
    record = _record_of(file, fingerprint, remedy)
    try:
        scores = [data["figures"][data["selects_by"]] for data in record["datasets"].values()]
        return Cell(fold, rate, folder, sum(scores) / len(scores))
    except _MISSHAPEN as error:
        raise _damaged(file, error, remedy) from error


# What a file of ours raises where it was changed and is still JSON.
_MISSHAPEN = (AttributeError, LookupError, TypeError, ZeroDivisionError)


def _record_of(file: Path, fingerprint: str, remedy: str) -> dict[str, Any]:
    """A JSON file that a run left, if it is of this run."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record.get("fingerprint") != fingerprint:
            raise _foreign(file.parent)
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(file, error, remedy) from error
    return dict(record)


def _damaged(file: Path, error: Exception, remedy: str) -> RunFolderError:
    said = error.strerror if isinstance(error, OSError) else error
    reason = said if isinstance(error, (OSError, ValueError)) else repr(said)
    return RunFolderError(f"{file} cannot be read ({reason}); {remedy}")


def _foreign(folder: Path) -> RunFolderError:
    return RunFolderError(
        f"{folder} holds a run with other options, data or folds; give another --out"
    )


def _tested(
    fold: int, cell: Cell, fingerprint: str, test: Callable[[int, Path], Figures]
) -> Figures:
    """The test figures of a run: kept beside it, so that they are computed once."""
    kept = cell.folder / TEST_FILE
    if not kept.exists():
        figures = test(fold, cell.folder)
        plain: dict[str, Any] = {
            "fingerprint": fingerprint,
            "figures": {name: [_record(f) for f in found] for name, found in figures.items()},
        }
        write_text(kept, json.dumps(plain, indent=1) + "\n")
    remedy = "delete it, and the same command judges that run again"
    read = _record_of(kept, fingerprint, remedy)
    try:
        return {name: [_figure(one) for one in found] for name, found in read["figures"].items()}
    except _MISSHAPEN as error:
        raise _damaged(kept, error, remedy) from error


def _record(figure: Figure) -> dict[str, Any]:
    record = asdict(figure)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in record.items()}


def _figure(record: dict[str, Any]) -> Figure:
    values: dict[str, Any] = {k: math.nan if v is None else v for k, v in record.items()}
    return Figure(**values)


def _plain(found: Sweep) -> dict[str, Any]:
    return {
        "runs": [{**asdict(cell), "folder": str(cell.folder)} for cell in found.cells],
        "folds": {
            str(fold): {name: [_record(f) for f in figures] for name, figures in one.items()}
            for fold, one in found.folds.items()
        },
        "over folds": {n: [_record(f) for f in figures] for n, figures in found.over_folds.items()},
    }


def table(found: Sweep, averages: Mapping[str, Average], command: str = "") -> str:
    """The sweep as Markdown: every run, then what the chosen ones score on the test parts."""
    rates = sorted({cell.learning_rate for cell in found.cells})
    lines = [f"`{command}`", ""] if command else []
    lines += [
        "Validation score of each run; the chosen one of each fold is bold.",
        "",
        _row(["fold", *(f"lr {rate:g}" for rate in rates)]),
        _row(["---"] * (len(rates) + 1)),
    ]
    for fold in sorted({cell.fold for cell in found.cells}):
        row = {cell.learning_rate: cell for cell in found.cells if cell.fold == fold}
        lines.append(_row([str(fold), *(_shown(row[rate]) for rate in rates)]))
    for name, summed in found.over_folds.items():
        average = averages[name]
        title = "" if len(found.over_folds) == 1 else f" of {name}"
        folds = f"{len(found.folds)} fold{'s' * (len(found.folds) > 1)}"
        lines += ["", f"Test part{title}: the {average} over {folds}."]
        lines += ["", _row(["fold", *(f"{f.output} {f.name}" for f in summed)])]
        lines.append(_row(["---"] * (len(summed) + 1)))
        for fold, one in found.folds.items():
            lines.append(_row([str(fold), *(_value(f) for f in one[name])]))
        lines.append(_row([f"**{average}**", *(_interval(f) for f in summed)]))
    errors = [cell for cell in found.cells if cell.error]
    if errors:
        lines += ["", "Failed:", ""]
        lines += [f"- fold {c.fold}, lr {c.learning_rate:g}: {c.error}" for c in errors]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _shown(cell: Cell) -> str:
    if cell.validation is None:
        return "failed"
    return f"**{cell.validation:.4f}**" if cell.chosen else f"{cell.validation:.4f}"


def _value(figure: Figure) -> str:
    return "-" if math.isnan(figure.value) else f"{figure.value:.4g}"


def _interval(figure: Figure) -> str:
    if math.isnan(figure.low):
        return _value(figure)
    return f"**{figure.value:.4g}** [{figure.low:.4g}, {figure.high:.4g}]"
