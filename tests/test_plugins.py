"""A package that pip installs adds a task and a backbone, and nothing here is edited."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from perceptmetrics.backbones.vit import random_encoder
from perceptmetrics.weights.files import save_tensors

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip put the plug-in."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", target, PLUGIN],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def run(installed: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(installed), *sys.path])
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_the_plug_in_is_listed_and_its_broken_part_costs_nothing_else(installed: Path) -> None:
    code = "import perceptmetrics as pm; print(pm.list_tasks(), pm.list_backbones())"
    done = run(installed, "-c", code)
    assert "'calm'" in done.stdout
    assert "'pocket-vit'" in done.stdout
    assert "'clip-b16'" in done.stdout


def test_the_broken_part_is_named_when_it_is_asked_for(installed: Path) -> None:
    code = "from perceptmetrics.backbones import find_backbone; find_backbone('broken')"
    done = run(installed, "-c", code)
    assert "PluginError" in done.stderr
    assert "quiet_percept.nowhere" in done.stderr
    assert "update or uninstall that package" in done.stderr


def test_the_plug_in_trains_and_scores_by_the_command_line(installed: Path, tmp_path: Path) -> None:
    sys.path.insert(0, str(PLUGIN))
    try:
        from quiet_percept.backbone import POCKET_VIT
    finally:
        sys.path.remove(str(PLUGIN))
    save_tensors(random_encoder(POCKET_VIT).state_dict(), tmp_path / "base.safetensors")
    ratings = tiny.rated_folder(tmp_path)
    trained = run(
        installed,
        *("-m", "perceptmetrics", "train", "--task", "calm", "--data", ratings),
        *("--backbone", "pocket-vit", "--base", tmp_path / "base.safetensors"),
        *("--epochs", "2", "--batch-size", "6", "--validation-fraction", "0.25"),
        *("--out", tmp_path / "run"),
    )
    assert trained.returncode == 0, trained.stderr
    scored = run(
        installed,
        *("-m", "perceptmetrics", "score", tmp_path / "00.png", tmp_path / "23.png"),
        *("--metric", tmp_path / "run", "--format", "csv"),
        *("--base", tmp_path / "base.safetensors"),
    )
    assert scored.returncode == 0, scored.stderr
    assert len(scored.stdout.splitlines()) == 3


@pytest.fixture(scope="module")
def studio(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets of the plug-in, and base weights of its backbone."""
    folder = tmp_path_factory.mktemp("studio")
    sys.path.insert(0, str(PLUGIN))
    try:
        from quiet_percept.backbone import POCKET_VIT
    finally:
        sys.path.remove(str(PLUGIN))
    save_tensors(random_encoder(POCKET_VIT).state_dict(), folder / "base.safetensors")
    for name, count in (("photos", 24), ("drawings", 30)):
        (folder / name).mkdir()
        tiny.rated_folder(folder / name, count)
    return folder


def options(studio: Path) -> tuple[str | Path, ...]:
    return (
        *("--backbone", "pocket-vit", "--base", studio / "base.safetensors"),
        *("--epochs", "2", "--batch-size", "6", "--head", "linear"),
    )


def test_datasets_of_the_plug_in_train_together_and_each_has_its_head(
    installed: Path, studio: Path
) -> None:
    out = studio / "together"
    trained = run(
        installed,
        *("-m", "perceptmetrics", "train", *options(studio), "--second-stage", "--out", out),
        *("--dataset", "calm-photos", studio / "photos"),
        *("--dataset", "calm-drawings", studio / "drawings"),
        *("--feature-cache", studio / "features"),
    )
    assert trained.returncode == 0, trained.stderr
    assert "calm-drawings: 18 images to train on" in trained.stderr
    assert f"--metric {out}@calm-photos" in trained.stdout
    picture = studio / "photos" / "05.png"
    scores = {}
    for name in ("calm-photos", "calm-drawings"):
        code = (
            "import perceptmetrics as pm; "
            f"m = pm.create_metric({str(out)!r}, dataset={name!r}, "
            f"base={str(studio / 'base.safetensors')!r}); "
            f"print(float(m({str(picture)!r})), m.card.training_data)"
        )
        done = run(installed, "-c", code)
        assert done.returncode == 0, done.stderr
        scores[name] = done.stdout
    assert "Calm photographs, 14 images" in scores["calm-photos"]
    assert "Calm drawings, 18 images" in scores["calm-drawings"]
    assert len({said.split()[0] for said in scores.values()}) == 2
    nameless = run(
        installed,
        *("-m", "perceptmetrics", "score", picture, "--metric", out),
        *("--base", studio / "base.safetensors"),
    )
    assert nameless.returncode == 2
    assert "has heads for calm-photos, calm-drawings" in nameless.stderr
    known = run(installed, "-m", "perceptmetrics", "info", out)
    assert known.returncode == 0, known.stderr
    assert "Calm photographs, 14 images" in known.stdout
    assert "Calm drawings, 18 images" in known.stdout
    judged = run(
        installed,
        *("-m", "perceptmetrics", "evaluate", f"{out}@calm-photos"),
        *("--dataset", "calm-drawings", studio / "drawings"),
        *("--base", studio / "base.safetensors"),
    )
    assert judged.returncode == 0, judged.stderr
    assert "SRCC" in judged.stdout


def test_a_sweep_trains_each_cell_once_and_ends_in_a_table(installed: Path, studio: Path) -> None:
    command = (
        *("-m", "perceptmetrics", "sweep", *options(studio), "--out", studio / "sweep"),
        *("--dataset", "calm-photos", studio / "photos"),
        *("--folds", "2", "--learning-rates", "1e-3,3e-3"),
    )
    first = run(installed, *command)
    assert first.returncode == 0, first.stderr
    assert "Test part: the mean over 2 folds" in first.stdout
    assert first.stdout.startswith("`perceptmetrics sweep --backbone pocket-vit")
    assert first.stdout.count("**") >= 4  # a chosen run on each fold, and the means
    runs = sorted((studio / "sweep").rglob("adapter.safetensors"))
    assert len(runs) == 4
    lost = runs[0].parent
    times = {path: path.stat().st_mtime_ns for path in runs}
    for path in lost.iterdir():
        path.unlink()
    second = run(installed, *command)
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout  # trained again, it gives the same
    again = {path: path.stat().st_mtime_ns for path in runs}
    assert {path for path in runs if again[path] != times[path]} == {runs[0]}


@pytest.mark.parametrize(
    "other", [("--strategy", "frozen"), ("--seed", "1"), ("--batch-size", "7")], ids=str
)
def test_a_sweep_does_not_take_runs_with_other_options_for_its_own(
    installed: Path, studio: Path, other: tuple[str, ...]
) -> None:
    """It would mix figures, and could judge a run on what it was trained on."""
    command = (
        *("-m", "perceptmetrics", "sweep", *options(studio), "--out", studio / "mixed"),
        *("--dataset", "calm-photos", studio / "photos"),
        *("--folds", "1", "--learning-rates", "1e-3"),
    )
    assert run(installed, *command).returncode == 0
    done = run(installed, *command, *other)
    assert done.returncode == 2
    assert "holds a run with other options, data or folds; give another --out" in done.stderr


def test_a_sweep_notes_a_run_that_fails_and_goes_on(installed: Path, studio: Path) -> None:
    done = run(
        installed,
        *("-m", "perceptmetrics", "sweep", *options(studio), "--out", studio / "failing"),
        *("--dataset", "calm-photos", studio / "photos"),
        *("--task", "brittle", "--folds", "1", "--learning-rates", "1,1e-3"),
    )
    assert done.returncode == 0, done.stderr
    assert "failed" in done.stdout
    assert "fold 1, lr 1: the loss is inf in step 2 of epoch 1" in done.stdout
