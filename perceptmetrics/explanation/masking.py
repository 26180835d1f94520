"""Section 6: each head's class-token attention made uniform, and what becomes of the embedding.

The paper runs the whole model once for each head. Here the same numbers come from less:

* What lies before the changed layer is computed once, and an image's heads of a layer share one
  batch.
* In the changed layer only the class token's row differs, so only that row is computed.
* In the next layer all tokens but one are as before. Their queries, keys and values are kept, and
  their attention takes in the new class token by a single weight (:class:`_Layer`).
* The layers after that run in full: all their tokens differ. The last one needs its class row
  alone, and forms neither keys nor values for it (:func:`_class_row`).

All of this is algebra: nothing is approximated, and numbers differ by rounding only. The heads of
layer l out of n (from 1) cost about n - l - 1 - 1/3 layers each, where a forward costs n - 3/4: so
all heads of ViT-L/14 cost 0.44 of as many forwards. Layers that run in full make up 0.41, which
is the floor of any exact way that runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptmetrics.backbones.vit import Block, VisionTransformer
from perceptmetrics.explanation.attention import checked_layers, readable_encoder


@torch.no_grad()
def masked_embeddings(
    encoder: VisionTransformer,
    pixels: Tensor,
    layers: Collection[int] | None = None,
    *,
    watch: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """The embedding, and the embedding with each head's attention map made uniform (section 6).

    The class token's attention in one head, a row of L weights that sum to one, becomes 1 / L for
    each of the L tokens (class token, registers and patches alike). All other heads, rows and
    layers stay as they are, and react.

    Where a pooling head takes the place of the class token (TULIP), the row is that of its query,
    and the heads are those of the pool: the blocks have no row that the paper's words mean.

    Args:
        encoder: In eval mode, LoRA merged.
        pixels: (N, 3, H, W) floats, normalised. All N x heads variants are computed at once.
        layers: Only these, counted from 0; the later, the cheaper. All when ``None``.
        watch: Called after each layer: how many are done, of how many.

    Returns:
        The baseline (N, E), and (N, layers, heads, E), layers in ascending order.

    Raises:
        OptionError: The encoder does not expose its attention, or has no such layer.

    Example:
        >>> from perceptmetrics.backbones import Backbone
        >>> from perceptmetrics.backbones.vit import random_encoder
        >>> spec = Backbone("tiny", "tiny", 16, 3, 4, 8, 32, (0.5,) * 3, (0.5,) * 3, (), "none")
        >>> encoder, pixels = random_encoder(spec), torch.zeros(2, 3, 32, 32)
        >>> baseline, masked = masked_embeddings(encoder, pixels)
        >>> baseline.shape, masked.shape
        (torch.Size([2, 16]), torch.Size([2, 3, 4, 16]))
        >>> bool((baseline - encoder(pixels)).abs().max() < 1e-5)
        True
    """
    encoder = readable_encoder(encoder)
    wanted = checked_layers(encoder.spec, layers)
    if encoder.spec.pool == "attention":
        return _masked_in_pool(encoder, pixels)
    blocks = [cast(Block, block) for block in encoder.blocks]
    layer = _Layer(blocks[0], encoder.embed(pixels))
    found = []
    for index, block in enumerate(blocks):
        rows = layer.masked_class_rows() if index in wanted else None
        if index + 1 < len(blocks):
            layer = _Layer(blocks[index + 1], layer.output())
            if rows is not None:
                rows = _through(rows, layer, blocks[index + 2 :])
        else:
            baseline = _class_row(block, layer.x)
        if rows is not None:
            found.append(_embedding(encoder, rows))
        if watch is not None:
            watch(index + 1, len(blocks))
    return _embedding(encoder, baseline), torch.stack(found, dim=1)


class _Layer:
    """A block and its input on the unchanged way, (N, L, D)."""

    def __init__(self, block: Block, x: Tensor) -> None:
        self.block = block
        self.x = x
        self.query, self.key, self.value = block.attn.split(block.norm1(x))
        self.scale = self.query.shape[-1] ** -0.5

    def output(self) -> Tensor:
        """(N, L, D)."""
        return self.finish(self.x, F.scaled_dot_product_attention(self.query, self.key, self.value))

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """(M, T, D) and what its heads say, (M, heads, T, d), to the block's output (M, T, D)."""
        return self.block.add_mlp(x + self.block.ls1(self.block.attn.join(mixed)))

    def masked_class_rows(self) -> Tensor:
        """The class token behind this block for each head made uniform: (N, heads, D)."""
        said = F.scaled_dot_product_attention(self.query[:, :, :1], self.key, self.value)
        changed = _each_head_exchanged(said, self.value.mean(2, keepdim=True))
        return self.finish(self.x[:, :1].expand(-1, changed.shape[2], -1), changed)

    @cached_property
    def rest(self) -> tuple[Tensor, Tensor]:
        """What all tokens but the class token hear of each other, and how loud.

        (N, heads, L - 1, d): attention without the class token among the keys; and (N, heads,
        L - 1, 1): the logarithm of the sum of its exponentials.
        """
        query, key = self.query[:, :, 1:], self.key[:, :, 1:]
        scores = (query @ key.transpose(-1, -2)) * self.scale
        heard = F.scaled_dot_product_attention(query, key, self.value[:, :, 1:])
        return heard, scores.logsumexp(-1, keepdim=True)

    def class_rows(self, rows: Tensor) -> Tensor:
        """The class token behind this block, for other class tokens before it: (N, V, D)."""
        return self.finish(rows, self._class_mixed(*self.block.attn.split(self.block.norm1(rows))))

    def all_rows(self, rows: Tensor) -> Tensor:
        """All tokens behind this block, for other class tokens before it.

        Token i gives the class token the weight w = sigmoid(s_i - log(sum of exp of the others)),
        and w moves what it hears from the others' to the class token's value.

        Args:
            rows: (N, V, D).

        Returns:
            (N * V, L, D).
        """
        query, key, value = self.block.attn.split(self.block.norm1(rows))  # (N, heads, V, d)
        heard, loud = self.rest
        scores = (self.query[:, :, 1:] @ key.transpose(-1, -2)) * self.scale
        weight = (scores - loud).sigmoid().permute(0, 3, 1, 2)[..., None]  # (N, V, heads, L - 1, 1)
        mixed = torch.lerp(heard[:, None], value.transpose(1, 2)[:, :, :, None], weight)
        first = self._class_mixed(query, key, value).transpose(1, 2)[:, :, :, None]
        others = self.x[:, None, 1:].expand(-1, rows.shape[1], -1, -1)
        x = torch.cat([rows[:, :, None], others], dim=2)
        return self.finish(x.flatten(0, 1), torch.cat([first, mixed], dim=3).flatten(0, 1))

    def _class_mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """What V other class tokens hear, all (N, heads, V, d): each hears itself, not the V."""
        own = (query * key).sum(-1, keepdim=True)
        scores = torch.cat([own, query @ self.key[:, :, 1:].transpose(-1, -2)], dim=-1)
        weights = (scores * self.scale).softmax(-1)
        mixed: Tensor = weights[..., :1] * value + weights[..., 1:] @ self.value[:, :, 1:]
        return mixed


def _through(rows: Tensor, layer: _Layer, after: list[Block]) -> Tensor:
    """Changed class tokens (N, V, D) before a layer -> class tokens (N, V, D) behind the last."""
    if not after:
        return layer.class_rows(rows)
    x = layer.all_rows(rows)
    for block in after[:-1]:
        x = block(x)
    return _class_row(after[-1], x).view_as(rows)


def _class_row(block: Block, x: Tensor) -> Tensor:
    """The class token behind a block: (M, L, D) -> (M, D)."""
    joined = block.attn.first_row(block.norm1(x))
    return block.add_mlp(x[:, :1] + block.ls1(joined))[:, 0]


def _each_head_exchanged(said: Tensor, other: Tensor) -> Tensor:
    """V = heads variants, in each of which one head says the other: (N, heads, 1, d) both.

    Returns:
        (N, heads, V, d).
    """
    heads = said.shape[1]
    exchanged = torch.eye(heads, dtype=torch.bool, device=said.device)[:, :, None]
    return torch.where(exchanged, other, said)


def _masked_in_pool(encoder: VisionTransformer, pixels: Tensor) -> tuple[Tensor, Tensor]:
    pool = encoder.attn_pool
    query, key, value = pool.split(encoder.tokens(pixels))
    said = F.scaled_dot_product_attention(query, key, value)
    changed = _each_head_exchanged(said, value.mean(2, keepdim=True))
    both = torch.cat([said, changed], dim=2)
    batch, _, variants, _ = both.shape
    rows = pool.join(both.transpose(1, 2).flatten(0, 1)[:, :, None])
    embedded = encoder.project(rows).view(batch, variants, -1)
    return embedded[:, 0], embedded[:, None, 1:]


def _embedding(encoder: VisionTransformer, rows: Tensor) -> Tensor:
    """(..., D) behind the last block -> (..., E)."""
    return encoder.project(encoder.norm(rows))
