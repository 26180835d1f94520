"""Where a figure comes from: the chosen runs of a training, read from their folders."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from perceptmetrics.errors import RunFolderError
from perceptmetrics.weights.adapter import ADAPTER_FILE
from perceptmetrics.weights.digest import sha256_of_file

RUN_FILE = "run.json"


@dataclass(frozen=True)
class DataRecord:
    """Which images a run saw.

    Attributes:
        name: Of the dataset.
        sha256: Of the data; :data:`~perceptmetrics.bench.evidence.HASHED` says of what in it.
        split: Name of the split; empty where none was given.
        split_sha256: Of its three sets of names.
        training, validation: How many images.
        measure: What chose the epoch.
    """

    name: str
    sha256: str
    split: str
    split_sha256: str
    training: int
    validation: int
    measure: str


@dataclass(frozen=True)
class RunRecord:
    """A run whose test figures stand in a table.

    Attributes:
        fold: Which split, from 1.
        folder: Its name inside the training's folder: ``fold-1/lr-0.0001``.
        command: What made it.
        finished: When, in UTC, ISO 8601.
        commit: Of the code that trained it; empty where it was a release, or is not known.
        base, base_sha256: The pretrained weights.
        adapter_sha256: Of what was trained.
        trained: Trainable parameters.
        data: What it saw.
        machine, versions: What it ran on.
        losses: Training loss of each epoch.
        scores: Validation score of each epoch, mean over datasets.
    """

    fold: int
    folder: str
    command: str
    finished: str
    commit: str
    base: str
    base_sha256: str
    adapter_sha256: str
    trained: int
    data: tuple[DataRecord, ...] = ()
    machine: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()


def run_record(fold: int, run: Path, training: Path) -> RunRecord:
    """What a run folder says of itself.

    Args:
        fold: Of which it is the chosen run.
        run: Its folder.
        training: The training's folder.

    Raises:
        RunFolderError: It holds no record of a run.

    Example:
        >>> run_record(1, Path("no/run"), Path("no"))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.RunFolderError: no/run/run.json cannot be read ...
    """
    file = run / RUN_FILE
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        history = plain["history"]
        return RunRecord(
            fold=fold,
            folder=run.relative_to(training).as_posix(),
            command=plain["command"],
            finished=plain["finished"],
            commit=plain.get("commit", ""),  # older runs do not say
            base=plain["base"]["name"],
            base_sha256=plain["base"]["sha256"],
            adapter_sha256=_hash_of(run / ADAPTER_FILE),
            trained=plain["parameters"]["trained"],
            data=tuple(_data(name, one) for name, one in plain["datasets"].items()),
            machine={key: str(value) for key, value in plain["machine"].items()},
            versions=plain["versions"],
            losses=tuple(epoch["loss"] for epoch in history),
            scores=tuple(epoch["validation"] for epoch in history),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(
            f"{file} cannot be read ({error!r}); where its figures come from is not known"
        ) from error


def _data(name: str, plain: Mapping[str, Any]) -> DataRecord:
    split = plain["split"] or {"name": "", "sha256": ""}
    return DataRecord(
        name,
        plain["sha256"],
        split["name"],
        split["sha256"],
        plain["training"],
        len(plain["validation_images"]),
        plain["selects_by"],
    )


def _hash_of(file: Path) -> str:
    about = file.stat()
    return _hashed(file, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=1024)
def _hashed(file: Path, changed: int, size: int) -> str:
    # Kept while a bench goes on: it writes its record after each step, and an encoder that was
    # trained whole is a gigabyte.
    return sha256_of_file(file)


def record_from(plain: dict[str, Any]) -> RunRecord:
    """A record as JSON holds it, in which a number that does not exist is null."""
    numbers = {
        key: tuple(math.nan if one is None else float(one) for one in plain.pop(key))
        for key in ("losses", "scores")
    }
    data = tuple(DataRecord(**one) for one in plain.pop("data"))
    return RunRecord(**plain, data=data, losses=numbers["losses"], scores=numbers["scores"])
