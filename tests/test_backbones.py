"""Our one ViT equals open_clip's, transformers' and timm's, at full size and at any input size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.model import resize_pos_embed
from PIL import Image
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn
from torch.nn import functional as F

from perceptmetrics.backbones import BACKBONES, find_backbone
from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.vit import VisionTransformer, random_encoder
from perceptmetrics.backbones.weight_maps import (
    canonical,
    from_open_clip,
    from_timm,
    from_transformers,
)
from perceptmetrics.errors import ImageError, WeightsMismatchError, WeightsMissingError
from perceptmetrics.weights.base import load_base
from perceptmetrics.weights.source import OpenClipSource, TimmSource

TOLERANCE = 1e-5  # relative, in float32: issue 2


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def relative(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def randomised(model: nn.Module) -> Any:
    """A model that was built on the meta device, with random weights from a local generator."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, parameter in model.state_dict().items():
        drawn = torch.empty(parameter.shape).uniform_(-1.7, 1.7, generator=generator)
        if drawn.dim() in (2, 4):
            state[name] = drawn.mul_(drawn[0].numel() ** -0.5)
        else:  # LayerNorms and layer scales near one, biases, tokens and tables near zero
            near_one = drawn.dim() == 1 and name.endswith(("weight", "gamma", "lambda1"))
            state[name] = drawn.mul_(0.02).add_(float(near_one))
    model.load_state_dict(state, assign=True)
    return model.eval()


def our_encoder(spec: Backbone, tensors: Mapping[str, Tensor]) -> VisionTransformer:
    with torch.device("meta"):
        encoder = VisionTransformer(spec)
    encoder.load_state_dict(tensors, assign=True)
    return encoder.eval()


def open_clip_tower(name: str) -> Any:
    with torch.device("meta"):
        model = open_clip.CLIP(**open_clip.get_model_config(name))
    randomised(model.visual)
    return model.eval()


def transformers_clip(spec: Backbone, **changes: int) -> Any:
    config = transformers.CLIPVisionConfig(
        hidden_size=spec.width,
        intermediate_size=spec.hidden_width,
        num_hidden_layers=spec.depth,
        num_attention_heads=spec.heads,
        image_size=spec.image_size,
        patch_size=spec.patch_size,
        projection_dim=spec.projection,
    )
    with torch.device("meta"):
        model = transformers.CLIPVisionModelWithProjection(config)
    # A buffer that no state dict holds.
    positions = torch.arange(spec.grid_size**2 + 1).unsqueeze(0)
    model.vision_model.embeddings.register_buffer("position_ids", positions, persistent=False)
    return model


def transformers_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Canonical CLIP tensors under transformers' names: the way back, written out on its own."""
    ours_to_theirs = (
        (r"^cls_token", "embeddings.class_embedding"),
        (r"^pos_embed", "embeddings.position_embedding.weight"),
        (r"^patch_embed\.proj", "embeddings.patch_embedding"),
        (r"^norm_pre", "pre_layrnorm"),
        (r"^norm\.", "post_layernorm."),
        (r"^blocks", "encoder.layers"),
        (r"\.norm([12])\.", r".layer_norm\1."),
        (r"attn\.proj", "self_attn.out_proj"),
    )
    renamed = {}
    for name, tensor in state.items():
        new = name
        for ours, theirs in ours_to_theirs:
            new = re.sub(ours, theirs, new)
        if "attn.qkv" in name:
            for part, third in zip("qkv", tensor.chunk(3), strict=True):
                key = new.replace("attn.qkv", f"self_attn.{part}_proj")
                renamed[f"vision_model.{key}"] = third
        else:
            renamed[f"vision_model.{new}"] = tensor.squeeze() if tensor.dim() == 3 else tensor
    renamed["visual_projection.weight"] = renamed.pop("vision_model.projection.weight")
    return renamed


def timm_model(name: str, **arguments: Any) -> Any:
    with torch.device("meta"):
        return timm.create_model(name, **{"num_classes": 0, **arguments})


SIZES = [
    "clip-b32",
    "clip-b16",
    "clip-l14",
    pytest.param("clip-l14-336", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", SIZES)
def test_features_equal_open_clips_and_transformers_clip_at_full_size(name: str) -> None:
    spec = find_backbone(name)
    source = spec.weights_of("openai").source
    assert isinstance(source, OpenClipSource)
    first = open_clip_tower(source.model)
    tensors = from_open_clip(first.state_dict())
    second = transformers_clip(spec)
    second.load_state_dict(transformers_names(tensors), assign=True)
    mapped = from_transformers(second.state_dict())
    assert mapped.keys() == tensors.keys()
    assert all(torch.equal(mapped[key], tensors[key]) for key in tensors)
    pixels = noise(1, 3, spec.image_size, spec.image_size)
    with torch.inference_mode():
        features = our_encoder(spec, tensors)(pixels)
        assert relative(features, first.encode_image(pixels)) < TOLERANCE
        assert relative(features, second.eval()(pixel_values=pixels).image_embeds) < TOLERANCE


# DINOv2's larger sizes are compared at fewer pixels than 518: a smaller table, all other weights.
@pytest.mark.parametrize(
    ("name", "theirs", "size"),
    [
        ("dinov2-s14", "vit_small_patch14_dinov2", 518),
        ("dinov2-b14", "vit_base_patch14_dinov2", 224),
        ("dinov2-l14", "vit_large_patch14_dinov2", 112),
        ("dinov2-s14-reg", "vit_small_patch14_reg4_dinov2", 518),
        ("dinov2-b14-reg", "vit_base_patch14_reg4_dinov2", 224),
        ("dinov2-l14-reg", "vit_large_patch14_reg4_dinov2", 112),
        ("mae-b16", "vit_base_patch16_224", 224),
        ("mae-l16", "vit_large_patch16_224", 224),
        pytest.param("mae-h14", "vit_huge_patch14_224", 224, marks=pytest.mark.slow),
        ("tulip-b16", "vit_base_patch16_siglip_224", 224),
        pytest.param(
            *("tulip-so400m14-384", "vit_so400m_patch14_siglip_384", 384), marks=pytest.mark.slow
        ),
    ],
)
def test_features_equal_timms_at_full_size(name: str, theirs: str, size: int) -> None:
    spec = replace(find_backbone(name), image_size=size)
    model = randomised(timm_model(theirs, img_size=size))
    ours = our_encoder(spec, from_timm(model.state_dict()))
    pixels = noise(1, 3, size, size)
    with torch.inference_mode():
        features = ours(pixels)
        assert features.shape == (1, spec.embedding_width)
        assert relative(features, model(pixels)) < TOLERANCE


def test_features_equal_timms_clip_whose_head_is_the_projection() -> None:
    model = timm_model("vit_base_patch32_clip_quickgelu_224", num_classes=512)
    randomised(model)
    nn.init.zeros_(model.head.bias)
    ours = our_encoder(find_backbone("clip-b32"), from_timm(model.state_dict()))
    pixels = noise(2, 3, 224, 224)
    with torch.inference_mode():
        assert relative(ours(pixels), model(pixels)) < TOLERANCE


def test_features_equal_open_clips_siglip_tower() -> None:
    # TULIP's checkpoints are of open_clip's form: a timm trunk, attention pool, no projection.
    config = open_clip.get_model_config("ViT-B-16-SigLIP")
    config["vision_cfg"]["timm_pool"] = "map"
    with torch.device("meta"):
        model = open_clip.CustomTextCLIP(
            config["embed_dim"],
            config["vision_cfg"],
            {"width": 32, "heads": 2, "layers": 1, "vocab_size": 8},
        )
    randomised(model.visual)
    ours = our_encoder(find_backbone("tulip-b16"), from_open_clip(model.state_dict()))
    pixels = noise(1, 3, 224, 224)
    with torch.inference_mode():
        assert relative(ours(pixels), model.eval().encode_image(pixels)) < TOLERANCE


@pytest.mark.parametrize("registers", [False, True])
def test_features_equal_transformers_dinov2(registers: bool) -> None:
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    spec = replace(
        find_backbone("dinov2-s14-reg" if registers else "dinov2-s14"), depth=3, image_size=112
    )
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=spec.width,
        num_hidden_layers=spec.depth,
        num_attention_heads=spec.heads,
        image_size=spec.image_size,
        patch_size=14,
    )
    with torch.device("meta"):
        model = getattr(transformers, f"{kind}Model")(config)
    randomised(model)
    ours = our_encoder(spec, from_transformers(model.state_dict()))
    pixels = noise(2, 3, 112, 112)
    with torch.inference_mode():
        output = model(pixel_values=pixels)
        assert relative(ours(pixels), output.pooler_output) < TOLERANCE
        assert relative(ours.tokens(pixels), output.last_hidden_state) < TOLERANCE


@pytest.mark.parametrize("pixels", [(64, 64), (96, 48)])
def test_features_equal_transformers_mae_at_any_size(pixels: tuple[int, int]) -> None:
    spec = replace(find_backbone("mae-b16"), width=48, heads=4, depth=2, image_size=64)
    config = transformers.ViTMAEConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=192,
        image_size=64,
        patch_size=16,
        mask_ratio=0.0,
        layer_norm_eps=1e-6,
        decoder_hidden_size=16,
        decoder_num_attention_heads=2,
    )
    model = transformers.ViTMAEForPreTraining(config)
    randomised(model)
    ours = our_encoder(spec, from_transformers(model.state_dict()))
    images = noise(2, 3, *pixels)
    patches = pixels[0] * pixels[1] // 256
    with torch.inference_mode():
        hidden = model.vit(
            images,
            noise=torch.arange(patches).repeat(2, 1),  # Masks nothing, in the patches' order.
            interpolate_pos_encoding=True,
        ).last_hidden_state
        assert relative(ours.tokens(images), hidden) < TOLERANCE


# --- real weights -----------------------------------------------------------------------------


def photograph(spec: Backbone, path: Path) -> Tensor:
    """One batch of two: the photograph and its mirror image."""
    with Image.open(path) as image:
        small = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))
    pixels = torch.from_numpy(small.copy()).permute(2, 0, 1) / 255
    pixels = (pixels - torch.tensor(spec.mean).view(3, 1, 1)) / torch.tensor(spec.std).view(3, 1, 1)
    return torch.stack([pixels, pixels.flip(-1)])


def real_weights(name: str) -> tuple[Backbone, dict[str, Tensor]]:
    spec = find_backbone(name)
    try:
        return spec, load_base(name, spec.weights_of()).tensors
    except WeightsMissingError as error:
        pytest.skip(str(error))


@pytest.mark.weights
def test_the_real_clip_b16_equals_transformers(sample_photos: tuple[Path, Path]) -> None:
    spec, tensors = real_weights("clip-b16")
    theirs = transformers_clip(spec)
    theirs.load_state_dict(transformers_names(tensors), assign=True)
    pixels = photograph(spec, sample_photos[0])
    with torch.inference_mode():
        expected = theirs.eval()(pixel_values=pixels).image_embeds
        assert relative(our_encoder(spec, tensors)(pixels), expected) < TOLERANCE


@pytest.mark.weights
def test_the_real_dinov2_s14_equals_timms(sample_photos: tuple[Path, Path]) -> None:
    spec, tensors = real_weights("dinov2-s14")
    theirs = timm_model("vit_small_patch14_dinov2")
    theirs.load_state_dict(tensors, assign=True)
    pixels = photograph(spec, sample_photos[1])
    # The photograph is brought to the stored size here: at another, timm resizes the table in
    # its own way (see the test of DINOv2's positions).
    pixels = F.interpolate(pixels[:1], size=(518, 518), mode="bilinear")
    with torch.inference_mode():
        assert relative(our_encoder(spec, tensors)(pixels), theirs.eval()(pixels)) < TOLERANCE


# --- any input size ---------------------------------------------------------------------------

FAMILIES = ["clip-b16", "dinov2-s14", "dinov2-s14-reg", "mae-b16", "tulip-b16"]
GRID = 5


def small(name: str) -> Backbone:
    """A family's spec with everything of it but its size."""
    spec = find_backbone(name)
    return replace(
        spec,
        width=16,
        heads=2,
        depth=2,
        mlp_width=0,
        image_size=GRID * spec.patch_size,
        projection=6 if spec.projection else 0,
    )


@given(name=st.sampled_from(FAMILIES), height=st.integers(16, 120), width=st.integers(16, 120))
@settings(max_examples=60, deadline=None)
def test_any_input_size_gives_an_embedding_which_is_the_pool_of_all_tokens(
    name: str, height: int, width: int
) -> None:
    spec = small(name)
    encoder = random_encoder(spec)
    pixels = noise(2, 3, height, width)
    embedding, tokens = encoder(pixels), encoder.tokens(pixels)
    front = spec.class_token + spec.registers
    patches = (height // spec.patch_size) * (width // spec.patch_size)
    assert tokens.shape == (2, front + patches, spec.width)
    assert embedding.shape == (2, spec.embedding_width)
    assert embedding.isfinite().all()
    pooled = encoder.attn_pool(tokens) if spec.pool == "attention" else tokens[:, 0]
    expected = encoder.projection(pooled) if spec.projection else pooled
    assert relative(embedding, expected) < TOLERANCE
    assert relative(embedding[1:], encoder(pixels[1:])) < TOLERANCE, "a neighbour had a say"


@given(name=st.sampled_from(FAMILIES), down=st.integers(0, 13), right=st.integers(0, 13))
@settings(max_examples=20, deadline=None)
def test_a_rest_that_fills_no_patch_is_not_seen(name: str, down: int, right: int) -> None:
    spec = small(name)
    encoder, side = random_encoder(spec), GRID * spec.patch_size
    pixels = noise(1, 3, side + down, side + right)
    assert torch.equal(encoder(pixels), encoder(pixels[..., :side, :side].contiguous()))


@pytest.mark.parametrize("name", FAMILIES)
def test_an_image_smaller_than_a_patch_is_an_error(name: str) -> None:
    spec = small(name)
    with pytest.raises(ImageError, match=f"smaller than one {spec.patch_size}-pixel patch"):
        random_encoder(spec)(torch.zeros(1, 3, 64, spec.patch_size - 1))


def meta_dinov2(table: Tensor, rows: int, columns: int) -> Tensor:
    # interpolate_pos_encoding of facebookresearch/dinov2, dinov2/models/vision_transformer.py,
    # with interpolate_offset=0.1 and interpolate_antialias=False, the defaults of its hubconf.
    # (transformers and timm resize to the size instead, and timm antialiases.)
    side = int(table.shape[1] ** 0.5)
    sx, sy = float(rows + 0.1) / side, float(columns + 0.1) / side
    resized = F.interpolate(
        table.reshape(1, side, side, -1).permute(0, 3, 1, 2),
        mode="bicubic",
        antialias=False,
        scale_factor=(sx, sy),
    )
    assert resized.shape[-2:] == (rows, columns)
    return resized.permute(0, 2, 3, 1).reshape(1, rows * columns, -1)


def open_clips(table: Tensor, rows: int, columns: int) -> Tensor:
    # It takes a table of the right length for resized, whatever its shape: an empty class row
    # would not do, so one is put before the grid and taken off again.
    state = {"visual.positional_embedding": torch.cat([torch.zeros_like(table[0, :1]), table[0]])}
    resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=(rows, columns))))
    return state["visual.positional_embedding"][None, 1:]


def metas_registers(table: Tensor, rows: int, columns: int) -> Tensor:
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=70, patch_size=14
    )
    return _transformers_positions(
        transformers.Dinov2WithRegistersModel(config), table, 14, rows, columns
    )


def maes(table: Tensor, rows: int, columns: int) -> Tensor:
    config = transformers.ViTMAEConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=80, patch_size=16
    )
    return _transformers_positions(transformers.ViTMAEModel(config), table, 16, rows, columns)


def _transformers_positions(
    model: Any, table: Tensor, patch: int, rows: int, columns: int
) -> Tensor:
    embeddings = model.embeddings
    with_class = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)
    embeddings.position_embeddings = nn.Parameter(with_class)
    tokens = torch.zeros(1, 1 + rows * columns, 16)
    resized: Tensor = embeddings.interpolate_pos_encoding(tokens, rows * patch, columns * patch)
    return resized[:, 1:].detach()


def timms(table: Tensor, rows: int, columns: int) -> Tensor:
    resized: Tensor = resample_abs_pos_embed(table, [rows, columns], num_prefix_tokens=0)
    return resized


ORACLES = {
    "clip-b16": open_clips,
    "dinov2-s14": meta_dinov2,
    "dinov2-s14-reg": metas_registers,
    "mae-b16": maes,
    "tulip-b16": timms,
}


@given(name=st.sampled_from(FAMILIES), rows=st.integers(1, 9), columns=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_positions_are_resized_as_each_familys_own_code_does_it(
    name: str, rows: int, columns: int
) -> None:
    # Without patches' own content and without a LayerNorm, what enters the blocks is positions.
    spec = replace(small(name), pre_norm=False, patch_bias=False)
    encoder = random_encoder(spec)
    pixels = torch.zeros(1, 3, rows * spec.patch_size, columns * spec.patch_size)
    ours = encoder.embed(pixels)[:, spec.class_token + spec.registers :]
    table = encoder.pos_embed[:, int(spec.class_position) :]
    if rows * columns == GRID**2:
        assert torch.equal(ours, table)
        return
    assert relative(ours, ORACLES[name](table, rows, columns)) < TOLERANCE


def test_positions_are_resized_in_float32_in_a_half_precision_model() -> None:
    spec = replace(small("clip-b16"), pre_norm=False)
    encoder = random_encoder(spec)
    pixels = torch.zeros(1, 3, 48, 112)
    exact = encoder.bfloat16().float().embed(pixels)
    half = encoder.bfloat16().embed(pixels.bfloat16())
    assert torch.equal(half, exact.bfloat16())


# --- specifications ---------------------------------------------------------------------------


def test_every_size_that_the_readme_promises_is_there() -> None:
    promised = {
        *("clip-b32", "clip-b16", "clip-l14", "clip-l14-336"),
        *("dinov2-s14", "dinov2-b14", "dinov2-l14"),
        *("dinov2-s14-reg", "dinov2-b14-reg", "dinov2-l14-reg"),
        *("mae-b16", "mae-l16", "mae-h14"),
        *("tulip-b16", "tulip-so400m14-384"),
    }
    assert promised <= set(BACKBONES.names())


@pytest.mark.parametrize(
    ("family", "default"),
    [("clip", "clip-b16"), ("dinov2", "dinov2-s14"), ("mae", "mae-b16"), ("tulip", "tulip-b16")],
)
def test_a_familys_name_alone_means_its_default_size(family: str, default: str) -> None:
    assert find_backbone(family).name == default
    assert sum(b.default_of_family for b in BACKBONES if b.family == family) == 1


# DESIGN section 4 (86.19 M, 22.06 M); the others are timm's counts for the same checkpoints.
@pytest.mark.parametrize(
    ("name", "count"),
    [("clip-b16", 86_192_640), ("dinov2-s14", 22_056_192), ("mae-h14", 630_764_800)],
)
def test_parameter_counts_are_the_known_ones(name: str, count: int) -> None:
    with torch.device("meta"):
        encoder = VisionTransformer(find_backbone(name))
    assert sum(p.numel() for p in encoder.parameters()) == count


@pytest.mark.parametrize("spec", BACKBONES.values(), ids=lambda spec: spec.name)
def test_sources_exist_and_have_the_specs_pixels(spec: Backbone) -> None:
    for weights in spec.weights:
        source = weights.source
        if isinstance(source, TimmSource):
            config = timm.models.get_pretrained_cfg(source.model)
            assert config is not None
            assert config.hf_hub_id
            assert config.input_size == (3, spec.image_size, spec.image_size)
            mean, std = config.mean, config.std
            assert config.license is not None
            assert weights.licence.lower().startswith(config.license)
        elif isinstance(source, OpenClipSource):
            config = open_clip.pretrained.get_pretrained_cfg(source.model, source.tag)
            assert config["hf_hub"]
            mean, std = config["mean"], config["std"]
        else:
            continue
        assert (tuple(mean), tuple(std)) == (spec.mean, spec.std)


# --- weight maps ------------------------------------------------------------------------------


def old_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """transformers 5's names as releases before it, and most files on the hub, have them."""
    new_to_old = (
        (r"attention\.q_proj", "attention.attention.query"),
        (r"attention\.k_proj", "attention.attention.key"),
        (r"attention\.v_proj", "attention.attention.value"),
        (r"attention\.o_proj", "attention.output.dense"),
        (r"^(vit\.)?layers\.(\d+)\.mlp\.fc1", r"\1layers.\2.intermediate.dense"),
        (r"^(vit\.)?layers\.(\d+)\.mlp\.fc2", r"\1layers.\2.output.dense"),
        (r"^(vit\.)?layers\.", r"\1encoder.layer."),
    )
    renamed = {}
    for name, tensor in state.items():
        for new, old in new_to_old:
            name = re.sub(new, old, name)
        renamed[name] = tensor
    return renamed


def tiny_mae_and_dinov2() -> list[Any]:
    size: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    decoder: dict[str, Any] = {"decoder_hidden_size": 16, "decoder_num_attention_heads": 2}
    return [
        transformers.Dinov2Model(transformers.Dinov2Config(**size)),
        transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**size)),
        transformers.ViTMAEForPreTraining(transformers.ViTMAEConfig(**size, **decoder)),
    ]


def test_old_and_new_names_of_transformers_mean_the_same() -> None:
    for model in tiny_mae_and_dinov2():
        new = from_transformers(model.state_dict())
        old = from_transformers(old_names(model.state_dict()))
        assert old_names(model.state_dict()).keys() != model.state_dict().keys()
        assert new.keys() == old.keys()
        assert all(torch.equal(new[name], old[name]) for name in new)


def test_meta_and_timm_agree_on_dinov2_with_registers() -> None:
    # Meta's file holds the class row in the table and a mask token; timm folds and drops them.
    spec = small("dinov2-s14-reg")
    meta = dict(random_encoder(replace(spec, class_position=True)).state_dict())
    meta["register_tokens"] = meta.pop("reg_token")
    meta["mask_token"] = torch.zeros(1, spec.width)
    folded = from_timm(meta)
    our_encoder(spec, folded)  # Names and shapes are the spec's.
    theirs = timm.models.vision_transformer.checkpoint_filter_fn(
        dict(meta),
        timm_model(
            "vit_small_patch14_reg4_dinov2", embed_dim=16, num_heads=2, depth=2, img_size=70
        ),
    )
    assert folded.keys() == theirs.keys()
    assert all(torch.equal(folded[name], theirs[name]) for name in folded)


def test_what_lies_outside_the_vision_tower_is_dropped() -> None:
    one = torch.ones(1)
    clip = {"visual.proj": torch.ones(4, 2), "visual.conv1.weight": torch.ones(4, 3, 2, 2)}
    text = ["transformer.resblocks.0.ln_1.weight", "token_embedding.weight", "ln_final.bias"]
    text += ["positional_embedding", "text_projection", "logit_scale", "text.cls_emb"]
    kept = {"projection.weight", "patch_embed.proj.weight"}
    assert set(from_open_clip({**clip, **dict.fromkeys(text, one)})) == kept
    parallel = {f"module.{name}": t for name, t in {**clip, **dict.fromkeys(text, one)}.items()}
    assert set(from_open_clip(parallel)) == kept
    text = ["text_model.encoder.layers.0.mlp.fc1.weight", "text_projection.weight", "logit_scale"]
    text += ["vision_model.embeddings.position_ids", "vision_model.embeddings.mask_token"]
    assert not from_transformers(dict.fromkeys([*text, "decoder.mask_token"], one))
    assert not from_timm(dict.fromkeys(["head.weight", "decoder_embed.bias", "mask_token"], one))


@pytest.mark.parametrize(
    ("weight_map", "name"),
    [
        (from_open_clip, "visual.attnpool.c_proj.weight"),
        (from_open_clip, "visual.head.proj.weight"),
        (from_open_clip, "visual.trunk.fc_norm.weight"),
        (from_transformers, "vision_model.encoder.layers.0.self_attn.q_proj.lora_A.weight"),
        (from_transformers, "vision_model.head.probe"),
        (from_transformers, "encoder.layer.0.mlp.weights_in.weight"),
        (from_timm, "fc_norm.weight"),
        (from_timm, "blocks.0.attn.q_norm.weight"),
        (from_timm, "blocks.0.mlp.w12.weight"),
    ],
)
def test_an_unknown_tensor_of_the_tower_is_refused_by_name(weight_map: Any, name: str) -> None:
    with pytest.raises(WeightsMismatchError, match=re.escape(repr(name))):
        weight_map({name: torch.ones(2, 2)})


def test_incomplete_and_doubled_tensors_are_refused_by_name() -> None:
    layer = "vision_model.encoder.layers.3.self_attn."
    with pytest.raises(WeightsMismatchError, match=r"blocks\.3\.attn\.v\.bias is missing"):
        from_transformers(
            dict.fromkeys([f"{layer}q_proj.bias", f"{layer}k_proj.bias"], torch.ones(2))
        )
    names = ["layernorm.weight", "vit.layernorm.weight"]
    with pytest.raises(WeightsMismatchError, match=r"two tensors stand for norm\.weight"):
        from_transformers(dict.fromkeys(names, torch.ones(2)))
    with pytest.raises(WeightsMismatchError, match="not whole"):
        from_timm({"register_tokens": torch.ones(1, 4, 2)})


@pytest.mark.parametrize("name", FAMILIES)
def test_canonical_tensors_stay_as_they_are(name: str) -> None:
    state = random_encoder(small(name)).state_dict()
    again = canonical(state)
    assert again.keys() == state.keys()
    assert all(again[key] is state[key] for key in state)


def test_the_library_is_told_by_the_tensors() -> None:
    spec = replace(small("clip-b16"), width=64, heads=1)
    model = randomised(transformers_clip(spec))
    expected = from_transformers(model.state_dict())
    bare = {key.removeprefix("vision_model."): t for key, t in model.state_dict().items()}
    for state in (model.state_dict(), bare):
        found = canonical(state)
        assert found.keys() == expected.keys()
        our_encoder(spec, found)
    tower = open_clip.transformer.VisionTransformer(
        image_size=80, patch_size=16, width=64, layers=2, heads=1, mlp_ratio=4.0, output_dim=6
    )
    for prefix in ("", "visual.", "module.visual."):
        found = canonical({f"{prefix}{key}": t for key, t in tower.state_dict().items()})
        our_encoder(spec, found)
    for other in tiny_mae_and_dinov2():
        found, expected = canonical(other.state_dict()), from_transformers(other.state_dict())
        assert found.keys() == expected.keys()
    with pytest.raises(WeightsMismatchError, match="not named as a vision transformer"):
        canonical({"features.0.weight": torch.ones(1)})
