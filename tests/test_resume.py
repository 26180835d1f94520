"""Runs that survive: real processes are killed, and the weights are those of an unbroken run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import killed_run
import pytest
import tiny

from perceptmetrics.errors import ImageError, TrainingError
from perceptmetrics.training.checkpoint import Checkpoints
from perceptmetrics.training.trainer import Watch
from perceptmetrics.weights.adapter import ADAPTER_FILE

SCRIPT = Path(killed_run.__file__)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    tiny.rated_folder(folder)
    return folder


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    done = start(data, out)
    assert done.returncode == 0, done.stderr
    return (out / ADAPTER_FILE).read_bytes()


def start(data: Path, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    root = SCRIPT.parent.parent
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(data), str(out), *map(str, options)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(SCRIPT.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "kills",
    [
        [("--at-step", 2)],  # in the middle of the first epoch
        [("--at-step", 7), ("--at-step", 1)],  # twice
        [("--at-step", 11)],  # in the second stage
        [("--at-sync", 1)],  # while the first checkpoint is written
        [("--at-sync", 6)],  # while a later one is
    ],
    ids=str,
)
def test_a_killed_run_ends_with_the_same_bits(
    data: Path, unbroken: bytes, tmp_path: Path, kills: list[tuple[str, int]]
) -> None:
    out = tmp_path / "run"
    for kill in kills:
        assert start(data, out, *kill).returncode == -signal.SIGKILL
        assert not (out / ADAPTER_FILE).exists()
    done = start(data, out)
    assert done.returncode == 0, done.stderr
    assert (out / ADAPTER_FILE).read_bytes() == unbroken
    assert sorted(path.name for path in out.iterdir()) == [ADAPTER_FILE, "run.json"]


def test_a_full_disk_is_said_and_costs_nothing_that_was_saved(
    data: Path, unbroken: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert start(data, out, "--at-step", 3).returncode == -signal.SIGKILL
    kept = (out / "checkpoint.pt").read_bytes()
    full = start(data, out, "--file-limit", len(kept) // 2)
    assert full.returncode == 1
    assert "checkpoint cannot be written" in full.stderr
    assert "is kept as it was" in full.stderr
    assert "Traceback" not in full.stderr
    assert (out / "checkpoint.pt").read_bytes() == kept
    assert start(data, out).returncode == 0
    assert (out / ADAPTER_FILE).read_bytes() == unbroken


def test_an_unreadable_image_stops_the_run_where_it_can_go_on(
    data: Path, unbroken: bytes, tmp_path: Path
) -> None:
    out, copy = tmp_path / "run", tmp_path / "data"
    copy.mkdir()
    for path in data.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    broken = copy / "05.png"
    whole = broken.read_bytes()

    def step(number: int, loss: float) -> None:
        if number == 4:
            broken.write_bytes(b"damaged on the way")

    with pytest.raises(ImageError, match=r"05\.png"):
        killed_run.run(copy, out, watch=Watch(step=step))
    assert (out / "checkpoint.pt").is_file()
    broken.write_bytes(whole)
    killed_run.run(copy, out)
    assert (out / ADAPTER_FILE).read_bytes() == unbroken


def test_a_checkpoint_of_another_run_is_refused(data: Path, tmp_path: Path) -> None:
    def stop(number: int, loss: float) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed_run.run(data, tmp_path, watch=Watch(step=stop))
    other = replace(killed_run.THOROUGH, seed=1)
    with pytest.raises(TrainingError, match="belongs to a run with other data, weights or options"):
        killed_run.run(data, tmp_path, recipe=other)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "a").save({"step": 1})
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt cannot be read.*delete it"):
        Checkpoints(tmp_path, "a")


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, ("touch " + str(tmp_path / "owned"),)

    (tmp_path / "checkpoint.pt").write_bytes(pickle.dumps({"fingerprint": "a", "state": Evil()}))
    with pytest.raises(TrainingError, match="cannot be read"):
        Checkpoints(tmp_path, "a")
    assert not (tmp_path / "owned").exists()
