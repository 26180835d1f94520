"""An adapter file says what it is, and a damaged one says so in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from perceptmetrics.card import MetricCard
from perceptmetrics.errors import WeightsMismatchError
from perceptmetrics.weights.adapter import METADATA_KEY, ROUNDED, Adapter, load_adapter, read_card
from perceptmetrics.weights.files import load_tensors, read_metadata, save_tensors


def adapter(notes: tuple[str, ...] = ()) -> Adapter:
    metric = tiny.metric()
    card = MetricCard(name="tiny", task="brightness", outputs=("brightness",), notes=notes)
    return Adapter(metric.config, card, tiny.model().adapted_state())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return adapter().save(tmp_path / "adapter.safetensors")


def with_header(file: Path, header: str) -> Path:
    """The same tensors under another header."""
    save_tensors(load_tensors(file), file, {METADATA_KEY: header})
    return file


def header_of(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_metadata(file)[METADATA_KEY])
    return found


def test_what_is_saved_is_loaded(file: Path) -> None:
    saved, loaded = adapter(), load_adapter(file)
    assert loaded.config == saved.config
    assert loaded.card == replace(saved.card, sha256=loaded.card.sha256)
    assert all(torch.equal(loaded.tensors[name], t) for name, t in saved.tensors.items())


@pytest.mark.parametrize(
    "header", ["", "{", '{"format": ', "[1]", '"text"', "null", "\N{SNOWMAN}"], ids=repr
)
def test_a_header_that_is_no_json_object_is_damaged(header: str, file: Path) -> None:
    with pytest.raises(WeightsMismatchError, match="its header is damaged") as raised:
        read_card(with_header(file, header))
    assert str(raised.value).startswith(f"{file}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("part", ["config", "card"])
@pytest.mark.parametrize("value", [None, [], "text"])
def test_a_header_without_config_or_card_is_damaged(part: str, value: object, file: Path) -> None:
    header = header_of(file)
    for damaged in ({k: v for k, v in header.items() if k != part}, {**header, part: value}):
        with pytest.raises(WeightsMismatchError, match=f"header is damaged.*'{part}' is missing"):
            load_adapter(with_header(file, json.dumps(damaged)))


@pytest.mark.parametrize("part", ["config", "card"])
def test_a_field_that_is_missing_or_of_another_kind_is_an_error_of_ours(
    part: str, file: Path
) -> None:
    header = header_of(file)
    required = {"config": ("outputs", "view", "lora", "head", "groupings"), "card": ("outputs",)}
    for name in required[part]:
        rest = {k: v for k, v in header[part].items() if k != name}
        for damaged in (rest, {**rest, name: 3}):
            with pytest.raises(WeightsMismatchError, match="cannot be read") as raised:
                read_card(with_header(file, json.dumps({**header, part: damaged})))
            assert str(file) in str(raised.value)


def test_a_file_of_a_later_version_says_update(file: Path) -> None:
    header = header_of(file)
    header["card"]["invented_later"] = 1
    with pytest.raises(WeightsMismatchError, match="update perceptmetrics"):
        read_card(with_header(file, json.dumps(header)))


def test_other_safetensors_are_no_adapter(tmp_path: Path) -> None:
    save_tensors({"x": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsMismatchError, match="is not a perceptmetrics adapter"):
        read_card(tmp_path / "a.safetensors")


def test_rounding_to_half_is_on_the_card_once(tmp_path: Path) -> None:
    whole = load_adapter(adapter().save(tmp_path / "whole.safetensors"))
    assert whole.card.notes == ()
    half = load_adapter(adapter().save(tmp_path / "half.safetensors", half=True))
    assert half.card.notes == (ROUNDED,)
    again = load_adapter(half.save(tmp_path / "again.safetensors", half=True))
    assert again.card.notes == (ROUNDED,)
    own = "stored as float16, and validated so"
    said = load_adapter(adapter((own,)).save(tmp_path / "said.safetensors", half=True))
    assert said.card.notes == (own,)


def test_half_rounds_matrices_and_nothing_else(tmp_path: Path) -> None:
    loaded = load_adapter(adapter().save(tmp_path / "half.safetensors", half=True)).tensors
    for name, tensor in adapter().tensors.items():
        expected = tensor.half().float() if tensor.dim() > 1 else tensor
        assert torch.equal(loaded[name], expected), name
