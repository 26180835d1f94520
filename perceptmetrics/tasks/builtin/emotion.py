"""Which emotion an image evokes (section 4.3): EmoSet's eight classes, EmotionROI's six."""

from __future__ import annotations

from dataclasses import replace

from perceptmetrics.losses import cross_entropy_loss
from perceptmetrics.statistics import accuracy, macro_f1, mean_average_precision, weighted_f1
from perceptmetrics.tasks.base import Task
from perceptmetrics.views import CentreCrop, RandomResizedCrop

_POSITIVE = ("amusement", "awe", "contentment", "excitement")
_NEGATIVE = ("anger", "disgust", "fear", "sadness")

EMOTION = Task(
    name="emotion",
    kind="classification",
    outputs=_POSITIVE + _NEGATIVE,  # the official release's index order
    loss=cross_entropy_loss,
    train_view=RandomResizedCrop(),
    eval_view=CentreCrop(),
    measures={
        "accuracy": accuracy,
        "mAP": mean_average_precision,
        "macro F1": macro_f1,
        "weighted F1": weighted_f1,
    },
    direction="a probability for each class; they sum to one",
    higher_is_better=None,
    unit="probability",
    groupings={"polarity": {"positive": _POSITIVE, "negative": _NEGATIVE}},
    default_metric="perceptclip-emotion",
)

EMOTION_6 = replace(
    EMOTION,
    name="emotion-6",
    outputs=("anger", "disgust", "fear", "joy", "sadness", "surprise"),
    groupings={
        "polarity": {
            "positive": ("joy", "surprise"),
            "negative": ("anger", "disgust", "fear", "sadness"),
        }
    },
    default_metric="",
)
