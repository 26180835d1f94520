"""What stands behind the figures of a bench, as rows of cells: comparisons and runs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from perceptmetrics.bench.monotony import CheckResult
from perceptmetrics.bench.report import Rows, number
from perceptmetrics.bench.result import BenchResult, TableResult

COMPARISONS = (
    *("column", "best", "other", "difference", "95 % interval", "p", "p (Holm)", "images", "units"),
    *("folds", "note"),
)
RUNS = (
    *("training", "fold", "commit", "base weights", "base sha256", "adapter sha256"),
    *("trained parameters", "data sha256", "split sha256", "training images", "measure"),
    *("finished (UTC)", "run", "machine", "versions"),
)
CHECKED = ("metric", "base weights", "base sha256", "adapter sha256", "crops", "view", "seed")
PHOTOGRAPHS = ("photograph", "sha256")
HASH_DIGITS = 12
"""So many digits of a hash tell any two files apart; the record has them all."""

HASHED = (
    "Data sha256 is, of a published dataset, that of the images' names, ratings and file sizes; of "
    "a manifest, that of the ratings and of all that is in the files."
)


def comparison_rows(table: TableResult) -> Rows:
    """Our own rows against each other, under :data:`COMPARISONS`."""
    return [
        (
            one.column,
            one.best,
            one.row,
            number(one.value),
            interval(one.low, one.high),
            probability(one.p),
            probability(one.p_holm),
            str(one.images) if one.images else "-",
            str(one.groups) if one.groups else "-",
            str(one.folds) if one.folds else "-",
            one.reason,
        )
        for one in table.comparisons
    ]


def interval(low: float, high: float) -> str:
    """Both ends, if there are any.

    Example:
        >>> interval(0.1, 0.25), interval(math.nan, math.nan)
        ('0.100 to 0.250', '-')
    """
    return "-" if math.isnan(low) or math.isnan(high) else f"{number(low)} to {number(high)}"


def probability(p: float) -> str:
    """A p-value with the digits that a thousand draws give.

    Example:
        >>> probability(0.0413), probability(0.002), probability(math.nan)
        ('0.041', '0.002', '-')
    """
    return "-" if math.isnan(p) else f"{p:.3f}"


def run_rows(result: BenchResult) -> Rows:
    """Where each chosen run comes from, under :data:`RUNS`."""
    return [
        (
            training.name,
            str(run.fold),
            _commit(run.commit),
            run.base,
            run.base_sha256[:HASH_DIGITS],
            run.adapter_sha256[:HASH_DIGITS],
            f"{run.trained:,}",
            " ".join(data.sha256[:HASH_DIGITS] for data in run.data),
            " ".join(data.split_sha256[:HASH_DIGITS] or "-" for data in run.data),
            " ".join(str(data.training) for data in run.data),
            " ".join(data.measure for data in run.data),
            run.finished.replace("T", " ").replace("+00:00", ""),
            run.folder,
            _named(run.machine),
            _named(run.versions),
        )
        for training in result.trainings
        for run in training.runs
    ]


def checked_rows(check: CheckResult) -> Rows:
    """The metrics of the built-in check, under :data:`CHECKED`."""
    return [
        (
            one.metric,
            one.base,
            one.base_sha256[:HASH_DIGITS],
            one.adapter_sha256[:HASH_DIGITS],
            str(one.crops),
            one.view,
            str(one.seed),
        )
        for one in check.metrics
    ]


def photograph_rows(check: CheckResult) -> Rows:
    """The photographs of the built-in check, under :data:`PHOTOGRAPHS`."""
    return [(name, sha256[:HASH_DIGITS]) for name, sha256 in check.photograph_sha256.items()]


def _named(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "-"


def _commit(commit: str) -> str:
    digits, _, changes = commit.partition(" ")
    return f"{digits[:HASH_DIGITS]} {changes}".strip() or "not known"
