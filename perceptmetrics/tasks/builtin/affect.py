"""What an image makes people feel, as valence and arousal: a task of ours, not of the paper."""

from __future__ import annotations

from perceptmetrics.losses import mse_loss
from perceptmetrics.statistics import plcc, srcc
from perceptmetrics.tasks.base import Task
from perceptmetrics.views import CentreCrop, RandomCrops

AFFECT = Task(
    name="affect",
    kind="regression",
    outputs=("valence", "arousal"),
    loss=mse_loss,
    train_view=RandomCrops(crops=1, resize_to=224, flip_x=True),
    eval_view=CentreCrop(),
    measures={"SRCC": srcc, "PLCC": plcc},
    score_range=(1.0, 7.0),
    direction="valence: higher is more positive, 4 is neutral; arousal: higher is more activating",
    higher_is_better=None,
    unit="mean rating from 1 to 7",
    paper="Kurdi et al. 2017, OASIS, Behavior Research Methods 49",
)
