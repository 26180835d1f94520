"""A contestant's scores of many images, and what they took."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from perceptmetrics.bench.rivals.contestant import Contestant
from perceptmetrics.bench.rivals.keeping import Kept
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
    file: Path | None = None,
    report: Callable[[int, int], None] = lambda done, images: None,
) -> Scored:
    """Starts a contestant and asks it for every image that has no score yet.

    Args:
        contestant: Who.
        images: Name -> path.
        outputs: What it is to give of each.
        file: Where scores are kept, one by one, and were kept before; see :func:`kept_file`.
        report: Told (images done, images in all).

    Raises:
        PluginError: It does not load, dies, or gives no answer in time. What it gave until then is
            in the file.
        RunFolderError: The file cannot be read or written.
    """
    kept = Kept.read(file)
    errors: dict[str, str] = {}
    asked = {name: path for name, path in images.items() if name not in kept.answers}
    ready = kept.ready
    if asked or ready is None:
        done = len(images) - len(asked)
        with contestant.start() as process:
            ready = process.ready
            kept.start(ready)
            for name, path in asked.items():
                answer = check_scores(process.ask(path.absolute()), outputs)
                if answer.error:
                    errors[name] = answer.error
                else:
                    kept.add(name, answer)
                done += 1
                report(done, len(images))
    answers = {name: kept.answers[name] for name in images if name in kept.answers}
    higher = contestant.higher_is_better
    higher = ready.higher_is_better if higher is None else higher
    sign = -1.0 if higher is False else 1.0
    seconds = [one.seconds for one in answers.values()]
    cpu_seconds = [one.cpu_seconds for one in answers.values()]
    return Scored(
        {name: tuple(sign * score for score in one.scores) for name, one in answers.items()},
        errors,
        ready.seconds,
        median(seconds) if seconds else math.nan,
        median(cpu_seconds) if cpu_seconds else math.nan,
        max(ready.peak_bytes, *(one.peak_bytes for one in answers.values()), 0),
        {**ready.versions, "python": ready.python},
    )


def kept_file(contestant: Contestant, folder: Path, dataset: str, data_sha256: str) -> Path:
    """Where the scores of a contestant are kept.

    Other scores, and other speeds, have another file: of another scorer, other data, another
    machine, or an environment in which anything else is installed.

    Args:
        contestant: Who; its Python is asked what is installed.
        folder: Of kept scores.
        dataset: Its name.
        data_sha256: Of its images and ratings.

    Raises:
        PluginError: Its Python cannot be asked.
    """
    known = (contestant.fingerprint, data_sha256, platform.node(), *contestant.installed())
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()
    return folder / f"{digest[:32]}.{dataset}.jsonl"
