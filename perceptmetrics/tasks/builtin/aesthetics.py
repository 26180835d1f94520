"""How beautiful an image is: a task of ours, not of the paper."""

from __future__ import annotations

from perceptmetrics.losses import mse_loss
from perceptmetrics.statistics import plcc, srcc
from perceptmetrics.tasks.base import Task
from perceptmetrics.views import CentreCrop, RandomCrops

AESTHETICS = Task(
    name="aesthetics",
    kind="regression",
    outputs=("beauty",),
    loss=mse_loss,
    train_view=RandomCrops(crops=1, resize_to=224, flip_x=True),
    eval_view=CentreCrop(),
    measures={"SRCC": srcc, "PLCC": plcc},
    score_range=(1.0, 7.0),
    direction="higher is more beautiful",
    unit="mean rating from 1 to 7",
    paper="Brielmann & Pelli 2019, Intense Beauty Requires Intense Pleasure",
)
