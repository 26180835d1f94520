"""CLIP-IQA: nearer to "good photo" than to "bad photo", by an untouched CLIP; from torchmetrics."""

from __future__ import annotations

from perceptmetrics.bench.rivals.base import SCORERS, Rival

CLIP_IQA = Rival(
    name="clip-iqa",
    task="iqa",
    requirements=("torchmetrics[multimodal]==1.9.0", "piq==0.8.0", "torch", "torchvision"),
    scorer=SCORERS / "clip_iqa.py",
    higher_is_better=True,
    score_range=(0.0, 1.0),
    licence="Apache-2.0 (torchmetrics, piq), MIT (CLIP)",
    paper="Wang et al. 2023, Exploring CLIP for Assessing the Look and Feel of Images",
    weights="a release on github.com/photosynthesis-team, at the first use",
)
