"""How well an image is remembered (section 4.2)."""

from __future__ import annotations

from perceptmetrics.losses import mse_loss
from perceptmetrics.statistics import mse, srcc
from perceptmetrics.tasks.base import Task
from perceptmetrics.views import CentreCrop

MEMORABILITY = Task(
    name="memorability",
    kind="regression",
    outputs=("memorability",),
    loss=mse_loss,
    train_view=CentreCrop(),
    eval_view=CentreCrop(),
    measures={"SRCC": srcc, "MSE": mse},
    score_range=(0.0, 1.0),
    direction="higher is better remembered",
    unit="hit rate in a memory game",
)
