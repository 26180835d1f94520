"""What a sweep makes of its runs: the choice, the average, what fails; the runs are stand-ins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from small_disk import small_disk

from perceptmetrics.errors import DataError, RunFolderError, TrainingError
from perceptmetrics.evaluation.figures import Figure
from perceptmetrics.training.sweep import Sweep, sweep

AVERAGES: Mapping[str, object] = {"levels": "median", "shades": "mean"}


def write_run(folder: Path, fingerprint: str, levels: float, shades: float) -> None:
    """A run folder of two datasets whose tasks select by different measures."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "fingerprint": fingerprint,
        "datasets": {
            "levels": {"selects_by": "SRCC", "figures": {"SRCC": levels, "PLCC": 0.0}},
            "shades": {"selects_by": "accuracy", "figures": {"accuracy": shades}},
        },
    }
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "adapter.safetensors").write_bytes(b"")


def run(
    out: Path,
    train: Callable[[int, float, Path], None],
    tested: Mapping[int, float] | None = None,
    folds: Sequence[int] = (1, 2, 3),
) -> Sweep:
    values = tested or {1: 0.1, 2: 0.4, 3: 0.9}

    def test(fold: int, folder: Path) -> dict[str, list[Figure]]:
        value = values[fold]
        return {
            "levels": [Figure("quality", "SRCC", value, 0, 1, 10)],
            "shades": [Figure("all classes", "accuracy", value, 0, 1, 10)],
        }

    return sweep(
        folds,
        [1e-4, 1e-3],
        out,
        identify=lambda fold, rate: f"{fold} {rate}",
        train=train,
        test=test,
        averages=AVERAGES,  # type: ignore[arg-type]
        command="perceptmetrics sweep",
    )


def trained(fold: int, rate: float, folder: Path) -> None:
    write_run(folder, f"{fold} {rate}", 0.8 if rate == 1e-3 else 0.6, 0.5)


def test_datasets_of_two_tasks_choose_and_average_each_in_its_way(tmp_path: Path) -> None:
    found = run(tmp_path, trained)
    assert [cell.validation for cell in found.cells[:2]] == [pytest.approx(0.55), 0.65]
    assert [cell.learning_rate for cell in found.cells if cell.chosen] == [1e-3] * 3
    assert found.over_folds["levels"][0].value == 0.4  # the median
    assert found.over_folds["shades"][0].value == pytest.approx(1.4 / 3)  # the mean
    table = (tmp_path / "sweep.md").read_text()
    assert "of levels: the median over 3 folds" in table
    assert "of shades: the mean over 3 folds" in table


def test_a_fold_that_fails_wholly_costs_only_itself(tmp_path: Path) -> None:
    def fails(fold: int, rate: float, folder: Path) -> None:
        if fold == 2:
            raise DataError("no such image")
        trained(fold, rate, folder)

    with pytest.raises(TrainingError, match=r"every run of fold 2 failed.*no such image"):
        run(tmp_path, fails)
    table = (tmp_path / "sweep.md").read_text()
    assert "the median over 2 folds" in table
    assert "fold 2, lr 0.001: no such image" in table


def test_a_folder_that_cannot_be_used_stops_the_sweep(tmp_path: Path) -> None:
    """It would fail every other run in the same way."""
    asked: list[tuple[int, float]] = []

    def full(fold: int, rate: float, folder: Path) -> None:
        asked.append((fold, rate))
        raise RunFolderError("the disk is full")

    with pytest.raises(RunFolderError, match="disk is full"):
        run(tmp_path, full)
    assert asked == [(1, 1e-4)]


def test_a_test_figure_of_another_run_is_not_taken(tmp_path: Path) -> None:
    run(tmp_path, trained)
    kept = tmp_path / "fold-1" / "lr-0.001" / "test.json"
    kept.write_text(kept.read_text().replace("1 0.001", "another run"))
    with pytest.raises(RunFolderError, match="give another --out"):
        run(tmp_path, trained)


@pytest.mark.parametrize("size", [0, 1000])
def test_a_disk_that_is_full_at_the_end_keeps_the_tables_that_are_there(
    tmp_path: Path, size: int
) -> None:
    run(tmp_path, trained)
    tables = [tmp_path / "sweep.json", tmp_path / "sweep.md"]
    wanted = [table.read_text() for table in tables]
    for table in tables:
        table.write_text("of an earlier time")
    said = r"sweep\.json cannot be written.*make room.*the same command goes on"
    with small_disk(size), pytest.raises(RunFolderError, match=said):
        run(tmp_path, trained)
    assert [table.read_text() for table in tables] == ["of an earlier time"] * 2
    run(tmp_path, trained)
    assert [table.read_text() for table in tables] == wanted


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("run.json", "delete the folder .*lr-0.001, and the same command trains"),
        ("test.json", "delete it, and the same command judges"),
    ],
)
@pytest.mark.parametrize("text", ["", '{"finger', "[]", '{"fingerprint": "1 0.001"}'])
def test_a_damaged_record_of_a_run_is_named_with_what_to_do(
    tmp_path: Path, name: str, remedy: str, text: str
) -> None:
    run(tmp_path, trained)
    (tmp_path / "fold-1" / "lr-0.001" / name).write_text(text)
    with pytest.raises(RunFolderError, match=rf"{name} cannot be read \(.+\); {remedy}"):
        run(tmp_path, trained)


def test_a_run_that_lost_its_record_is_named_with_what_to_do(tmp_path: Path) -> None:
    run(tmp_path, trained)
    (tmp_path / "fold-3" / "lr-0.0001" / "run.json").unlink()
    with pytest.raises(
        RunFolderError, match=r"run\.json cannot be read \(No such.*delete the folder"
    ):
        run(tmp_path, trained)


def test_one_fold_is_not_said_to_be_folds(tmp_path: Path) -> None:
    run(tmp_path, trained, folds=(2,))
    assert "the median over 1 fold." in (tmp_path / "sweep.md").read_text()
