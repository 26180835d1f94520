"""From images to rows: each image is read once and judged by every metric, in a stream."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import ImageError
from perceptmetrics.images import load_image

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIXELS_AT_ONCE = 64_000_000
"""A chunk ends once its images hold this many pixels (192 MB), whatever their number."""

Cell = float | str | None
Pixels = npt.NDArray[np.uint8]

Judged: TypeAlias = "tuple[list[ImageError | None], Mapping[str, Tensor]]"
"""For each image of a chunk ``None`` or what is wrong with it; scores of the others by metric."""

Together: TypeAlias = "Callable[[Iterable[str | ImageError], int], Iterator[Judged]]"
"""Images and the length of a chunk to what all metrics say of each chunk."""


class Judge(Protocol):
    """What is needed of a :class:`perceptmetrics.Metric` here."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the scores, or of the classes."""

    @property
    def kind(self) -> str:
        """``regression`` or ``classification``."""

    def __call__(self, images: Any) -> Tensor:
        """Images to (N,) or (N, outputs)."""


@dataclass(frozen=True)
class Row:
    """What all metrics say of one image.

    Attributes:
        image: Its path, as it was given.
        values: One entry a column; all ``None`` if the image could not be judged, and those of one
            metric if that one failed.
        error: What was wrong; empty if nothing was.
    """

    image: str
    values: tuple[Cell, ...]
    error: str = ""


def columns_of(name: str, judge: Judge) -> tuple[str, ...]:
    """Column names of one metric.

    One score has the metric's name; several are ``metric.output``. Classes are ``metric.label``,
    the likeliest class, and one probability each, ``metric.class``.

    Args:
        name: What the user called the metric.
        judge: The metric.

    Example:
        >>> class Affect:
        ...     labels, kind = ("valence", "arousal"), "regression"
        >>> columns_of("affect", Affect())
        ('affect.valence', 'affect.arousal')
    """
    each = tuple(f"{name}.{label}" for label in judge.labels)
    if judge.kind == "classification":
        return (f"{name}.label", *each)
    return (name,) if len(each) == 1 else each


def score_images(
    judges: Mapping[str, Judge],
    images: Iterable[str | ImageError],
    *,
    chunk: int = 32,
    together: Together | None = None,
) -> Iterator[list[Row]]:
    """Judges many images; one bad image does not cost the others.

    Args:
        judges: Metrics by name. Columns stand in this order.
        images: Paths, or what is already known to be wrong with one. They are taken lazily, and
            memory does not grow with their number.
        chunk: Images that are judged together, or fewer if they are large.
        together: Gives what all the judges say at once, by name:
            :meth:`perceptmetrics.MetricGroup.in_chunks` of the same metrics. They are asked one
            after the other when ``None``.

    Yields:
        Rows in the order of the images, chunk by chunk.

    Example:
        >>> list(score_images({}, ["no such.jpg"]))[0][0].error
        'there is no such file; check the path'
    """
    names: deque[str] = deque()

    def noted() -> Iterator[str | ImageError]:
        for image in images:
            names.append(str(image))
            yield image

    judged = together(noted(), chunk) if together else _in_turn(judges, noted(), chunk)
    for wrong, scores in judged:
        yield _rows(judges, [names.popleft() for _ in wrong], wrong, scores)


def _in_turn(
    judges: Mapping[str, Judge], images: Iterable[str | ImageError], chunk: int
) -> Iterator[Judged]:
    """Each judge is asked on its own, of images that are read for all of them."""
    wrong: list[ImageError | None] = []
    waiting: list[Pixels] = []

    def judged() -> Judged:
        return wrong, {name: judge(waiting) for name, judge in judges.items() if waiting}

    for image in images:
        try:
            if isinstance(image, ImageError):
                raise image
            waiting.append(load_image(image))
        except ImageError as error:
            wrong.append(error)
        else:
            wrong.append(None)
        if len(wrong) >= chunk or sum(p.size for p in waiting) >= 3 * MAX_PIXELS_AT_ONCE:
            yield judged()
            wrong, waiting = [], []
    if wrong:
        yield judged()


def _rows(
    judges: Mapping[str, Judge],
    images: Sequence[str],
    wrong: Sequence[ImageError | None],
    scores: Mapping[str, Tensor],
) -> list[Row]:
    found = {name: _cells(judges[name], tensor) for name, tensor in scores.items()}
    width = sum(len(columns_of(name, judge)) for name, judge in judges.items())
    rows = []
    for image, bad in zip(images, wrong, strict=True):
        if bad is not None:
            rows.append(Row(bad.item, (None,) * width, bad.reason))
            continue
        values: list[Cell] = []
        failed = []
        for name in judges:
            cells = next(found[name])
            if any(isinstance(cell, float) and not math.isfinite(cell) for cell in cells):
                failed.append(name)
                cells = [None] * len(cells)
            values += cells
        whose = "its score" if len(judges) == 1 else f"its score by {', '.join(failed)}"
        error = f"{whose} is not a finite number" if failed else ""
        rows.append(Row(image, tuple(values), error))
    return rows


def _cells(judge: Judge, scores: Tensor) -> Iterator[list[Cell]]:
    table = scores.numpy().astype(np.float32)
    for row in table.reshape(len(table), -1):
        # The shortest decimal that is this float32: 0.7131837, not 0.71318370103836.
        numbers: list[Cell] = [float(str(value)) for value in row]
        if judge.kind == "classification":
            yield [judge.labels[int(row.argmax())], *numbers]
        else:
            yield numbers
