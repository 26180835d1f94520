"""Heads over many files: measured one by one, kept as they come, resumed after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.explanation.attention import layers_and_heads, readable_encoder
from perceptmetrics.explanation.effects import HeadEffects, head_effects
from perceptmetrics.images import load_image

if TYPE_CHECKING:
    from perceptmetrics.metric import Metric

FORMAT = "perceptmetrics head effects 1"


@dataclass(frozen=True, eq=False)
class Measured:
    """One image of :func:`rank_heads`.

    Attributes:
        image: Its path, as it was given.
        effects: What its heads do; ``None`` if the image cannot be used.
        error: What was wrong; empty if nothing was.
        kept: Whether an earlier run measured it.
    """

    image: str
    effects: HeadEffects | None
    error: str = ""
    kept: bool = False


def rank_heads(
    metric: Metric,
    images: Iterable[str | ImageError],
    record: Path,
) -> Iterator[Measured]:
    """Measures the heads on each image, and appends what is found to a record as it comes.

    A record that a killed run left is read first: what it holds of unchanged files is not computed
    again, and a last line that was cut is computed anew. Stack ``effects.change(output)`` of the
    images and give them to :func:`~perceptmetrics.explanation.ranking.head_importance`.

    Args:
        metric: What judges.
        images: Paths, or what is already known to be wrong with one; taken lazily.
        record: A file of JSON lines: what measured, then one image a line.

    Yields:
        The images, in their order.

    Raises:
        OptionError: The record is another metric's, is in use, or cannot be written; or the
            metric's backbone does not expose its attention.

    Example:
        >>> import perceptmetrics as pm
        >>> metric = pm.create_metric("memorability")  # doctest: +SKIP
        >>> found = rank_heads(metric, ["a.jpg", "b.jpg"], Path("effects.jsonl"))  # doctest: +SKIP
        >>> [one.effects.masked.shape for one in found]  # doctest: +SKIP
        [(12, 12, 1), (12, 12, 1)]
    """
    header = described(metric)
    with _opened(record) as stream:
        kept = _read(stream, header, record)
        if not kept:
            _append(stream, header, record)
        for image in images:
            try:
                if isinstance(image, ImageError):
                    raise image
                stamp = _stamp(image)
                if (image, stamp) in kept:
                    yield Measured(image, kept[image, stamp], kept=True)
                    continue
                effects = head_effects(metric, load_image(image))
            except ImageError as error:
                yield Measured(error.item, None, error.reason)
                continue
            _append(stream, _line(image, stamp, effects), record)
            yield Measured(image, effects)


def described(metric: Metric) -> dict[str, Any]:
    """What measured: two records of equal descriptions hold the same numbers."""
    layers, heads = layers_and_heads(readable_encoder(metric.model.encoder).spec)
    return {
        "format": FORMAT,
        "metric": metric.card.name,
        "adapter_sha256": metric.card.sha256,
        "base_sha256": metric.card.base_sha256,
        "dataset": metric.dataset,
        "view": str(metric.view),
        "seed": metric.seed,
        "outputs": list(metric.labels),
        "layers": layers,
        "heads": heads,
    }


@contextmanager
def _opened(record: Path) -> Iterator[IO[bytes]]:
    lock = FileLock(record.with_name(f".{record.name}.lock"), timeout=0)
    with ExitStack() as held:
        try:
            held.enter_context(lock)
            stream = held.enter_context(record.open("a+b"))
        except Timeout as error:
            raise OptionError(
                f"{record} is being written by another process; wait for it, or name another place"
            ) from error
        except OSError as error:
            raise OptionError(
                f"cannot write {record}: {error.strerror}; name another place"
            ) from error
        yield stream


def _read(
    stream: IO[bytes], header: dict[str, Any], record: Path
) -> dict[tuple[str, str], HeadEffects]:
    """What the record holds, after a last line that has no end is cut off.

    A record without images is emptied: its first line, which may be cut too, is written again.
    """
    stream.seek(0)
    text = stream.read()
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.splitlines()
    if not lines[1:]:
        if lines:
            _check(lines[0], header, record)
        elif not json.dumps(header).encode().startswith(text):
            raise OptionError(f"{record} is no record of head effects; name another place")
        stream.truncate(0)
        return {}
    _check(lines[0], header, record)
    stream.truncate(len(whole))
    found = {}
    try:
        for line in lines[1:]:
            entry = json.loads(line)
            effects = HeadEffects(np.array(entry["baseline"]), np.array(entry["masked"]))
            found[entry["image"], entry["stamp"]] = effects
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(
            f"{record} is damaged (line {len(found) + 2}); delete it to begin anew"
        ) from error
    return found


def _check(line: bytes, header: dict[str, Any], record: Path) -> None:
    try:
        there = json.loads(line)
    except ValueError:
        there = None
    if not isinstance(there, dict) or there.get("format") != FORMAT:
        raise OptionError(f"{record} is no record of head effects; name another place")
    for name, value in header.items():
        if there.get(name) != value:
            raise OptionError(
                f"{record} was measured with another {name.replace('_', ' ')} "
                f"({there.get(name)!r}, now {value!r}); name another place, or delete it"
            )


def _line(image: str, stamp: str, effects: HeadEffects) -> dict[str, Any]:
    # They were computed in float32; the shortest decimals that say so.
    return {
        "image": image,
        "stamp": stamp,
        "baseline": [float(f"{value:.9g}") for value in effects.baseline],
        "masked": [
            [[float(f"{value:.9g}") for value in head] for head in layer]
            for layer in effects.masked
        ],
    }


def _stamp(image: str) -> str:
    """Tells a file from another of the same name that took its place."""
    try:
        found = Path(image).stat()
    except (OSError, ValueError):
        return ""  # reading it says what is wrong
    return f"{found.st_size}-{found.st_mtime_ns}"


def _append(stream: IO[bytes], entry: dict[str, Any], record: Path) -> None:
    try:
        stream.write(json.dumps(entry).encode() + b"\n")
        stream.flush()
    except OSError as error:
        raise OptionError(
            f"cannot write {record}: {error.strerror}; make room (what was measured stays)"
        ) from error
