"""A bench's result as JSON, written whole or not at all, and read again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perceptmetrics.bench.analysing import analysed_from
from perceptmetrics.bench.checked import CheckedMetric
from perceptmetrics.bench.comparing import Comparison
from perceptmetrics.bench.monotony import CheckResult, Ordering, Speed
from perceptmetrics.bench.provenance import record_from
from perceptmetrics.bench.result import (
    BenchResult,
    CellResult,
    Difference,
    Missing,
    RivalDifference,
    RivalResult,
    TableResult,
    TrainingResult,
)
from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.figures import Figure

FORMAT = "perceptmetrics bench 1"
RESULT_FILE = "bench.json"


def to_json(result: BenchResult) -> str:
    """All of it as JSON; a number that does not exist is null.

    Example:
        >>> result = BenchResult("perceptmetrics bench", "2025-01-01T00:00:00+00:00", {})
        >>> json.loads(to_json(result))["format"]
        'perceptmetrics bench 1'
    """
    plain = {"format": FORMAT, **_without_nan(asdict(result))}
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_nan(one) for one in value]
    return value


def read_result(file: Path) -> BenchResult:
    """A result as it was written.

    Raises:
        DataError: There is no such file, or it is no result of a bench.

    Example:
        >>> read_result(Path("no/bench.json"))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.DataError: no/bench.json cannot be read: ...
    """
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{file} cannot be read: there is no such file; run a bench first, or name its folder"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}; expected a {RESULT_FILE}") from error
    try:
        if plain.pop("format") != FORMAT:
            raise DataError(f"{file} is no result of this version's bench; run it again")
        check = plain.pop("check")
        return BenchResult(
            tables=tuple(_table(one) for one in plain.pop("tables")),
            trainings=tuple(_training(one) for one in plain.pop("trainings")),
            missing=tuple(Missing(**one) for one in plain.pop("missing")),
            check=None if check is None else _check(check),
            # Benches of older versions have none.
            rivals=tuple(_rival(one) for one in plain.pop("rivals", ())),
            **plain,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{file} is no result of a bench ({error!r}); run it again") from error


def _table(plain: dict[str, Any]) -> TableResult:
    cells = tuple(_cell(one) for one in plain.pop("cells"))
    columns, rows = tuple(plain.pop("columns")), tuple(plain.pop("rows"))
    # Benches of older versions have none.
    compared = tuple(_comparison(one) for one in plain.pop("comparisons", ()))
    return TableResult(columns=columns, rows=rows, cells=cells, comparisons=compared, **plain)


def _comparison(plain: dict[str, Any]) -> Comparison:
    values: dict[str, Any] = {k: math.nan if one is None else one for k, one in plain.items()}
    if "groups" not in values:  # older versions counted units under the other name
        values["groups"] = values.pop("images")
    return Comparison(**values)


def _training(plain: dict[str, Any]) -> TrainingResult:
    runs = tuple(record_from(one) for one in plain.pop("runs", ()))
    analyses = tuple(analysed_from(one) for one in plain.pop("analyses", ()))
    return TrainingResult(**plain, runs=runs, analyses=analyses)


def _cell(plain: dict[str, Any]) -> CellResult:
    ours, off = plain.pop("ours"), plain.pop("difference")
    departures = tuple(plain.pop("departures"))
    folds = tuple(_numbers(plain.pop("by_fold")))
    return CellResult(
        ours=None if ours is None else figure_from(ours),
        by_fold=folds,
        difference=None if off is None else Difference(*_numbers(off.values())),
        departures=departures,
        **plain,
    )


def figure_from(plain: Mapping[str, Any]) -> Figure:
    """A figure of a JSON record, in which a number that does not exist is null."""
    values: dict[str, Any] = {k: math.nan if v is None else v for k, v in plain.items()}
    return Figure(**values)


def _numbers(values: Any) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _rival(plain: dict[str, Any]) -> RivalResult:
    figures = tuple(figure_from(one) for one in plain.pop("figures"))
    unreadable = tuple((name, reason) for name, reason in plain.pop("unreadable"))
    # Benches of older versions have none.
    against = tuple(_rival_difference(one) for one in plain.pop("against", ()))
    values: dict[str, Any] = {k: math.nan if one is None else one for k, one in plain.items()}
    return RivalResult(figures=figures, unreadable=unreadable, against=against, **values)


def _rival_difference(plain: dict[str, Any]) -> RivalDifference:
    values: dict[str, Any] = {k: math.nan if one is None else one for k, one in plain.items()}
    return RivalDifference(**values)


def _check(plain: dict[str, Any]) -> CheckResult:
    return CheckResult(
        photographs=tuple(plain["photographs"]),
        distortions=tuple(plain["distortions"]),
        orderings=tuple(_ordering(one) for one in plain["orderings"]),
        speeds=tuple(Speed(**one) for one in plain["speeds"]),
        failures=tuple((name, reason) for name, reason in plain["failures"]),
        note=plain["note"],
        # Checks of older versions say nothing of these.
        metrics=tuple(CheckedMetric(**one) for one in plain.get("metrics", ())),
        photograph_sha256=plain.get("photograph_sha256", {}),
    )


def _ordering(plain: dict[str, Any]) -> Ordering:
    srcc = math.nan if plain["srcc"] is None else plain["srcc"]
    return Ordering(**{**plain, "scores": tuple(plain["scores"]), "srcc": srcc})
