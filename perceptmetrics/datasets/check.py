"""What a dataset on disk holds: counts, ratings, and whether every image can be opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.datasets.base import Dataset
from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.images import load_image

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest

BINS = 10
# Published ends are rounded to two decimals.
ROUNDING = 0.01


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be opened.

    Attributes:
        name: What splits call it.
        reason: Why, and what to do.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Ratings:
    """One kind of score.

    Attributes:
        name: The task's output: ``"quality"``.
        low: Smallest score.
        high: Largest score.
        mean: Their mean.
        outside: How many lie outside the published range.
        edges: The ends of the histogram's equal bins, one more than bins.
        counts: Images in each bin; the last one includes its upper end.
    """

    name: str
    low: float
    high: float
    mean: float
    outside: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """What :func:`check` found.

    Attributes:
        dataset: Name of the dataset.
        title: Its full name.
        task: The task that it trains.
        root: Where it lies.
        folders: Folders that hold its images, relative to ``root``; at most the first 10 by name.
        images: How many images are rated and on disk.
        published: How many the whole set holds.
        opened: How many were opened; 0 when that was not asked for.
        unreadable: Those that could not be.
        smallest: (width, height) of the opened image with the fewest pixels.
        largest: The same with the most.
        ratings: For a regression task, one entry an output.
        classes: For a classification task, (label, number of images), in the task's order.
        score_range: The published ends, after turning.
        direction: What a higher score means.
        turned: What was done to the published labels; empty for nothing.
        groups: How many groups must stay whole in a split; as many as images where each is alone.
        sha256: Of the image folder, names, labels and file sizes.
        source: Where the dataset is to be had.
    """

    dataset: str
    title: str
    task: str
    root: str
    folders: tuple[str, ...]
    images: int
    published: int
    opened: int
    unreadable: tuple[Unreadable, ...]
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    ratings: tuple[Ratings, ...]
    classes: tuple[tuple[str, int], ...]
    score_range: tuple[float, float] | None
    direction: str
    turned: str
    groups: int
    sha256: str
    source: str

    @property
    def usable(self) -> bool:
        """Whether every image that was opened can be read."""
        return not self.unreadable


def check(
    dataset: Dataset,
    root: Path,
    *,
    open_images: bool = True,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Reads a dataset's labels, and opens every image of it.

    Args:
        dataset: Which one.
        root: Its folder, unpacked and unchanged.
        open_images: Whether to open the images; their presence is checked in any case.
        threads: That open images; as many as cores when ``None``, at most 8.
        progress: Told (images done, images in all) after each.

    Raises:
        DataError: Label files or images are missing, or cannot be used.
        OptionError: ``threads`` is below 1.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from perceptmetrics.datasets import DATASETS
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     root = Path(folder)
        ...     (root / "distorted_images").mkdir()
        ...     Image.new("RGB", (32, 24)).save(root / "distorted_images" / "i01_01_1.bmp")
        ...     _ = (root / "mos_with_names.txt").write_text("5.51429 I01_01_1.bmp")
        ...     report = check(DATASETS.get("tid2013"), root)
        >>> report.images, report.published, report.largest, report.ratings[0].low
        (1, 3000, (32, 24), 5.51429)
    """
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}, expected at least 1")
    data = dataset.read(root)
    sizes: dict[tuple[int, int], None] = {}
    unreadable = []
    if open_images:
        for done, (name, outcome) in enumerate(_opened(data, threads), 1):
            if isinstance(outcome, ImageError):
                unreadable.append(Unreadable(name, outcome.reason))
            else:
                sizes[outcome] = None
            if progress is not None:
                progress(done, len(data))
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    ratings, classes = _targets(dataset, data.targets)
    return Report(
        dataset=dataset.name,
        title=dataset.title,
        task=dataset.task,
        root=str(root),
        folders=_folders(root, data.images),
        images=len(data),
        published=dataset.count,
        opened=len(data) if open_images else 0,
        unreadable=tuple(unreadable),
        smallest=ordered[0] if ordered else None,
        largest=ordered[-1] if ordered else None,
        ratings=ratings,
        classes=classes,
        score_range=dataset.score_range,
        direction=dataset.direction,
        turned=dataset.turned,
        groups=len(set(data.groups)),
        sha256=data.sha256,
        source=dataset.source,
    )


def _opened(
    data: Manifest, threads: int | None
) -> Iterator[tuple[str, tuple[int, int] | ImageError]]:
    """(width, height) of each image, or why it has none, in the order of the data."""
    executor = ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1))
    try:
        yield from zip(data.names, executor.map(_size, data.images), strict=True)
    finally:  # after Ctrl-C what waits is not begun
        executor.shutdown(cancel_futures=True)


def _size(path: Path) -> tuple[int, int] | ImageError:
    try:
        height, width = load_image(path).shape[:2]
    except ImageError as error:
        return error
    return width, height


def _folders(root: Path, images: Sequence[Path]) -> tuple[str, ...]:
    parents = sorted({image.parent for image in images})[:10]
    return tuple(
        parent.relative_to(root).as_posix() if parent.is_relative_to(root) else str(parent)
        for parent in parents
    )


def _targets(
    dataset: Dataset, targets: npt.NDArray[Any]
) -> tuple[tuple[Ratings, ...], tuple[tuple[str, int], ...]]:
    from perceptmetrics.tasks import TASKS

    outputs = TASKS.get(dataset.task).outputs
    if targets.ndim == 1:
        counts = Counter(targets.tolist())
        return (), tuple((label, counts[index]) for index, label in enumerate(outputs))
    columns = zip(outputs, targets.T, strict=True)
    return tuple(_ratings(name, scores, dataset.score_range) for name, scores in columns), ()


def _ratings(
    name: str, scores: npt.NDArray[np.float64], published: tuple[float, float] | None
) -> Ratings:
    low, high = float(scores.min()), float(scores.max())
    first, last = published or (low, high)
    outside = int(((scores < first - ROUNDING) | (scores > last + ROUNDING)).sum())
    # Wide enough for all, published or not.
    counts, edges = np.histogram(scores, BINS, (min(low, first), max(high, last)))
    return Ratings(
        name,
        low,
        high,
        float(scores.mean()),
        outside,
        tuple(map(float, edges)),
        tuple(map(int, counts)),
    )
