"""Gradient x attention: what attention carries to a score, followed through the layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from perceptmetrics.backbones.vit import Attention, VisionTransformer
from perceptmetrics.errors import OptionError
from perceptmetrics.explanation.attention import patch_grid, readable_encoder
from perceptmetrics.explanation.score_function import Score, as_floats, with_gradient
from perceptmetrics.statistics.checks import Floats


def gradient_attention_map(score: Score, encoder: VisionTransformer, pixels: Tensor) -> Floats:
    """Gradient x attention, followed through the layers (Chefer et al. 2021, ICCV).

    ``R <- R + mean over heads of max(0, dS/dA * A) R`` from the first layer to the last, with
    ``R = I`` before (their equations 5 and 6); the map is the row of the token that is pooled.
    Unlike attention alone, it speaks of this score: of two classes each has its own map.

    Args:
        score: What is explained. It runs ``encoder`` once, on the image it is given.
        encoder: The model's encoder, in eval mode.
        pixels: (1, 3, H, W) floats in [0, 1], or uint8.

    Returns:
        (H // patch size, W // patch size) float64, at least 0.

    Raises:
        OptionError: The encoder does not expose its attention, ``pixels`` cannot be used, or the
            score does not run the encoder once or has no gradient.

    Example:
        >>> from perceptmetrics.backbones import Backbone
        >>> from perceptmetrics.backbones.vit import random_encoder
        >>> spec = Backbone("tiny", "tiny", 16, 2, 2, 8, 32, (0.5,) * 3, (0.5,) * 3, (), "none")
        >>> encoder = random_encoder(spec)
        >>> gradient_attention_map(
        ...     lambda x: encoder(x)[:, 0], encoder, torch.rand(1, 3, 40, 24)
        ... ).shape
        (5, 3)
    """
    encoder = readable_encoder(encoder)
    image = as_floats(pixels).requires_grad_()
    with torch.enable_grad(), _recorded(encoder) as calls:
        value = with_gradient(score)(image)
        if any(len(call.mixed) != 1 for call in calls) or calls[0].batch != 1:
            raise OptionError(
                "gradient x attention needs a score that runs the encoder once, on the image that "
                "it is given"
            )
        gradients = torch.autograd.grad(value.sum(), [call.mixed[0] for call in calls])
    relevance = torch.eye(calls[0].length, device=image.device)
    for call, gradient in zip(calls, gradients, strict=True):
        added = call.gradient_times_attention(gradient).clamp(min=0).mean(0) @ relevance
        if call.pools:
            relevance = added
        else:  # the last block of a class-token pool computes that row alone
            relevance = torch.cat([relevance[: len(added)] + added, relevance[len(added) :]])
    grid = patch_grid(relevance[0], encoder.spec, *image.shape[-2:])
    return np.asarray(grid.detach().cpu(), dtype=np.float64)


class _Call:
    """What one attention layer computed: queries and keys, values, and the heads' outputs."""

    def __init__(self, heads: int, pools: bool = False) -> None:
        self.heads = heads
        self.pools = pools
        self.query: Tensor | None = None  # of an attention pool; else among the three
        self.projected: Tensor | None = None
        self.mixed: list[Tensor] = []

    @property
    def batch(self) -> int:
        return len(self.mixed[0])

    @property
    def length(self) -> int:
        return cast(Tensor, self.projected).shape[1]

    def gradient_times_attention(self, gradient: Tensor) -> Tensor:
        """dS/dA * A, (heads, queries, L), from dS/d(heads' outputs), (1, queries, D).

        Attention acts on the score only through ``mixed = A V``, so dS/dA is
        ``dS/d(mixed) V^T``, and nothing in the encoder has to be rewritten to keep A.
        """
        parts = [_split(part[0], self.heads) for part in self._parts()]
        query, key, value = (part.detach().float() for part in parts)
        slope = _split(gradient[0], self.heads).float()
        asking = query[:, : slope.shape[1]]
        attention = (asking @ key.transpose(1, 2) / key.shape[-1] ** 0.5).softmax(-1)
        product: Tensor = slope @ value.transpose(1, 2) * attention
        return product

    def _parts(self) -> tuple[Tensor, ...]:
        projected = cast(Tensor, self.projected)
        if self.query is None:
            return projected.chunk(3, dim=-1)
        return (self.query, *projected.chunk(2, dim=-1))


def _split(tokens: Tensor, heads: int) -> Tensor:
    """(L, D) -> (heads, L, D / heads)."""
    length, width = tokens.shape
    return tokens.view(length, heads, width // heads).transpose(0, 1)


@contextmanager
def _recorded(encoder: VisionTransformer) -> Iterator[list[_Call]]:
    """Every attention layer's call while the block runs, the pool's last."""
    calls, hooks = [], []
    for block in encoder.blocks:
        attention = cast(Attention, block.attn)
        calls.append(call := _Call(attention.heads))
        hooks += [*_listen(call, attention.qkv, attention.proj)]
    if encoder.spec.pool == "attention":
        pool = encoder.attn_pool
        calls.append(call := _Call(pool.heads, pools=True))
        hooks += [*_listen(call, pool.kv, pool.proj)]

        def keep_query(module: nn.Module, args: object, output: Tensor) -> None:
            call.query = output

        hooks.append(pool.q.register_forward_hook(keep_query))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _listen(
    call: _Call, before: nn.Module, after: nn.Module
) -> tuple[torch.utils.hooks.RemovableHandle, torch.utils.hooks.RemovableHandle]:
    def keep_projected(module: nn.Module, args: object, output: Tensor) -> None:
        call.projected = output

    def keep_mixed(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        call.mixed.append(args[0])

    return before.register_forward_hook(keep_projected), after.register_forward_pre_hook(keep_mixed)
