"""Attention as numbers: what the pooled token looks at, and what every token looks at.

The pooled token is the class token (CLIP, DINOv2, MAE). TULIP has none: there the one learned
query of its pooling head takes that place, and that head counts as the only layer.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.vit import Block, VisionTransformer
from perceptmetrics.errors import OptionError


def readable_encoder(encoder: nn.Module) -> VisionTransformer:
    """The encoder, if its attention can be read.

    Args:
        encoder: Of a metric or a model.

    Raises:
        OptionError: It is not our vision transformer, or is in training mode, where LoRA and
            dropout are apart.

    Example:
        >>> readable_encoder(nn.Linear(2, 2))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: a Linear does not expose its attention: ...
    """
    if not isinstance(encoder, VisionTransformer):
        raise OptionError(
            f"a {type(encoder).__name__} does not expose its attention: heads and their maps can "
            "be had of a perceptmetrics VisionTransformer (every registered backbone is one)"
        )
    if encoder.training:
        raise OptionError("the encoder is in training mode: call .eval() on it first")
    return encoder


def layers_and_heads(spec: Backbone) -> tuple[int, int]:
    """How many layers and heads a pooled token asks through.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> (
        ...     layers_and_heads(BACKBONES.get("clip-l14")),
        ...     layers_and_heads(BACKBONES.get("tulip-b16")),
        ... )
        ((24, 16), (1, 12))
    """
    return (1 if spec.pool == "attention" else spec.depth), spec.heads


def checked_layers(spec: Backbone, layers: Collection[int] | None) -> list[int]:
    """Layers counted from 0, in ascending order; all of them for ``None``.

    Raises:
        OptionError: There is no such layer, or none was asked for.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> checked_layers(BACKBONES.get("clip-b16"), [11, 10])
        [10, 11]
    """
    count, _ = layers_and_heads(spec)
    wanted = sorted(set(range(count) if layers is None else layers))
    if not wanted or wanted[0] < 0 or wanted[-1] >= count:
        raise OptionError(f"layers {wanted}: {spec.name} has layers 0 to {count - 1}; name some")
    return wanted


def front_tokens(spec: Backbone) -> int:
    """How many tokens stand before the patches: the class token and registers.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> front_tokens(BACKBONES.get("dinov2-s14-reg"))
        5
    """
    return spec.class_token + spec.registers


def pooled_attention(encoder: VisionTransformer, pixels: Tensor) -> Tensor:
    """What the pooled token looks at, in every layer and head.

    Args:
        encoder: In eval mode.
        pixels: (N, 3, H, W) floats, normalised.

    Returns:
        (N, layers, heads, L), each row at least 0 and summing to one; L counts the class token
        and registers, which come first, and the patches, row by row.

    Raises:
        OptionError: The encoder does not expose its attention.

    Example:
        >>> from perceptmetrics.backbones.vit import random_encoder
        >>> spec = Backbone("tiny", "tiny", 16, 2, 4, 8, 32, (0.5,) * 3, (0.5,) * 3, (), "none")
        >>> pooled_attention(random_encoder(spec), torch.zeros(1, 3, 40, 24)).shape
        torch.Size([1, 2, 4, 16])
    """
    encoder = readable_encoder(encoder)
    if encoder.spec.pool == "attention":
        query, key, _ = encoder.attn_pool.split(encoder.tokens(pixels))
        return _weights(query, key).transpose(1, 2)
    rows = []
    x = encoder.embed(pixels)
    for module in encoder.blocks:
        block = cast(Block, module)
        query, key, value = block.attn.split(block.norm1(x))
        rows.append(_weights(query[:, :, :1], key)[:, :, 0])
        if len(rows) < encoder.spec.depth:
            mixed = F.scaled_dot_product_attention(query, key, value)
            x = block.add_mlp(x + block.ls1(block.attn.join(mixed)))
    return torch.stack(rows, dim=1)


def token_attention(encoder: VisionTransformer, pixels: Tensor) -> list[Tensor]:
    """What every token looks at, in every layer and head: for attention rollout.

    Args:
        encoder: In eval mode.
        pixels: (N, 3, H, W) floats, normalised.

    Returns:
        One (N, heads, L, L) a block, rows summing to one. A pooling head is not among them: see
        :func:`pooled_attention`.

    Raises:
        OptionError: The encoder does not expose its attention.

    Example:
        >>> from perceptmetrics.backbones.vit import random_encoder
        >>> spec = Backbone("tiny", "tiny", 16, 2, 4, 8, 32, (0.5,) * 3, (0.5,) * 3, (), "none")
        >>> [a.shape for a in token_attention(random_encoder(spec), torch.zeros(1, 3, 16, 16))]
        [torch.Size([1, 4, 5, 5]), torch.Size([1, 4, 5, 5])]
    """
    encoder = readable_encoder(encoder)
    maps = []
    x = encoder.embed(pixels)
    for module in encoder.blocks:
        block = cast(Block, module)
        query, key, value = block.attn.split(block.norm1(x))
        maps.append(_weights(query, key))
        x = block.add_mlp(x + block.ls1(block.attn.join(maps[-1] @ value)))
    return maps


def patch_grid(rows: Tensor, spec: Backbone, height: int, width: int) -> Tensor:
    """Attention to the patches alone, where they are.

    Args:
        rows: (..., L), as :func:`pooled_attention` gives them.
        spec: The backbone.
        height: Of the cut, in pixels.
        width: Of the cut, in pixels.

    Returns:
        (..., height // patch size, width // patch size). It sums to one less what the class
        token and the registers got.

    Example:
        >>> spec = Backbone("tiny", "tiny", 16, 2, 4, 8, 32, (0.5,) * 3, (0.5,) * 3, (), "none")
        >>> patch_grid(torch.arange(7.0), spec, 16, 24).tolist()
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    """
    size = spec.patch_size
    patches = rows[..., front_tokens(spec) :]
    return patches.reshape(*patches.shape[:-1], height // size, width // size)


def _weights(query: Tensor, key: Tensor) -> Tensor:
    """(N, heads, Q, d), (N, heads, L, d) -> (N, heads, Q, L); softmax in float32 at least."""
    scores = (query @ key.transpose(-1, -2)) * query.shape[-1] ** -0.5
    wide = torch.promote_types(scores.dtype, torch.float32)
    weights: Tensor = scores.softmax(-1, dtype=wide).to(scores.dtype)
    return weights
