"""How well a metric does beside what its ratings allow: the human ceiling."""

from __future__ import annotations

import math

import numpy as np

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.error_analysis import HumanCeiling
from perceptmetrics.statistics import plcc, srcc
from perceptmetrics.statistics.checks import Floats
from perceptmetrics.statistics.reliability import (
    Reliability,
    ceiling_from_deviations,
    ceiling_from_errors,
    ceiling_from_split_half,
)

NONE = Reliability(math.nan, math.nan)
TOO_NOISY = "the ratings vary no more than chance would have it"
OF_RANKS = "Spearman and Brown's formula, which is an approximation for ranks"


def human_ceilings(
    prediction: Floats,
    target: Floats,
    judged: Manifest,
    output: str,
    split_half: float | None = None,
) -> list[HumanCeiling]:
    """How well one output could be predicted at most, by what is known of its ratings.

    Args:
        prediction: (N,) scores.
        target: (N,) ratings.
        judged: The N images. Columns ``OUTPUT_sd`` and ``OUTPUT_n`` (spread between the people who
            rated an image, and how many they were), or ``OUTPUT_se`` (standard error of its mean)
            give a ceiling of PLCC.
        output: ``valence``, ...
        split_half: Spearman's correlation between halves of the raters, which gives one of SRCC.

    Returns:
        None, one or two. Where a cell is no number, the note says so.

    Raises:
        DataError: ``split_half`` is not in [-1, 1].

    Example:
        >>> from pathlib import Path
        >>> rated = np.array([1.0, 3.0, 5.0])
        >>> doubts = {"beauty_sd": ("1", "1", "1"), "beauty_n": ("4", "4", "4")}
        >>> files = tuple(map(Path, "abc"))
        >>> data = Manifest(files, tuple("abc"), rated[:, None], tuple("abc"), "", doubts)
        >>> (found,) = human_ceilings(rated, rated, data, "beauty")
        >>> found.reliability, round(found.ceiling, 3), found.measure
        (0.9375, 0.968, 'PLCC')
    """
    found = []
    deviation, count, error = (f"{output}_{what}" for what in ("sd", "n", "se"))
    basis, known, note = "", NONE, ""
    try:
        if deviation in judged.columns and count in judged.columns:
            basis = f"{deviation} and {count} of each image"
            numbers = _numbers(judged, deviation), _numbers(judged, count)
            known = ceiling_from_deviations(target, *numbers)
        elif error in judged.columns:
            basis = f"{error} of each image"
            known = ceiling_from_errors(target, _numbers(judged, error))
        note = "" if known.ceiling > 0 else TOO_NOISY
    except DataError as wrong:
        note = str(wrong)
    if basis:
        reached = plcc(prediction, target)
        found.append(_ceiling(output, basis, known, reached, "PLCC", len(target), note))
    if split_half is not None:
        basis = f"split-half Spearman {split_half:g}"
        known = ceiling_from_split_half(split_half)
        reached = srcc(prediction, target)
        found.append(_ceiling(output, basis, known, reached, "SRCC", len(target), OF_RANKS))
    return found


def _ceiling(
    output: str,
    basis: str,
    known: Reliability,
    reached: float,
    measure: str,
    images: int,
    note: str,
) -> HumanCeiling:
    return HumanCeiling(
        output, basis, known.reliability, known.ceiling, reached, measure, images, note
    )


def _numbers(data: Manifest, column: str) -> Floats:
    found = []
    for name, cell in zip(data.names, data.column(column), strict=True):
        try:
            found.append(float(cell))
        except ValueError as error:
            raise DataError(f"{column} of {name} is {cell!r}, expected a number") from error
    return np.array(found)
