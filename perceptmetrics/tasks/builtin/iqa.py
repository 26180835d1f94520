"""Image quality without a reference (section 4.1)."""

from __future__ import annotations

from perceptmetrics.losses import plcc_loss
from perceptmetrics.statistics import plcc, srcc
from perceptmetrics.tasks.base import Task
from perceptmetrics.views import RandomCrops

IQA = Task(
    name="iqa",
    kind="regression",
    outputs=("quality",),
    loss=plcc_loss,
    # LoDa's recipe, which the paper follows: short side 384, flips in both directions, 224 crops.
    train_view=RandomCrops(crops=1, flip_x=True, flip_y=True),
    # The paper's: the mean of 15 random crops; a constant seed draws them. A fixed grid is further
    # from the mean over all crops (docs/crops.md).
    eval_view=RandomCrops(),
    measures={"SRCC": srcc, "PLCC": plcc},
    average="median",
    replicas=3,
    scale_free=True,
    direction="higher is better quality",
    unit="mean opinion score",
)
