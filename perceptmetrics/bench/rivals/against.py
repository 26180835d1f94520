"""Ours against each rival, on the images that both have scores of: which differences are chance?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from perceptmetrics.bench.result import RivalDifference, RivalResult
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.evaluation.evaluate import Average
from perceptmetrics.evaluation.figures import SAMPLES
from perceptmetrics.statistics import srcc
from perceptmetrics.statistics.paired import PairedPart, holm, paired_difference

_AVERAGES: Mapping[Average, Callable[[Any], Any]] = {"median": np.median, "mean": np.mean}

Scores = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Judged:
    """A line of the table, and what is behind it.

    Attributes:
        result: The line.
        parts: The test images of each fold, and name -> scores, higher for more of what is judged;
            empty where there are no figures.
    """

    result: RivalResult
    parts: tuple[tuple[Manifest, Scores], ...] = ()


def against_ours(
    found: Sequence[Judged],
    outputs: Sequence[str],
    average: Average,
    *,
    samples: int = SAMPLES,
) -> tuple[RivalResult, ...]:
    """The lines of one dataset, the rivals' with :attr:`RivalResult.against`.

    The folds are those of each of ours; a rival is the same in all of them. Images that either
    has no score of are left out for both.

    Args:
        found: Rivals and ours, on one dataset.
        outputs: Of the task.
        average: Over folds.
        samples: Draws of the bootstrap.

    Example:
        >>> against_ours([Judged(RivalResult("resmem", False, "lnsim"))], ["m"], "mean")[0].against
        ()
    """
    ours = [one for one in found if one.result.ours and one.parts]
    rivals = [one for one in found if not one.result.ours and one.parts]
    compared = [
        (rival, _difference(own, rival, place, output, average, samples))
        for rival in rivals
        for own in ours
        for place, output in enumerate(outputs)
    ]
    corrected = holm([one.p for _, one in compared])
    of: dict[int, list[RivalDifference]] = {}
    for (rival, one), p in zip(compared, corrected, strict=True):
        of.setdefault(id(rival), []).append(replace(one, p_holm=p))
    return tuple(replace(one.result, against=tuple(of.get(id(one), ()))) for one in found)


def _difference(
    own: Judged, rival: Judged, place: int, output: str, average: Average, samples: int
) -> RivalDifference:
    """Of one output."""
    empty = RivalDifference(own.result.name, output)
    theirs = {name: scores for _, of_part in rival.parts for name, scores in of_part.items()}
    parts: list[PairedPart] = []
    names: set[str] = set()
    for part, of_part in own.parts:
        both = [i for i, name in enumerate(part.names) if name in of_part and name in theirs]
        if len(both) < 2:
            continue
        same = part.take(both)
        names.update(same.names)
        parts.append(
            PairedPart(
                np.array([of_part[name][place] for name in same.names]),
                np.array([theirs[name][place] for name in same.names]),
                same.targets[:, place],
                same.groups,
            )
        )
    counted = replace(empty, images=len(names), folds=len(parts))
    units = {unit for part in parts for unit in part.units}
    if len(units) < 2:
        few = "too few images have a score of both" if len(names) < 2 else "all are of one group"
        return replace(counted, reason=few)
    found = paired_difference(srcc, parts, average=_AVERAGES[average], samples=samples)
    if math.isnan(found.value):
        return replace(counted, reason="there is no SRCC of one")
    return replace(counted, value=found.value, low=found.low, high=found.high, p=found.p)
