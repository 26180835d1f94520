"""A head is as important as what its uniform map changes: exactly, in every family, and found."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from perceptmetrics import create_metric, statistics
from perceptmetrics.backbones import BACKBONES, Backbone
from perceptmetrics.backbones.vit import Block, VisionTransformer, random_encoder
from perceptmetrics.card import MetricCard
from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.explanation.effects import cuts_of, head_effects, judged, model_input
from perceptmetrics.explanation.masking import masked_embeddings
from perceptmetrics.explanation.ranking import (
    RankingStability,
    head_importance,
    held_out_advantage,
    ranking_stability,
)
from perceptmetrics.heads import LINEAR_HEAD
from perceptmetrics.lora import LoRAConfig, Strategy
from perceptmetrics.metric import Metric
from perceptmetrics.model import build_model
from perceptmetrics.views import GridCrops
from perceptmetrics.weights.adapter import AdapterConfig

# What makes each family itself, at a size at which a test takes milliseconds.
FAMILIES = {
    name: replace(
        BACKBONES.get(name),
        width=32,
        depth=4,
        heads=4,
        mlp_width=48,
        patch_size=8,
        image_size=32,
        projection=16 if BACKBONES.get(name).projection else 0,
    )
    for name in ("clip-l14", "dinov2-s14", "dinov2-s14-reg", "mae-b16", "tulip-b16")
}
CLASS_TOKEN = [name for name, spec in FAMILIES.items() if spec.class_token]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def plain_embedding(
    encoder: VisionTransformer, pixels: Tensor, masked: tuple[int, int] | None
) -> Tensor:
    """Section 6 word by word: the whole model, each attention map written out, one row changed."""
    x = encoder.embed(pixels)
    for layer, module in enumerate(encoder.blocks):
        block = cast(Block, module)
        qkv = F.linear(block.norm1(x), block.attn.qkv.weight, block.attn.qkv.bias).chunk(3, dim=-1)
        heads = zip(*(part.chunk(block.attn.heads, dim=-1) for part in qkv), strict=True)
        said = []
        for head, (query, key, value) in enumerate(heads):
            attention = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1)
            if masked == (layer, head):
                attention[:, 0] = 1 / attention.shape[-1]
            said.append(attention @ value)
        x = x + block.ls1(block.attn.proj(torch.cat(said, dim=-1)))
        x = x + block.ls2(block.mlp(block.norm2(x)))
    return encoder.project(encoder.norm(x)[:, 0])


def plain_pool_embedding(encoder: VisionTransformer, pixels: Tensor, masked: int | None) -> Tensor:
    """The same for TULIP's pool, the only place where one token asks for all."""
    tokens, pool = encoder.tokens(pixels), encoder.attn_pool
    queries = pool.q(pool.latent).chunk(pool.heads, dim=-1)
    keys, values = (part.chunk(pool.heads, dim=-1) for part in pool.kv(tokens).chunk(2, dim=-1))
    said = []
    for head, (query, key, value) in enumerate(zip(queries, keys, values, strict=True)):
        attention = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1)
        said.append((torch.full_like(attention, 1 / 16) if masked == head else attention) @ value)
    pooled = pool.proj(torch.cat(said, dim=-1))
    return cast(Tensor, pooled + pool.mlp(pool.norm(pooled)))[:, 0]


# The definition, exactly


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CLASS_TOKEN)
def test_reusing_what_lies_before_and_beside_equals_the_whole_model_run_for_each_head(
    name: str, dtype: torch.dtype
) -> None:
    """In float64 to fourteen digits, so nothing is approximated; in float32 to 1e-6."""
    encoder = random_encoder(FAMILIES[name]).to(dtype)
    pixels = noise(2, 3, 32, 40, dtype=dtype)
    baseline, masked = masked_embeddings(encoder, pixels)
    scale = float(baseline.abs().max())
    tolerance = 1e-6 * scale if dtype == torch.float32 else 1e-13 * scale
    with torch.no_grad():
        expected = plain_embedding(encoder, pixels, None)
        assert (baseline - expected).abs().max() < tolerance
        assert (baseline - encoder(pixels)).abs().max() < tolerance
        for layer in range(4):
            for head in range(4):
                expected = plain_embedding(encoder, pixels, (layer, head))
                assert (masked[:, layer, head] - expected).abs().max() < tolerance
    assert (masked - baseline[:, None, None]).abs().amax((0, 3)).min() > 1e-3 * scale


@pytest.mark.parametrize(("depth", "name"), [(24, "clip-l14"), (12, "dinov2-s14-reg")])
def test_at_full_depth_reuse_changes_no_number_beyond_a_millionth(depth: int, name: str) -> None:
    """Of the embedding's largest entry, in float32, through all layers of a ViT-L and a ViT-B:
    rounding does not add up on the way."""
    encoder = random_encoder(replace(FAMILIES[name], depth=depth))
    pixels = noise(1, 3, 32, 40)
    baseline, masked = masked_embeddings(encoder, pixels)
    scale = float(baseline.abs().max())
    with torch.no_grad():
        for layer in range(depth):
            head = layer % 4
            expected = plain_embedding(encoder, pixels, (layer, head))
            assert (masked[:, layer, head] - expected).abs().max() < 1e-6 * scale


def test_tulips_pooling_heads_equal_the_plain_way() -> None:
    encoder = random_encoder(FAMILIES["tulip-b16"]).double()
    pixels = noise(2, 3, 32, 32, dtype=torch.float64)
    baseline, masked = masked_embeddings(encoder, pixels)
    assert masked.shape == (2, 1, 4, 32)
    with torch.no_grad():
        torch.testing.assert_close(baseline, plain_pool_embedding(encoder, pixels, None))
        for head in range(4):
            expected = plain_pool_embedding(encoder, pixels, head)
            torch.testing.assert_close(masked[:, 0, head], expected)


@settings(max_examples=15, deadline=None)
@given(
    depth=st.integers(1, 5),
    heads=st.sampled_from([1, 2, 4]),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    registers=st.integers(0, 2),
    seed=st.integers(0, 1000),
)
def test_any_depth_heads_and_size_equal_the_plain_way(
    depth: int, heads: int, rows: int, columns: int, registers: int, seed: int
) -> None:
    spec = replace(FAMILIES["dinov2-s14-reg"], depth=depth, heads=heads, registers=registers)
    encoder = random_encoder(spec, seed).double()
    pixels = noise(1, 3, 8 * rows, 8 * columns, seed=seed, dtype=torch.float64)
    _, masked = masked_embeddings(encoder, pixels)
    layer, head = seed % depth, seed % heads
    with torch.no_grad():
        expected = plain_embedding(encoder, pixels, (layer, head))
    torch.testing.assert_close(masked[:, layer, head], expected)


def test_layers_may_be_chosen_and_are_the_same_numbers() -> None:
    encoder, pixels = random_encoder(FAMILIES["clip-l14"]), noise(1, 3, 32, 32)
    _, everything = masked_embeddings(encoder, pixels)
    _, some = masked_embeddings(encoder, pixels, layers=[3, 1])
    assert torch.equal(some, everything[:, [1, 3]])


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_head_that_is_uniform_already_changes_nothing(name: str) -> None:
    encoder = random_encoder(FAMILIES[name])
    layer = 0 if FAMILIES[name].pool == "attention" else 2
    with torch.no_grad():
        if FAMILIES[name].pool == "attention":
            encoder.attn_pool.q.weight[8:16] = 0
            encoder.attn_pool.q.bias[8:16] = 0
        else:
            attention = cast(Block, encoder.blocks[2]).attn
            attention.qkv.weight[8:16] = 0
            attention.qkv.bias[8:16] = 0
    baseline, masked = masked_embeddings(encoder, noise(1, 3, 32, 32))
    changes = (masked - baseline[:, None, None]).abs().amax((0, 3))[layer]
    assert changes[1] < 1e-6
    assert changes[[0, 2, 3]].min() > 1e-3


# What it costs


def test_all_heads_of_vit_l14_cost_less_than_half_of_as_many_forwards() -> None:
    """Counted at full shape. 0.418 is what the layers cost that differ in all their tokens."""
    ratios = {}
    for name in ("clip-l14", "clip-b16"):
        spec = BACKBONES.get(name)
        with torch.device("meta"):
            encoder, pixels = VisionTransformer(spec).eval(), torch.empty(1, 3, 224, 224)
        with FlopCounterMode(display=False) as forward, torch.no_grad():
            encoder(pixels)
        with FlopCounterMode(display=False) as all_heads:
            masked_embeddings(encoder, pixels)
        heads = spec.depth * spec.heads
        ratios[name] = all_heads.get_total_flops() / forward.get_total_flops() / heads
    assert ratios == pytest.approx({"clip-l14": 0.4494, "clip-b16": 0.4008}, abs=5e-4)


# A planted head is found


def planted_metric(
    spec: Backbone, strategy: Strategy, layer: int, head: int, kind: str = "regression"
) -> Metric:
    """A random encoder with one channel that one head alone writes, and the score alone reads."""
    encoder = random_encoder(spec)
    size = spec.width // spec.heads
    own = slice(head * size, (head + 1) * size)
    pool = spec.pool == "attention"
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, Block):
                module.attn.proj.weight *= 0.3  # the others move the class token, but less
                for matrix in (module.attn.proj, module.mlp.fc2):
                    matrix.weight[0], matrix.bias[0] = 0, 0
        for tensor in (encoder.patch_embed.proj.weight, encoder.patch_embed.proj.bias):
            if tensor is not None:
                tensor[0] = 0
        for name in ("pos_embed", "cls_token", "reg_token"):
            if hasattr(encoder, name):
                getattr(encoder, name)[..., 0] = 0
        if isinstance(encoder.norm_pre, nn.LayerNorm):
            encoder.norm_pre.weight[0], encoder.norm_pre.bias[0] = 0, 0
        if pool:
            asks = encoder.attn_pool
            for matrix in (asks.proj, asks.mlp.fc2):
                matrix.weight[0], matrix.bias[0] = 0, 0
            asks.q.weight[own] *= 30  # it looks at a few patches
            asks.proj.weight[0, own] = 3 * noise(size, seed=5)
        else:
            attention = cast(Block, encoder.blocks[layer]).attn
            # It looks for one thing, whatever the class token is: at few patches.
            attention.qkv.weight[own] = 0
            attention.qkv.bias[own] = 6 * noise(size, seed=6)
            attention.proj.weight[0, own] = 3 * noise(size, seed=5)
        if spec.projection:
            encoder.projection.weight[0] = 0
            encoder.projection.weight[0, 0] = 1
    outputs = ("low", "high") if kind == "classification" else ("score",)
    model = build_model(
        spec,
        dict(encoder.state_dict()),
        outputs=len(outputs),
        head=LINEAR_HEAD,
        strategy=strategy,
        lora=LoRAConfig(rank=2),
    )
    fc = cast(nn.Linear, cast(nn.Sequential, model.head().layers)[0])
    with torch.no_grad():
        for index, (name, parameter) in enumerate(model.encoder.named_parameters()):
            if "lora_B" in name:  # zero at the start: then LoRA would be none
                parameter.copy_(0.1 * noise(*parameter.shape, seed=index))
        fc.weight.zero_()
        fc.weight[-1, 0] = 1
    config = AdapterConfig(
        kind="classification" if kind == "classification" else "regression",
        outputs=outputs,
        backbone=spec.name,
        base="random",
        base_sha256="",
        view=tiny.VIEW,
        lora=LoRAConfig(rank=2),
        head=LINEAR_HEAD,
        strategy=strategy,
    )
    return Metric(model, config, MetricCard(name="planted", task="planted", outputs=outputs))


def changes_of(metric: Metric, count: int = 6) -> npt.NDArray[np.float64]:
    found = []
    for seed in range(count):
        effects = head_effects(metric, tiny.photograph(40, 48, seed))
        found.append(effects.change(int(effects.baseline.argmax())))
    return np.stack(found)


@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_a_planted_head_is_found_at_rank_one(name: str, kind: str) -> None:
    """In TULIP it is a head of the pool: the blocks have no class token whose row could change."""
    spec = FAMILIES[name]
    where = (0, 2) if spec.pool == "attention" else (1, 2)
    changes = changes_of(planted_metric(spec, "frozen", *where, kind))
    found = head_importance(changes)
    assert found.top(1) == [where]
    assert found.absolute_low[where] > np.median(found.absolute_high)


@pytest.mark.parametrize("strategy", ["lora", "full"])
def test_a_planted_head_is_found_whatever_the_strategy(strategy: Strategy) -> None:
    metric = planted_metric(FAMILIES["clip-l14"], strategy, 3, 1)
    if strategy == "lora":
        before = cast(Block, random_encoder(FAMILIES["clip-l14"]).blocks[0]).attn.qkv.weight
        after = cast(Block, metric.model.encoder.blocks[0]).attn.qkv.weight
        assert (after - before).norm() > 0.2 * before.norm()
    assert head_importance(changes_of(metric)).top(1) == [(3, 1)]


# From embeddings to judgements


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_an_images_change_is_that_of_its_judgement_over_all_cuts(kind: str) -> None:
    metric = tiny.metric(
        ("a", "b"),
        "classification" if kind == "classification" else "regression",
        GridCrops(32, 40, crops=3),
        batch_size=5,
    )
    image = tiny.photograph(50, 70)
    effects = head_effects(metric, image)
    np.testing.assert_allclose(effects.baseline, metric(image)[0].numpy(), atol=1e-6)
    pixels = model_input(metric, cuts_of(metric, image))
    head = metric.model.head()
    with torch.no_grad():
        raw = head(plain_embedding(metric.model.encoder, pixels, (1, 0)))
        each = raw.softmax(-1) if kind == "classification" else head.to_rating_scale(raw)
    np.testing.assert_allclose(effects.masked[1, 0], each.mean(0).numpy(), atol=1e-6)
    np.testing.assert_array_equal(effects.change(1), effects.masked[..., 1] - effects.baseline[1])


def test_the_batch_size_changes_no_number() -> None:
    image, view = tiny.photograph(50, 70), GridCrops(32, 40, crops=3)
    one, other = (head_effects(tiny.metric(view=view, batch_size=size), image) for size in (1, 64))
    np.testing.assert_allclose(one.masked, other.masked, atol=1e-6)


def test_half_precision_is_measured_too() -> None:
    image = tiny.photograph(40, 40)
    exact = head_effects(tiny.metric(), image).masked
    half = head_effects(tiny.metric().to(dtype=torch.bfloat16), image).masked
    assert np.isfinite(half).all()
    np.testing.assert_allclose(half, exact, atol=0.05)


# Statistics of heads

CHANGES = arrays(
    np.float64,
    st.tuples(st.integers(2, 6), st.just(2), st.just(3)),
    elements=st.floats(-1, 1, width=32),
)


@settings(max_examples=30, deadline=None)
@given(CHANGES)
def test_means_are_means_and_the_order_of_images_does_not_matter(
    changes: npt.NDArray[np.float64],
) -> None:
    found = head_importance(changes, samples=20)
    np.testing.assert_allclose(found.mean, changes.mean(0), atol=1e-12)
    np.testing.assert_allclose(found.absolute, np.abs(changes).mean(0), atol=1e-12)
    assert (found.absolute_low <= found.absolute + 1e-12).all()
    assert (found.absolute_high >= found.absolute_low).all()
    order = found.top(6)
    sizes = [found.absolute[place] for place in order]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(order)) == 6
    turned = head_importance(changes[::-1], samples=20)
    np.testing.assert_allclose(turned.absolute, found.absolute, atol=1e-12)


def test_intervals_are_those_of_the_bootstrap_of_one_head() -> None:
    changes = np.random.default_rng(0).normal(size=(20, 2, 2))
    found = head_importance(changes, samples=200, seed=3)
    one = changes[:, 1, 0]
    alone = statistics.bootstrap_ci(
        lambda x, _: float(np.mean(x)), np.abs(one), one, samples=200, seed=3
    )
    got = (found.absolute[1, 0], found.absolute_low[1, 0], found.absolute_high[1, 0])
    assert got == pytest.approx((alone.value, alone.low, alone.high))


def test_one_image_has_no_interval() -> None:
    found = head_importance(np.ones((1, 2, 2)))
    assert np.isnan(found.absolute_low).all()
    assert (found.absolute == 1).all()


def test_more_images_make_rankings_agree() -> None:
    rng = np.random.default_rng(0)
    importance = np.linspace(0, 1, 24).reshape(4, 6)
    changes = importance + 0.7 * rng.normal(size=(64, 4, 6))
    found = ranking_stability(changes, draws=20, top=5)
    assert found.images.tolist() == [1, 2, 4, 8, 16, 32]
    assert (np.diff(found.agreement) > 0).all()
    assert found.overlap[-1] > found.overlap[0]
    assert found.enough(0.5) in (2, 4, 8, 16)
    assert found.enough(1.0) is None
    again = ranking_stability(changes, draws=20, top=5)
    np.testing.assert_array_equal(found.agreement, again.agreement)


def stability(agreement: list[float], images: list[int]) -> RankingStability:
    values = np.array(agreement)
    return RankingStability(np.array(images), values, values, values, 10, values)


def test_enough_images_are_those_from_which_on_agreement_stays() -> None:
    found = stability([0.3, 0.92, 0.85, 0.93, 0.95], [1, 2, 4, 8, 16])
    assert found.enough(0.9) == 8  # two images agreed by luck
    assert found.enough(0.2) == 1
    assert found.enough(0.95) == 16
    assert found.enough(0.96) is None
    assert stability([1 - 1e-16], [1]).enough(1.0) == 1
    assert stability([float("nan"), float("nan")], [1, 2]).enough() is None
    assert stability([float("nan"), 0.9], [1, 2]).enough() == 2
    for silly in (0, -1, 1.5, float("nan")):
        with pytest.raises(OptionError, match="expected an SRCC above 0, at most 1"):
            found.enough(silly)


def test_heads_that_do_not_differ_never_agree_enough() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ranking_stability(np.ones((8, 2, 2)), draws=3)
    assert np.isnan(found.agreement).all()
    assert found.enough(0.5) is None


def test_sizes_are_brought_into_order() -> None:
    changes = np.random.default_rng(0).normal(size=(8, 2, 3))
    found = ranking_stability(changes, sizes=[4, 1, 4], draws=3)
    assert found.images.tolist() == [1, 4]
    assert found.agreement.shape == (2,)


def test_a_head_that_every_half_chooses_is_named_and_judged_by_the_other() -> None:
    changes = np.full((8, 2, 3), 0.5)
    changes[:, 1, 2] = 3.0
    found = held_out_advantage(changes)
    assert found.heads == ((1, 2), (1, 2))
    assert found.times.value == pytest.approx(3.0 / ((5 * 0.5 + 3.0) / 6))


def test_a_top_head_among_equals_does_not_seem_to_beat_chance() -> None:
    """The images that choose it do not judge it: noise alone gives no advantage."""
    changes = np.random.default_rng(1).normal(size=(60, 6, 8))
    found = held_out_advantage(changes).times
    assert found.low < 1 < found.high


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(2, 2\), expected \(images, layers, heads\)"):
        head_importance(np.ones((2, 2)))
    with pytest.raises(DataError, match="finite"):
        head_importance(np.full((2, 2, 2), np.nan))
    with pytest.raises(DataError, match="at least 2 images"):
        ranking_stability(np.ones((1, 2, 2)))
    with pytest.raises(OptionError, match="half of the images"):
        ranking_stability(np.ones((4, 2, 2)), sizes=[3])
    with pytest.raises(DataError, match="got 3 images"):
        held_out_advantage(np.ones((3, 2, 2)))


# What cannot be measured says so


def test_an_encoder_that_does_not_expose_attention_says_so() -> None:
    metric = tiny.metric()
    metric.model.encoder = nn.Linear(2, 2)  # type: ignore[assignment]
    with pytest.raises(OptionError, match="a Linear does not expose its attention"):
        head_effects(metric, tiny.photograph(40, 40))


def test_an_encoder_in_training_mode_is_refused() -> None:
    with pytest.raises(OptionError, match="training mode"):
        masked_embeddings(random_encoder(FAMILIES["mae-b16"]).train(), noise(1, 3, 32, 32))


@pytest.mark.parametrize("layers", [[4], [-1], []])
def test_a_layer_that_is_not_there_is_refused(layers: list[int]) -> None:
    encoder = random_encoder(FAMILIES["mae-b16"])
    with pytest.raises(OptionError, match="has layers 0 to 3"):
        masked_embeddings(encoder, noise(1, 3, 32, 32), layers)


# The real adapters


@pytest.mark.weights
def test_on_the_real_clip_b16_reuse_changes_no_number_beyond_a_millionth(
    sample_photos: tuple[Path, Path], clip_base: Path
) -> None:
    """Of memorability, an early and a late layer: embeddings, and the score itself (0 to 1)."""
    metric, layers = create_metric("memorability"), [4, 11]
    image = np.asarray(Image.open(sample_photos[0]).convert("RGB"))
    effects = head_effects(metric, image, layers)
    pixels = model_input(metric, cuts_of(metric, image))
    baseline, masked = masked_embeddings(metric.model.encoder, pixels, layers)
    scale = float(baseline.abs().max())
    with torch.no_grad():
        plain = plain_embedding(metric.model.encoder, pixels, None)
        assert (baseline - plain).abs().max() <= 1e-6 * scale
        np.testing.assert_allclose(effects.baseline, judged(metric, plain)[0], rtol=0, atol=1e-6)
        for row, layer in enumerate(layers):
            for head in (0, 5, 8):
                plain = plain_embedding(metric.model.encoder, pixels, (layer, head))
                assert (masked[:, row, head] - plain).abs().max() <= 1e-6 * scale
                expected = judged(metric, plain)[0]
                np.testing.assert_allclose(effects.masked[row, head], expected, rtol=0, atol=1e-6)
    assert np.abs(effects.change(0)).max() > 1e-3  # there is something to agree on


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("name", ["memorability", "aesthetics", "iqa"])
def test_the_top_head_of_three_layers_of_a_real_adapter_beats_a_random_one_of_them(
    name: str, sample_photos: tuple[Path, Path], clip_base: Path
) -> None:
    """With 95 % confidence, on parts of two photographs; the other half of them chooses the head.

    Both are of layers 5, 8 and 11: the other nine are not looked at. What whole photographs give
    stands in benchmarks/results/explain.json, and a test of docs/explain.md holds that too.
    """
    metric = create_metric(name, crops=1) if name == "iqa" else create_metric(name)
    changes = np.stack(
        [
            head_effects(metric, np.asarray(part), layers=[5, 8, 11]).change(0)
            for photo in sample_photos
            for part in parts_of(Image.open(photo).convert("RGB"))
        ]
    )
    assert held_out_advantage(changes).times.low > 1


def parts_of(picture: Image.Image, side: int = 180) -> list[Image.Image]:
    """Twelve squares that together cover a picture of 640 by 427."""
    return [
        picture.crop((left, top, left + side, top + side))
        for top in (0, 123, 247)
        for left in (0, 153, 306, 460)
    ]
