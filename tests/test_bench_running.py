"""What the bench makes of its trainings: failures, budget, records; the sweeps are stand-ins."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from perceptmetrics.bench.checked import CheckedMetric
from perceptmetrics.bench.estimate import Speed, read_paces
from perceptmetrics.bench.judging import over_folds
from perceptmetrics.bench.markdown import to_markdown
from perceptmetrics.bench.monotony import CheckResult, Ordering
from perceptmetrics.bench.places import Place
from perceptmetrics.bench.plan import Plan, PlannedTraining, Terms, plan, run_folder
from perceptmetrics.bench.record import read_result, to_json
from perceptmetrics.bench.report import notes, number, problems
from perceptmetrics.bench.result import BenchResult, CellResult, Missing, difference
from perceptmetrics.bench.running import run
from perceptmetrics.bench.selection import Selection, chosen_tables
from perceptmetrics.errors import (
    DataError,
    RunFolderError,
    TrainingError,
    WeightsMissingError,
)
from perceptmetrics.evaluation.figures import Figure

TERMS = Terms(rates=(1e-4,))
COLUMN = "IQA | KonIQ-10k | SRCC"


class Clock:
    """Time that passes only where a stand-in says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Sweeps:
    """Writes what a sweep would, in no time."""

    def __init__(self, fails: Callable[[PlannedTraining], Exception | None] | None = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self.clock = Clock()
        self.falls: set[str] = set()  # backbones that rank backwards, and are turned over
        self._fails = fails or (lambda planned: None)

    def command(self, planned: PlannedTraining, folds: int) -> str:
        return f"sweep {folds}"

    def sweep(self, planned: PlannedTraining, folds: int) -> None:
        self.asked.append((planned.training.setup.backbone, folds))
        error = self._fails(planned)
        if error is not None and not isinstance(error, TrainingError):
            raise error
        if isinstance(error, RunFolderError):
            raise error
        runs, tested = [], {}
        for fold in range(1, folds + 1):
            folder = run_folder(planned.folder, fold, planned.rates[0])
            if not folder.exists():
                folder.mkdir(parents=True)
                self.clock.now += 60
                (folder / "run.json").write_text(json.dumps({"history": [{}] * 4}))
                (folder / "adapter.safetensors").write_bytes(b"")
            runs.append({"fold": fold, "folder": str(folder), "chosen": True})
            figures = [
                asdict(Figure("quality", name, 0.9 + fold / 100, 0.8, 1.0, 20, scale, falls=turned))
                for name, scale, turned in (
                    ("SRCC", "", False),
                    ("PLCC", "logistic", planned.training.setup.backbone in self.falls),
                )
            ]
            if not (isinstance(error, TrainingError) and fold == 2):
                tested[str(fold)] = dict.fromkeys(planned.training.datasets, figures)
        (planned.folder / "sweep.json").write_text(json.dumps({"runs": runs, "folds": tested}))
        if error is not None:
            raise error

    def judge(self, planned: PlannedTraining, run: Path, dataset: str) -> tuple[Figure, ...]:
        return (Figure("quality", "SRCC", 0.5, 0.4, 0.6, 100),)


def planned(out: Path, table: str = "A.8", folds: int = 3) -> Plan:
    tables, _ = chosen_tables([table], Selection(datasets=("koniq10k", "livec")))
    splits = ((72, 8, 20),) * folds
    made = plan(tables, lambda name: Place(name, Path(name), "", 100, 100, splits), TERMS, out)
    # A minute a run, whatever the machine.
    quick = [
        PlannedTraining(**{**vars(one), "cost": 60.0, "speed": Speed(1.0, "as said")})
        for one in made.trainings
    ]
    return Plan(made.tables, tuple(quick), made.places)


def cells(result: BenchResult, column: str = COLUMN) -> dict[str, CellResult]:
    return {
        cell.row: cell
        for table in result.tables
        for cell in table.cells
        if cell.column == column and cell.ours_is_asked
    }


def test_each_training_is_swept_once_and_fills_its_cells(tmp_path: Path) -> None:
    sweeps = Sweeps()
    saved: list[BenchResult] = []
    found = run(planned(tmp_path), TERMS, tmp_path, sweeps, clock=sweeps.clock, save=saved.append)
    assert [folds for _, folds in sweeps.asked] == [3] * 4
    assert len(saved) == 5
    mae = cells(found)["MAE"]
    assert mae.ours is not None
    assert mae.ours.value == 0.92  # the median of 0.91, 0.92 and 0.93
    assert mae.difference is not None
    assert mae.difference.value == pytest.approx(0.92 - 0.924)
    assert [one.seconds for one in found.trainings] == [180.0] * 4
    # Four epochs of forty: a tenth of the work.
    assert read_paces(tmp_path)[0].multiply_adds == pytest.approx(60.0 * 3 * 4 / 40)


def test_a_row_whose_logistic_falls_is_marked_and_never_the_best(tmp_path: Path) -> None:
    """All rows reach the same PLCC; the first would be named best."""
    sweeps, plcc = Sweeps(), "IQA | KonIQ-10k | PLCC"
    made = planned(tmp_path)
    sweeps.falls = {made.trainings[0].training.setup.backbone}
    found = run(made, TERMS, tmp_path, sweeps, clock=sweeps.clock)
    turned = next(iter(cells(found, plcc).values()))
    assert turned.ours is not None
    assert turned.ours.falls
    of_plcc = [one for one in found.tables[0].comparisons if one.column == plcc]
    assert {one.best for one in of_plcc} == {list(cells(found, plcc))[1]}
    (against,) = [one for one in of_plcc if one.row == turned.row]
    assert against.reason == "its fitted logistic falls: the figure is of its scores turned over"
    (line,) = [one for one in notes(found) if "falls" in one]
    assert f"{turned.row}: {plcc}: the fitted logistic falls, higher scores go with lower" in line
    markdown = to_markdown(found)
    assert "**0.920 (falls)**" in markdown
    assert line in markdown
    sweeps.falls = {one.training.setup.backbone for one in made.trainings}
    all_fall = run(planned(tmp_path / "all"), TERMS, tmp_path, sweeps, clock=sweeps.clock)
    assert plcc not in {one.column for one in all_fall.tables[0].comparisons}


def test_whole_sets_are_judged_by_every_fold(tmp_path: Path) -> None:
    sweeps = Sweeps()
    found = run(planned(tmp_path, "2", folds=2), TERMS, tmp_path, sweeps, clock=sweeps.clock)
    across = cells(found, "KonIQ | LIVEC")["PerceptCLIP (Ours)"]
    assert across.ours is not None
    assert (across.ours.value, across.by_fold) == (0.5, (0.5, 0.5))


@pytest.mark.parametrize("budget", [None, 10_000.0], ids=["all folds", "fold by fold"])
def test_a_whole_set_that_cannot_be_judged_costs_only_its_own_cell(
    budget: float | None, tmp_path: Path
) -> None:
    class Unreadable(Sweeps):
        def judge(self, planned: PlannedTraining, run: Path, dataset: str) -> tuple[Figure, ...]:
            raise DataError("7 images cannot be read")

    sweeps = Unreadable()
    made = planned(tmp_path, "2", folds=2)
    found = run(made, TERMS, tmp_path, sweeps, clock=sweeps.clock, budget=budget)
    across = cells(found, "KonIQ | LIVEC")["PerceptCLIP (Ours)"]
    (training,) = [one for one in found.trainings if one.name == across.training]
    assert training.unjudged == {"livec": "7 images cannot be read"}
    assert (training.folds, training.error) == (2, "")
    assert (across.ours, across.reason) == (None, "7 images cannot be read")
    assert [one.dataset for one in training.analyses] == ["koniq10k"]
    assert f"{training.name}, judged on livec: 7 images cannot be read" in problems(found)
    file = tmp_path / "bench.json"
    file.write_text(to_json(found))
    assert repr(read_result(file)) == repr(found)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DataError("a.jpg cannot be read"), "a.jpg cannot be read"),
        (RunFolderError("the folder is foreign"), "the folder is foreign"),
        (RuntimeError("out of memory\n on device"), "RuntimeError: out of memory on device"),
        (KeyError("plugin"), "KeyError: 'plugin'"),
    ],
    ids=["data", "folder", "driver", "plug-in"],
)
def test_a_training_that_fails_is_a_line_and_the_others_run(
    error: Exception, expected: str, tmp_path: Path
) -> None:
    sweeps = Sweeps(lambda one: error if one.training.setup.backbone == "dinov2-l14" else None)
    found = run(planned(tmp_path), TERMS, tmp_path, sweeps, clock=sweeps.clock)
    assert [one.error for one in found.trainings].count("") == 3
    assert cells(found)["DinoV2"].ours is None
    assert cells(found)["DinoV2"].reason == expected
    assert cells(found)["CLIP"].ours is not None
    assert f"on koniq10k: {expected}" in to_markdown(found)


def test_the_folds_beside_one_that_failed_wholly_are_kept(tmp_path: Path) -> None:
    sweeps = Sweeps(lambda one: TrainingError("every run of fold 2 failed"))
    found = run(planned(tmp_path), TERMS, tmp_path, sweeps, clock=sweeps.clock)
    mae = cells(found)["MAE"]
    assert mae.by_fold == (0.91, 0.93)
    assert "2 of 3 folds" in mae.departures
    assert mae.reason == "every run of fold 2 failed"


def test_weights_that_are_not_to_be_had_are_asked_for_once(tmp_path: Path) -> None:
    tables, _ = chosen_tables(["A.8", "6"], Selection())
    made = plan(
        tables, lambda n: Place(n, Path(n), "", 9, 9, ((5, 2, 2),)), Terms(rates=(1.0,)), tmp_path
    )
    clip = [one for one in made.trainings if one.training.setup.backbone == "clip-l14"]
    assert len(clip) > 3
    sweeps = Sweeps(lambda one: WeightsMissingError("no hub"))
    found = run(made, TERMS, tmp_path, sweeps, clock=sweeps.clock)
    assert sorted(name for name, _ in sweeps.asked) == [
        "clip-l14",
        "dinov2-l14",
        "mae-l16",
        "tulip-so400m14-384",
    ]
    assert {one.error for one in found.trainings} == {"no hub"}


# The budget.


def test_a_budget_goes_fold_by_fold_over_all_trainings(tmp_path: Path) -> None:
    sweeps = Sweeps()
    found = run(planned(tmp_path), TERMS, tmp_path, sweeps, clock=sweeps.clock, budget=6 * 60 + 1)
    order = [folds for _, folds in sweeps.asked]
    assert order == [1, 1, 1, 1, 2, 2]
    assert [one.folds for one in found.trainings] == [2, 2, 1, 1]
    assert [one.left_by_budget for one in found.trainings] == [True] * 4
    assert "Left out by the budget" in to_markdown(found)
    assert "2 of 3 folds" in cells(found)["MAE"].departures


def test_what_is_done_costs_nothing_of_the_budget(tmp_path: Path) -> None:
    first = Sweeps()
    run(planned(tmp_path), TERMS, tmp_path, first, clock=first.clock)
    again = Sweeps()
    found = run(planned(tmp_path), TERMS, tmp_path, again, clock=again.clock, budget=1)
    assert [one.folds for one in found.trainings] == [3] * 4
    assert again.clock.now == 0


def test_a_budget_that_nothing_fits_begins_nothing(tmp_path: Path) -> None:
    sweeps = Sweeps()
    lines: list[str] = []
    found = run(
        *(planned(tmp_path), TERMS, tmp_path, sweeps),
        clock=sweeps.clock,
        budget=59,
        report=lines.append,
    )
    assert sweeps.asked == []
    assert len(lines) == 4
    assert cells(found)["MAE"].reason == "left out by the budget"


def test_an_interrupt_is_nobodys_failure_and_leaves_what_is_done(tmp_path: Path) -> None:
    sweeps = Sweeps()
    saved: list[BenchResult] = []

    def interrupts(one: PlannedTraining) -> None:
        if len(sweeps.asked) == 2:
            raise KeyboardInterrupt

    sweeps._fails = interrupts
    with pytest.raises(KeyboardInterrupt):
        run(planned(tmp_path), TERMS, tmp_path, sweeps, clock=sweeps.clock, save=saved.append)
    assert cells(saved[-1])["MAE"].ours is not None
    assert cells(saved[-1])["DinoV2"].reason == "not run yet"


# Figures and records.


def test_one_fold_has_the_interval_of_its_images_and_says_so() -> None:
    one = Figure("quality", "SRCC", 0.9, 0.85, 0.94, 200)
    found = over_folds([one], "median")
    assert (found.value, found.low, found.high) == (0.9, 0.85, 0.94)
    assert found.reason == "interval over the images of one fold"


def test_one_fold_of_a_few_images_says_that_it_has_no_interval() -> None:
    few = "too few for an interval: 3 images, fewer than 5"
    one = Figure("quality", "SRCC", 1.0, float("nan"), float("nan"), 3, reason=few)
    assert over_folds([one], "median").reason == few


def test_a_difference_is_wider_by_what_the_printed_figure_was_rounded() -> None:
    found = difference(Figure("quality", "SRCC", 0.95, 0.94, 0.96, 9), 0.945, 0.0005)
    assert found.value == pytest.approx(0.005)
    assert [found.low, found.high] == pytest.approx([-0.0055, 0.0155])


def test_a_result_is_the_same_after_json(tmp_path: Path) -> None:
    nan = float("nan")
    check = CheckResult(
        ("a.jpg",),
        ("blur",),
        (Ordering("iqa", "a.jpg", "blur", (1.0,) * 6, nan, 0),),
        failures=(("b", "broken"),),
        metrics=(CheckedMetric("iqa", "a" * 64, "tiny.base", "b" * 64, "all of it", 5, 1),),
        photograph_sha256={"a.jpg": "c" * 64},
    )
    sweeps = Sweeps(lambda one: TrainingError("fold 2") if one.folds == 2 else None)
    missing = (Missing("table", "A.99", "no such table"),)
    made = planned(tmp_path, folds=2)
    made = Plan(made.tables, made.trainings, made.places, missing)
    found = run(made, TERMS, tmp_path, sweeps, clock=sweeps.clock, check=check)
    file = tmp_path / "bench.json"
    file.write_text(to_json(found))
    # nan is not equal to itself; its text is.
    assert repr(read_result(file)) == repr(found)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "perceptmetrics bench 0"}'])
def test_what_is_no_result_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"bench\.json"):
        read_result(file)


def test_numbers_have_three_digits_or_three_that_count() -> None:
    assert [number(one) for one in (0.9451, 0.0, 0.00694, -0.21)] == [
        "0.945",
        "0.000",
        "0.00694",
        "-0.210",
    ]
