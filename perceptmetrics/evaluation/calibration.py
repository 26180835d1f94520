"""Whether what a metric says is what people say: scores on average, classes in frequency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.evaluation.class_errors import ALL, probabilities
from perceptmetrics.evaluation.error_analysis import (
    CalibrationBin,
    ClassCalibration,
    RatingCalibration,
)
from perceptmetrics.evaluation.mapping import to_scale
from perceptmetrics.statistics.checks import Floats, pair
from perceptmetrics.statistics.regression import constant

BINS = 10
NAN = float("nan")


def rating_calibration(
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    output: str,
    *,
    scale: str = "as scored",
    bins: int = BINS,
) -> RatingCalibration:
    """Mean rating where the metric says about so much, and the line through all images.

    After ``rank statistics`` the line's slope is about the PLCC, and after ``logistic`` about 1,
    by construction. ``as scored`` is what tells of a metric on its own scale.

    Args:
        prediction: (N,) scores, N at least 2.
        target: (N,) ratings.
        output: What is judged.
        scale: A name of :data:`~perceptmetrics.evaluation.mapping.MAPPINGS`.
        bins: At most; as many images in each as ties allow.

    Raises:
        DataError: Shapes differ, there are fewer than 2 images, or a value is not finite.
        OptionError: There is no such scale, or there are no bins.

    Example:
        >>> found = rating_calibration([2, 2.5, 3.5, 4], [1, 2, 4, 5], "quality", bins=2)
        >>> round(found.slope, 6), round(found.intercept, 6)
        (2.0, -3.0)
        >>> [(one.images, one.predicted, one.true) for one in found.bins]
        [(2, 2.25, 1.5), (2, 3.75, 4.5)]
    """
    from scipy.stats import linregress

    x, y = pair(prediction, target, least=2)
    if x.ndim != 1:
        raise DataError(f"calibration is that of one output, (N,); got shape {x.shape}")
    if bins < 1:
        raise OptionError(f"bins must be at least 1, got {bins}")
    try:
        mapped = to_scale(scale, x, y)
    except DataError as error:
        return RatingCalibration(output, scale, (), NAN, NAN, str(error))
    # Equal predictions stay together: the ends are different values.
    ends = np.unique(np.quantile(mapped, np.linspace(0.0, 1.0, bins + 1)))
    if len(ends) < 2:
        ends = np.append(ends, ends)
    place = np.clip(np.searchsorted(ends, mapped, side="right") - 1, 0, len(ends) - 2)
    found = _bins(mapped, y, place, ends)
    if constant(mapped):
        return RatingCalibration(output, scale, found, NAN, NAN, "all scores are equal")
    line = linregress(mapped, y)
    return RatingCalibration(output, scale, found, float(line.slope), float(line.intercept))


def class_calibration(
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    labels: Sequence[str],
    output: str = ALL,
    *,
    bins: int = BINS,
) -> ClassCalibration:
    """The reliability curve, the expected calibration error and the Brier score.

    Confidence is the largest probability of an image (Guo et al. 2017, On Calibration of Modern
    Neural Networks); the error depends on the number of bins, which is why it is stated.

    Args:
        prediction: (N, C) probabilities, each in [0, 1].
        target: (N,) class indices.
        labels: C names.
        output: ``all classes``, or a grouping's name.
        bins: Of equal width, from 0 to 1.

    Raises:
        DataError: Shapes do not fit, there is no image, or these are no probabilities.
        OptionError: There are no bins.

    Example:
        >>> found = class_calibration([[0.9, 0.1], [0.3, 0.7]], [0, 0], ["sad", "glad"])
        >>> round(found.expected_error, 3), round(found.brier, 3)
        (0.4, 0.5)
    """
    scores, truth = probabilities(prediction, target, labels)
    if bins < 1:
        raise OptionError(f"bins must be at least 1, got {bins}")
    if scores.min() < 0 or not np.allclose(scores.sum(axis=1), 1.0, atol=1e-3):
        raise DataError(
            "calibration of classes needs probabilities that sum to 1 for each image; got "
            f"{scores[0].tolist()} for the first"
        )
    confidence = scores.max(axis=1)
    right = (scores.argmax(axis=1) == truth).astype(np.float64)
    ends = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(ends, confidence, side="left") - 1, 0, bins - 1)
    found = _bins(confidence, right, place, ends)
    error = sum(one.images * abs(one.true - one.predicted) for one in found) / len(truth)
    brier = np.mean(np.sum((scores - np.eye(len(labels))[truth]) ** 2, axis=1))
    return ClassCalibration(output, found, bins, float(error), float(brier))


def _bins(
    x: Floats, y: Floats, place: npt.NDArray[np.intp], ends: Floats
) -> tuple[CalibrationBin, ...]:
    return tuple(
        CalibrationBin(
            float(ends[k]),
            float(ends[k + 1]),
            int((place == k).sum()),
            float(x[place == k].mean()),
            float(y[place == k].mean()),
        )
        for k in np.unique(place)
    )
