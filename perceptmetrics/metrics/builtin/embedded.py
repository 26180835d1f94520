"""The adapters inside the package, each pinned by hash. ``benchmarks/train_embedded.py`` made them.

All stand on the CLIP ViT-B/16 that the package registry carries, so they need no model hub.
"""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.metrics.base import EmbeddedAdapter, MetricSpec

_FOLDER = Path(__file__).parent.parent.parent / "adapters"


def _embedded(name: str, sha256: str) -> MetricSpec:
    return MetricSpec(name, name, EmbeddedAdapter(_FOLDER / f"{name}.safetensors", sha256))


MEMORABILITY = _embedded("memorability", "")
AFFECT = _embedded("affect", "")
AESTHETICS = _embedded("aesthetics", "")
IQA = _embedded("iqa", "")
