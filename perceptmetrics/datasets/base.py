"""What a dataset is: where its images and ratings lie, what they mean, how it is split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split


@dataclass(frozen=True)
class Dataset:
    """One published set of rated images. A value; nothing to subclass.

    Attributes:
        name: By which ``train --dataset`` and ``data check`` find it.
        title: Its full name.
        task: Name of the task that it trains.
        read: Root folder, unpacked and unchanged -> the rated images. It raises
            :class:`~perceptmetrics.errors.DataError` that names the missing file and where to get
            it. Images that the labels name but the disk lacks are one error that counts them.
        splits: (rated images, root) -> the splits of the paper's protocol, in order.
        split_half: Spearman's correlation between the mean ratings of two halves of the raters, as
            published; what it says of the best that a metric can reach is in
            :mod:`perceptmetrics.statistics.reliability`.
        protocol_splits: How many of the first splits are the paper's protocol, which a sweep
            averages over; 0: all. The others are the authors' own.
        count: How many images the whole set holds, as published.
        source: Where it is to be had: a URL, and what to unpack.
        layout: The files and folders that ``read`` looks for, as one would draw the tree.
        score_range: The published ends of the ratings as :attr:`read` gives them (after turning),
            or ``None`` for classes.
        direction: What a higher score means, as :attr:`read` gives it.
        turned: What was done to the published labels, if anything: ``"111.77 - DMOS"``.
        licence: As stated by its authors.
        paper: Reference.
        replicas: Cuts of a training image per epoch in the paper's protocol.
    """

    name: str
    title: str
    task: str
    read: Callable[[Path], Manifest]
    splits: Callable[[Manifest, Path], tuple[Split, ...]]
    count: int
    source: str
    layout: str
    score_range: tuple[float, float] | None
    direction: str
    paper: str
    turned: str = ""
    licence: str = "not stated"
    replicas: int = 1
    protocol_splits: int = 0
    split_half: float | None = None
