"""ResMem: a ResNet-152 beside an AlexNet, trained on LaMem and MemCat."""

from __future__ import annotations

from perceptmetrics.bench.rivals.base import SCORERS, Rival

RESMEM = Rival(
    name="resmem",
    task="memorability",
    requirements=("resmem==1.1.6", "torch", "torchvision", "pillow"),
    scorer=SCORERS / "resmem.py",
    higher_is_better=True,
    score_range=(0.0, 1.0),
    licence="ResMem Non-commercial License (University of Chicago)",
    paper="Needell and Bainbridge 2022, Embracing new techniques in deep learning for estimating "
    "image memorability",
    weights="inside the wheel (489 MB)",
)
