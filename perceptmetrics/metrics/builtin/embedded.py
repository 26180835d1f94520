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
    "memorability", "d011278abc96bda8d3915757e469d2e7b63767c2e5cde2e0080e530ac4a0c9e1"
)
AFFECT = _embedded("affect", "f93440da1aad007e1062bf7dddd273e6da2bb182f10c276280df4c032c8cd3e6")
AESTHETICS = _embedded(
    "aesthetics", "bd76d86de23a9325df01cfc5aa649748ca0c061e49f055f80df125fb63e6c97d"
)
IQA = _embedded("iqa", "e0ee98682ef5126411f03df0f5a48ee92b7adfce463bc3359a493077297b5eb4")
