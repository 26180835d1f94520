"""Heads over many files: measured one by one, kept as they come, resumed after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from perceptmetrics.errors import DataError, ImageError, OptionError
from perceptmetrics.explanation.attention import layers_and_heads, readable_encoder
from perceptmetrics.explanation.effects import HeadEffects, Watch, head_effects, nobody_watches
from perceptmetrics.explanation.writing import not_written
from perceptmetrics.images import load_image
from perceptmetrics.statistics.checks import finite

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
    *,
    watch: Watch = nobody_watches,
) -> Iterator[Measured]:
    """Measures the heads on each image, and appends what is found to a record as it comes.

    A record that a killed run left is read first: what it holds of unchanged files is not computed
    again, and a last line that was cut is computed anew. Numbers are those that the record holds,
    so that a run which goes on gives the same bytes as one that was never stopped. Stack
    ``effects.change(output)`` of the images and give them to
    :func:`~perceptmetrics.explanation.ranking.head_importance`.

    Args:
        metric: What judges.
        images: Paths, or what is already known to be wrong with one; taken lazily.
        record: A file of JSON lines: what measured, then one image a line.
        watch: Told how far the image is.

    Yields:
        The images, in their order.

    Raises:
        OptionError: The record is another metric's, is damaged, is in use, or cannot be written;
            or the metric's backbone does not expose its attention.

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
        for image in images:
            try:
                if isinstance(image, ImageError):
                    raise image
                stamp = _stamp(image)
                if (image, stamp) in kept:
                    yield Measured(image, kept[image, stamp], kept=True)
                    continue
                entry = _entry(image, stamp, head_effects(metric, load_image(image), watch=watch))
            except ImageError as error:
                yield Measured(error.item, None, error.reason)
                continue
            except DataError as error:
                yield Measured(str(image), None, f"cannot be judged: {error}")
                continue
            if not stream.tell():
                _append(stream, header, record)
            _append(stream, entry, record)
            yield Measured(image, _effects(entry, header))


def described(metric: Metric) -> dict[str, Any]:
    """What measured: two records of equal descriptions hold the same numbers."""
    encoder = readable_encoder(metric.model.encoder)
    layers, heads = layers_and_heads(encoder.spec)
    return {
        "format": FORMAT,
        "metric": metric.card.name,
        "adapter_sha256": metric.card.sha256,
        "base_sha256": metric.card.base_sha256,
        "dataset": metric.dataset,
        "view": str(metric.view),
        "seed": metric.seed,
        # Other hardware rounds otherwise, and half precision much more.
        "precision": metric.model.precision,
        "device": metric.model.device.type,
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
            # Unbuffered: a stream that holds back what a full disk refused tries again when it
            # is closed, and that error would take the place of ours.
            stream = held.enter_context(record.open("a+b", buffering=0))
        except Timeout as error:
            raise OptionError(
                f"{record} is being written by another process; wait for it, or name another place"
            ) from error
        except OSError as error:
            raise not_written(record, error) from error
        try:
            yield stream
        finally:
            if not stream.tell():  # nothing was measured: no file is better than an empty one
                held.callback(_remove, record, Path(lock.lock_file))


def _remove(*files: Path) -> None:
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)


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
        whole, lines = b"", []
    else:
        _check(lines[0], header, record)
    stream.truncate(len(whole))
    stream.seek(0, os.SEEK_END)
    found = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            entry = json.loads(line)
            found[entry["image"], entry["stamp"]] = _effects(entry, header)
        except (ValueError, KeyError, TypeError) as error:
            raise OptionError(
                f"{record} is damaged in line {number} ({_reason(error)}); delete the line to "
                "measure its image again, or the file to begin anew"
            ) from error
    return found


def _reason(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


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


def _effects(entry: dict[str, Any], header: dict[str, Any]) -> HeadEffects:
    """What an entry holds.

    Raises:
        DataError: Its arrays are not those of this metric, or hold what is no finite number.
    """
    effects = HeadEffects(finite("baseline", entry["baseline"]), finite("masked", entry["masked"]))
    wanted = (header["layers"], header["heads"], len(header["outputs"]))
    if effects.masked.shape != wanted:
        raise DataError(f"masked has shape {effects.masked.shape}, expected {wanted}")
    return effects


def _entry(image: str, stamp: str, effects: HeadEffects) -> dict[str, Any]:
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
        rest = json.dumps(entry).encode() + b"\n"
        while rest:  # what little room there is takes a part
            rest = rest[stream.write(rest) :]
    except OSError as error:
        raise not_written(record, error, "; what was measured stays") from error
