"""From a name to a metric, and what is said when that cannot be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch

import perceptmetrics as pm
from perceptmetrics.locate import find_spec
from perceptmetrics.metrics import METRICS, EmbeddedAdapter
from perceptmetrics.weights.digest import sha256_of_file

EMBEDDED = sorted(spec.name for spec in METRICS if isinstance(spec.adapter, EmbeddedAdapter))


def test_names_are_listed_by_task() -> None:
    assert EMBEDDED == ["aesthetics", "affect", "iqa", "memorability"]
    assert pm.list_metrics(task="iqa") == ["iqa", "perceptclip-iqa", "perceptclip-iqa@squeezed"]
    assert {"iqa", "emotion", "emotion-6", "affect"} <= set(pm.list_tasks())
    assert {"clip-l14", "dinov2-s14", "mae-b16"} <= set(pm.list_backbones())


def test_an_unknown_metric_suggests_the_nearest() -> None:
    with pytest.raises(pm.UnknownNameError, match="did you mean 'memorability'"):
        pm.create_metric("memorabilty")
    with pytest.raises(pm.UnknownNameError, match="did you mean 'iqa'"):
        pm.list_metrics(task="iqaa")


@pytest.mark.parametrize("name", [None, "", " ", 3])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(pm.OptionError, match=r"expected a name \('perceptmetrics list' shows"):
        pm.create_metric(name)
    with pytest.raises(pm.OptionError, match=r"expected a name \('perceptmetrics list' shows"):
        pm.create_metrics(["iqa", name])


def test_arguments_that_say_nothing_are_refused(clip_base: Path) -> None:
    for option in ({"weights": ""}, {"weights": 5}, {"base": 5}):
        with pytest.raises(pm.OptionError, match=r"(weights|base) ('|5).*expected the path of a"):
            pm.create_metric("iqa", **option)
    for device in ("", "gpu", "meta", "hpu"):
        with pytest.raises(pm.OptionError, match=f"device '{device}' cannot be used"):
            pm.create_metric("iqa", device=device)
    for dtype in ("float16", torch.complex64):
        with pytest.raises(pm.OptionError, match=r"expected torch\.float16, torch"):
            pm.create_metric("iqa", dtype=dtype)  # type: ignore[arg-type]
    for size in (True, 0, 2.0):
        with pytest.raises(pm.OptionError, match="expected a whole number of at least 1"):
            pm.create_metric("iqa", batch_size=size)  # type: ignore[arg-type]


def test_a_path_that_is_not_there_is_called_a_path() -> None:
    with pytest.raises(pm.WeightsMissingError, match="no run folder or adapter file runs/mine"):
        pm.create_metric("runs/mine")


def test_an_unknown_argument_is_an_error() -> None:
    with pytest.raises(TypeError, match="crop_count"):
        pm.create_metric("iqa", crop_count=3)  # type: ignore[call-arg]


def test_emotion_means_the_official_weights() -> None:
    assert find_spec("emotion").name == "perceptclip-emotion"


def test_a_task_without_a_metric_says_how_to_get_one() -> None:
    with pytest.raises(pm.UnknownNameError, match="train one with 'perceptmetrics train"):
        pm.create_metric("emotion-6")


def test_offline_official_weights_are_missing_within_a_second(offline: Path) -> None:
    # The first call also imports torch and the hub's package, which is not what is promised.
    with pytest.raises(pm.WeightsMissingError):
        pm.create_metric("perceptclip-iqa")
    start = time.perf_counter()
    with pytest.raises(pm.WeightsMissingError) as caught:
        pm.create_metric("emotion")
    assert time.perf_counter() - start < 1
    text = str(caught.value)
    assert "perceptCLIP_Emotions.pth" in text  # the file
    assert str(offline / "adapters" / "perceptclip-emotion.safetensors") in text  # where
    assert "perceptmetrics weights convert" in text  # how
    assert "aesthetics, affect, iqa, memorability" in text  # what works without


def test_offline_base_weights_are_missing_within_a_second(offline: Path) -> None:
    start = time.perf_counter()
    with pytest.raises(pm.WeightsMissingError) as caught:
        pm.create_metric("memorability")
    assert time.perf_counter() - start < 1
    assert str(offline / "base" / "clip-b16.openai-int8.safetensors") in str(caught.value)
    assert "perceptmetrics weights fetch clip-b16.openai-int8" in str(caught.value)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(pm.WeightsError, match=r"holds no adapter\.safetensors"):
        pm.create_metric(tmp_path)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_card_is_complete(name: str) -> None:
    card = METRICS.get(name).card
    assert card.base == "clip-b16.openai-int8"
    for field in ("training_data", "licence", "paper", "seen", "unit", "direction", "view"):
        assert getattr(card, field), field
    assert card.command.startswith("python benchmarks/train_embedded.py")
    assert card.validated_how
    assert [figure.output for figure in card.validation] == list(card.outputs)
    for figure in card.validation:
        assert figure.measure == "SRCC"
        assert -1 <= figure.low <= figure.value <= figure.high <= 1
    source = METRICS.get(name).adapter
    assert isinstance(source, EmbeddedAdapter)
    assert source.sha256 == card.sha256 == sha256_of_file(source.file)
    assert source.file.stat().st_size < 3e6


def test_an_embedded_adapter_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    from perceptmetrics.weights.adapter import load_adapter

    source = METRICS.get("iqa").adapter
    assert isinstance(source, EmbeddedAdapter)
    data = bytearray(source.file.read_bytes())
    data[-1] ^= 1
    (tmp_path / "iqa.safetensors").write_bytes(data)
    with pytest.raises(pm.WeightsMismatchError, match="damaged or was replaced"):
        load_adapter(tmp_path / "iqa.safetensors", sha256=source.sha256)


@pytest.mark.weights
@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_metric_scores_real_photographs(
    name: str, sample_photos: tuple[Path, Path], clip_base: Path
) -> None:
    metric = pm.create_metric(name)
    scores = metric(sample_photos)
    assert len(scores) == 2
    low, high = metric.card.score_range or (0, 0)
    margin = 0.1 * (high - low)
    assert ((scores > low - margin) & (scores < high + margin)).all()
    assert torch.equal(scores, metric(list(sample_photos)))


@pytest.mark.weights
@pytest.mark.parametrize("name", ["affect", "memorability"])
def test_company_and_batch_size_do_not_change_a_real_score(
    name: str, sample_photos: tuple[Path, Path], clip_base: Path
) -> None:
    together = pm.create_metric(name)(sample_photos)
    one_by_one = pm.create_metric(name, batch_size=1)
    alone = torch.cat([one_by_one(photo) for photo in reversed(sample_photos)]).flip(0)
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)


@pytest.mark.weights
def test_another_base_is_refused_unless_asked_for(tmp_path: Path, clip_base: Path) -> None:
    from perceptmetrics.weights.files import load_tensors, save_tensors

    tensors = load_tensors(clip_base)
    tensors["norm.bias"] = tensors["norm.bias"] + 0.01
    other = tmp_path / "other.safetensors"
    save_tensors(tensors, other)
    with pytest.raises(pm.WeightsMismatchError, match="scores would change"):
        pm.create_metric("memorability", base=other)
    pm.create_metric("memorability", base=other, allow_other_base=True)
