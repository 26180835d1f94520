"""Label files that are split files too: ``splits/train_1.txt`` with ``00000001.jpg 0.848`` a line.

LaMem is distributed so, and SUN in the repackaging of AMNet.
"""

from __future__ import annotations

import math
from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.protocols import published_split
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.labels import label_file, rated_images, text_lines
from perceptmetrics.errors import DataError


def read_split_files(
    root: Path, count: int, *, dataset: str, source: str, layout: str = ""
) -> Manifest:
    """The images of all splits, each once, in the order in which the files first name them.

    Args:
        root: The dataset's folder, with ``images/`` and ``splits/``.
        count: How many splits there must be.
        dataset: What errors call the set.
        source: Where the set is to be had.
        layout: The files and folders that are expected in ``root``.

    Raises:
        DataError: A file or an image is missing, a file is empty, a line is not a name and a
            number, or two files rate one image differently.

    Example:
        >>> read_split_files(Path("/no/where"), 5, dataset="lamem", source="example.org")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.DataError: lamem: there is no folder /no/where; ...
    """
    scores: dict[str, tuple[float, str]] = {}
    for number in range(1, count + 1):
        for path in _files(root, number, dataset=dataset, source=source, layout=layout):
            for name, score, place in _lines(path):
                earlier, there = scores.setdefault(name, (score, place))
                if score != earlier:
                    raise DataError(
                        f"{place}: {name} has {score}, but {there} says {earlier}; expected one "
                        "rating an image"
                    )
    ratings = [score for score, _ in scores.values()]
    return rated_images(root, "images", list(scores), ratings, dataset=dataset, source=source)


def splits_of_files(
    data: Manifest, root: Path, count: int, *, dataset: str, source: str, layout: str = ""
) -> tuple[Split, ...]:
    """The published splits, as the files give them.

    Args:
        data: What :func:`read_split_files` read from the same folder.
        root: The dataset's folder.
        count: How many splits there must be.
        dataset: Its name, for the splits.
        source: Where the set is to be had.
        layout: The files and folders that are expected in ``root``.

    Returns:
        ``fold-1`` to ``fold-COUNT``. Where a split has no ``val`` file, 10 % of its training
        images are held out.

    Raises:
        DataError: A file is missing, or an image is on two sides of one split.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> names = ("a.jpg", "b.jpg", "c.jpg")
        >>> data = Manifest(tuple(map(Path, names)), names, np.zeros((3, 1)), names, "")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "splits").mkdir()
        ...     for side, name in zip(("train", "val", "test"), names, strict=True):
        ...         _ = Path(folder, "splits", f"{side}_1.txt").write_text(f"{name} 0.0")
        ...     (split,) = splits_of_files(data, Path(folder), 1, dataset="mine", source="")
        >>> split.name, split.training, split.validation, split.test
        ('fold-1', ('a.jpg',), ('b.jpg',), ('c.jpg',))
    """
    splits = []
    for number in range(1, count + 1):
        paths = _files(root, number, dataset=dataset, source=source, layout=layout)
        sides = {path.name.split("_")[0]: [name for name, _, _ in _lines(path)] for path in paths}
        listed = ", ".join(path.relative_to(root).as_posix() for path in paths)
        splits.append(
            published_split(
                data,
                dataset,
                f"fold-{number}",
                sides["train"],
                sides["test"],
                sides.get("val", ()),
                source=f"{dataset}'s {listed}",
            )
        )
    return tuple(splits)


def _files(root: Path, number: int, *, dataset: str, source: str, layout: str) -> tuple[Path, ...]:
    train, test = (
        label_file(
            root, f"splits/{side}_{number}.txt", dataset=dataset, source=source, layout=layout
        )
        for side in ("train", "test")
    )
    held_out = f"splits/val_{number}.txt"
    if not (root / held_out).exists():
        return (train, test)
    # One that is there must be whole: without it, other images would be held out.
    validation = label_file(root, held_out, dataset=dataset, source=source, layout=layout)
    return (train, validation, test)


def _lines(path: Path) -> list[tuple[str, float, str]]:
    """Name, score, and where the line stands."""
    found = []
    for number, line in text_lines(path):
        name, _, text = line.rpartition(" ")
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        if not name or not math.isfinite(score):
            raise DataError(
                f"{path}, line {number}: {line!r}, expected an image and its score, as in "
                "'00000001.jpg 0.848'"
            )
        found.append((name.strip(), score, f"{path}, line {number}"))
    return found
