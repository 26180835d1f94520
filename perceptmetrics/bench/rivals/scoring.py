"""A contestant's scores of many images, and what they took."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from perceptmetrics.bench.record import write_text
from perceptmetrics.bench.rivals.contestant import Contestant
from perceptmetrics.bench.rivals.process import check_scores


@dataclass(frozen=True)
class Scored:
    """What one contestant gave.

    Attributes:
        scores: Name of an image -> its scores, one for each output; higher means more of what the
            task judges.
        errors: Name -> why there are none.
        load_seconds: From the start to the first image, imports and weights; of wall time.
        seconds_per_image, cpu_seconds_per_image: Medians, one image at a time, reading included.
        peak_bytes: The most memory that the process held; 0 where nobody knows.
        versions: Of its packages and of its Python.
    """

    scores: Mapping[str, tuple[float, ...]]
    errors: Mapping[str, str]
    load_seconds: float
    seconds_per_image: float
    cpu_seconds_per_image: float
    peak_bytes: int
    versions: Mapping[str, str]


def score_images(
    contestant: Contestant,
    images: Mapping[str, Path],
    outputs: Sequence[str],
    *,
    report: Callable[[int, int], None] = lambda done, images: None,
) -> Scored:
    """Starts a contestant and asks it for every image.

    Args:
        contestant: Who.
        images: Name -> path.
        outputs: What it is to give of each.
        report: Told (images done, images in all).

    Raises:
        PluginError: It does not load, dies, or gives no answer in time.
    """
    scores: dict[str, tuple[float, ...]] = {}
    errors: dict[str, str] = {}
    seconds: list[float] = []
    cpu_seconds: list[float] = []
    with contestant.start() as process:
        ready = process.ready
        peak = ready.peak_bytes
        higher = contestant.higher_is_better
        higher = ready.higher_is_better if higher is None else higher
        sign = -1.0 if higher is False else 1.0
        for name, path in images.items():
            answer = check_scores(process.ask(path.absolute()), outputs)
            peak = max(peak, answer.peak_bytes)
            if answer.error:
                errors[name] = answer.error
            else:
                scores[name] = tuple(sign * one for one in answer.scores)
                seconds.append(answer.seconds)
                cpu_seconds.append(answer.cpu_seconds)
            report(len(scores) + len(errors), len(images))
    return Scored(
        scores,
        errors,
        ready.seconds,
        median(seconds) if seconds else math.nan,
        median(cpu_seconds) if cpu_seconds else math.nan,
        peak,
        {**ready.versions, "python": ready.python},
    )


def kept_scores(
    contestant: Contestant,
    images: Mapping[str, Path],
    outputs: Sequence[str],
    file: Path,
    data_sha256: str,
    *,
    report: Callable[[int, int], None] = lambda done, images: None,
) -> Scored:
    """:func:`score_images`, or what it gave before where that is kept.

    Args:
        contestant: Who.
        images: Name -> path.
        outputs: What it is to give of each.
        file: Where the scores are kept.
        data_sha256: Of the dataset.
        report: Told (images done, images in all).

    Raises:
        PluginError: As there.
        RunFolderError: The file cannot be written.
    """
    identity = [contestant.fingerprint, data_sha256]
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["identity"] == identity:
            kept = Scored(**record["scored"])
            if set(images) <= {*kept.scores, *kept.errors}:
                return replace(
                    kept,
                    scores={n: tuple(kept.scores[n]) for n in images if n in kept.scores},
                    errors={n: kept.errors[n] for n in images if n in kept.errors},
                )
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not scored yet, or not to the end
    found = score_images(contestant, images, outputs, report=report)
    plain = {"identity": identity, "scored": asdict(found)}
    write_text(file, json.dumps(plain, indent=1) + "\n")
    return found
