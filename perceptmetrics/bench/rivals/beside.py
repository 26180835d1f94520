"""Rivals beside what a bench has trained, on the same test images of the same folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from perceptmetrics.bench.judging import tested
from perceptmetrics.bench.plan import Plan, PlannedTraining
from perceptmetrics.bench.result import RivalResult
from perceptmetrics.bench.rivals.against import against_ours
from perceptmetrics.bench.rivals.base import Rival
from perceptmetrics.bench.rivals.contestant import Contestant, own_contestant
from perceptmetrics.bench.rivals.judging import Entry, judged_parts
from perceptmetrics.bench.rivals.process import PATIENCE
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import PerceptError, RunFolderError
from perceptmetrics.evaluation.figures import SAMPLES
from perceptmetrics.tasks import TASKS
from perceptmetrics.weights.adapter import ADAPTER_FILE
from perceptmetrics.weights.digest import sha256_of_file

KEPT = "rivals"  # the folder of the scores, in that of the bench


@dataclass(frozen=True)
class Prepared:
    """A rival that has a Python.

    Attributes:
        rival: Its specification.
        contestant: How it is started.
    """

    rival: Rival
    contestant: Contestant


def datasets_of(plan: Plan, task: str) -> tuple[str, ...]:
    """The datasets of a plan that are here and are judged by a task."""
    return tuple(
        name
        for name, place in plan.places.items()
        if not place.problem and DATASETS.get(name).task == task
    )


def beside(
    plan: Plan,
    rivals: Sequence[Prepared],
    folder: Path,
    *,
    bases: Mapping[str, Path] | None = None,
    device: str = "cpu",
    images: int | None = None,
    patience: float = PATIENCE,
    samples: int = SAMPLES,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[str, int, int], None] = lambda name, done, images: None,
) -> tuple[RivalResult, ...]:
    """Judges rivals, and what is trained already, on every dataset of the rivals' tasks.

    Args:
        plan: What the bench was asked for.
        rivals: Those that can be started.
        folder: Of the bench; scores are kept in it.
        bases: Backbone -> a file of its weights, for ours.
        device: Where ours run.
        images: At most so many of each test part, drawn evenly at random; all when ``None``.
        patience: Seconds without an answer after which one is ended.
        samples: Draws of the bootstrap.
        report: Called with a line for people.
        progress: Told (name, images done, images in all).

    Returns:
        Dataset by dataset, rivals first. One that fails is a result with a reason.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    keep = folder / KEPT
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {keep}: {error.strerror}") from error
    terms = _OwnTerms(bases or {}, device, patience)
    results: list[RivalResult] = []
    for dataset in dict.fromkeys(
        name for one in rivals for name in datasets_of(plan, one.rival.task)
    ):
        task = TASKS.get(DATASETS.get(dataset).task)
        here = [one.contestant for one in rivals if one.rival.task == task.name]
        try:
            rows = _rows(plan, dataset, here, terms, images)
        except PerceptError as error:
            results += [RivalResult(one.name, False, dataset, reason=str(error)) for one in here]
            continue
        lines = []
        for entries in rows:
            name = entries[0][0].name
            report(f"{name}: on {dataset}")
            lines.append(
                judged_parts(
                    entries,
                    task.outputs,
                    dataset,
                    task.average,
                    keep=keep,
                    samples=samples,
                    report=partial(progress, name),
                )
            )
        results += against_ours(lines, task.outputs, task.average, samples=samples)
    return tuple(results)


@dataclass(frozen=True)
class _OwnTerms:
    """What ours are started with."""

    bases: Mapping[str, Path]
    device: str
    patience: float

    def contestant(self, planned: PlannedTraining, run: Path, dataset: str) -> Contestant:
        training = planned.training
        base = self.bases.get(training.setup.backbone)
        several = len(training.datasets) > 1 and dataset in training.datasets
        return own_contestant(
            planned.name,
            str(run.absolute()),
            device=self.device,
            base=None if base is None else base.absolute(),
            dataset=dataset if several else None,
            fingerprint=sha256_of_file(run / ADAPTER_FILE),
            patience=self.patience,
        )


def _rows(
    plan: Plan,
    dataset: str,
    rivals: Sequence[Contestant],
    terms: _OwnTerms,
    images: int | None,
) -> list[list[Entry]]:
    """Rivals, then ours as far as they are done: who scores which images, fold by fold."""
    runs = _runs(plan, dataset)
    parts = _parts(plan, dataset, sorted({fold for _, ours in runs for fold in ours}), images)
    # A dataset that is judged whole is the same part for every fold.
    different = list({id(part): part for part in parts.values()}.values())
    rows: list[list[Entry]] = [[(one, part) for part in different] for one in rivals]
    for planned, of_folds in runs:
        rows.append(
            [
                (terms.contestant(planned, run, dataset), parts[fold])
                for fold, run in of_folds.items()
            ]
        )
    return rows


def sampled(part: Manifest, images: int | None) -> Manifest:
    """At most so many images, the same ones each time.

    Example:
        >>> names = tuple(map(str, range(100)))
        >>> part = Manifest(tuple(map(Path, names)), names, np.zeros((100, 1)), names, "")
        >>> len(sampled(part, 10)), len(sampled(part, None))
        (10, 100)
    """
    if images is None or images >= len(part):
        return part
    drawn = np.random.default_rng(0).choice(len(part), images, replace=False)
    return part.take(np.sort(drawn))


def _runs(plan: Plan, dataset: str) -> list[tuple[PlannedTraining, dict[int, Path]]]:
    """Trainings that judge this dataset, each with fold -> its chosen run, as far as it is done."""
    found = []
    for planned in _on(plan, dataset) or [one for one in plan.trainings if dataset in one.whole]:
        try:
            folds = tested(planned.folder)
        except RunFolderError:
            continue  # not trained yet, or it failed: the bench itself says so
        runs = {fold: run for fold, (run, _) in sorted(folds.items())}
        there = {fold: run for fold, run in runs.items() if (run / ADAPTER_FILE).is_file()}
        if there:
            found.append((planned, there))
    return found


def _on(plan: Plan, dataset: str) -> list[PlannedTraining]:
    """The trainings that hold out test parts of this dataset."""
    return [one for one in plan.trainings if dataset in one.training.datasets]


def _parts(
    plan: Plan, dataset: str, done: Sequence[int], images: int | None
) -> dict[int, Manifest]:
    """Fold -> its test images: of the folds that ours are judged on, else of those asked for."""
    place = plan.places[dataset]
    spec = DATASETS.get(dataset)
    data = spec.read(place.root)
    trained = _on(plan, dataset)
    if not trained and any(dataset in one.whole for one in plan.trainings):
        return dict.fromkeys(done or [1], sampled(data, images))
    asked = range(1, max((one.folds for one in trained), default=place.folds) + 1)
    splits = spec.splits(data, place.root)
    # As the sweep has it: a dataset with one split has the same in every fold.
    return {
        fold: sampled(splits[fold - 1 if len(splits) > 1 else 0].parts(data)[2], images)
        for fold in done or asked
    }
