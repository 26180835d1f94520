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
    "memorability", "4b2a90fd1cec05448160c44a2dab56c87d19af7d550bb6ccb5347172049d33d8"
)
AFFECT = _embedded("affect", "0b370eda1b4e208a63c61b2b40cd80715ee4140b68192a2756f7fcd9af32c3b3")
AESTHETICS = _embedded(
    "aesthetics", "7f0c50e671841881efc77b8c2ab38f1b00ae5f98528ed4ce74017ceb58849aa9"
)
IQA = _embedded("iqa", "e08cc3a3f0afcd07a37a860f62fb05984cdc370fd47b8d172a6b918b03fa7db1")
