"""A vision transformer that fits in a pocket."""

from perceptmetrics.backbones.base import Backbone

POCKET_VIT = Backbone(
    name="pocket-vit",
    family="pocket",
    width=32,
    depth=2,
    heads=2,
    patch_size=8,
    image_size=32,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    weights=(),
    paper="none",
)
