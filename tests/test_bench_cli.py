"""``perceptmetrics bench``, the whole command on tiny datasets: plans, trains, judges, resumes."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_bench
import tiny_plugin

from perceptmetrics.bench.record import read_result
from perceptmetrics.bench.result import BenchResult, CellResult
from perceptmetrics.cli.bench_output import write_result
from perceptmetrics.cli.main import main


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bench.write_plugin(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bench.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def base(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_plugin.write_base(plugin, tmp_path_factory.mktemp("base") / "base.safetensors")


@pytest.fixture
def installed(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_bench.plug_in(plugin, monkeypatch)
    monkeypatch.delenv("PERCEPTMETRICS_DATA", raising=False)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *(str(argument) for argument in arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def terms(base: Path) -> tuple[object, ...]:
    return (
        *("--base", tiny_plugin.BACKBONE, base, "--learning-rates", "3e-3"),
        *("--epochs", 2, "--batch-size", 8, "--no-progress"),
    )


def cell(result: BenchResult, row: str, column: str) -> CellResult:
    (table,) = result.tables
    (found,) = [one for one in table.cells if (one.row, one.column) == (row, column)]
    return found


@pytest.fixture(scope="module")
def done(
    plugin: Path, data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path]:
    """Table T.1 with two of its three folds: exit code and bench folder."""
    out = tmp_path_factory.mktemp("done") / "bench"
    with pytest.MonkeyPatch.context() as patch:
        tiny_bench.plug_in(plugin, patch)
        arguments = ("--table", "T.1", "--data", data, "--folds", 2, "--out", out)
        return run(*arguments, *terms(base)), out


# What came out.


def test_a_table_of_a_plug_in_is_trained_and_judged_beside_its_figures(
    done: tuple[int, Path],
) -> None:
    code, out = done
    assert code == 0
    result = read_result(out / "bench.json")
    ours = cell(result, "Ours", "photos | SRCC")
    assert ours.published == "0.90"
    assert ours.ours is not None
    assert ours.difference is not None
    assert len(ours.by_fold) == 2
    assert ours.ours.value == pytest.approx(sum(ours.by_fold) / 2)  # the task's average: the mean
    assert ours.difference.value == pytest.approx(ours.ours.value - 0.9)
    assert ours.ours.reason == "too few for an interval: 2 splits, fewer than 5"
    assert math.isnan(ours.difference.low)
    assert "2 of 3 folds" in ours.departures
    assert "at most 2 epochs, not 40" in ours.departures
    rival = cell(result, "A rival", "photos | SRCC")
    assert (rival.published, rival.ours, rival.training) == ("0.70", None, "")


def test_the_figure_is_that_of_the_sweep_itself(done: tuple[int, Path]) -> None:
    result = read_result(done[1] / "bench.json")
    ours = cell(result, "Ours", "photos | SRCC")
    (training,) = [one for one in result.trainings if one.name == ours.training]
    swept = json.loads((Path(training.folder) / "sweep.json").read_text())
    (srcc,) = [one for one in swept["over folds"]["photos"] if one["measure"] == "SRCC"]
    assert ours.ours is not None
    assert srcc["value"] == ours.ours.value
    assert swept["command"] == training.command
    assert training.command.startswith("perceptmetrics sweep --dataset photos ")


def test_across_datasets_the_chosen_runs_are_judged_on_all_images_of_the_other(
    done: tuple[int, Path], plugin: Path, base: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = read_result(done[1] / "bench.json")
    across = cell(result, "Ours", "photos to drawings | SRCC")
    assert across.ours is not None
    assert across.ours.images == 2 * 30  # all drawings, by the run of each of two folds
    # By hand: the same run, by the public face.
    from perceptmetrics.create import create_metric
    from perceptmetrics.data.manifest import read_manifest
    from perceptmetrics.statistics import srcc

    tiny_bench.plug_in(plugin, monkeypatch)
    (training,) = [one for one in result.trainings if one.name == across.training]
    metric = create_metric(Path(training.folder) / "fold-2" / "lr-0.003", base=base)
    from perceptmetrics import tasks

    drawings = read_manifest(data / "drawings" / "ratings.csv", tasks.TASKS.get("brightness"))
    scores = metric([str(path) for path in drawings.images]).numpy()
    assert across.by_fold[1] == pytest.approx(srcc(scores, drawings.targets[:, 0]))


def test_markdown_has_the_table_as_printed_and_the_command_of_every_training(
    done: tuple[int, Path],
) -> None:
    text = (done[1] / "bench.md").read_text()
    assert "## Table T.1: brightness" in text
    assert "| A rival | 0.70 | - |" in text
    assert "0.70 A rival" in text  # the best rival, beside ours
    assert text.count("perceptmetrics sweep") == 2


# What is done is not done again, and what was stopped goes on.


def adapters(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(out.rglob("adapter.safetensors"))}


@pytest.mark.usefixtures("installed")
def test_what_is_done_is_not_done_again_and_another_fold_adds_only_itself(
    done: tuple[int, Path], data: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bench"
    shutil.copytree(done[1], out)
    before = adapters(out)
    assert len(before) == 4
    call = ("--table", "T.1", "--data", data, "--out", out, *terms(base))
    assert run(*call, "--folds", 2) == 0
    assert adapters(out) == before
    assert run(*call, "--head", "mlp") == 0
    after = adapters(out)
    assert {path: after[path] for path in before} == before
    assert len(after) == 5
    ours = cell(read_result(out / "bench.json"), "Ours", "photos | SRCC")
    assert len(ours.by_fold) == 3
    assert not any("folds" in one for one in ours.departures)


@pytest.mark.usefixtures("installed")
def test_a_call_that_was_interrupted_goes_on_where_it_stood(
    done: tuple[int, Path],
    data: Path,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from perceptmetrics.training import run as training

    out = tmp_path / "bench"
    call = ("--table", "T.1", "--data", data, "--folds", 2, "--out", out, *terms(base))
    real, count = training.train, 0

    def interrupted(*arguments: Any, **options: Any) -> training.Run:
        nonlocal count
        count += 1
        if count == 4:  # the second fold of the second training
            raise KeyboardInterrupt
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", interrupted)
        assert run(*call) == 130
    assert "goes on" in capsys.readouterr().err
    first = cell(read_result(out / "bench.json"), "Ours", "photos | SRCC")
    assert first.ours is not None  # what was done is in the result already
    before = adapters(out)
    assert len(before) == 3
    assert run(*call) == 0
    after = adapters(out)
    assert {path: after[path] for path in before} == before
    whole, again = (read_result(folder / "bench.json") for folder in (done[1], out))
    assert [one.by_fold for one in whole.tables[0].cells] == [
        one.by_fold for one in again.tables[0].cells
    ]


# Selection and plan.


@pytest.mark.usefixtures("installed")
def test_the_plan_says_what_would_run_and_runs_nothing(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench"
    call = ("--table", "T.1", "--data", data, "--out", out, *terms(base))
    assert run(*call, "--plan") == 0
    said = capsys.readouterr().out
    assert "tables T.1: 2 trainings, 6 runs (folds x learning rates), of which 0 done" in said
    assert "half the speed of a matrix product" in said
    assert not out.exists()
    assert run(*call, "--plan", "--format", "json", "--head", "linear") == 0
    plan = json.loads(capsys.readouterr().out)
    (training,) = plan["trainings"]
    assert (training["runs"], training["judged_whole"]) == (3, ["drawings"])
    assert training["seconds_at_most"] > 0
    assert (plan["rivals"], plan["check"]) == ([], None)
    assert run(*call, "--plan", "--format", "json", "--check") == 0
    assert "check" in json.loads(capsys.readouterr().out)["check"]


@pytest.mark.usefixtures("installed")
def test_once_a_training_was_timed_the_plan_goes_by_it(
    done: tuple[int, Path], data: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ("--table", "T.1", "--data", data, "--out", done[1], *terms(base))
    assert run(*call, "--plan") == 0
    said = capsys.readouterr().out
    assert "measured on 2 timed trainings of tiny-percept, lora here" in said
    assert "6 runs (folds x learning rates), of which 4 done" in said


@pytest.mark.usefixtures("installed")
def test_without_a_table_every_setup_is_trained_on_every_dataset_that_is_there(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench"
    call = (
        *("--data", data, "--backbone", tiny_plugin.BACKBONE, "--rank", 4, "--folds", 1),
        *("--strategy", "lora,frozen", "--dataset", "photos", "--out", out, *terms(base)),
    )
    assert run(*call) == 0
    said = capsys.readouterr().out
    assert "tiny-percept, lora r 4 alpha 8, mlp" in said
    result = read_result(out / "bench.json")
    (table,) = result.tables
    assert table.columns == ("photos | SRCC", "photos | PLCC, logistic", "photos | MSE")
    assert len(table.rows) == 2
    assert all(one.ours is not None for one in table.cells)
    # Table T.1 has the first row's SRCC, and no figure of a frozen encoder.
    first, second = (one for one in table.cells if one.column == "photos | SRCC")
    assert (first.published, first.published_in) == ("0.90", "T.1")
    assert second.published_in == ""
    assert first.ours is not None
    assert "interval over the images of one fold" in first.ours.reason


# Bad input: one line each, and the rest runs.


@pytest.mark.usefixtures("installed")
def test_an_unknown_table_and_an_absent_dataset_are_named_and_the_rest_runs(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(data / "photos", root / "photos")
    out = tmp_path / "bench"
    call = ("--data", root, "--folds", 1, "--head", "mlp", "--out", out, *terms(base))
    assert run("--table", "T.1,T.9", *call) == 1
    said = capsys.readouterr()
    assert "not here: table T.9: no such table: did you mean T.1? there are 1, 2, " in said.err
    assert "not here: dataset drawings: drawings: there is no folder" in said.err
    assert "to be had at: example.org" in said.err
    result = read_result(out / "bench.json")
    assert cell(result, "Ours", "photos | SRCC").ours is not None
    assert cell(result, "Ours", "photos to drawings | SRCC").reason == "no dataset drawings"
    assert run("--table", "T.9", *call) == 2


def half_unpacked(root: Path) -> str:
    (root / "drawings" / "03.png").unlink()
    return "1 of 30 images are missing"


def without_labels(root: Path) -> str:
    (root / "drawings" / "ratings.csv").unlink()
    return "there is no file"


def without_rights(root: Path) -> str:
    if os.geteuid() == 0:
        pytest.skip("this process is root, for whom every folder has rights")
    (root / "drawings").chmod(0)
    return "cannot be read"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("spoil", [half_unpacked, without_labels, without_rights])
def test_a_dataset_that_cannot_be_used_is_one_line_of_the_plan(
    spoil: Callable[[Path], str],
    data: Path,
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "data"
    shutil.copytree(data, root)
    expected = spoil(root)
    try:
        assert run("--table", "T.1", "--data", root, "--plan", *terms(base)) == 0
    finally:
        (root / "drawings").chmod(0o755)
    said = capsys.readouterr().out
    (line,) = [one for one in said.splitlines() if one.startswith("  dataset drawings")]
    assert expected in line


@pytest.mark.usefixtures("installed")
def test_a_part_of_a_set_is_judged_and_has_no_difference(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tiny_bench.write_data(tmp_path / "data", photos=36)
    out = tmp_path / "bench"
    call = ("--table", "T.1", "--data", root, "--folds", 1, "--head", "mlp", "--out", out)
    assert run(*call, *terms(base)) == 0
    ours = cell(read_result(out / "bench.json"), "Ours", "photos | SRCC")
    assert ours.ours is not None
    assert ours.difference is None
    assert "36 of 48 images of photos" in ours.departures
    assert "36 of 48 images of photos" in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_a_training_that_fails_is_one_line_and_the_others_run(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench"
    call = (
        *("--data", data, "--dataset", "photos", "--folds", 1, "--out", out, *terms(base)),
        *("--backbone", f"{tiny_plugin.BACKBONE},mae-b16", "--rank", 4),
    )
    os.environ["PERCEPTMETRICS_OFFLINE"] = "1"
    try:
        assert run(*call) == 1
    finally:
        del os.environ["PERCEPTMETRICS_OFFLINE"]
    said = capsys.readouterr()
    result = read_result(out / "bench.json")
    good, bad = result.trainings
    assert good.error == ""
    assert "mae-b16.mae" in bad.error
    assert "Not done:\n  mae-b16.mae, lora r 4 alpha 8, mlp on photos:" in said.out


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--backbone", "dinov"), "did you mean 'dinov2'"),
        (("--task", "memorabilty"), "did you mean 'memorability'"),
        (("--strategy", "lora,half"), "'half': expected one of lora, frozen, full"),
        (("--budget", "soon"), "expected a time such as 30m"),
        (("--rank", "0"), "expected a whole number from 1"),
        (("--backbone", "clip", "--size", "s14"), "clip has none of the sizes s14; it has b16"),
        (("--data", "nosuch=/tmp"), "no dataset is called 'nosuch'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(
    arguments: tuple[str, ...], expected: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", data, *arguments) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_a_root_without_any_dataset_says_what_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", tmp_path) == 2
    assert "no folder is called as a dataset that is asked for" in capsys.readouterr().err


def test_a_data_folder_that_is_not_there_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere"
    assert run("--table", "A.8", "--data", nowhere, "--plan") == 2
    assert f"there is no folder {nowhere}" in capsys.readouterr().err


# The page.


def test_the_page_is_written_and_made_again_without_training(
    done: tuple[int, Path], installed: None
) -> None:
    _, out = done
    before = {name: (out / name).read_bytes() for name in ("bench.html", "bench.md")}
    text = before["bench.html"].decode()
    assert "2 of 2 trainings are judged" in text
    assert "photos | SRCC" in text
    assert "<svg" in text
    assert text.count('src="data:image/jpeg;base64,') > 10
    (out / "bench.html").unlink()
    assert run("--report", "--out", out) == 0
    assert {name: (out / name).read_bytes() for name in before} == before


def test_a_page_that_cannot_be_made_is_a_line_and_the_rest_is_written(
    done: tuple[int, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from perceptmetrics.report import bench_files

    def breaks(*arguments: object) -> None:
        raise RuntimeError("no glyph\nfor this name")

    monkeypatch.setattr(bench_files, "bench_page", breaks)
    write_result(read_result(done[1] / "bench.json"), tmp_path)
    said = capsys.readouterr().err
    assert said == "no bench.html: RuntimeError: no glyph for this name; the rest goes on\n"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bench.json", "bench.md"]


def test_there_is_no_page_without_a_bench(
    installed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--report", "--out", tmp_path) == 2
    said = capsys.readouterr().err
    assert "bench.json cannot be read" in said
    assert len(said.splitlines()) == 1
