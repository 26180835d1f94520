"""What all heads of a model cost: sections ``operations`` and ``seconds`` of ``explain.py``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from explain_page import Section
from torch.utils.flop_counter import FlopCounterMode

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.backbones.vit import VisionTransformer, random_encoder
from perceptmetrics.explanation.masking import masked_embeddings

LATE = (9, 10, 11)
"""Layers of ViT-B/16 whose cost the page names, beside that of all."""

SAMPLE = (3, 9, 15, 21)
"""Layers of ViT-L/14 whose seconds are measured; all 24 take six minutes."""


def operations(images: int | None) -> Section:
    """Floating-point operations of all heads, in forwards, at full shape."""
    found: Section = {}
    for name in ("clip-b16", "clip-l14"):
        encoder, pixels = _on_paper(name)
        spec = encoder.spec
        tokens = torch.empty(1, (224 // spec.patch_size) ** 2 + 1, spec.width, device="meta")
        forward = _count(partial(encoder, pixels))
        heads = spec.depth * spec.heads
        forwards = _count(partial(masked_embeddings, encoder, pixels)) / forward
        # Behind a change in layer l, of 1 to n, the layers l + 2 to n - 1 differ in all tokens.
        in_full = sum(max(0, spec.depth - layer - 2) for layer in range(1, spec.depth + 1))
        block = _count(partial(encoder.blocks[0], tokens)) / forward
        found[name] = {
            "heads": heads,
            "forwards": forwards,
            "share": forwards / heads,
            "floor": in_full * block / spec.depth,
        }
    encoder, pixels = _on_paper("clip-b16")
    some = _count(partial(masked_embeddings, encoder, pixels, LATE))
    forwards = some / _count(partial(encoder, pixels))
    found["late"] = {"layers": list(LATE), "forwards": forwards}
    return found


def seconds(images: int | None) -> Section:
    """CPU seconds of one core: forwards, and the heads of one image; random weights, 224 pixels."""
    found = {}
    for name, layers, batch in (("clip-b16", None, 12), ("clip-l14", SAMPLE, 8)):
        spec = BACKBONES.get(name)
        encoder = random_encoder(spec)
        pixels = torch.rand(batch, 3, 224, 224, generator=torch.Generator().manual_seed(0)) - 0.5
        on_paper = partial(masked_embeddings, *_on_paper(name))
        share = _count(partial(on_paper, layers)) / _count(on_paper)
        with torch.no_grad():
            encoder(pixels[:1])  # what is done once is done
            alone = _cpu(partial(encoder, pixels[:1]), 3)
            batched = _cpu(partial(encoder, pixels), 1) / batch
        measured = _cpu(partial(masked_embeddings, encoder, pixels[:1], layers), 1)
        heads = spec.depth * spec.heads
        found[name] = {
            "forward_alone": alone,
            "forward_in_batch": batched,
            "batch": batch,
            "layers": list(range(spec.depth) if layers is None else layers),
            "heads_of_layers": measured,
            "share_of_operations": share,
            "all_heads": measured / share,
            "share_alone": measured / share / alone / heads,
            "share_in_batch": measured / share / batched / heads,
        }
    return found


def _on_paper(name: str) -> tuple[VisionTransformer, torch.Tensor]:
    """A model and an image without memory, of which operations can be counted."""
    with torch.device("meta"):
        return VisionTransformer(BACKBONES.get(name)).eval(), torch.empty(1, 3, 224, 224)


def _count(work: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        work()
    return float(counted.get_total_flops())


def _cpu(work: Callable[[], Any], times: int) -> float:
    """The median of CPU seconds."""
    took = []
    for _ in range(times):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return float(np.median(took))
