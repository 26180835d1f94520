"""Runs what a plan says, one training after the other, and keeps what each gave."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perceptmetrics.bench.analysing import Analysed, analysed
from perceptmetrics.bench.estimate import Pace, add_pace
from perceptmetrics.bench.judging import Figures, tested
from perceptmetrics.bench.monotony import CheckResult, reason_of
from perceptmetrics.bench.plan import Plan, PlannedTraining, Terms, run_folder
from perceptmetrics.bench.provenance import RunRecord, run_record
from perceptmetrics.bench.result import BenchResult, TrainingResult
from perceptmetrics.bench.tabulating import Judged, tabulated
from perceptmetrics.errors import DataError, RunFolderError, TrainingError, WeightsError
from perceptmetrics.evaluation.judgements import Judgements
from perceptmetrics.training.kept_judgements import judgements_file, kept_judgements
from perceptmetrics.weights.adapter import ADAPTER_FILE


class Runner(Protocol):
    """What trains and judges: the sweep behind the command line, or a stand-in."""

    def command(self, planned: PlannedTraining, folds: int) -> str:
        """The command line of the sweep."""

    def sweep(self, planned: PlannedTraining, folds: int) -> None:
        """Trains and tests so many folds in ``planned.folder``; what is done is skipped."""

    def judge(self, planned: PlannedTraining, run: Path, dataset: str) -> Figures:
        """One run of a training on all images of a dataset that it was not trained on."""


@dataclass
class _Outcome:
    """A training as it goes."""

    planned: PlannedTraining
    command: str
    figures: dict[str, dict[int, Figures]] = field(default_factory=dict)  # dataset -> fold
    judgements: dict[str, dict[int, Judgements]] = field(default_factory=dict)  # where kept
    unjudged: dict[str, str] = field(default_factory=dict)  # whole set -> why
    runs: list[RunRecord] = field(default_factory=list)
    analyses: list[Analysed] = field(default_factory=list)
    folds: int = 0
    seconds: float = 0.0
    trained: int = 0  # runs, in this call
    error: str = ""
    left: bool = False

    def judged(self) -> Judged:
        planned = self.planned
        result = TrainingResult(
            planned.name,
            str(planned.folder),
            self.command,
            self.folds,
            planned.folds,
            planned.protocol_folds,
            self.seconds,
            self.error,
            self.left,
            tuple(self.runs),
            tuple(self.analyses),
            dict(self.unjudged),
        )
        return Judged(planned, result, self.figures, self.judgements)


def run(
    plan: Plan,
    terms: Terms,
    out: Path,
    runner: Runner,
    *,
    command: str = "",
    budget: float | None = None,
    check: CheckResult | None = None,
    save: Callable[[BenchResult], None] = lambda result: None,
    report: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.monotonic,
) -> BenchResult:
    """Runs every training of a plan.

    One that fails is noted, and the others run. What is done is skipped by the sweep itself, so
    that a call that was stopped goes on.

    Args:
        plan: What to run.
        terms: Of all trainings.
        out: The bench folder.
        runner: Trains and judges.
        command: What was typed, for the record.
        budget: Seconds. The first fold of every training comes first, then the second of every
            one: nothing is begun that is estimated not to fit, and what was begun is finished.
        check: A result of the built-in check, to go along.
        save: Called after each step with all that there is.
        report: Called with a line for people.
        clock: Seconds, for tests.

    Raises:
        RunFolderError: The bench folder cannot be written.
    """
    began = clock()
    outcomes = [_Outcome(one, runner.command(one, one.folds)) for one in plan.trainings]
    failed_weights: dict[tuple[str, str], str] = {}

    def result() -> BenchResult:
        judged = [outcome.judged() for outcome in outcomes]
        return tabulated(plan, terms, judged, command=command, check=check)

    for outcome, folds in _order(outcomes, by_fold=budget is not None):
        if outcome.error or outcome.left:
            continue
        if budget is not None and not _fits(outcome, folds, terms, budget - (clock() - began)):
            outcome.left = True
            report(f"{outcome.planned.name}: fold {folds} is not begun, it would pass the budget")
            continue
        report(f"{outcome.planned.name}: {folds} fold{'s' * (folds != 1)}")
        setup = outcome.planned.training.setup
        weights = (setup.backbone, setup.weights)
        if weights in failed_weights:
            outcome.error = failed_weights[weights]
        else:
            error = _step(outcome, folds, terms, out, runner, clock)
            if isinstance(error, WeightsError):
                failed_weights[weights] = outcome.error
        if outcome.error:
            report(f"{outcome.planned.name}: {outcome.error}")
        for dataset, reason in outcome.unjudged.items():
            report(f"{outcome.planned.name}, judged on {dataset}: {reason}")
        save(result())
    found = result()
    save(found)
    return found


def _order(outcomes: Sequence[_Outcome], *, by_fold: bool) -> list[tuple[_Outcome, int]]:
    """Which training goes up to which fold, in the order of running."""
    if not by_fold:
        return [(one, one.planned.folds) for one in outcomes]
    most = max((one.planned.folds for one in outcomes), default=0)
    return [
        (one, fold) for fold in range(1, most + 1) for one in outcomes if fold <= one.planned.folds
    ]


def _unfinished(planned: PlannedTraining, folds: int) -> list[Path]:
    cells = [(fold, rate) for fold in range(1, folds + 1) for rate in planned.rates]
    folders = [run_folder(planned.folder, fold, rate) for fold, rate in cells]
    return [folder for folder in folders if not (folder / ADAPTER_FILE).is_file()]


def _fits(outcome: _Outcome, folds: int, terms: Terms, remaining: float) -> bool:
    planned = outcome.planned
    left = len(_unfinished(planned, folds))
    if outcome.trained:
        one: float | None = outcome.seconds / outcome.trained
    else:
        one = planned.speed.seconds(planned.cost)
    # Nothing known: a first fold is the only way to learn.
    return left == 0 or remaining > (0.0 if one is None else left * one)


def _step(
    outcome: _Outcome,
    folds: int,
    terms: Terms,
    out: Path,
    runner: Runner,
    clock: Callable[[], float],
) -> Exception | None:
    """Trains and judges up to a fold; what goes wrong is noted in the outcome."""
    planned = outcome.planned
    to_do = _unfinished(planned, folds)
    fresh = not any(folder.exists() for folder in to_do)
    began = clock()
    problem: Exception | None = None
    try:
        runner.sweep(planned, folds)
    except RunFolderError as error:
        problem = error
    except TrainingError as error:  # a fold failed wholly, and the sweep has written the others
        problem = error
        _take(outcome, runner)
    # Plug-ins, drivers and memory may raise anything, and must not cost the other trainings.
    except Exception as error:  # noqa: BLE001
        problem = error
    else:
        problem = _take(outcome, runner)
    outcome.error = "" if problem is None else reason_of(problem)
    seconds = clock() - began
    outcome.seconds += seconds
    done = [folder for folder in to_do if (folder / ADAPTER_FILE).is_file()]
    outcome.trained += len(done)
    if fresh and len(done) == len(to_do) > 0:
        setup = planned.training.setup
        share = sum(map(_epochs, done)) / terms.epochs
        names = (setup.backbone, setup.strategy, terms.device, terms.precision, platform.node())
        add_pace(out, Pace(*names, planned.cost * share, seconds))
    return problem


def _epochs(run: Path) -> int:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return len(record["history"])


def _take(outcome: _Outcome, runner: Runner) -> Exception | None:
    """Takes a sweep's figures, and judges the whole sets; one that cannot be judged is a line."""
    try:
        folds = sorted(tested(outcome.planned.folder).items())
    except RunFolderError as error:
        return error
    outcome.figures, outcome.judgements, outcome.unjudged = {}, {}, {}
    outcome.folds, outcome.runs = len(folds), []
    for fold, (run_of_fold, found) in folds:
        for dataset, one in found.items():
            _keep(outcome, dataset, fold, one, judgements_file(run_of_fold, dataset))
        for dataset in outcome.planned.whole:
            if dataset in outcome.unjudged:
                continue  # the images are the same for all folds, and a whole set takes its time
            try:
                judged = runner.judge(outcome.planned, run_of_fold, dataset)
            # As above: a metric is made from a plug-in's backbone.
            except Exception as error:  # noqa: BLE001
                outcome.unjudged[dataset] = reason_of(error)
                continue
            file = judgements_file(run_of_fold, dataset, whole=True)
            _keep(outcome, dataset, fold, judged, file)
        outcome.runs += _recorded(fold, run_of_fold, outcome.planned.folder)
    outcome.analyses = [
        analysed(outcome.planned.name, dataset, by_fold, outcome.judgements.get(dataset, {}))
        for dataset, by_fold in outcome.figures.items()
    ]
    return None


def _keep(outcome: _Outcome, dataset: str, fold: int, figures: Figures, file: Path) -> None:
    outcome.figures.setdefault(dataset, {})[fold] = figures
    # Runs of older versions keep none: what is made of them is then a line in the report.
    with suppress(DataError):
        outcome.judgements.setdefault(dataset, {})[fold] = kept_judgements(file)


def _recorded(fold: int, run: Path, training: Path) -> list[RunRecord]:
    try:
        return [run_record(fold, run, training)]
    except RunFolderError:
        return []  # its figures stand; where they come from is said to be unknown
