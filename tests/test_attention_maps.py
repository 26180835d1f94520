"""Attention is what the model computes, sums to one, and lands where in the image it belongs."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.vit import Block, VisionTransformer, random_encoder
from perceptmetrics.errors import OptionError
from perceptmetrics.explanation.attention import (
    layers_and_heads,
    patch_grid,
    pooled_attention,
    token_attention,
)
from perceptmetrics.explanation.placement import Placement, placement_of
from perceptmetrics.views import CentreCrop, Cut, GridCrops, Plan, RandomCrops, View

CLASS_TOKEN = replace(tiny.BACKBONE, depth=3, heads=4)
REGISTERS = replace(CLASS_TOKEN, registers=3, class_position=False, layer_scale=True)
POOL = replace(CLASS_TOKEN, class_token=False, class_position=False, pool="attention")
SPECS = pytest.mark.parametrize("spec", [CLASS_TOKEN, REGISTERS, POOL], ids=["cls", "reg", "pool"])


def pixels(height: int = 32, width: int = 40, seed: int = 0) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


# What attention is


@SPECS
def test_maps_are_shares_that_sum_to_one(spec: Backbone) -> None:
    rows = pooled_attention(random_encoder(spec), pixels())
    length = 20 + spec.class_token + spec.registers
    assert rows.shape == (2, *layers_and_heads(spec), length)
    assert rows.min() >= 0
    torch.testing.assert_close(rows.sum(-1), torch.ones(rows.shape[:-1]))
    grid = patch_grid(rows, spec, 32, 40)
    assert grid.shape[-2:] == (4, 5)
    assert (grid.sum((-1, -2)) <= 1 + 1e-6).all()


@SPECS
def test_every_tokens_attention_sums_to_one(spec: Backbone) -> None:
    maps = token_attention(random_encoder(spec), pixels())
    assert len(maps) == spec.depth
    for one in maps:
        torch.testing.assert_close(one.sum(-1), torch.ones(one.shape[:-1]))


def test_the_class_tokens_rows_are_those_of_all_tokens() -> None:
    encoder = random_encoder(REGISTERS)
    rows, maps = pooled_attention(encoder, pixels()), token_attention(encoder, pixels())
    for layer, one in enumerate(maps):
        torch.testing.assert_close(rows[:, layer], one[:, :, 0])


def test_attention_is_what_the_forward_pass_applies() -> None:
    """Recorded from the layer's own input and output, by the parameters alone."""
    encoder = random_encoder(CLASS_TOKEN).double()
    attention = cast(Block, encoder.blocks[1]).attn
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    hooks = [
        attention.qkv.register_forward_pre_hook(lambda _, args: inputs.append(args[0])),
        attention.proj.register_forward_pre_hook(lambda _, args: outputs.append(args[0])),
    ]
    with torch.no_grad():
        encoder(pixels().double())
        for hook in hooks:
            hook.remove()
        value = F.linear(inputs[0], attention.qkv.weight, attention.qkv.bias).chunk(3, -1)[2]
        rows = pooled_attention(encoder, pixels().double())[:, 1]
    for head in range(4):
        own = slice(head * 8, head * 8 + 8)
        said = torch.einsum("nl,nld->nd", rows[:, head], value[..., own])
        torch.testing.assert_close(said, outputs[0][:, 0, own])


def test_attention_lets_no_other_encoder_pass() -> None:
    with pytest.raises(OptionError, match="does not expose its attention"):
        pooled_attention(cast(VisionTransformer, torch.nn.Identity()), pixels())
    with pytest.raises(OptionError, match="does not expose its attention"):
        token_attention(cast(VisionTransformer, torch.nn.Identity()), pixels())


# Flips


@SPECS
@pytest.mark.parametrize("axis", [-1, -2], ids=["mirrored", "upside down"])
def test_a_symmetric_encoders_maps_turn_with_the_image(spec: Backbone, axis: int) -> None:
    """Positions and kernels that look the same mirrored leave nothing that tells the sides."""
    encoder = random_encoder(spec)
    with torch.no_grad():
        kernel = encoder.patch_embed.proj.weight
        kernel += kernel.flip(axis)
        front = encoder.pos_embed.shape[1] - 16
        grid = encoder.pos_embed[:, front:].view(1, 4, 4, -1)
        grid += grid.flip(axis - 1).clone()
    seen = pixels(32, 32)
    rows = patch_grid(pooled_attention(encoder, seen), spec, 32, 32)
    turned = patch_grid(pooled_attention(encoder, seen.flip(axis)), spec, 32, 32)
    torch.testing.assert_close(turned, rows.flip(axis), atol=1e-5, rtol=1e-4)
    assert (rows - rows.flip(axis)).abs().max() > 1e-3


@settings(max_examples=20, deadline=None)
@given(height=st.integers(20, 60), width=st.integers(20, 60), seed=st.integers(0, 100))
def test_placing_a_mirrored_map_in_a_mirrored_image_is_mirroring(
    height: int, width: int, seed: int
) -> None:
    grid = np.random.default_rng(seed).random((1, 4, 4))
    plan = Plan(40, 48, 32, (Cut(3, 5),))
    mirrored = Plan(40, 48, 32, (Cut(3, 48 - 32 - 5),))
    one = Placement(height, width, plan, 8).at_image_size(grid)
    other = Placement(height, width, mirrored, 8).at_image_size(grid[..., ::-1].copy())
    np.testing.assert_allclose(other, one[:, ::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("cut", "axes"),
    [
        (Cut(0, 8, mirror_x=True), (2,)),
        (Cut(0, 8, mirror_y=True), (1,)),
        (Cut(0, 8, mirror_x=True, mirror_y=True), (1, 2)),
    ],
    ids=["mirrored", "upside down", "both"],
)
@pytest.mark.parametrize("patch", [8, 5], ids=["whole patches", "with a rest"])
def test_a_mirrored_cut_is_mirrored_back(cut: Cut, axes: tuple[int, ...], patch: int) -> None:
    """Patches that leave a rest at the right and the bottom of the cut leave it there mirrored."""
    side = 32 // patch
    grid = np.random.default_rng(0).random((1, side, side))
    plain = Placement(32, 48, Plan(32, 48, 32, (Cut(0, 8),)), patch).at_image_size(grid)
    turned = Placement(32, 48, Plan(32, 48, 32, (cut,)), patch).at_image_size(grid)
    inside = (slice(None), slice(8, 40))
    expected = np.flip(plain[inside], tuple(axis - 1 for axis in axes))
    np.testing.assert_allclose(turned[inside], expected)
    assert np.isnan(turned[:, :8]).all()
    if patch == 8:
        both = Placement(32, 48, Plan(32, 48, 32, (Cut(0, 8), cut)), patch)
        twice = both.at_image_size(np.concatenate([grid, np.flip(grid, axes)]))
        np.testing.assert_allclose(twice, plain, atol=1e-6)


# Back to the image


def test_a_map_lands_where_its_cut_was() -> None:
    placed = placement_of(CentreCrop(32, 32), 64, 128, patch_size=8, seed=0)
    heat = np.zeros((1, 4, 4))
    heat[0, 0, 3] = 1  # upper right
    found = placed.at_image_size(heat)
    assert placed.seen() == (0, 32, 64, 96)
    assert np.isnan(found[:, :30]).all()
    assert np.isnan(found[:, 98:]).all()
    np.testing.assert_array_equal(placed.covered, ~np.isnan(found))
    inside = found[:, 32:96]
    assert not np.isnan(inside).any()
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    assert row < 16
    assert column >= 48


@settings(max_examples=20, deadline=None)
@given(
    view=st.sampled_from([CentreCrop(32, 40), RandomCrops(32, 40, 4), GridCrops(32, 40, 6)]),
    height=st.integers(16, 90),
    width=st.integers(16, 90),
    patch=st.sampled_from([5, 8, 16, 32]),
)
def test_a_constant_map_stays_constant_and_covers_the_cuts_alone(
    view: View, height: int, width: int, patch: int
) -> None:
    placed = placement_of(view, height, width, patch_size=patch, seed=3)
    side = 32 // patch
    found = placed.at_image_size(np.full((2, view.count, side, side), 0.25))
    assert found.shape == (2, height, width)
    known = ~np.isnan(found)
    np.testing.assert_allclose(found[known], 0.25, atol=1e-5)
    top, left, bottom, right = placed.seen()
    assert known.any()
    outside = known.copy()
    outside[:, top:bottom, left:right] = False
    assert not outside.any()
    inside = known[0, top:bottom, left:right]  # no edge of the box is blank
    assert inside[[0, -1]].any(1).all()
    assert inside[:, [0, -1]].any(0).all()


def test_where_cuts_overlap_their_maps_are_averaged() -> None:
    plan = Plan(32, 48, 32, (Cut(0, 0), Cut(0, 16)))
    grids = np.stack([np.full((4, 4), 1.0), np.full((4, 4), 3.0)])
    found = Placement(32, 48, plan, 8).at_image_size(grids)
    np.testing.assert_allclose(found[0, [0, 20, 40]], [1, 2, 3])


def test_as_many_maps_as_cuts_are_asked_for() -> None:
    placed = placement_of(CentreCrop(32, 32), 40, 40, patch_size=8, seed=0)
    with pytest.raises(OptionError, match="2 maps for 1 cuts"):
        placed.at_image_size(np.ones((2, 4, 4)))


def test_a_view_that_does_not_say_where_it_cuts_is_refused() -> None:
    with pytest.raises(OptionError, match="does not say where it cuts"):
        placement_of(View(), 40, 40, patch_size=8, seed=0)
