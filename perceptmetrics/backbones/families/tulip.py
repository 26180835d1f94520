"""TULIP's vision tower (Tang et al. 2025): a SigLIP-style ViT, pooled by attention.

No weights are registered. TULIP's checkpoints come from its authors' own fork of open_clip, not
from open_clip or timm, so there is no tag to name here: give the path of a checkpoint file.
:func:`perceptmetrics.backbones.weight_maps.from_open_clip` reads its ``visual.trunk.*`` tensors,
which are named as in open_clip's SigLIP models. The numbers below are those of timm's
``vit_base_patch16_siglip_224`` and ``vit_so400m_patch14_siglip_384``, the shapes that TULIP
builds on, and tests compare against these. We have not seen a TULIP file.
"""

from __future__ import annotations

from perceptmetrics.backbones.base import Backbone

_HALF = (0.5, 0.5, 0.5)  # SigLIP's mean and deviation: pixels in [-1, 1]


def _tulip(
    name: str,
    size: tuple[int, int, int],
    patch: int,
    image_size: int,
    mlp_width: int = 0,
    default: bool = False,
) -> Backbone:
    width, depth, heads = size
    return Backbone(
        name=name,
        family="tulip",
        width=width,
        depth=depth,
        heads=heads,
        patch_size=patch,
        image_size=image_size,
        mean=_HALF,
        std=_HALF,
        weights=(),
        paper="Tang et al. 2025, TULIP: Towards Unified Language-Image Pretraining, "
        "arXiv:2503.15485",
        mlp_width=mlp_width,
        class_token=False,
        class_position=False,
        pool="attention",
        interpolation="bicubic_antialias",
        default_of_family=default,
    )


TULIP_B16 = _tulip("tulip-b16", (768, 12, 12), 16, 224, default=True)
# 384 is not a multiple of 14: the grid is 27 by 27, and the last 6 pixels are not seen.
TULIP_SO400M14 = _tulip("tulip-so400m14-384", (1152, 27, 16), 14, 384, mlp_width=4304)
