"""A run can be seen: curves as a picture, scalars for TensorBoard."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from perceptmetrics.errors import OptionError
from perceptmetrics.training.curves import draw_curves, why_no_curves
from perceptmetrics.training.tensorboard import ScalarWriter
from perceptmetrics.training.trainer import Epoch

HISTORY = [Epoch(n + 1, 1 / (n + 1), 0.8 - 0.01 * (n - 6) ** 2) for n in range(9)]

needs_matplotlib = pytest.mark.skipif(
    find_spec("matplotlib") is None, reason="matplotlib is not installed (extra train)"
)
needs_tensorboard = pytest.mark.skipif(
    find_spec("tensorboard") is None, reason="tensorboard is not installed (extra tensorboard)"
)


def hide(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str, package_of: str | None = None) -> object:
        return None if name == package else found(name, package_of)

    for module in ("curves", "tensorboard"):
        monkeypatch.setattr(f"perceptmetrics.training.{module}.find_spec", without)


@needs_matplotlib
@pytest.mark.parametrize("epochs", [1, 2, 9])
def test_curves_are_a_picture_that_is_replaced_as_a_whole(tmp_path: Path, epochs: int) -> None:
    path = tmp_path / "curves.png"
    path.write_bytes(b"an older picture")
    assert draw_curves(HISTORY[:epochs], path, "SRCC") == path
    with Image.open(path) as image:
        assert image.size == (1280, 960)
        assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 50
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


@needs_matplotlib
def test_the_best_epoch_changes_the_picture(tmp_path: Path) -> None:
    other = [*HISTORY[:8], Epoch(9, HISTORY[8].loss, 0.9)]
    first = draw_curves(HISTORY, tmp_path / "a.png", "SRCC").read_bytes()
    assert first != draw_curves(other, tmp_path / "b.png", "SRCC").read_bytes()
    assert first == draw_curves(HISTORY, tmp_path / "c.png", "SRCC").read_bytes()


@needs_matplotlib
def test_drawing_asks_for_no_window_system(tmp_path: Path) -> None:
    # In a process of its own: captum, which other tests use, loads pyplot.
    code = (
        "import sys; from pathlib import Path; from perceptmetrics.training.curves import *; "
        "from perceptmetrics.training.trainer import Epoch; "
        "draw_curves([Epoch(1, 1.0, 0.5)], Path(sys.argv[1]), 'SRCC'); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    picture = tmp_path / "curves.png"
    subprocess.run([sys.executable, "-c", code, picture], check=True)
    assert picture.exists()


def test_no_epochs_are_no_curves(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no epoch is done yet"):
        draw_curves([], tmp_path / "curves.png", "SRCC")


def test_without_matplotlib_the_log_can_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide("matplotlib", monkeypatch)
    assert why_no_curves() == "no curves.png: pip install 'perceptmetrics[train]' draws it"
    with pytest.raises(OptionError, match=r"pip install 'perceptmetrics\[train\]'"):
        draw_curves(HISTORY, tmp_path / "curves.png", "SRCC")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, round(event.value, 4)) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@needs_tensorboard
def test_tensorboard_reads_what_was_written_and_a_resumed_run_goes_on(tmp_path: Path) -> None:
    with ScalarWriter(tmp_path, "SRCC") as writer:
        for step in range(1, 5):
            writer.step(step, 1 / step)
        writer.epoch([Epoch(1, 0.5, 0.7)])
        writer.step(5, 9.0)
    with ScalarWriter(tmp_path, "SRCC", resumed_at=5) as writer:
        writer.step(5, 0.2)
        writer.epoch([Epoch(1, 0.5, 0.7), Epoch(2, 0.25, 0.8)])
    found = scalars(tmp_path)
    assert found["loss/step"] == [(1, 1.0), (2, 0.5), (3, 0.3333), (4, 0.25), (5, 0.2)]
    assert found["loss/epoch"] == [(1, 0.5), (2, 0.25)]
    assert found["validation/SRCC"] == [(1, 0.7), (2, 0.8)]


def test_without_tensorboard_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide("tensorboard", monkeypatch)
    with pytest.raises(OptionError, match=r"pip install 'perceptmetrics\[tensorboard\]'"):
        ScalarWriter(tmp_path, "SRCC")
