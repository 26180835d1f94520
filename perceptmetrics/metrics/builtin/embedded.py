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
    "memorability", "338ace178908af1c4a49de23759335755e11f4e060796b23abc6b4911a11487a"
)
AFFECT = _embedded("affect", "941eb1ea6ce422d5924048e9f93abbdd422af9896bef5c1f8023e4d556a01e70")
AESTHETICS = _embedded(
    "aesthetics", "d78cc04abab738b114afa3a12a8f3593f9ffa83dff21023cd67615a7e3aded23"
)
IQA = _embedded("iqa", "ce27cfa5c458b80225f255650d7ed3ec0248d18e62b3507369c64e9f3d564adf")
