"""How calm an image is."""

from dataclasses import replace

from perceptmetrics.losses import mse_loss
from perceptmetrics.statistics import srcc
from perceptmetrics.tasks.base import Task
from perceptmetrics.views import CentreCrop

CALM = Task(
    name="calm",
    kind="regression",
    outputs=("calm",),
    loss=mse_loss,
    train_view=CentreCrop(32, 32),
    eval_view=CentreCrop(32, 32),
    measures={"SRCC": srcc},
    score_range=(0.0, 1.0),
    direction="higher is calmer",
)

BRITTLE = replace(
    CALM,
    name="brittle",
    loss=lambda prediction, target: (10 * mse_loss(prediction, target)).exp(),  # may overflow
)
