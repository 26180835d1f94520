"""``create_metric("perceptclip-...")`` and ``weights convert``, from the hub's file to scores.

The metrics are the registered ones but for their encoder and the size of what it sees, which
are tiny. Their checkpoints are built as the authors build theirs (``test_official.py``, which also
has the full size) and lie in a hub's cache as huggingface_hub lays them.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from test_official import TINY, official_model, official_scores, save_official
from torch import nn

import perceptmetrics as pm
from perceptmetrics.backbones import BACKBONES
from perceptmetrics.cli.main import cli
from perceptmetrics.errors import OptionError, WeightsMissingError
from perceptmetrics.metrics import METRICS, MetricSpec, OfficialCheckpoint
from perceptmetrics.views import CentreCrop, RandomCrops, StretchedCrops, View
from perceptmetrics.weights import cache
from perceptmetrics.weights.adapter import load_adapter, read_card
from perceptmetrics.weights.cached import list_cached

pytest.importorskip("huggingface_hub")

COMMIT = "0123abcd"
OUTPUTS = {
    "perceptCLIP_IQA.pth": 1,
    "perceptCLIP_Memorability.pth": 1,
    "perceptCLIP_Emotions.pth": 8,
}
VIEWS: dict[type[View], View] = {
    CentreCrop: CentreCrop(size=28, resize_to=28),
    RandomCrops: RandomCrops(size=28, resize_to=36, crops=3),
    StretchedCrops: StretchedCrops(size=28, resize_to=36, crops=3),
}


def on_a_tiny_encoder(spec: MetricSpec) -> MetricSpec:
    source = spec.adapter
    assert isinstance(source, OfficialCheckpoint)
    card = replace(source.card, backbone=TINY.name)
    return replace(spec, adapter=replace(source, card=card, view=VIEWS[type(source.view)]))


@pytest.fixture(autouse=True)
def tiny_metrics(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official metrics on a tiny CLIP, until the test ends; no network, an empty cache."""
    official = [spec for spec in METRICS if isinstance(spec.adapter, OfficialCheckpoint)]
    specs = {spec.name: spec for spec in METRICS}
    specs |= {spec.name: on_a_tiny_encoder(spec) for spec in official}
    monkeypatch.setattr(METRICS, "_entries", specs)
    monkeypatch.setattr(BACKBONES, "_entries", {**{b.name: b for b in BACKBONES}, TINY.name: TINY})


@pytest.fixture(scope="module")
def models() -> dict[str, nn.Module]:
    return {file: official_model(TINY, outputs) for file, outputs in OUTPUTS.items()}


@pytest.fixture
def hub(tmp_path: Path, models: dict[str, nn.Module], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache that holds the three official files."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    for spec in METRICS:
        if isinstance(spec.adapter, OfficialCheckpoint):
            place = folder / f"models--{spec.adapter.repo.replace('/', '--')}"
            snapshot = place / "snapshots" / COMMIT
            snapshot.mkdir(parents=True, exist_ok=True)
            (place / "refs").mkdir(exist_ok=True)
            (place / "refs" / "main").write_text(COMMIT)
            save_official(models[spec.adapter.file], snapshot / spec.adapter.file)
    return folder


def file_in(hub: Path, name: str) -> Path:
    return next(hub.rglob(name))


@pytest.fixture
def plain(tmp_path: Path) -> list[Path]:
    """Images of one colour: every crop of them is the same, however they are resized."""
    colours = ((200, 40, 90), (10, 160, 220), (128, 128, 128))
    files = [tmp_path / f"{index}.png" for index in range(len(colours))]
    for file, colour in zip(files, colours, strict=True):
        Image.fromarray(np.full((40, 52, 3), colour, np.uint8)).save(file)
    return files


def expected(model: nn.Module, photos: Sequence[Path]) -> torch.Tensor:
    out: torch.Tensor = official_scores(model, 28, photos).flatten()
    return out


def largest(difference: torch.Tensor) -> float:
    return float(difference.abs().max())


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_it_is_fetched_and_converted_once_and_then_needs_no_hub(
    hub: Path, plain: list[Path], models: dict[str, nn.Module]
) -> None:
    metric = pm.create_metric("perceptclip-iqa")
    first = metric(plain)
    assert largest(first - expected(models["perceptCLIP_IQA.pth"], plain)) < 1e-4
    assert metric.card.revision == COMMIT
    shutil.rmtree(hub)

    kept = cache.adapter_path("perceptclip-iqa")
    written = kept.stat().st_mtime_ns
    again = pm.create_metric("perceptclip-iqa")

    assert torch.equal(again(plain), first)
    assert kept.stat().st_mtime_ns == written
    assert again.card == metric.card
    assert again.card.name == "perceptclip-iqa"


def test_the_squeezed_preset_rescales_what_it_sees_of_a_stretched_image(
    hub: Path, plain: list[Path], models: dict[str, nn.Module], sample_photos: tuple[Path, Path]
) -> None:
    squeezed = pm.create_metric("perceptclip-iqa@squeezed")
    raw = expected(models["perceptCLIP_IQA.pth"], plain)
    assert largest(squeezed(plain) - (raw + 6.52) / (3.11 + 6.52)) < 1e-4
    assert squeezed.card.score_range == (0.0, 1.0)
    assert "squeezed to 48 high and 36 wide" in squeezed.card.view
    # On a photograph, whose shape matters, its crops are others than those of the default.
    default = (pm.create_metric("perceptclip-iqa")(sample_photos) + 6.52) / (3.11 + 6.52)
    assert largest(squeezed(sample_photos) - default) > 1e-4


def test_the_two_presets_and_the_other_metrics_share_one_encoder(hub: Path) -> None:
    for name in ("perceptclip-iqa", "perceptclip-iqa@squeezed", "perceptclip-memorability"):
        pm.create_metric(name)
    assert len(list_cached()) == 1
    kept = {file.name for file in cache.adapter_path("x").parent.iterdir()}
    assert kept == {
        "perceptclip-iqa.safetensors",
        "perceptclip-iqa@squeezed.safetensors",
        "perceptclip-memorability.safetensors",
    }


def test_emotions_are_the_official_models_probabilities(
    hub: Path, models: dict[str, nn.Module], sample_photos: tuple[Path, Path]
) -> None:
    logits = official_scores(models["perceptCLIP_Emotions.pth"], 28, sample_photos)
    scores = pm.create_metric("perceptclip-emotion")(sample_photos)
    assert largest(scores - logits.softmax(1)) < 1e-4


def test_without_hub_the_error_names_a_command_that_works(
    hub: Path, tmp_path: Path, plain: list[Path], models: dict[str, nn.Module]
) -> None:
    official = tmp_path / "perceptCLIP_IQA.pth"
    file_in(hub, official.name).rename(official)
    with pytest.raises(WeightsMissingError, match="fetched once: aesthetics") as raised:
        pm.create_metric("perceptclip-iqa@squeezed")
    advice = shlex.split(str(raised.value).split("run '")[1].split("'")[0])
    assert advice[:2] == ["perceptmetrics", "weights"]

    done = run(*(str(official) if word == official.name else word for word in advice[1:]))

    assert done.exit_code == 0, done.output
    raw = expected(models[official.name], plain)
    scores = pm.create_metric("perceptclip-iqa@squeezed")(plain)
    assert largest(scores - (raw + 6.52) / (3.11 + 6.52)) < 1e-4


@pytest.mark.parametrize(
    ("options", "becomes"),
    [
        ((), "perceptclip-iqa"),
        (("--task", "iqa"), "perceptclip-iqa"),
        (("--metric", "perceptclip-iqa"), "perceptclip-iqa"),
        (("--metric", "perceptclip-iqa@squeezed"), "perceptclip-iqa@squeezed"),
    ],
    ids=["by the file's name", "task", "metric", "variant"],
)
def test_convert_writes_an_adapter_that_scores(
    options: tuple[str, ...], becomes: str, hub: Path, tmp_path: Path, plain: list[Path]
) -> None:
    out = tmp_path / "new folder" / "mine.safetensors"
    official = file_in(hub, "perceptCLIP_IQA.pth")
    done = run("weights", "convert", official, "-o", out, *options)
    assert done.exit_code == 0, done.output
    base = list_cached()[0].name
    assert done.output.startswith(f"{out} (")
    assert f", on {base}\n" in done.output
    assert "converted from perceptCLIP_IQA.pth, sha256 " in done.output
    assert f"--metric '{out}'" in done.output
    assert read_card(out)[1].name == becomes
    assert load_adapter(out).config.base == base
    assert torch.equal(pm.create_metric(out)(plain), pm.create_metric(becomes)(plain))


def test_convert_refuses_what_it_cannot_make(hub: Path, tmp_path: Path) -> None:
    official, out = file_in(hub, "perceptCLIP_IQA.pth"), tmp_path / "a.safetensors"
    both = run("weights", "convert", official, "-o", out, "--task=iqa", "--metric=perceptclip-iqa")
    assert both.exit_code == 2
    assert "give one of them" in both.output
    other = run("weights", "convert", official, "-o", out, "--metric", "iqa")
    assert isinstance(other.exception, OptionError)
    assert not out.exists()


def test_fetch_forced_without_network_keeps_what_was_there(hub: Path, plain: list[Path]) -> None:
    assert run("weights", "fetch", "perceptclip-iqa").exit_code == 0
    scores = pm.create_metric("perceptclip-iqa")(plain)
    shutil.rmtree(hub)
    forced = run("weights", "fetch", "perceptclip-iqa", "--force")
    assert isinstance(forced.exception, WeightsMissingError)
    assert torch.equal(pm.create_metric("perceptclip-iqa")(plain), scores)
