"""The built-in check: does a score fall as a photograph is spoiled step by step?

It needs no rated images, and says nothing of human judgement: a metric can order every level
rightly and still not agree with people on which of two photographs looks better.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from perceptmetrics.bench.checked import CheckedMetric, checked_metric
from perceptmetrics.bench.distortions import DISTORTIONS, LEVELS, Distortion, Pixels
from perceptmetrics.errors import DataError
from perceptmetrics.statistics import srcc

SAID = (
    "This is a check of monotony: whether a score falls as a photograph is spoiled step by step. "
    "It is not a check against human judgement, for which rated images are needed (--data)."
)


class Judge(Protocol):
    """What is needed of a :class:`perceptmetrics.Metric` here: one score an image."""

    @property
    def higher_is_better(self) -> bool | None:
        """``False`` where a higher score means a worse image."""

    def __call__(self, images: Sequence[Pixels]) -> Any:
        """N images to (N,) scores."""


@runtime_checkable
class Elsewhere(Protocol):
    """A judge that scores in another process, and is to be ended."""

    @property
    def cpu_seconds(self) -> float:
        """What the scores took so far, over there."""

    def close(self) -> None:
        """Ends it."""


@dataclass(frozen=True)
class Ordering:
    """How one metric orders one photograph under one distortion.

    Attributes:
        metric: Its name.
        photograph: Its name.
        distortion: Its name.
        scores: Of the photograph itself and of levels 1 to 5.
        srcc: Of quality as scored with quality as made: 1 where every level scores below the one
            before it, -1 where above; ``nan`` where all score alike.
        in_order: How many of the five neighbouring pairs are in order.
    """

    metric: str
    photograph: str
    distortion: str
    scores: tuple[float, ...]
    srcc: float
    in_order: int


@dataclass(frozen=True)
class Speed:
    """What one metric took.

    Attributes:
        metric: Its name.
        images: How many it scored.
        seconds: Of wall time.
        cpu_seconds: All threads together, of this process or of that in which it scores.
    """

    metric: str
    images: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class CheckResult:
    """What the check found.

    Attributes:
        photographs: Names of those that were spoiled.
        distortions: Names.
        orderings: One for each metric, photograph and distortion.
        speeds: One for each metric that was checked.
        failures: (metric or photograph, why there is nothing of it).
        note: What the check is not.
        metrics: What is known of each metric of ours that was checked.
        photograph_sha256: Photograph -> hash of its file; empty where none was given.
    """

    photographs: tuple[str, ...]
    distortions: tuple[str, ...]
    orderings: tuple[Ordering, ...]
    speeds: tuple[Speed, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    note: str = SAID
    metrics: tuple[CheckedMetric, ...] = ()
    photograph_sha256: Mapping[str, str] = field(default_factory=dict)

    def of(self, metric: str, distortion: str | None = None) -> tuple[Ordering, ...]:
        """What was found of one metric, under one distortion or all."""
        return tuple(
            one
            for one in self.orderings
            if one.metric == metric and distortion in (None, one.distortion)
        )

    def summary(self, metric: str, distortion: str | None = None) -> tuple[float, float]:
        """Mean SRCC, and the share of neighbouring pairs in order.

        Returns:
            The mean over photographs, and over distortions where none is named; ``nan`` where
            any of them has none.

        Raises:
            DataError: There is nothing of that metric under that distortion.
        """
        found = self.of(metric, distortion)
        if not found:
            raise DataError(f"the check has nothing of {metric!r} under {distortion or 'any'!r}")
        pairs = sum(one.in_order for one in found) / (LEVELS * len(found))
        return float(np.mean([one.srcc for one in found])), pairs


def ordering(
    metric: str,
    photograph: str,
    distorted: str,
    scores: Sequence[float],
    higher_is_better: bool | None = True,
) -> Ordering:
    """How scores of rising levels are ordered.

    Args:
        metric: Name.
        photograph: Name.
        distorted: Name of the distortion.
        scores: Of the photograph itself and of levels 1 to 5.
        higher_is_better: ``False`` turns the scores; ``None``, where neither is, does not.

    Raises:
        DataError: Another number of scores, or one that is not finite.

    Example:
        >>> found = ordering("iqa", "a.jpg", "blur", [5, 4, 3, 2, 1.5, 1.7])
        >>> round(found.srcc, 3), found.in_order
        (0.943, 4)
    """
    values = np.asarray(scores, np.float64)
    if values.shape != (LEVELS + 1,):
        raise DataError(f"{values.shape} scores of {metric}, expected {LEVELS + 1} numbers")
    quality = -values if higher_is_better is False else values
    return Ordering(
        metric,
        photograph,
        distorted,
        tuple(values.tolist()),
        srcc(quality, -np.arange(LEVELS + 1)),
        int((np.diff(quality) < 0).sum()),
    )


def check(
    load: Mapping[str, Callable[[], Judge]],
    photographs: Mapping[str, Pixels],
    *,
    distortions: Sequence[Distortion] = DISTORTIONS,
    seed: int = 0,
    failures: Sequence[tuple[str, str]] = (),
    hashes: Mapping[str, str] | None = None,
    progress: Callable[[str, int, int], None] = lambda metric, done, images: None,
) -> CheckResult:
    """Spoils photographs and asks every metric.

    Args:
        load: Metric -> what makes it. One that cannot be made, or that raises, is noted.
        photographs: Name -> (H, W, 3) uint8.
        distortions: What is done to them.
        seed: Of the noise.
        failures: What is known to be missing already.
        hashes: Photograph -> hash of its file, for the record.
        progress: Told (metric, images done, images in all).

    Raises:
        DataError: There is no photograph.

    Example:
        >>> class Brightness:
        ...     higher_is_better = True
        ...
        ...     def __call__(self, images):
        ...         return np.array([image.mean() for image in images])
        >>> rng = np.random.default_rng(0)
        >>> photograph = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        >>> found = check({"brightness": Brightness}, {"random": photograph})
        >>> found.summary("brightness", "brightness")
        (1.0, 1.0)
    """
    if not photographs:
        raise DataError("there is no photograph to check with; give a folder with --photographs")
    orderings: list[Ordering] = []
    speeds: list[Speed] = []
    failed = list(failures)
    checked: list[CheckedMetric] = []
    for name, make in load.items():
        try:
            judge = make()
            with closing(judge) if isinstance(judge, Elsewhere) else nullcontext():
                began, cpu_began = time.perf_counter(), _cpu_seconds(judge)
                found = _orderings(name, judge, photographs, distortions, seed, progress)
                cpu = _cpu_seconds(judge) - cpu_began
        # A metric may be anybody's, and one that fails must not cost the others.
        except Exception as error:  # noqa: BLE001
            failed.append((name, reason_of(error)))
            continue
        images = len(photographs) * (1 + LEVELS * len(distortions))
        seconds = time.perf_counter() - began
        speeds.append(Speed(name, images, seconds, cpu))
        orderings += found
        checked += checked_metric(name, judge)
    return CheckResult(
        tuple(photographs),
        tuple(one.name for one in distortions),
        tuple(orderings),
        tuple(speeds),
        tuple(failed),
        metrics=tuple(checked),
        photograph_sha256=dict(hashes or {}),
    )


def _cpu_seconds(judge: Judge) -> float:
    return judge.cpu_seconds if isinstance(judge, Elsewhere) else time.process_time()


def reason_of(error: Exception) -> str:
    """What went wrong, in one line; errors that are not ours are named by their kind.

    Example:
        >>> reason_of(DataError("no such image")), reason_of(KeyError("a"))
        ('no such image', "KeyError: 'a'")
    """
    from perceptmetrics.errors import PerceptError

    said = " ".join(str(error).split()) or "no message"
    return said if isinstance(error, PerceptError) else f"{type(error).__name__}: {said}"


def _orderings(
    metric: str,
    judge: Judge,
    photographs: Mapping[str, Pixels],
    distortions: Sequence[Distortion],
    seed: int,
    progress: Callable[[str, int, int], None],
) -> list[Ordering]:
    images = len(photographs) * (1 + LEVELS * len(distortions))
    done = 0
    found = []
    for name, image in photographs.items():
        # Scored once: it is level 0 of every distortion.
        first = _scores(metric, judge, [image])
        done += 1
        for one in distortions:
            levels = [one.at(level, image, seed) for level in range(1, LEVELS + 1)]
            scores = [*first, *_scores(metric, judge, levels)]
            found.append(ordering(metric, name, one.name, scores, judge.higher_is_better))
            done += LEVELS
            progress(metric, done, images)
    return found


def _scores(metric: str, judge: Judge, images: Sequence[Pixels]) -> list[float]:
    scores: npt.NDArray[np.float64] = np.asarray(judge(images), np.float64)
    if scores.shape != (len(images),) or not np.isfinite(scores).all():
        raise DataError(
            f"{metric} gave scores of shape {scores.shape} for {len(images)} images, or some that "
            "are not finite; expected one finite score an image"
        )
    return [float(score) for score in scores]
