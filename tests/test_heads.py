"""Heads: the paper's MLP and the linear one, the same bits for the same seed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from perceptmetrics.errors import OptionError
from perceptmetrics.heads import LINEAR_HEAD, MLP_HEAD, HeadSpec, head_named


def test_mlp_is_the_papers() -> None:
    # Section 3.1 and the official release: D -> 512 -> 256 -> K, ReLU, dropout 0.5.
    head = MLP_HEAD.build(768, 8)
    layers = dict(head.named_children())
    assert list(layers) == ["fc1", "relu1", "dropout1", "fc2", "relu2", "dropout2", "fc3"]
    shapes = [tuple(head.state_dict()[f"fc{i}.weight"].shape) for i in (1, 2, 3)]
    assert shapes == [(512, 768), (256, 512), (8, 256)]
    for index in (1, 2):
        dropout = layers[f"dropout{index}"]
        assert isinstance(dropout, nn.Dropout)
        assert dropout.p == 0.5


def test_state_dict_names_are_the_official_releases() -> None:
    assert list(MLP_HEAD.build(16, 1).state_dict()) == [
        f"fc{index}.{kind}" for index in (1, 2, 3) for kind in ("weight", "bias")
    ]


def test_mlp_computes_what_is_written_in_the_paper() -> None:
    head = MLP_HEAD.build(12, 3).eval()
    state = head.state_dict()
    x = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    hidden = torch.relu(x @ state["fc1.weight"].T + state["fc1.bias"])
    hidden = torch.relu(hidden @ state["fc2.weight"].T + state["fc2.bias"])
    expected = hidden @ state["fc3.weight"].T + state["fc3.bias"]
    torch.testing.assert_close(head(x), expected)


def test_linear_head_is_one_layer() -> None:
    head = LINEAR_HEAD.build(16, 2)
    assert list(head.state_dict()) == ["fc1.weight", "fc1.bias"]
    assert not any(isinstance(module, nn.Dropout) for module in head.modules())


@given(
    hidden=st.lists(st.integers(1, 9), max_size=3),
    width=st.integers(1, 9),
    outputs=st.integers(1, 9),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=30, deadline=None)
def test_any_head_has_its_shape_and_its_seeds_bits(
    hidden: list[int], width: int, outputs: int, seed: int
) -> None:
    spec = HeadSpec(hidden=tuple(hidden))
    before = torch.get_rng_state()
    first, second = spec.build(width, outputs, seed), spec.build(width, outputs, seed)
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    assert first(torch.zeros(4, width)).shape == (4, outputs)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.requires_grad


def test_another_seed_gives_another_head() -> None:
    first, second = MLP_HEAD.build(8, 1, seed=0), MLP_HEAD.build(8, 1, seed=1)
    assert not torch.equal(first.state_dict()["fc1.weight"], second.state_dict()["fc1.weight"])


def test_initialisation_has_the_bounds_of_torchs_own() -> None:
    weight = MLP_HEAD.build(400, 1).state_dict()["fc1.weight"]
    own = nn.Linear(400, 512).weight
    torch.testing.assert_close(weight.abs().max(), own.abs().max(), rtol=1e-3, atol=0)
    torch.testing.assert_close(weight.std(), own.std(), rtol=1e-2, atol=0)


def test_dropout_acts_in_training_only() -> None:
    head = MLP_HEAD.build(16, 1)
    x = torch.ones(64, 16)
    assert head.train()(x).unique().numel() > 1
    head.eval()
    assert torch.equal(head(x), head(x))


def test_heads_are_found_by_name() -> None:
    assert head_named("mlp") is MLP_HEAD
    assert head_named("linear") is LINEAR_HEAD
    with pytest.raises(OptionError, match="expected mlp or linear"):
        head_named("transformer")


@pytest.mark.parametrize(("hidden", "dropout"), [((0,), 0.5), ((8,), 1.0), ((8,), -0.1)])
def test_impossible_heads_are_refused(hidden: tuple[int, ...], dropout: float) -> None:
    with pytest.raises(OptionError, match="hidden widths"):
        HeadSpec(hidden=hidden, dropout=dropout)
