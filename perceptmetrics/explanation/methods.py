"""Other explanations of the same judgement, to set beside the heads: maps of an image's cuts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from perceptmetrics.data.batches import to_tensor
from perceptmetrics.explanation.attention import (
    patch_grid,
    pooled_attention,
    readable_encoder,
    token_attention,
)
from perceptmetrics.explanation.attribution import integrated_gradients_map, occlusion_map
from perceptmetrics.explanation.effects import Watch, cut_score, cuts_of, nobody_watches
from perceptmetrics.explanation.faithfulness import (
    CONTROL,
    DeletionInsertion,
    deletion_insertion,
    random_heat,
)
from perceptmetrics.explanation.gradient_attention import gradient_attention_map
from perceptmetrics.explanation.rollout import attention_rollout
from perceptmetrics.metric import Metric
from perceptmetrics.statistics.checks import Floats
from perceptmetrics.views import Pixels

STEPS = 14  # of the deletion and insertion games: 7 % of the pixels at a time
BATCH = 8  # cuts in one forward


@dataclass(frozen=True)
class Method:
    """A way to explain one cut.

    Attributes:
        name: As it is written under a picture.
        signed: Whether entries below zero lower the score; others are at least zero.
        of_cut: (metric, output, (1, 3, size, size) uint8) -> (rows, columns).
    """

    name: str
    signed: bool
    of_cut: Callable[[Metric, int, Tensor], Floats]


def rollout_map(metric: Metric, output: int, pixels: Tensor) -> Floats:
    """Attention rollout of the pooled token: (1, 3, H, W) uint8 -> (rows, columns).

    It knows nothing of the output. Where a pooling head asks (TULIP), its mean attention is
    followed down the blocks.
    """
    encoder = readable_encoder(metric.model.encoder)
    with torch.no_grad():
        normalised = metric.model.normalise(pixels.to(metric.model.device))
        layers = [one[0].float().cpu().numpy() for one in token_attention(encoder, normalised)]
        rolled = torch.from_numpy(attention_rollout(layers))
        row = rolled[0]
        if encoder.spec.pool == "attention":
            row = pooled_attention(encoder, normalised)[0, 0].cpu().double().mean(0) @ rolled
    height, width = pixels.shape[-2:]
    grid: Floats = patch_grid(row, encoder.spec, height, width).numpy()
    return grid


def _gradient_attention(metric: Metric, output: int, pixels: Tensor) -> Floats:
    encoder = readable_encoder(metric.model.encoder)
    return gradient_attention_map(cut_score(metric, output), encoder, _on(metric, pixels))


def _by_patch(
    attribute: Callable[..., Floats], metric: Metric, output: int, pixels: Tensor
) -> Floats:
    patch = metric.model.spec.patch_size
    height, width = (side // patch * patch for side in pixels.shape[-2:])  # what the encoder sees
    seen = _on(metric, pixels)[..., :height, :width]
    return attribute(cut_score(metric, output), seen, patch=patch, batch_size=BATCH)


def _on(metric: Metric, pixels: Tensor) -> Tensor:
    return pixels.to(metric.model.device)


ROLLOUT = Method("attention rollout", False, rollout_map)
"""Two passes: one for the attention, one for what is compared."""

GRADIENT_ATTENTION = Method("gradient x attention", False, _gradient_attention)
"""One pass forward and one back."""

OCCLUSION = Method("occlusion", True, partial(_by_patch, occlusion_map))
"""As many passes as there are patches."""

INTEGRATED_GRADIENTS = Method(
    "integrated gradients", True, partial(_by_patch, integrated_gradients_map)
)
"""Sixteen passes forward and back."""

QUICK = (ROLLOUT, GRADIENT_ATTENTION)
THOROUGH = (*QUICK, OCCLUSION, INTEGRATED_GRADIENTS)


def method_maps(
    metric: Metric,
    image: Pixels,
    output: int,
    methods: Sequence[Method] = QUICK,
    *,
    watch: Watch = nobody_watches,
) -> dict[str, Floats]:
    """Maps of all cuts of an image.

    Args:
        metric: What judges.
        image: (H, W, 3) uint8.
        output: Which score or class is explained.
        methods: Which maps.
        watch: Told what is being done.

    Returns:
        Name of the method -> (cuts, rows, columns) float64.

    Raises:
        OptionError: The backbone does not expose its attention, or a method needs a package that
            is not installed.
    """
    cuts = to_tensor(cuts_of(metric, image))
    maps = {}
    for method in methods:
        grids = []
        for number, cut in enumerate(cuts, start=1):
            watch(f"{method.name}, cut {number} of {len(cuts)}")
            grids.append(method.of_cut(metric, output, cut[None]))
        maps[method.name] = np.stack(grids)
    return maps


def play_games(
    metric: Metric,
    image: Pixels,
    output: int,
    maps: Mapping[str, Floats],
    seed: int = 0,
    *,
    watch: Watch = nobody_watches,
) -> dict[str, DeletionInsertion]:
    """The deletion and insertion games of several maps, and of a random one, on the first cut.

    A map may point at what raises the score and at what lowers it. So each is judged by the size
    of its entries, and the game's score is minus the distance from the score of the whole cut: it
    falls as soon as pixels go on which the judgement rests, whichever way they push it.

    Args:
        metric: What judges.
        image: (H, W, 3) uint8.
        output: Which score or class is explained.
        maps: Name -> (cuts, rows, columns).
        seed: Of the random map; give each image one of its own.
        watch: Told what is being done.

    Returns:
        Name -> both games; the random map is called ``random``.

    Raises:
        DataError: A map or a score is not finite.
    """
    pixels = _on(metric, to_tensor(cuts_of(metric, image)[:1]))
    patch = metric.model.spec.patch_size
    height, width = (side // patch * patch for side in pixels.shape[-2:])
    pixels = pixels[..., :height, :width]
    score = cut_score(metric, output)
    with torch.no_grad():
        whole = score(pixels)

    def nearness(changed: Tensor) -> Tensor:
        return -(score(changed) - whole).abs()

    shape = next(iter(maps.values())).shape[1:]
    heats = {name: np.abs(grids[0]) for name, grids in maps.items()}
    heats[CONTROL] = random_heat((shape[0], shape[1]), seed)
    played = {}
    for name, heat in heats.items():
        watch(f"deletion and insertion, {name}")
        played[name] = deletion_insertion(nearness, pixels, heat, steps=STEPS, batch_size=BATCH)
    return played
