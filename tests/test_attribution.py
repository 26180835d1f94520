"""Explanations by known methods, and the games that say which of them is faithful."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.vit import Block, VisionTransformer, random_encoder
from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.explanation.attention import token_attention
from perceptmetrics.explanation.attribution import integrated_gradients_map, occlusion_map
from perceptmetrics.explanation.faithfulness import (
    Baseline,
    DeletionInsertion,
    baseline_of,
    compare_explanations,
    deletion_insertion,
    random_heat,
)
from perceptmetrics.explanation.gradient_attention import gradient_attention_map
from perceptmetrics.explanation.rollout import attention_rollout
from perceptmetrics.explanation.score_function import Score

needs_captum = pytest.mark.skipif(
    find_spec("captum") is None, reason="captum is not installed (extra explain)"
)

CLASS_TOKEN = replace(tiny.BACKBONE, depth=3, registers=2, layer_scale=True)
NO_CLASS_TOKEN = replace(CLASS_TOKEN, class_token=False, registers=0, pool="attention")


def image(height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def planted(weight: Tensor) -> Score:
    """A score that reads each pixel by its own weight."""
    return lambda images: (images * weight).sum((1, 2, 3))


# Rollout


def test_rollout_is_the_product_of_the_layers_half_attention_half_residual() -> None:
    rng = np.random.default_rng(0)
    layers = rng.dirichlet(np.ones(5), size=(3, 2, 5))
    identity = np.eye(5)
    first, second, third = (0.5 * layers[k].mean(0) + 0.5 * identity for k in range(3))
    np.testing.assert_allclose(attention_rollout(list(layers)), third @ second @ first)


@given(arrays(float, (2, 3, 4, 4), elements=st.floats(0.01, 1)))
def test_rollout_rows_sum_to_one_whatever_the_rows_of_the_attention(
    attention: npt.NDArray[np.float64],
) -> None:
    np.testing.assert_allclose(attention_rollout(list(attention)).sum(-1), 1)


def test_rollout_takes_the_attention_of_an_encoder() -> None:
    encoder = random_encoder(CLASS_TOKEN)
    attention = [layer[0].numpy() for layer in token_attention(encoder, image() - 0.5)]
    assert attention_rollout(attention).shape == (19, 19)


@pytest.mark.parametrize(
    ("attention", "said"),
    [
        ([], "at least one layer"),
        ([np.ones((2, 3))], r"attention\[0\] has shape \(2, 3\), expected \(heads, L, L\)"),
        ([np.ones((1, 2, 2)), np.ones((1, 3, 3))], r"attention\[1\] is over 3 tokens"),
        ([-np.ones((1, 2, 2))], "no attention"),
        ([np.full((1, 2, 2), np.nan)], "finite"),
    ],
)
def test_rollout_refuses_what_is_no_attention(attention: list[object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        attention_rollout(attention)  # type: ignore[arg-type]


# Occlusion and integrated gradients


@needs_captum
@pytest.mark.parametrize("size", [(16, 24), (19, 26)], ids=["whole patches", "with a rest"])
def test_occlusion_of_a_linear_score_is_what_each_patch_adds(size: tuple[int, int]) -> None:
    """Covering by black takes away just the patch's own sum."""
    pixels = image(*size)
    weight = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    rows, columns = -(-size[0] // 8), -(-size[1] // 8)
    added = (pixels * weight).sum(1)[0]
    expected = [
        [float(added[8 * i : 8 * i + 8, 8 * j : 8 * j + 8].sum()) for j in range(columns)]
        for i in range(rows)
    ]
    black = torch.zeros_like(pixels)
    for method in (
        partial(occlusion_map, patch=8, baseline=black),
        partial(occlusion_map, patch=8, baseline=black, batch_size=1),
        partial(integrated_gradients_map, patch=8, baseline=black, steps=2),
    ):
        found = method(planted(weight), pixels)
        np.testing.assert_allclose(found, expected, atol=2e-4)


@needs_captum
def test_a_patch_of_the_mean_colour_means_nothing_to_occlusion() -> None:
    pixels = image(16, 16)
    pixels[..., :8, :] = pixels[..., 8:, :].mean((2, 3), keepdim=True)
    score = tiny.metric().model
    found = occlusion_map(lambda x: score(x)[:, 0], pixels, patch=8)
    np.testing.assert_allclose(found[0], 0, atol=1e-5)
    assert np.abs(found[1]).min() > 1e-5


@needs_captum
def test_integrated_gradients_sum_to_what_the_image_adds_to_the_baseline() -> None:
    """The axiom of completeness, of Sundararajan et al. 2017, proposition 1; the midpoint rule is
    exact for a score of the second degree."""
    weight = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    pixels = image()
    grey = pixels.mean((2, 3), keepdim=True).expand_as(pixels)

    def score(images: Tensor) -> Tensor:
        return planted(weight)(images) ** 2 / 100

    found = integrated_gradients_map(score, pixels, patch=8, steps=2)
    assert found.shape == (4, 4)
    assert found.sum() == pytest.approx(float(score(pixels) - score(grey)), rel=1e-4)


def covered_one_by_one(score: Score, pixels: Tensor, patch: int) -> npt.NDArray[np.float64]:
    """Occlusion written out: each square in turn gets the image's mean colour."""
    whole = float(score(pixels))
    rows, columns = (side // patch for side in pixels.shape[-2:])
    found = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            covered = pixels.clone()
            square = np.s_[
                ..., row * patch : (row + 1) * patch, column * patch : (column + 1) * patch
            ]
            covered[square] = pixels.mean((2, 3), keepdim=True)
            found[row, column] = whole - float(score(covered))
    return found


@needs_captum
def test_occlusion_of_a_model_equals_the_written_out_formula_and_uint8_images_are_images() -> None:
    model = tiny.metric(("dark", "light"), "classification").model
    eight_bits = (image() * 255).round().to(torch.uint8)

    def probability(of: int, images: Tensor) -> Tensor:
        return cast(Tensor, model(images).softmax(-1)[:, of])

    for output in range(2):
        found = occlusion_map(partial(probability, output), eight_bits, patch=16)
        expected = covered_one_by_one(partial(probability, output), eight_bits.float() / 255, 16)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert np.abs(expected).min() > 1e-5


@needs_captum
def test_integrated_gradients_of_a_model_equal_the_written_out_formula() -> None:
    """Equation 1 of Sundararajan et al. 2017 by the midpoint rule, then summed over patches."""
    model, pixels, steps = tiny.metric().model, image(), 4

    def score(images: Tensor) -> Tensor:
        return cast(Tensor, model(images)[:, 0])

    start = pixels.mean((2, 3), keepdim=True).expand_as(pixels)
    total = torch.zeros_like(pixels)
    for step in range(steps):
        at = (start + (step + 0.5) / steps * (pixels - start)).requires_grad_()
        total += torch.autograd.grad(score(at).sum(), at)[0] / steps
    each = ((pixels - start) * total).sum(1).view(4, 8, 4, 8).sum((1, 3))
    found = integrated_gradients_map(score, pixels, patch=8, steps=steps)
    np.testing.assert_allclose(found, each.numpy(), atol=1e-5 * float(each.abs().max()))


@needs_captum
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"patch": 0}, "patch is 0"),
        ({"patch": 33}, "patch is 33, expected 1 to 32"),
        ({"pixels": torch.zeros(3, 32, 32)}, r"expected \(1, 3, H, W\)"),
        ({"score": lambda images: images.mean()}, r"shape \(\), expected \(1,\)"),
    ],
)
def test_occlusion_refuses_what_it_cannot_use(arguments: dict[str, object], said: str) -> None:
    good: dict[str, object] = {"score": planted(torch.ones(1)), "pixels": image(), "patch": 8}
    with pytest.raises(OptionError, match=said):
        occlusion_map(**{**good, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("method", [occlusion_map, integrated_gradients_map])
def test_without_captum_the_error_says_what_to_install(
    method: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)  # as if it were not installed
    with pytest.raises(OptionError, match=r"needs captum: pip install 'perceptmetrics\[explain\]'"):
        method(planted(torch.ones(1)), image(), patch=8)


# Gradient x attention


def chefer(encoder: VisionTransformer, pixels: Tensor, output: int) -> npt.NDArray[np.float64]:
    """Equations 5 and 6 of Chefer et al. 2021, written out: every attention map is formed, kept,
    and differentiated by autograd; every layer computes all its rows."""
    spec = encoder.spec
    kept: list[Tensor] = []

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        kept.append((query @ key.mT / key.shape[-1] ** 0.5).softmax(-1))
        kept[-1].retain_grad()
        return kept[-1] @ value

    x = encoder.embed(pixels).requires_grad_()
    for module in encoder.blocks:
        block = cast(Block, module)
        mixed = attend(*block.attn.split(block.norm1(x)))
        x = x + block.ls1(block.attn.join(mixed))
        x = x + block.ls2(block.mlp(block.norm2(x)))
    x = encoder.norm(x)
    if spec.pool == "attention":
        pooled = encoder.attn_pool.join(attend(*encoder.attn_pool.split(x)))
    else:
        pooled = x[:, 0]
    encoder.project(pooled)[0, output].backward()
    relevance = torch.eye(x.shape[1])
    for attention in kept:
        assert attention.grad is not None
        bar = (attention.grad * attention)[0].clamp(min=0).mean(0)
        pools = len(bar) == 1
        relevance = bar @ relevance if pools else relevance + bar @ relevance
    patches = (pixels.shape[-2] // spec.patch_size, pixels.shape[-1] // spec.patch_size)
    return relevance[0, -patches[0] * patches[1] :].detach().double().view(patches).numpy()


@pytest.mark.parametrize("spec", [CLASS_TOKEN, NO_CLASS_TOKEN], ids=["class token", "pool"])
def test_gradient_attention_equals_the_written_out_formula(spec: Backbone) -> None:
    encoder = random_encoder(spec)
    pixels = image(40, 24)
    largest = 0.0

    def feature(index: int, images: Tensor) -> Tensor:
        return cast(Tensor, encoder(images)[:, index])

    for output in range(4):
        found = gradient_attention_map(partial(feature, output), encoder, pixels)
        expected = chefer(encoder, pixels, output)
        assert found.shape == (5, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6 * expected.max())
        largest = max(largest, expected.max())
    assert largest > 0


def test_gradient_attention_works_on_a_metric_and_leaves_no_hook_behind() -> None:
    model = tiny.metric().model
    found = gradient_attention_map(lambda x: model(x)[:, 0], model.encoder, image())
    assert found.shape == (4, 4)
    assert (found >= 0).all()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_gradient_attention_refuses_scores_that_hide_the_encoder() -> None:
    model = tiny.metric().model
    with pytest.raises(OptionError, match="no gradient"):
        gradient_attention_map(torch.no_grad()(lambda x: model(x)[:, 0]), model.encoder, image())
    with pytest.raises(OptionError, match="runs the encoder once"):
        gradient_attention_map(lambda x: x.mean((1, 2, 3)), model.encoder, image())
    with pytest.raises(OptionError, match="runs the encoder once"):
        gradient_attention_map(lambda x: (model(x) + model(x))[:, 0], model.encoder, image())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# Deletion and insertion

SPOT = torch.zeros(1, 3, 32, 32)
SPOT[..., 8:16, 16:24] = 1


def spot_map(right: bool) -> npt.NDArray[np.float64]:
    heat = np.zeros((4, 4))
    heat[1, 2 if right else 0] = 1
    return heat


@pytest.mark.parametrize("baseline", ["blur", "mean"])
def test_the_map_of_the_planted_region_beats_others_and_a_random_one(baseline: Baseline) -> None:
    """The score reads one square of a white square on black."""
    play = partial(deletion_insertion, planted(SPOT / SPOT.sum()), SPOT, baseline=baseline)
    right = play(spot_map(right=True))
    for other in (spot_map(right=False), *(random_heat((4, 4), seed) for seed in range(3))):
        wrong = play(other)
        assert right.deletion_area < wrong.deletion_area - 0.03
        assert right.insertion_area > wrong.insertion_area + 0.03
        assert right.gap > wrong.gap + 0.06


def test_curves_start_and_end_at_the_image_and_its_baseline() -> None:
    model = tiny.metric().model
    pixels = image()

    def score(images: Tensor) -> Tensor:
        return cast(Tensor, model(images)[:, 0])

    for baseline in ("blur", "mean"):
        done = deletion_insertion(score, pixels, random_heat((4, 4), 0), baseline=baseline)
        full, empty = float(score(pixels)), float(score(baseline_of(pixels, baseline)))
        assert done.fractions.tolist() == pytest.approx([k / 20 for k in range(21)])
        assert (done.deletion[0], done.deletion[-1]) == pytest.approx((full, empty), abs=1e-6)
        assert (done.insertion[0], done.insertion[-1]) == pytest.approx((empty, full), abs=1e-6)


def test_areas_are_those_of_the_trapezoid_rule() -> None:
    done = DeletionInsertion(
        np.array([0, 0.5, 1]), np.array([4.0, 2.0, 1.0]), np.array([1.0, 3.0, 4.0])
    )
    assert done.deletion_area == 0.5 * (4 + 2) / 2 + 0.5 * (2 + 1) / 2
    assert done.gap == 0.5 * (1 + 3) / 2 + 0.5 * (3 + 4) / 2 - done.deletion_area


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(1, 9),
    arrays(np.int64, (3, 5), elements=st.integers(-9, 9)),
    st.integers(1, 9),
)
def test_neither_batches_nor_the_unit_of_a_map_change_a_curve(
    steps: int, batch_size: int, heat: npt.NDArray[np.int64], factor: int
) -> None:
    play = partial(deletion_insertion, planted(image(6, 10, 1)), image(6, 10), steps=steps)
    once = play(heat, batch_size=64)
    again = play(factor * heat - 5, batch_size=batch_size)
    np.testing.assert_allclose(once.deletion, again.deletion, rtol=1e-5)
    np.testing.assert_allclose(once.insertion, again.insertion, rtol=1e-5)


def test_a_blurred_image_keeps_its_mean_colour_and_loses_its_detail() -> None:
    pixels = image(64, 96)
    blurred = baseline_of(pixels, "blur")
    assert blurred.shape == pixels.shape
    torch.testing.assert_close(blurred.mean((2, 3)), pixels.mean((2, 3)), atol=0.02, rtol=0)
    assert float(blurred.std()) < 0.15 * float(pixels.std())
    torch.testing.assert_close(baseline_of(pixels.flip(-1), "blur"), blurred.flip(-1))


def test_games_refuse_what_they_cannot_play() -> None:
    play = partial(deletion_insertion, planted(torch.ones(1)), image())
    with pytest.raises(DataError, match=r"heat has shape \(4,\), expected \(h, w\)"):
        play(np.zeros(4))
    with pytest.raises(DataError, match="finite"):
        play(np.full((2, 2), np.nan))
    with pytest.raises(OptionError, match="steps is 0"):
        play(np.zeros((2, 2)), steps=0)
    with pytest.raises(OptionError, match="baseline is 'black', expected one of: blur, mean"):
        play(np.zeros((2, 2)), baseline="black")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="one number for each image"):
        deletion_insertion(lambda x: x.mean((2, 3)), image(), np.zeros((2, 2)))


# Which is the more faithful


def results(gaps: list[float]) -> list[DeletionInsertion]:
    x = np.array([0.0, 1.0])
    return [DeletionInsertion(x, np.zeros(2), np.full(2, gap)) for gap in gaps]


def test_the_most_faithful_is_named_with_its_lead_taken_image_by_image() -> None:
    """Images differ far more than explanations: only paired differences can tell these two."""
    spread = [0.0, 10.0, 20.0, 30.0]
    told = compare_explanations(
        {
            "rollout": results([g + 1 for g in spread]),
            "random": results(spread),
            "occlusion": results([g + 3 for g in spread]),
        }
    )
    assert told.ranking == ("occlusion", "rollout")
    assert told.images == 4
    assert told.lead is not None
    assert (told.lead.value, told.lead.low, told.lead.high) == pytest.approx((2, 2, 2))
    assert told.over_control["rollout"].value == pytest.approx(1)
    assert told.gap["random"].value == pytest.approx(15)
    assert str(told) == (
        "occlusion is the most faithful on 4 images, better than a random map by "
        "3.000 [3.000, 3.000], ahead of rollout by 2.000 [2.000, 2.000]"
    )


def test_what_chance_could_have_done_is_not_called_sure() -> None:
    told = compare_explanations(
        {"occlusion": results([1, -1, 2, -1.5]), "random": results([0, 0, 0, 0])}
    )
    assert "not surely better than a random map" in str(told)
    assert told.lead is None


def test_a_comparison_needs_its_control_and_the_same_images() -> None:
    with pytest.raises(DataError, match="expected those of 'random'"):
        compare_explanations({"occlusion": results([1, 2])})
    with pytest.raises(DataError, match="at least one explanation"):
        compare_explanations({"random": results([1, 2])})
    with pytest.raises(DataError, match="same images"):
        compare_explanations({"occlusion": results([1, 2]), "random": results([1])})
