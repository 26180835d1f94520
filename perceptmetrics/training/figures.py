"""From predictions to what is said of a run: its measures, its scale, its card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from perceptmetrics.card import MetricCard, Validation
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.errors import DataError, TrainingError
from perceptmetrics.model import OutputHead
from perceptmetrics.statistics import ConfidenceInterval, bootstrap_ci
from perceptmetrics.tasks import Task
from perceptmetrics.training.source import Source
from perceptmetrics.views import ENLARGED
from perceptmetrics.weights.adapter import AdapterConfig


def set_rating_scale(head: OutputHead, targets: npt.NDArray[np.float64]) -> None:
    """Lets the head learn standardised ratings: scale and shift are their deviation and mean."""
    deviation = targets.std(axis=0)
    if not (deviation > 0).all():
        raise DataError("all training ratings of an output are equal; there is nothing to learn")
    head.shift.copy_(torch.from_numpy(targets.mean(axis=0)))
    head.scale.copy_(torch.from_numpy(deviation))


def fit_rating_scale(
    head: OutputHead, prediction: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Brings what a scale-free loss taught to the ratings' unit, and gives the new predictions.

    PLCC leaves scale and offset open: a least-squares line on the validation part closes them.
    Ranks, and so SRCC and PLCC, do not depend on it.

    Raises:
        TrainingError: The line falls: nothing was learned.
    """
    fitted: npt.NDArray[np.float64] = prediction.copy()
    for output in range(targets.shape[1]):
        slope, offset = np.polyfit(prediction[:, output], targets[:, output], 1)
        if slope <= 0:
            raise TrainingError(
                "predictions fall where ratings rise, so scores cannot be brought to the ratings' "
                "scale: the run learned nothing; train longer or with another learning rate"
            )
        head.shift[output] = head.shift[output] * slope + offset
        head.scale[output] = head.scale[output] * slope
        fitted[:, output] = fitted[:, output] * slope + offset
    return fitted


def figure(task: Task, measure: str, prediction: npt.NDArray[np.float64], part: Manifest) -> float:
    """One measure on a part of the data; for regression the mean over outputs."""
    function = task.measures[measure]
    if task.kind == "classification":
        return float(function(prediction, part.targets))
    columns = range(part.targets.shape[1])
    return float(np.mean([function(prediction[:, k], part.targets[:, k]) for k in columns]))


def run_card(
    source: Source,
    config: AdapterConfig,
    prediction: npt.NDArray[np.float64],
    command: str,
) -> MetricCard:
    """What the run knows goes on the card; what only a person knows is taken from the source's."""
    task, training, validation = source.task, source.training, source.validation
    given = source.card or MetricCard(name=task.name, task=task.name, outputs=task.outputs)
    figures = []
    groups = np.unique(np.asarray(validation.groups), return_inverse=True)[1]
    seen, score_range = given.seen, given.score_range or task.score_range
    if task.kind == "regression":
        ratings = np.concatenate([training.targets, validation.targets])
        low, high = float(ratings.min()), float(ratings.max())
        seen = seen or f"ratings from {low:g} to {high:g}"
        if score_range is not None and not score_range[0] <= low <= high <= score_range[1]:
            score_range = None  # these ratings stand on a scale of their own
        for k, output in enumerate(task.outputs):
            interval = bootstrap_ci(
                task.measures[task.selects_by],
                prediction[:, k],
                validation.targets[:, k],
                groups=groups,
            )
            figures.append(_validation(output, task, interval, validation))
    else:
        interval = bootstrap_ci(
            task.measures[task.selects_by], prediction, validation.targets, groups=groups
        )
        figures.append(_validation("all classes", task, interval, validation))
    chosen_on = f"{len(validation)} images that training never saw; they chose the best epoch"
    if task.scale_free:
        chosen_on += ", and the scores' scale and offset were fitted on them"
    return replace(
        given,
        score_range=score_range,
        seen=seen,
        direction=task.direction,
        unit=given.unit or task.unit,
        paper=given.paper or task.paper,
        backbone=config.backbone,
        base=config.base,
        base_sha256=config.base_sha256,
        view=str(config.view),
        training_data=given.training_data or f"{len(training)} images of your own",
        validation=tuple(figures),
        validated_how=given.validated_how or chosen_on,
        notes=(*given.notes, ENLARGED),
        command=command,
    )


def _validation(
    output: str, task: Task, interval: ConfidenceInterval, validation: Manifest
) -> Validation:
    return Validation(
        output, task.selects_by, interval.value, interval.low, interval.high, len(validation)
    )
