"""Batches of several datasets, each with a share in proportion to its size (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perceptmetrics.data.batches import batch_bounds
from perceptmetrics.errors import DataError

LEAST_SHARE = 2
"""No dataset has fewer rows in a batch: the PLCC loss of a single row teaches nothing."""


def proportional_shares(sizes: Sequence[int], batch_size: int) -> tuple[int, ...]:
    """How many rows of a batch each dataset has.

    Shares are proportional to the sizes, rounded by largest remainder, but never below
    :data:`LEAST_SHARE`: a dataset too small to appear in a batch appears with two rows, and its
    images come more often than once an epoch.

    Args:
        sizes: Cuts per epoch of each dataset, at least 1 each.
        batch_size: Rows of all together.

    Raises:
        DataError: The batch is too small for two rows of each.

    Example:
        >>> proportional_shares([1162, 10073, 11125], 32)
        (2, 14, 16)
    """
    if batch_size < LEAST_SHARE * len(sizes):
        raise DataError(
            f"a batch of {batch_size} cannot hold {LEAST_SHARE} rows of each of {len(sizes)} "
            f"datasets; raise the batch size to at least {LEAST_SHARE * len(sizes)}"
        )
    exact = np.asarray(sizes, np.float64) * batch_size / sum(sizes)
    shares = np.maximum(np.floor(exact).astype(int), LEAST_SHARE)
    # What is missing goes to the largest remainders; what is too much comes off the largest
    # share. The order of equals is that of the datasets.
    for _ in range(batch_size - int(shares.sum())):
        shares[int(np.argmax(exact - shares))] += 1
    for _ in range(int(shares.sum()) - batch_size):
        shares[int(np.argmax(np.where(shares > LEAST_SHARE, shares - exact, -np.inf)))] -= 1
    return tuple(int(share) for share in shares)


@dataclass(frozen=True)
class Cycle:
    """A stretch of one dataset's batches: from batch ``start`` of its pass ``number``."""

    number: int
    start: int
    count: int


def cycles(size: int, share: int, steps: int, epoch: int, skip: int = 0) -> tuple[Cycle, ...]:
    """Which of a dataset's own passes fill the steps of one common epoch.

    A dataset begins a new pass, in a new order, whenever its rows run out; a common epoch begins
    a new pass too.

    Args:
        size: Cuts of the dataset in a pass.
        share: Its rows in a batch.
        steps: Of the common epoch.
        epoch: Number of the common epoch, from 0.
        skip: Steps that are done already.

    Example:
        >>> cycles(size=10, share=4, steps=5, epoch=0)  # 3 batches a pass: 4, 4 and 2 rows
        (Cycle(number=0, start=0, count=3), Cycle(number=1, start=0, count=2))
    """
    each = len(batch_bounds(size, share))
    if not each:
        raise DataError(f"a dataset of {size} cuts has no batch of {share}; give more images")
    first = epoch * -(-steps // each)
    found = []
    for number in range(skip // each, -(-steps // each)):
        start = max(skip - number * each, 0)
        end = min(steps - number * each, each)
        if end > start:
            found.append(Cycle(first + number, start, end - start))
    return tuple(found)
