"""What in an image a score rests on, by methods that the field knows: for comparison.

Each takes a ``score`` of one cut and gives a map of its patches. A positive entry raises the
score. What the score is, is the caller's: a rating, the probability of a class, minus either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptmetrics.backbones.vit import Attention, VisionTransformer
from perceptmetrics.errors import OptionError
from perceptmetrics.explanation.attention import patch_grid, readable_encoder
from perceptmetrics.statistics.checks import Floats

Score: TypeAlias = Callable[[Tensor], Tensor]
"""(N, 3, H, W) floats in [0, 1] -> (N,)."""


def occlusion_map(
    score: Score, pixels: Tensor, *, patch: int, baseline: Tensor | None = None, batch_size: int = 8
) -> Floats:
    """By how much the score falls when a patch is covered (Zeiler & Fergus 2014), by captum.

    Args:
        score: What is explained.
        pixels: (1, 3, H, W) floats in [0, 1], or uint8.
        patch: Side of the square that is covered; the squares lie side by side.
        baseline: What covers it, of the shape of ``pixels``; the image's mean colour when
            ``None``.
        batch_size: Covered images in one forward; changes memory, not results.

    Returns:
        (ceil(H / patch), ceil(W / patch)) float64: the image's score minus the covered one's.

    Raises:
        OptionError: ``pixels``, ``patch`` or ``score`` cannot be used, or captum is not installed.

    Example:
        >>> brightness = lambda images: images.mean((1, 2, 3))
        >>> image = torch.zeros(1, 3, 4, 6)
        >>> image[..., :2] = 1
        >>> occlusion_map(brightness, image, patch=2, baseline=image * 0).round(3).tolist()
        [[0.167, 0.0, 0.0], [0.167, 0.0, 0.0]]
    """
    image = as_floats(pixels)
    height, width = image.shape[-2:]
    if not 1 <= patch <= min(height, width):
        raise OptionError(f"patch is {patch}, expected 1 to {min(height, width)}, the short side")
    _require_captum("occlusion_map")
    from captum.attr import Occlusion

    cover = image.mean((2, 3), keepdim=True).expand_as(image) if baseline is None else baseline
    effect = Occlusion(_one_each(score)).attribute(
        image,
        sliding_window_shapes=(3, patch, patch),
        strides=(3, patch, patch),
        baselines=as_floats(cover),
        perturbations_per_eval=batch_size,
    )
    # The squares do not overlap, so that one pixel of each says it all.
    return _numpy(effect[0, 0, ::patch, ::patch])


def integrated_gradients_map(
    score: Score,
    pixels: Tensor,
    *,
    patch: int,
    steps: int = 16,
    baseline: Tensor | None = None,
    batch_size: int = 8,
) -> Floats:
    """Integrated gradients of the pixels, summed over each patch (Sundararajan 2017), by captum.

    Args:
        score: What is explained; it must let gradients through.
        pixels: (1, 3, H, W) floats in [0, 1], or uint8.
        patch: Side of the squares over which pixels are summed.
        steps: Points between baseline and image at which the gradient is taken, at least 2.
        baseline: What has nothing to say; the image's mean colour when ``None``.
        batch_size: Points in one forward and backward; changes memory, not results.

    Returns:
        (ceil(H / patch), ceil(W / patch)) float64. The entries sum, up to the error of the
        ``steps``, to the score of the image minus that of the baseline.

    Raises:
        OptionError: An argument cannot be used, captum is not installed, or the score has no
            gradient.

    Example:
        >>> brightness = lambda images: images.mean((1, 2, 3))
        >>> image = torch.zeros(1, 3, 4, 6)
        >>> image[..., :2] = 1
        >>> where = integrated_gradients_map(brightness, image, patch=2, baseline=image * 0)
        >>> where.round(3).tolist()
        [[0.167, 0.0, 0.0], [0.167, 0.0, 0.0]]
    """
    image = as_floats(pixels)
    height, width = image.shape[-2:]
    if patch < 1 or steps < 2:
        raise OptionError(f"patch is {patch}, steps {steps}, expected at least 1 and 2")
    _require_captum("integrated_gradients_map")
    from captum.attr import IntegratedGradients

    start = image.mean((2, 3), keepdim=True).expand_as(image) if baseline is None else baseline
    with torch.enable_grad():
        effect = IntegratedGradients(_with_gradient(score)).attribute(
            image,
            baselines=as_floats(start),
            n_steps=steps,
            method="riemann_middle",
            internal_batch_size=batch_size,
        )
    rows, columns = -(-height // patch), -(-width // patch)
    padded = F.pad(effect[0].sum(0), (0, columns * patch - width, 0, rows * patch - height))
    return _numpy(padded.view(rows, patch, columns, patch).sum((1, 3)))


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
        value = _with_gradient(score)(image)
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
    return _numpy(patch_grid(relevance[0], encoder.spec, *image.shape[-2:]))


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


def as_floats(pixels: Tensor) -> Tensor:
    """One image as floats in [0, 1], detached.

    Args:
        pixels: (1, 3, H, W) uint8, or floats.

    Raises:
        OptionError: It has another shape.

    Example:
        >>> float(as_floats(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)).max())
        1.0
    """
    if pixels.dim() != 4 or pixels.shape[:2] != (1, 3) or 0 in pixels.shape:
        raise OptionError(f"pixels have shape {tuple(pixels.shape)}, expected (1, 3, H, W)")
    return pixels.detach().clone() if pixels.is_floating_point() else pixels.float() / 255


def _one_each(score: Score) -> Score:
    def checked(images: Tensor) -> Tensor:
        values = score(images)
        if values.shape != (len(images),):
            raise OptionError(
                f"the score of {len(images)} images has shape {tuple(values.shape)}, expected "
                f"({len(images)},): one number for each image"
            )
        return values

    return checked


def _with_gradient(score: Score) -> Score:
    def checked(images: Tensor) -> Tensor:
        values = _one_each(score)(images)
        if not values.requires_grad:
            raise OptionError(
                "the score has no gradient: compute it without torch.no_grad, from the floats "
                "that it is given"
            )
        return values

    return checked


def _numpy(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().cpu(), dtype=np.float64)


def _require_captum(who: str) -> None:
    if find_spec("captum") is None:
        raise OptionError(f"{who} needs captum: pip install 'perceptmetrics[explain]'")
