"""BRISQUE: statistics of natural scenes and a support vector machine, trained on LIVE."""

from __future__ import annotations

from perceptmetrics.bench.rivals.base import SCORERS, Rival

BRISQUE = Rival(
    name="brisque",
    task="iqa",
    # From numpy 2.4 on, arrays of one element are no floats, and brisque takes them for such.
    requirements=(
        "brisque[opencv-python-headless]==0.2.0",
        "numpy==2.2.6",
        "scipy==1.15.3",
        "pillow",
    ),
    scorer=SCORERS / "brisque.py",
    higher_is_better=False,
    score_range=None,
    licence="Apache-2.0 (the package)",
    paper="Mittal et al. 2012, No-Reference Image Quality Assessment in the Spatial Domain",
    weights="inside the wheel",
)
