"""Scores of contestants against human ratings, each figure with its interval as ours have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from perceptmetrics.bench.judging import over_folds
from perceptmetrics.bench.result import RivalResult
from perceptmetrics.bench.rivals import find_rival
from perceptmetrics.bench.rivals.against import Judged
from perceptmetrics.bench.rivals.base import Rival
from perceptmetrics.bench.rivals.contestant import Contestant, rival_contestant
from perceptmetrics.bench.rivals.environment import python_of
from perceptmetrics.bench.rivals.process import PATIENCE
from perceptmetrics.bench.rivals.scoring import Scored, kept_file, score_images
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.errors import DataError, PerceptError, RunFolderError
from perceptmetrics.evaluation.evaluate import Average
from perceptmetrics.evaluation.figures import SAMPLES, Figure, regression_figures
from perceptmetrics.tasks import TASKS

FIGURES = (("SRCC", ""), ("PLCC", ""), ("PLCC", "logistic"))
Entry = tuple[Contestant, Manifest]


def judge_rival(
    rival: Rival | str,
    images: Sequence[Path | str],
    targets: npt.ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    python: Path | None = None,
    install: bool = False,
    device: str = "cpu",
    patience: float = PATIENCE,
    samples: int = SAMPLES,
    report: Callable[[int, int], None] = lambda done, images: None,
) -> RivalResult:
    """Judges a rival on any rated images.

    Args:
        rival: It, or its name.
        images: N paths.
        targets: (N,) or (N, K) ratings, higher for more of what the rival's task judges; K
            outputs of the task.
        groups: What to resample as a whole for the intervals: the reference image.
        python: A Python in which the rival is installed; else the one of our cache.
        install: Whether an environment may be made, and weights fetched.
        device: Where it runs.
        patience: Seconds without an answer after which it is ended.
        samples: Draws of the bootstrap.
        report: Told (images done, images in all).

    Returns:
        Figures, speed and memory. A rival that cannot be had, does not load, dies or hangs is
        :attr:`RivalResult.reason`; an image that it cannot score is in
        :attr:`RivalResult.unreadable`.

    Raises:
        UnknownNameError: No rival is called so.
        DataError: Other numbers of images, targets or groups.

    Example:
        >>> found = judge_rival("resmem", ["a.jpg", "b.jpg"], [0.5, 0.7], python=Path("/no/python"))
        >>> found.reason
        'there is no /no/python; ...'
    """
    rival = find_rival(rival) if isinstance(rival, str) else rival
    outputs = TASKS.get(rival.task).outputs
    ratings = np.asarray(targets, np.float64)
    ratings = ratings[:, None] if ratings.ndim == 1 else ratings
    names = tuple(str(image) for image in images)
    grouped = names if groups is None else tuple(groups)
    if ratings.shape != (len(names), len(outputs)) or len(grouped) != len(names):
        raise DataError(
            f"{len(names)} images, ratings of shape {ratings.shape} and {len(grouped)} groups; "
            f"expected ({len(names)}, {len(outputs)}) ratings ({', '.join(outputs)}) and a group "
            "for each image"
        )
    if len(set(names)) < len(names):
        raise DataError("an image is given more than once; expected every image once")
    data = Manifest(tuple(map(Path, images)), names, ratings, grouped, "")
    given = {} if python is None else {rival.name: python}
    try:
        place = python_of(rival, given, install=install)
        one = rival_contestant(rival, place, device=device, network=install, patience=patience)
    except PerceptError as error:
        return RivalResult(rival.name, False, "", len(names), reason=str(error))
    return judged([(one, data)], outputs, "", "mean", samples=samples, report=report)


def judged(
    entries: Sequence[Entry],
    outputs: Sequence[str],
    dataset: str,
    average: Average,
    *,
    keep: Path | None = None,
    samples: int = SAMPLES,
    report: Callable[[int, int], None] = lambda done, images: None,
) -> RivalResult:
    """One line of the table: a contestant on every fold; arguments as in :func:`judged_parts`.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    return judged_parts(
        entries, outputs, dataset, average, keep=keep, samples=samples, report=report
    ).result


def judged_parts(
    entries: Sequence[Entry],
    outputs: Sequence[str],
    dataset: str,
    average: Average,
    *,
    keep: Path | None = None,
    samples: int = SAMPLES,
    report: Callable[[int, int], None] = lambda done, images: None,
) -> Judged:
    """One line of the table, and the scores behind it.

    Args:
        entries: (who, test images) of each fold. A rival is the same on all of them and scores
            an image once; ours is the run of each fold.
        outputs: Of the task.
        dataset: Its name.
        average: Over folds.
        keep: A folder in which scores are kept; what is there is not scored again.
        samples: Draws of the bootstrap.
        report: Told (images done, images in all) of one process.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    first = entries[0][0]
    wanted: dict[str, dict[str, Path]] = {}
    who: dict[str, Contestant] = {}
    for contestant, part in entries:
        who[contestant.fingerprint] = contestant
        images = wanted.setdefault(contestant.fingerprint, {})
        images.update(zip(part.names, part.images, strict=True))
    bare = RivalResult(
        first.name,
        first.ours,
        dataset,
        len({name for images in wanted.values() for name in images}),
        folds=len(entries),
        licence=first.licence,
        weights=first.weights,
    )
    scored: dict[str, Scored] = {}
    try:
        for key, images in wanted.items():
            file = None
            if keep is not None:
                file = kept_file(who[key], keep, dataset, entries[0][1].sha256)
            scored[key] = score_images(who[key], images, outputs, file=file, report=report)
        each = [
            _figures(scored[contestant.fingerprint], part, outputs, samples)
            for contestant, part in entries
        ]
    except RunFolderError:
        raise  # of the folder, not of this one: the next one would fail in the same way
    except PerceptError as error:
        return Judged(replace(bare, reason=str(error)))
    costs = list(scored.values())
    result = replace(
        bare,
        figures=tuple(over_folds(same, average) for same in zip(*each, strict=True)),
        load_seconds=median(one.load_seconds for one in costs),
        seconds_per_image=median(one.seconds_per_image for one in costs),
        cpu_seconds_per_image=median(one.cpu_seconds_per_image for one in costs),
        peak_bytes=max(one.peak_bytes for one in costs),
        versions=costs[0].versions,
        unreadable=tuple(error for one in costs for error in one.errors.items()),
    )
    parts = tuple((part, scored[one.fingerprint].scores) for one, part in entries)
    return Judged(result, parts)


def _figures(
    scored: Scored, part: Manifest, outputs: Sequence[str], samples: int
) -> tuple[Figure, ...]:
    """Of one fold; its images that have scores."""
    there = [index for index, name in enumerate(part.names) if name in scored.scores]
    if len(there) < 2:
        failed = [(name, scored.errors[name]) for name in part.names if name in scored.errors]
        said = f"; {failed[0][0]}: {failed[0][1]}" if failed else ""
        raise DataError(f"{len(there)} of {len(part)} images have scores, expected 2{said}")
    judged_part = part.take(there)
    found = regression_figures(
        [scored.scores[name] for name in judged_part.names],
        judged_part.targets,
        outputs,
        groups=judged_part.groups,
        samples=samples,
    )
    return tuple(one for one in found if (one.measure, one.scale) in FIGURES)
