"""What an explanation asks of a metric, checked before minutes are spent on it."""

from __future__ import annotations

import numpy as np

from perceptmetrics.errors import OptionError
from perceptmetrics.explanation.attention import readable_encoder
from perceptmetrics.explanation.effects import explained_output
from perceptmetrics.metric import Metric

_ANY_SIDE = 256


def check_metric(metric: Metric, output: str | None = None) -> None:
    """Refuses at once a metric whose judgements cannot be explained.

    Args:
        metric: What is to be explained.
        output: Which score or class, as :func:`perceptmetrics.explain` takes it.

    Raises:
        OptionError: It is no metric, gives several scores of which none is named, its backbone
            does not expose its attention, or its view does not say where it cuts.
        UnknownNameError: It has no such output.

    Example:
        >>> check_metric("photo.jpg")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: the metric is a str, expected what create_metric gives
    """
    if not isinstance(metric, Metric):
        raise OptionError(
            f"the metric is a {type(metric).__name__}, expected what create_metric gives"
        )
    readable_encoder(metric.model.encoder)
    explained_output(metric, np.zeros(len(metric.labels)), output)
    cut_size(metric)


def check_quality_map(metric: Metric, output: str | None = None) -> int:
    """Refuses a metric of which there is no quality map.

    Args:
        metric: What judges.
        output: Which score.

    Returns:
        Index of the score.

    Raises:
        OptionError: It tells classes, gives several scores of which none is named, or its view
            does not say to what size it brings an image.
        UnknownNameError: It has no such score.
    """
    if metric.kind != "regression":
        raise OptionError(
            f"{metric.card.name} tells classes ({', '.join(metric.labels)}); a quality map needs a "
            "metric that gives scores, such as iqa"
        )
    cut_size(metric)
    return explained_output(metric, np.zeros(len(metric.labels)), output)


def cut_size(metric: Metric) -> int:
    """Side of the squares that a metric cuts from an image, in pixels.

    Raises:
        OptionError: The metric's view does not say where it cuts.
    """
    generator = np.random.default_rng(metric.seed)
    return metric.view.plan(_ANY_SIDE, _ANY_SIDE, generator).size
