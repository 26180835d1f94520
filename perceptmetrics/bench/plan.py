"""From tables, datasets and terms to the trainings that are to be run: nothing runs here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.bench.estimate import (
    Pace,
    Part,
    Speed,
    judging_cost,
    run_cost,
    speed_of,
)
from perceptmetrics.bench.experiment import Setup, Training
from perceptmetrics.bench.own import describe
from perceptmetrics.bench.places import Place
from perceptmetrics.bench.result import Missing
from perceptmetrics.bench.table import Cell, Table
from perceptmetrics.datasets import DATASETS
from perceptmetrics.tasks import TASKS
from perceptmetrics.weights.adapter import ADAPTER_FILE

PAPER_EPOCHS = 40  # section 3.1
PAPER_RATES = (5e-5, 1e-4, 5e-4, 1e-3)


@dataclass(frozen=True)
class Terms:
    """What all trainings of a call share.

    Attributes:
        rates: Learning rates; the best on the validation part is chosen on each fold.
        folds: The first so many of each protocol; all when ``None``.
        epochs, replicas, augment: As ``sweep`` takes them.
        device, precision: Where and how; they decide the time.
        bases: Backbone -> a file of its weights.
        others: What else is not as in the paper, by option: ``{"batch-size": "8"}``. It names the
            folders, so that runs of other terms lie beside each other.
    """

    rates: tuple[float, ...] = PAPER_RATES
    folds: int | None = None
    epochs: int = PAPER_EPOCHS
    replicas: int | None = None
    augment: bool = True
    device: str = "cpu"
    precision: str = "fp32"
    bases: Mapping[str, Path] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedTraining:
    """One training over the folds of its protocol.

    Attributes:
        training: What.
        name: Setup and datasets, in words.
        folder: Of its sweep.
        folds: How many are asked for.
        protocol_folds: How many there are.
        rates: Learning rates on each fold.
        whole: Datasets that are judged whole by the chosen run of each fold.
        done: Runs that are finished already.
        cost: Multiply-adds of one run, all epochs.
        speed: Of this machine.
        weights: Where the weights come from, in words.
        weights_missing: Whether they are not on this machine.
    """

    training: Training
    name: str
    folder: Path
    folds: int
    protocol_folds: int
    rates: tuple[float, ...]
    whole: tuple[str, ...]
    done: int
    cost: float
    speed: Speed
    weights: str
    weights_missing: bool

    @property
    def runs(self) -> int:
        """How many in all: folds times learning rates."""
        return self.folds * len(self.rates)

    @property
    def seconds(self) -> float | None:
        """Of wall time for what is left, at most; ``None`` where nothing is known."""
        return self.speed.seconds(self.cost * (self.runs - self.done))


@dataclass(frozen=True)
class Plan:
    """What a call comes to.

    Attributes:
        tables: What is asked for.
        trainings: What can be run, each once.
        places: Every dataset that is needed, by name.
        missed: Tables and datasets that do not exist.
        unrunnable: How many trainings need a dataset that is not here.
    """

    tables: tuple[Table, ...]
    trainings: tuple[PlannedTraining, ...]
    places: Mapping[str, Place]
    missed: tuple[Missing, ...] = ()
    unrunnable: int = 0

    @property
    def absent(self) -> tuple[Place, ...]:
        """Datasets that are needed and cannot be used."""
        return tuple(place for place in self.places.values() if place.problem)

    @property
    def seconds(self) -> float | None:
        """Of wall time, at most, for trainings whose time is known; ``None`` if none is."""
        known = [one.seconds for one in self.trainings if one.seconds is not None]
        return sum(known) if known or not self.trainings else None


def plan(
    tables: Sequence[Table],
    place_of: Callable[[str], Place],
    terms: Terms,
    out: Path,
    *,
    paces: Sequence[Pace] = (),
    missed: Sequence[Missing] = (),
) -> Plan:
    """What must be trained for some tables, and what stands in the way.

    Args:
        tables: What is asked for.
        place_of: Dataset -> where it lies and what it holds; asked once for each.
        terms: Of all trainings.
        out: The bench folder; runs that lie there are done.
        paces: What was timed before.
        missed: What is left out already, and why.
    """
    places = {name: place_of(name) for name in _datasets(tables)}
    cells = [cell for table in tables for cell in table.cells() if cell.training is not None]
    wanted = {cell.training for cell in cells}
    runnable = [cell for cell in cells if not _missing(cell, places)]
    whole: dict[Training, list[str]] = {}
    for cell in runnable:
        if cell.training is not None:
            judged = whole.setdefault(cell.training, [])
            if cell.column.whole and cell.column.dataset not in judged:
                judged.append(cell.column.dataset)
    planned = tuple(_planned(one, whole[one], places, terms, out, paces) for one in whole)
    return Plan(tuple(tables), planned, places, tuple(missed), len(wanted) - len(planned))


def _datasets(tables: Iterable[Table]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for table in tables for name in table.datasets))


def _missing(cell: Cell, places: Mapping[str, Place]) -> list[str]:
    needed = [*(cell.training.datasets if cell.training else ()), cell.column.dataset]
    return [name for name in dict.fromkeys(needed) if places[name].problem]


def _planned(
    training: Training,
    whole: Sequence[str],
    places: Mapping[str, Place],
    terms: Terms,
    out: Path,
    paces: Sequence[Pace],
) -> PlannedTraining:
    setup, spec = training.setup, BACKBONES.get(training.setup.backbone)
    here = [places[name] for name in training.datasets]
    # A dataset with one split has the same in every fold.
    protocol_folds = min((one.folds for one in here if one.folds > 1), default=1)
    folds = min(terms.folds or protocol_folds, protocol_folds)
    cost = run_cost(
        spec,
        setup.strategy,
        [_part(one) for one in here],
        epochs=terms.epochs,
        second_stage=setup.second_stage,
        replicas=terms.replicas,
        augment=terms.augment,
    )
    for name in whole:  # by one run of each fold
        task = TASKS.get(DATASETS.get(name).task)
        cost += judging_cost(spec, task, places[name].images) / len(terms.rates)
    folder = out / folder_of(training, terms)
    cells = [(fold, rate) for fold in range(1, folds + 1) for rate in terms.rates]
    done = sum((run_folder(folder, fold, rate) / ADAPTER_FILE).is_file() for fold, rate in cells)
    weights, weights_missing = _weights(setup, terms)
    return PlannedTraining(
        training,
        f"{describe(setup)} on {' + '.join(training.datasets)}",
        folder,
        folds,
        protocol_folds,
        terms.rates,
        tuple(whole),
        done,
        cost,
        speed_of(paces, spec.name, setup.strategy, terms.device, terms.precision),
        weights,
        weights_missing,
    )


def _part(place: Place) -> Part:
    dataset = DATASETS.get(place.dataset)
    training, validation, test = place.splits[0]
    return Part(TASKS.get(dataset.task), dataset.replicas, training, validation, test)


def run_folder(folder: Path, fold: int, rate: float) -> Path:
    """Where a sweep keeps one run."""
    return folder / f"fold-{fold}" / f"lr-{rate:g}"


def folder_of(training: Training, terms: Terms) -> Path:
    """Where a training lies in the bench folder: its setup and terms, then its datasets.

    What is as in the paper's own setup is not in the name, so that nothing but what is asked for
    makes another folder.

    Example:
        >>> folder_of(Training(Setup(strategy="frozen"), ("lamem",)), Terms(epochs=5)).as_posix()
        'clip-l14.openai_frozen_mlp_epochs-5/lamem'
    """
    setup = training.setup
    named = [*describe(setup).split(", ")]
    if setup.backbone in terms.bases:
        named[0] += ".file"
    if terms.epochs != PAPER_EPOCHS:
        named.append(f"epochs-{terms.epochs}")
    if terms.replicas is not None:
        named.append(f"replicas-{terms.replicas}")
    if not terms.augment:
        named.append("no-augmentation")
    named += [f"{option}-{value}" if value else option for option, value in terms.others.items()]
    return Path("_".join(named).replace(" ", "-").replace("/", "-")) / "+".join(training.datasets)


def _weights(setup: Setup, terms: Terms) -> tuple[str, bool]:
    from perceptmetrics.weights.cache import base_path

    if setup.backbone in terms.bases:
        return str(terms.bases[setup.backbone]), False
    if not setup.weights:
        return f"none are registered: give --base {setup.backbone} FILE", True
    weights = BACKBONES.get(setup.backbone).weights_of(setup.weights)
    if base_path(setup.backbone, weights.tag).is_file():
        return "in the cache", False
    return f"not on this machine, to be fetched: {weights.source}", True


def plan_record(plan_: Plan) -> dict[str, Any]:
    """A plan as plain data.

    Example:
        >>> plan_record(Plan((), (), {}))["trainings"]
        []
    """
    return {
        "tables": [table.name for table in plan_.tables],
        "trainings": [
            {
                "name": one.name,
                "folder": str(one.folder),
                "datasets": list(one.training.datasets),
                "folds": one.folds,
                "protocol_folds": one.protocol_folds,
                "learning_rates": list(one.rates),
                "judged_whole": list(one.whole),
                "runs": one.runs,
                "done": one.done,
                "seconds_at_most": one.seconds,
                "estimated": one.speed.how,
                "weights": one.weights,
            }
            for one in plan_.trainings
        ],
        "seconds_at_most": plan_.seconds,
        "unrunnable": plan_.unrunnable,
        "missing": [
            *(asdict(one) for one in plan_.missed),
            *(
                {"kind": "dataset", "name": one.dataset, "reason": one.problem}
                for one in plan_.absent
            ),
        ],
    }
