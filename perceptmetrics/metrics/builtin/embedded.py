"""The adapters inside the package, each pinned by hash. ``benchmarks/train_embedded.py`` made them.

All stand on the CLIP ViT-B/16 that the package registry carries, so they need no model hub.
"""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.metrics.base import EmbeddedAdapter, MetricSpec

_FOLDER = Path(__file__).parent.parent.parent / "adapters"


def _embedded(name: str, sha256: str) -> MetricSpec:
    return MetricSpec(name, name, EmbeddedAdapter(_FOLDER / f"{name}.safetensors", sha256))


MEMORABILITY = _embedded(
    "memorability", "b63b11d1e38968638848b6ff8fde39410db368a86d4fbdada3b5900d245a098d"
)
AFFECT = _embedded("affect", "ef33085ad9faf15cec2f33f5d186f72d3ac36eb88d96b383f3f8a2623175b607")
AESTHETICS = _embedded(
    "aesthetics", "b67ff55a8cd2911320b90829de615a5b19513b4a3c1db74b331317a717f30a69"
)
IQA = _embedded("iqa", "ce27cfa5c458b80225f255650d7ed3ec0248d18e62b3507369c64e9f3d564adf")
