"""Masked autoencoders (He et al. 2022): the encoder, its class token after the last LayerNorm.

The decoder is not kept. Meta's code resizes the position table without antialiasing
(``mae/util/pos_embed.py``, ``interpolate_pos_embed``), and so do we; timm antialiases.
"""

from __future__ import annotations

from perceptmetrics.backbones.base import IMAGENET_MEAN, IMAGENET_STD, Backbone
from perceptmetrics.weights.source import BaseWeights, TimmSource


def _mae(
    name: str, size: tuple[int, int, int], patch: int, timm_model: str, default: bool = False
) -> Backbone:
    width, depth, heads = size
    weights = BaseWeights(
        tag="mae",
        # The repository as in timm's pretrained configs; a test compares.
        source=TimmSource(f"{timm_model}.mae", repository=f"timm/{timm_model}.mae"),
        sha256=None,
        licence="CC-BY-NC-4.0 (Meta MAE)",
        note="not for commercial use",
    )
    return Backbone(
        name=name,
        family="mae",
        width=width,
        depth=depth,
        heads=heads,
        patch_size=patch,
        image_size=224,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        weights=(weights,),
        paper="He et al. 2022, Masked Autoencoders Are Scalable Vision Learners, arXiv:2111.06377",
        interpolation="bicubic",
        default_of_family=default,
    )


MAE_B16 = _mae("mae-b16", (768, 12, 12), 16, "vit_base_patch16_224", default=True)
MAE_L16 = _mae("mae-l16", (1024, 24, 16), 16, "vit_large_patch16_224")
MAE_H14 = _mae("mae-h14", (1280, 32, 16), 14, "vit_huge_patch14_224")
