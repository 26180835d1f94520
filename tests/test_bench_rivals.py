"""``perceptmetrics bench --rival``: rivals beside what was trained, on the same test images."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import tiny_bench
import tiny_plugin

from perceptmetrics.bench.record import read_result
from perceptmetrics.bench.result import BenchResult, RivalResult
from perceptmetrics.bench.rivals import Rival
from perceptmetrics.bench.rivals.beside import beside
from perceptmetrics.cli.bench_output import earlier_rivals, write_result
from perceptmetrics.cli.main import main
from perceptmetrics.registry import Registry

# The tiny datasets number their images by brightness, and that is what is rated.
SCORER = """
import os

def load(options):
    with open(__file__ + ".loads", "a") as file:
        file.write("x")
    return lambda path: float(os.path.basename(path).split(".")[0])
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bench.write_plugin(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("scorer") / "by_name_scorer.py"
    file.write_text(SCORER)
    file.with_name("bad.py").write_text("import no_such_package")
    return file


@pytest.fixture(scope="module")
def terms(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """What every call has: data, base weights, the table's one training."""
    folder = tmp_path_factory.mktemp("data")
    data = tiny_bench.write_data(folder / "data")
    base = tiny_plugin.write_base(plugin, folder / "base.safetensors")
    return (
        *("--table", "T.1", "--dataset", "photos", "--head", "mlp", "--data", str(data)),
        *("--folds", "1", "--base", tiny_plugin.BACKBONE, str(base)),
        *("--learning-rates", "3e-3", "--epochs", "2", "--batch-size", "8", "--no-progress"),
    )


def install(plugin: Path, scorer: Path, patch: pytest.MonkeyPatch) -> None:
    """This process as one in which a package had brought four rivals."""
    tiny_bench.plug_in(plugin, patch)
    rivals = Registry(
        "rival", Rival, package="perceptmetrics.bench.rivals.builtin", group="no such group"
    )
    common = ((), scorer, True, None, "MIT", "none", "none")
    rivals.register(Rival("by-name", tiny_plugin.TASK, *common))
    rivals.register(Rival("not-installed", tiny_plugin.TASK, *common))
    rivals.register(Rival("broken", tiny_plugin.TASK, (), scorer.with_name("bad.py"), *common[2:]))
    rivals.register(Rival("gone", tiny_plugin.TASK, (), scorer.with_name("no.py"), *common[2:]))
    patch.setattr("perceptmetrics.bench.rivals.RIVALS", rivals)
    patch.setattr("perceptmetrics.bench.rivals.beside.beside", partial(beside, samples=20))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *(str(argument) for argument in arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(scope="module")
def done(
    plugin: Path, scorer: Path, terms: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path]:
    """One fold, trained and judged beside three rivals: exit code and bench folder."""
    out = tmp_path_factory.mktemp("done") / "bench"
    with pytest.MonkeyPatch.context() as patch:
        install(plugin, scorer, patch)
        code = run(
            *(*terms, "--out", out, "--rival", "by-name,not-installed,broken,gone,resnem,brisque"),
            *("--rival-python", f"by-name={sys.executable}"),
            *("--rival-python", f"broken={sys.executable}"),
            *("--rival-python", f"gone={sys.executable}"),
        )
        return code, out


def rows(result: BenchResult) -> dict[str, RivalResult]:
    return {"ours" if one.ours else one.name: one for one in result.rivals}


def test_rivals_stand_beside_ours_on_the_same_test_images(done: tuple[int, Path]) -> None:
    result = read_result(done[1] / "bench.json")
    found = rows(result)
    assert list(found) == ["by-name", "broken", "ours"]
    srcc = found["by-name"].figure("SRCC")
    assert srcc is not None
    assert srcc.value == pytest.approx(1.0)
    ours = found["ours"].figure("SRCC")
    assert ours is not None
    (training,) = result.trainings
    assert found["ours"].name == training.name
    (cell,) = [
        one
        for table in result.tables
        for one in table.cells
        if (one.training, one.column) == (training.name, "photos | SRCC")
    ]
    # Another process, the same images: the figure is that of the sweep.
    assert cell.ours is not None
    assert ours.value == pytest.approx(cell.ours.value)
    assert ours.images == srcc.images == cell.ours.images == 16
    (against,) = found["by-name"].against
    assert (against.ours, against.images, against.folds) == (training.name, 16, 1)
    assert against.value == pytest.approx(ours.value - srcc.value)
    assert against.low <= against.value <= against.high
    assert found["ours"].peak_bytes > found["by-name"].peak_bytes
    assert found["ours"].cpu_seconds_per_image > 0


def test_what_cannot_be_had_is_a_line_each_and_the_rest_runs(done: tuple[int, Path]) -> None:
    code, out = done
    assert code == 1
    result = read_result(out / "bench.json")
    missing = {one.name: one.reason for one in result.missing if one.kind == "rival"}
    assert list(missing) == ["not-installed", "gone", "resnem", "brisque"]
    assert "--install-rivals makes one" in missing["not-installed"]
    assert "no.py cannot be read (No such file or directory)" in missing["gone"]
    assert "did you mean 'resmem'" in missing["resnem"]
    assert "judges iqa, and no dataset of that task is here" in missing["brisque"]
    assert rows(result)["broken"].reason.startswith("does not load: ModuleNotFoundError: No module")
    text = (out / "bench.md").read_text()
    assert "| by-name | photos | 16 | 1.000 |" in text
    assert "- broken on photos: does not load" in text


def test_what_is_scored_is_kept_and_nothing_is_trained_where_only_rivals_are_asked_for(
    done: tuple[int, Path],
    plugin: Path,
    scorer: Path,
    terms: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(plugin, scorer, monkeypatch)
    loads = scorer.with_name(scorer.name + ".loads")
    before = loads.read_text()
    asked = ("--rival", "by-name", "--rival-python", f"by-name={sys.executable}", "--rivals-only")
    assert run(*terms, "--out", done[1], *asked) == 0
    assert loads.read_text() == before
    kept = read_result(done[1] / "bench.json")
    assert len(rows(kept)) == 2
    # While a later bench trains, the files say what is known of rivals.
    write_result(replace(kept, rivals=()), tmp_path, rivals=earlier_rivals(done[1]))
    assert read_result(tmp_path / "bench.json").rivals == kept.rivals
    assert earlier_rivals(tmp_path / "nowhere") == ()
    elsewhere = tmp_path / "bench"
    assert run(*terms, "--out", elsewhere, *asked, "--rival-images", "5") == 0
    alone = read_result(elsewhere / "bench.json")
    assert list(rows(alone)) == ["by-name"]  # of ours there is nothing
    assert alone.rivals[0].images == 5
    assert alone.trainings == ()
    assert "by-name" in capsys.readouterr().out


def test_a_plan_says_which_rivals_there_are_and_starts_none(
    plugin: Path,
    scorer: Path,
    terms: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    offline: Path,
) -> None:
    install(plugin, scorer, monkeypatch)
    asked = ("--rival", "by-name,not-installed", "--rival-python", f"by-name={sys.executable}")
    loads = scorer.with_name(scorer.name + ".loads")
    before = loads.read_text() if loads.exists() else ""
    out = tmp_path / "bench"
    assert run(*terms, "--out", out, *asked, "--install-rivals", "--plan") == 0
    said = capsys.readouterr().out
    assert f"rival by-name ({tiny_plugin.TASK}), by {sys.executable}" in said
    assert "rival not-installed: it has no environment yet" in said
    assert (loads.read_text() if loads.exists() else "") == before
    assert not out.exists()


def test_options_that_cannot_be_are_refused(
    terms: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--rival", "niqe", "--rival-timeout", "soon") == 2
    assert "expected a time such as 30m" in capsys.readouterr().err
    assert run("--check", "--rival", "niqe", "--rival-python", "python3", "--plan") == 2
    assert "expected NAME=/path/to/python" in capsys.readouterr().err
