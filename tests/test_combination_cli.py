"""The paper's combinations by name, and a sweep that is killed: whole commands on tiny data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
import tiny_plugin
from PIL import Image
from test_datasets_memory_emotion import write_folds

from perceptmetrics.cli.main import main


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_plugin.write_plugin(tmp_path_factory.mktemp("site"))


@pytest.fixture
def base(plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of the plug-in's backbone, in a process that has the plug-in installed."""
    tiny_plugin.plug_in(plugin, monkeypatch)
    return tiny_plugin.write_base(plugin, tmp_path / "base.safetensors")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def model_options(base: Path) -> tuple[object, ...]:
    return (
        *("--backbone", tiny_plugin.BACKBONE, "--base", base, "--rank", "4"),
        *("--epochs", "2", "--batch-size", "8"),
    )


def write_photographs(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tiny.photograph(32, 40, seed=number)).save(folder / name)


def test_a_combination_of_the_paper_trains_on_its_datasets_by_name(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    write_photographs(root / "lamem" / "images", write_folds(root / "lamem", 5, validation=False))
    things = [f"thing{number}_01b.jpg" for number in range(40)]
    rows = [f"{name},0.{number + 10}" for number, name in enumerate(things)]
    write_photographs(root / "things" / "images", [f"{n.split('_')[0]}/{n}" for n in things])
    table = root / "things" / "THINGS_Memorability_Scores.csv"
    table.write_text("\n".join(["image_name,cr", *rows]) + "\n")
    out = tmp_path / "run"
    code = run(
        *("train", "--combination", "memorability", root, "--task", tiny_plugin.TASK),
        *("--out", out, *model_options(base)),
    )
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "lamem: 14 images to train on, 2 held out" in said.err
    assert "things: 30 images to train on, 2 held out" in said.err
    assert "warning: things: 2 validation images choose the epoch almost by luck" in said.err
    record = json.loads((out / "run.json").read_text())["datasets"]
    assert list(record) == ["lamem", "things"]
    picture = root / "things" / "images" / "thing3" / things[3]
    assert run("score", picture, "--metric", f"{out}@things", "--base", base) == 0


def test_an_unknown_combination_is_answered_with_the_nearest(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run("train", "--combination", "memorabilty", tmp_path, "--out", tmp_path / "run")
    assert code == 2
    assert "did you mean 'memorability'" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a Unix signal")
def test_a_sweep_that_was_killed_ends_in_the_same_table(
    plugin: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.rated_folder(tmp_path, 48)

    def command(out: Path) -> list[str]:
        given = (
            *("sweep", "--task", tiny_plugin.TASK, "--data", data, "--out", out),
            *("--folds", "2", "--learning-rates", "1e-3,3e-3", *model_options(base)),
        )
        return [str(argument) for argument in given]

    assert run(*command(tmp_path / "whole")) == 0
    killed = tmp_path / "killed"
    path = os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")])
    child = subprocess.Popen(
        [sys.executable, "-m", "perceptmetrics", *command(killed)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    second = killed / "fold-1" / "lr-0.003"
    while child.poll() is None and not second.exists():
        time.sleep(0.005)
    child.kill()
    child.wait()
    assert not (killed / "sweep.json").exists(), "the sweep was over before it could be killed"
    assert run(*command(killed)) == 0
    tables = [(tmp_path / name / "sweep.md").read_text() for name in ("whole", "killed")]
    whole, again = (table.split("\n", 1)[1] for table in tables)  # the first line names --out
    assert whole == again
