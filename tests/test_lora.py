"""LoRA: equal to peft and to loralib, merged in eval, unmerged bit for bit."""

from __future__ import annotations

import copy
import io
import math
import pickle

import loralib
import peft
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from perceptmetrics.adaptation import STRATEGIES, LoRAConfig, Strategy
from perceptmetrics.backbones import find_backbone
from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.vit import VisionTransformer, random_encoder
from perceptmetrics.backbones.weight_maps import from_transformers
from perceptmetrics.errors import OptionError
from perceptmetrics.heads import MLP_HEAD
from perceptmetrics.lora import (
    LoRALinear,
    apply_strategy,
    fold,
    inject,
    load_lora,
    lora_state,
    parameter_count,
)

HALF = (0.5, 0.5, 0.5)
SPEC = Backbone("tiny", "tiny", 32, 2, 2, 8, 32, HALF, HALF, (), "none")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def relative(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).detach().abs().max() / theirs.detach().abs().max())


def awaken(module: nn.Module) -> None:
    """Gives every B, which is born zero, something to say."""
    with torch.no_grad():
        for index, (name, parameter) in enumerate(module.named_parameters()):
            if name.endswith("lora_B"):
                parameter.copy_(0.1 * noise(*parameter.shape, seed=index))


def layer(rank: int = 4, alpha: float = 8, dropout: float = 0.0, width: int = 16) -> LoRALinear:
    linear = nn.Linear(width, 3 * width)
    with torch.no_grad():
        linear.weight.copy_(noise(3 * width, width))
        linear.bias.copy_(noise(3 * width, seed=1))
    built = LoRALinear(linear, LoRAConfig(rank, alpha, dropout), torch.Generator().manual_seed(2))
    awaken(built)
    return built


def adapted(seed: int = 0) -> VisionTransformer:
    encoder = random_encoder(SPEC).train()
    inject(encoder, LoRAConfig(rank=4, dropout=0.0), seed)
    awaken(encoder)
    return encoder.eval()


@pytest.mark.parametrize(
    ("width", "heads", "rank"), [(32, 2, 4), (768, 12, 16)], ids=["small", "width of ViT-B/16"]
)
def test_outputs_and_gradients_equal_peft_on_q_k_and_v(width: int, heads: int, rank: int) -> None:
    config = transformers.CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=2,
        num_attention_heads=heads,
        image_size=64,
        patch_size=16,
        projection_dim=24,
    )
    theirs = transformers.CLIPVisionModelWithProjection(config)
    spec = Backbone(
        *("like-clip", "clip", width, 2, heads, 16, 64, HALF, HALF, (), "none"),
        activation="quick_gelu",
        norm_eps=1e-5,
        pre_norm=True,
        patch_bias=False,
        projection=24,
    )
    ours = VisionTransformer(spec)
    ours.load_state_dict(from_transformers(theirs.state_dict()))
    apply_strategy(ours, "lora", LoRAConfig(rank=rank, alpha=8, dropout=0.0))
    awaken(ours)
    ours.train()

    # The configuration of the official release, dropout off (DESIGN section 2).
    wrapped = peft.get_peft_model(
        theirs,
        peft.LoraConfig(
            r=rank,
            lora_alpha=8,
            target_modules=["q_proj", "k_proj", "v_proj"],
            lora_dropout=0.0,
            bias="none",
        ),
    )
    pairs = {name: p for name, p in wrapped.named_parameters() if "lora_" in name}
    own = dict(ours.named_parameters())

    def rows(name: str) -> tuple[str, slice]:
        """Which rows of which parameter of ours a parameter of peft's is."""
        parts = name.split(".")
        index = parts[parts.index("layers") + 1]
        which = next("qkv".index(part[0]) for part in parts if part.endswith("_proj"))
        matrix, size = ("lora_A", rank) if "lora_A" in parts else ("lora_B", width)
        return f"blocks.{index}.attn.qkv.{matrix}", slice(which * size, (which + 1) * size)

    with torch.no_grad():
        for name, parameter in pairs.items():
            target, part = rows(name)
            parameter.copy_(own[target][part])

    pixels = [noise(3, 3, 64, 64).requires_grad_() for _ in range(2)]
    outputs = [ours(pixels[0]), wrapped(pixel_values=pixels[1]).image_embeds]
    assert relative(outputs[0], outputs[1]) < 1e-5
    for output in outputs:
        (output * noise(3, 24, seed=5)).sum().backward()
    assert len(pairs) == 12
    for name, parameter in pairs.items():
        target, part = rows(name)
        gradient = own[target].grad
        assert gradient is not None
        assert parameter.grad is not None
        assert relative(gradient[part], parameter.grad) < 1e-5, name
    assert pixels[0].grad is not None
    assert pixels[1].grad is not None
    assert relative(pixels[0].grad, pixels[1].grad) < 1e-5
    frozen = {name for name, p in own.items() if p.grad is None}
    assert frozen == {name for name in own if "lora_" not in name}


def test_equals_loralibs_own_layer_in_training_and_in_eval() -> None:
    ours = layer()
    theirs = loralib.MergedLinear(16, 48, r=4, lora_alpha=8, enable_lora=[True] * 3)
    theirs.load_state_dict(ours.state_dict())
    x = noise(5, 16, seed=9)
    for mode in (True, False):
        theirs.train(mode)  # which returns None
        torch.testing.assert_close(ours.train(mode)(x), theirs(x))


@given(
    rank=st.integers(1, 24),
    alpha=st.floats(0.01, 64),
    cycles=st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_merging_changes_no_output_and_unmerging_restores_every_bit(
    rank: int, alpha: float, cycles: int
) -> None:
    lora = layer(rank, alpha)
    before = lora.weight.detach().clone()
    x = noise(4, 16, seed=7)
    apart = lora(x)
    for _ in range(cycles):
        lora.eval()
        assert relative(lora(x), apart) < 1e-5
        assert not torch.equal(lora.weight, before)
        lora.train()
        assert torch.equal(lora.weight, before)


def test_merging_twice_adds_the_update_once() -> None:
    lora = layer().eval()
    merged = lora.weight.detach().clone()
    lora.merge()
    assert torch.equal(lora.eval().weight, merged)


def test_update_is_alpha_over_rank_times_b_a_of_each_of_q_k_and_v() -> None:
    lora = layer(rank=4, alpha=8)
    before = lora.weight.detach().clone()
    pairs = zip(lora.lora_B.chunk(3), lora.lora_A.chunk(3), strict=True)
    expected = torch.cat([8 / 4 * b @ a for b, a in pairs])
    torch.testing.assert_close(lora.eval().weight - before, expected)


def test_update_starts_at_zero_and_a_is_kaiming_uniform() -> None:
    fresh = random_encoder(SPEC)
    plain = fresh.state_dict()["blocks.0.attn.qkv.weight"].clone()
    inject(fresh, LoRAConfig())
    qkv = fresh.get_submodule("blocks.0.attn.qkv")
    assert isinstance(qkv, LoRALinear)
    assert not qkv.lora_B.any()
    assert torch.equal(qkv.weight, plain)
    bound = 1 / math.sqrt(SPEC.width)  # kaiming_uniform_ with a = sqrt(5), as loralib and peft
    assert 0.95 * bound < qkv.lora_A.abs().max() <= bound


def test_the_base_is_used_in_place_and_never_written_to() -> None:
    linear = nn.Linear(16, 48)
    before = linear.weight.detach().clone()
    lora = LoRALinear(linear, LoRAConfig(), torch.Generator())
    assert lora.weight.data_ptr() == linear.weight.data_ptr()
    awaken(lora)
    lora.eval()
    assert torch.equal(linear.weight, before)


def test_the_seed_decides_and_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    states = []
    for seed in (0, 0, 1):
        encoder = random_encoder(SPEC)
        apply_strategy(encoder, "lora", LoRAConfig(), seed)
        states.append(lora_state(encoder))
    assert torch.equal(torch.get_rng_state(), before)
    name = "blocks.0.attn.qkv.lora_A"
    assert torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[0][name], states[2][name])
    assert not torch.equal(states[0][name], states[0]["blocks.1.attn.qkv.lora_A"])


def test_eval_gives_what_training_gives_without_dropout() -> None:
    encoder = adapted()
    x = noise(2, 3, 32, 48)
    assert relative(encoder.eval()(x), encoder.train()(x)) < 1e-5


def test_dropout_acts_on_the_low_rank_path_in_training_only() -> None:
    lora = layer(dropout=0.5)
    x = noise(4, 16, seed=3)
    assert isinstance(lora.lora_dropout, nn.Dropout)
    assert not torch.equal(lora(x), lora(x))
    lora.eval()
    assert torch.equal(lora(x), lora(x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_change_of_dtype_while_merged_keeps_the_pretrained_bits(dtype: torch.dtype) -> None:
    lora = layer()
    before = lora.weight.detach().clone()
    lora.eval().to(dtype)
    assert lora.weight.dtype == lora.lora_A.dtype == dtype
    assert lora(noise(2, 16).to(dtype)).dtype == dtype
    assert torch.equal(lora.train().weight, before.to(dtype))


def test_pairs_loaded_while_merged_take_effect_at_once() -> None:
    source, target = adapted(seed=1), adapted(seed=2)
    x = noise(1, 3, 32, 32)
    assert relative(target(x), source(x)) > 1e-3
    load_lora(target, lora_state(source))
    assert torch.equal(target(x), source(x))
    target.train()
    plain = random_encoder(SPEC).state_dict()
    assert torch.equal(
        target.state_dict()["blocks.1.attn.qkv.weight"], plain["blocks.1.attn.qkv.weight"]
    )


@pytest.mark.parametrize("mode", [True, False], ids=["training", "eval"])
def test_a_state_dict_holds_the_pretrained_matrix_whatever_the_mode(mode: bool) -> None:
    source, target = adapted(seed=1), adapted(seed=2)
    x = noise(1, 3, 32, 32)
    expected = source(x)
    state = source.train(mode).state_dict()
    name = "blocks.0.attn.qkv.weight"
    assert torch.equal(state[name], random_encoder(SPEC).state_dict()[name])
    assert not [key for key in state if "_pretrained" in key]
    target.load_state_dict(state)
    assert torch.equal(target(x), expected)
    target.load_state_dict(state, assign=True)
    assert torch.equal(target.eval()(x), expected)


def test_copies_and_pickles_score_alike_and_unmerge_alike() -> None:
    encoder = adapted()
    x = noise(1, 3, 32, 32)
    stream = io.BytesIO()
    torch.save(encoder, stream)
    stream.seek(0)
    others = [
        copy.deepcopy(encoder),
        pickle.loads(pickle.dumps(encoder)),
        torch.load(stream, weights_only=False),
    ]
    for other in others:
        assert torch.equal(other(x), encoder(x))
        awaken_again = other.get_submodule("blocks.0.attn.qkv")
        other.train()
        plain = random_encoder(SPEC).state_dict()["blocks.0.attn.qkv.weight"]
        assert torch.equal(awaken_again.weight, plain)
    assert encoder.get_submodule("blocks.0.attn.qkv").merged, "a copy changed the original"


def test_folding_leaves_plain_layers_and_the_same_scores() -> None:
    encoder = adapted()
    x = noise(1, 3, 32, 32)
    expected = encoder(x)
    fold(encoder)
    assert encoder.state_dict().keys() == random_encoder(SPEC).state_dict().keys()
    assert not any(isinstance(module, LoRALinear) for module in encoder.modules())
    assert torch.equal(encoder(x), expected)
    encoder.train()
    assert torch.equal(encoder(x), expected)


def test_folding_in_training_mode_folds_the_merged_matrix() -> None:
    encoder = adapted()
    x = noise(1, 3, 32, 32)
    expected = encoder(x)
    fold(encoder.train())
    assert torch.equal(encoder.eval()(x), expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_trains_what_it_says(strategy: Strategy) -> None:
    encoder = random_encoder(SPEC)
    apply_strategy(encoder, strategy, LoRAConfig(rank=4))
    training = {name for name, p in encoder.named_parameters() if p.requires_grad}
    everything = {name for name, _ in encoder.named_parameters()}
    expected = {
        "lora": {name for name in everything if "lora_" in name},
        "frozen": set(),
        "full": everything,
    }[strategy]
    assert training == expected
    assert bool(lora_state(encoder)) == (strategy == "lora")


def test_names_are_loralibs() -> None:
    encoder = adapted()
    names = {f"blocks.{i}.attn.qkv.lora_{matrix}" for i in (0, 1) for matrix in "AB"}
    assert set(loralib.lora_state_dict(encoder)) == names == set(lora_state(encoder))


def test_counts_at_vit_l14_are_the_papers() -> None:
    # Table 1 says "less than 3M"; the official release has 2.359 M and 0.525 M (DESIGN section 2).
    spec = find_backbone("clip-l14")
    with torch.device("meta"):
        encoder = VisionTransformer(spec)
    apply_strategy(encoder, "lora", LoRAConfig())
    head = MLP_HEAD.build(spec.embedding_width, 1)
    assert parameter_count(encoder) == 24 * 3 * 2 * 16 * 1024 == 2_359_296
    assert parameter_count(head) == 525_313
    assert parameter_count(encoder) + parameter_count(head) == 2_884_609
    assert parameter_count(encoder, trainable=False) == 303_966_208 + 2_359_296


@pytest.mark.parametrize(
    ("rank", "alpha", "dropout"), [(0, 8.0, 0.1), (16, 0.0, 0.1), (16, 8.0, 1.0), (16, 8.0, -0.1)]
)
def test_impossible_settings_are_refused(rank: int, alpha: float, dropout: float) -> None:
    with pytest.raises(OptionError, match="expected rank >= 1"):
        LoRAConfig(rank, alpha, dropout)


def test_misuse_is_refused_by_name() -> None:
    encoder = adapted()
    state = lora_state(encoder)
    name = "blocks.0.attn.qkv.lora_A"
    with pytest.raises(OptionError, match="has LoRA already"):
        inject(encoder, LoRAConfig())
    with pytest.raises(OptionError, match="no layer called 'qkv'"):
        inject(nn.Linear(2, 2), LoRAConfig())
    with pytest.raises(OptionError, match=f"{name} is on one side only"):
        load_lora(encoder, {key: t for key, t in state.items() if key != name})
    with pytest.raises(OptionError, match=rf"{name} is \(1, 32\), expected \(12, 32\)"):
        load_lora(encoder, {**state, name: state[name][:1]})
    with pytest.raises(OptionError, match="strategy 'half'"):
        apply_strategy(random_encoder(SPEC), "half", LoRAConfig())  # type: ignore[arg-type]
