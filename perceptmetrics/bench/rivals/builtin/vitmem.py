"""ViTMem: a vision transformer, trained on LaMem and MemCat."""

from __future__ import annotations

from perceptmetrics.bench.rivals.base import SCORERS, Rival

VITMEM = Rival(
    name="vitmem",
    task="memorability",
    requirements=("vitmem==1.0.1", "torch", "torchvision", "timm", "pillow"),
    scorer=SCORERS / "vitmem.py",
    higher_is_better=True,
    score_range=(0.0, 1.0),
    licence="MIT",
    paper="Hagen and Espeseth 2023, Image memorability prediction with vision transformers",
    weights="a model hub (huggingface.co/brainpriority/vitmem), at the first use",
)
