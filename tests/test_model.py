"""Encoder and heads as one model, and what an adapter holds of it."""

from __future__ import annotations

import pytest
import tiny
import torch

from perceptmetrics.backbones import find_backbone
from perceptmetrics.errors import OptionError, UnknownNameError, WeightsMismatchError
from perceptmetrics.heads import HeadSpec
from perceptmetrics.lora import STRATEGIES, Strategy, parameter_count
from perceptmetrics.model import build_model

PIXELS = torch.from_numpy(tiny.photograph(32, 32).copy()).permute(2, 0, 1)[None]


def test_uint8_and_float_pixels_are_normalised_alike() -> None:
    model = tiny.model().eval()
    torch.testing.assert_close(model(PIXELS), model(PIXELS / 255))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_adapted_state_rebuilds_the_model(strategy: Strategy) -> None:
    trained = tiny.model(strategy=strategy, seed=1).eval()
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(0.01)
    trained.train().eval()  # LoRA is merged anew
    fresh = tiny.model(strategy=strategy, seed=2).eval()
    assert not torch.equal(fresh(PIXELS), trained(PIXELS))
    fresh.load_adapted_state({n: t.clone() for n, t in trained.adapted_state().items()})
    torch.testing.assert_close(fresh(PIXELS), trained(PIXELS), rtol=0, atol=0)


def test_training_in_full_leaves_the_base_tensors_alone() -> None:
    base = tiny.base().tensors
    model = build_model(tiny.BACKBONE, base, outputs=1, head=HeadSpec(hidden=()), strategy="full")
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
    assert base["projection.weight"].abs().sum() > 0


@pytest.mark.parametrize(
    ("strategy", "trained"),
    # LoRA: 2 blocks x (A 12 x 32 + B 96 x 4); head: 16 x 16 + 16 + 16 + 1
    [("lora", 2 * (12 * 32 + 96 * 4) + 289), ("frozen", 289)],
)
def test_a_strategy_trains_what_it_says(strategy: Strategy, trained: int) -> None:
    assert parameter_count(tiny.model(strategy=strategy)) == trained


def test_the_papers_model_trains_less_than_three_million_parameters() -> None:
    spec = find_backbone("clip-l14")
    with torch.device("meta"):
        from perceptmetrics.backbones.vit import VisionTransformer

        base = VisionTransformer(spec).state_dict()
    model = build_model(spec, base, outputs=1, head=HeadSpec())
    assert parameter_count(model.encoder) == 2_359_296
    assert parameter_count(model.heads) == 768 * 512 + 512 + 512 * 256 + 256 + 256 + 1


def test_weights_of_another_backbone_are_refused_by_name() -> None:
    tensors = dict(tiny.base().tensors)
    tensors["norm.weight"] = torch.ones(7)
    with pytest.raises(WeightsMismatchError, match=r"norm.weight is \(7,\), expected \(32,\)"):
        build_model(tiny.BACKBONE, tensors, outputs=1, head=HeadSpec())


def test_an_adapter_with_a_missing_or_extra_tensor_is_refused_by_name() -> None:
    model = tiny.model()
    state = model.adapted_state()
    with pytest.raises(WeightsMismatchError, match=r"stranger is \(1,\), expected nothing"):
        model.load_adapted_state({**state, "stranger": torch.ones(1)})
    state.pop("heads.default.scale")
    with pytest.raises(WeightsMismatchError, match=r"heads\.default\.scale is nothing"):
        model.load_adapted_state(state)


def test_several_heads_must_be_told_apart() -> None:
    model = build_model(
        tiny.BACKBONE, tiny.base().tensors, outputs=1, head=HeadSpec(), datasets=("livec", "spaq")
    )
    with pytest.raises(OptionError, match="heads for livec, spaq"):
        model(PIXELS)
    with pytest.raises(UnknownNameError, match="did you mean 'livec'"):
        model(PIXELS, "livc")
    assert model(PIXELS, "spaq").shape == (1, 1)
