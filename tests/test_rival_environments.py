"""Environments of rivals, as pip makes them: of a local wheel, without a network."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import pytest

from perceptmetrics.bench.rivals import Rival
from perceptmetrics.bench.rivals import environment as environments
from perceptmetrics.bench.rivals.contestant import rival_contestant
from perceptmetrics.bench.rivals.environment import MADE_FILE, environment_folder, python_of
from perceptmetrics.bench.rivals.scoring import score_images
from perceptmetrics.errors import PluginError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ensurepip") is None, reason="this Python has no ensurepip"
)


@pytest.fixture
def rival(tmp_path: Path) -> Rival:
    scorer = tmp_path / "scorer.py"
    scorer.write_text(
        "def load(options):\n    import length_rival\n    return length_rival.score\n"
    )
    common = (scorer, True, None, "MIT", "none", "none")
    return Rival("length", "iqa", ("length-rival==1.0",), *common)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks; empty. The cache is this test's own, and online."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PERCEPTMETRICS_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    for name in ("PERCEPTMETRICS_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return folder


def write_wheel(folder: Path) -> None:
    info = "length_rival-1.0.dist-info"
    with zipfile.ZipFile(folder / "length_rival-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            "length_rival.py", "def score(path):\n    return float(len(open(path).read()))\n"
        )
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: length-rival\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")


def test_what_pip_cannot_install_is_a_line_and_the_next_call_makes_it_anew(
    rival: Rival, wheels: Path, tmp_path: Path
) -> None:
    with pytest.raises(PluginError, match=r"^pip cannot install length-rival==1.0: ERROR: [^\n]*$"):
        python_of(rival, install=True)
    folder = environment_folder(rival)
    assert folder.is_dir()
    assert not (folder / MADE_FILE).exists()
    with pytest.raises(PluginError, match="it has no environment yet"):
        python_of(rival)
    (folder / "left behind").touch()
    write_wheel(wheels)
    said: list[str] = []
    python = python_of(rival, install=True, report=said.append)
    assert said == [f"length: makes {folder}; licence: MIT"]
    assert not (folder / "left behind").exists()
    assert json.loads((folder / MADE_FILE).read_text())["installed"] == ["length-rival==1.0"]
    assert python_of(rival) == python
    image = tmp_path / "image.txt"
    image.write_text("four")
    one = rival_contestant(rival, python)
    found = score_images(one, {"image": image}, ["quality"])
    assert found.scores == {"image": (4.0,)}
    assert found.versions["length-rival"] == "1.0"
    assert "length-rival 1.0" in one.installed()


def test_a_cache_that_cannot_be_written_is_one_line(
    rival: Rival, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("venv.create", full)
    with pytest.raises(PluginError, match=r"\(No space left on device\); make room or mend"):
        python_of(rival, install=True)


def test_pip_is_ended_in_time(
    rival: Rival, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleeper(folder: Path, **_: object) -> None:
        python = folder / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\nexec sleep 60\n")
        python.chmod(0o755)

    monkeypatch.setattr("venv.create", sleeper)
    monkeypatch.setattr(environments, "PIP_SECONDS", 0.3)
    with pytest.raises(
        PluginError, match=r"pip did not end within 0.3 s and was ended; install le"
    ):
        python_of(rival, install=True)
