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
