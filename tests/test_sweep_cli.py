"""``perceptmetrics sweep`` on ratings of one's own: which images test, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny
import tiny_plugin

from perceptmetrics.cli.main import main
from perceptmetrics.training.kept_judgements import judgements_file, kept_judgements

SIDES = ("test", "val", "train", "train")  # of the images, in turn


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of the plug-in's backbone, in a process that has the plug-in installed."""
    plugin = tiny_plugin.write_plugin(tmp_path / "site")
    tiny_plugin.plug_in(plugin, monkeypatch)
    return tiny_plugin.write_base(plugin, tmp_path / "base.safetensors")


@pytest.fixture
def stated(tmp_path: Path) -> Path:
    """24 rated images whose manifest says which are on which side."""
    file = tiny.rated_folder(tmp_path)
    header, *rows = file.read_text().splitlines()
    sided = [f"{row},{SIDES[number % len(SIDES)]}" for number, row in enumerate(rows)]
    file.write_text("\n".join([f"{header},split", *sided]) + "\n")
    return file


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def model_options(base: Path) -> tuple[object, ...]:
    return (
        *("--task", tiny_plugin.TASK, "--backbone", tiny_plugin.BACKBONE, "--base", base),
        *("--rank", "4", "--epochs", "1", "--batch-size", "8"),
    )


def sweep(base: Path, data: Path, out: Path, *more: str) -> int:
    given = ("--learning-rates", "1e-3", "--data", data, "--out", out, *more)
    return run("sweep", *model_options(base), *given)


@pytest.mark.parametrize("folds", [(), ("--folds", "1")], ids=str)
def test_images_that_a_manifest_says_are_test_are_judged_and_nothing_else(
    base: Path, stated: Path, tmp_path: Path, folds: Sequence[str]
) -> None:
    """They were cut into folds with the others, and trained on."""
    out = tmp_path / "out"
    assert sweep(base, stated, out, *folds) == 0
    assert [path.name for path in out.glob("fold-*")] == ["fold-1"]
    place = out / "fold-1" / "lr-0.001"
    record = json.loads((place / "run.json").read_text())["datasets"]["default"]
    images = [f"{number:02}.png" for number in range(24)]
    assert record["validation_images"] == images[1::4]
    assert record["training"] == 12
    judged = kept_judgements(judgements_file(place, "default"))
    assert sorted(judged.names) == images[0::4]
    assert "the mean over 1 fold." in (out / "sweep.md").read_text()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--folds", "2"), "is the only fold; leave --folds out, or remove the column"),
        (("--validation-fraction", "0.2"), "leave --validation-fraction out"),
        (("--learning-rates", "1e-3,30"), "learning rate 30.0: expected above zero and at most 1"),
        (("--learning-rates", "1e-3,nan"), "expected numbers above zero"),
    ],
    ids=str,
)
def test_what_a_sweep_would_not_heed_is_refused_before_it_starts(
    base: Path,
    stated: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: Sequence[str],
    expected: str,
) -> None:
    out = tmp_path / "out"
    assert sweep(base, stated, out, *more) == 2
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


def test_a_run_that_train_made_in_its_place_is_taken(
    base: Path, stated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So runs can be trained by torchrun; see docs/training.md."""
    place = tmp_path / "out" / "fold-1" / "lr-0.001"
    command = ("train", "--lr", "0.001", *model_options(base), "--data", stated, "--out", place)
    assert run(*command) == 0
    trained = (place / "run.json").read_bytes()
    assert sweep(base, stated, tmp_path / "out") == 0
    assert capsys.readouterr().err.count("epoch 1/1") == 1
    assert (place / "run.json").read_bytes() == trained
    assert (place / "test.json").is_file()


def test_a_manifest_without_test_images_is_refused_with_what_to_do(
    base: Path, stated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stated.write_text(stated.read_text().replace(",test", ",train"))
    assert sweep(base, stated, tmp_path / "out") == 2
    assert "give some rows the split test, or use train" in capsys.readouterr().err


def test_train_does_not_pass_over_a_validation_fraction(
    base: Path, stated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = tiny_plugin.train_arguments(base, stated, tmp_path / "run")
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert "split 'split' of ratings.csv says what validates" in said
    assert "leave --validation-fraction out" in said


def test_a_run_folder_that_cannot_be_made_is_said(
    base: Path, stated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "fold-1").write_text("a file")
    assert sweep(base, stated, out) == 2
    assert "cannot make the folder" in capsys.readouterr().err.splitlines()[-1]
