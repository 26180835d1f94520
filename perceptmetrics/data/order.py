"""In which order an epoch shows its cuts: replicas far apart, yet each image decoded once.

A cut waits in memory from the decoding of its image until its turn. In an order that is random
over the whole epoch nearly all cuts would wait; so the order is random within a window that moves
over the images. It is worked out beforehand from numbers alone, so that any part of an epoch can
be made without what came before.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

WAITING_CUTS = 1000
"""Cuts that wait in the default window: 150 MB of them at 224 x 224."""

_APART = 0.5
"""Least distance of two replicas, as a part of the mean one, ``window / replicas``."""


def default_window(replicas: int) -> int:
    """The window in which :data:`WAITING_CUTS` cuts wait on average.

    Example:
        >>> default_window(3)
        666
    """
    return max(1, 2 * WAITING_CUTS // replicas)


def epoch_order(
    n: int, replicas: int, window: int | None = None, seed: int = 0, epoch: int = 0
) -> Rows:
    """An epoch's cuts in their order.

    Images enter in random order, one after the other. The replicas of an image come at random
    times while the next ``window`` images enter, at least half a ``window / replicas`` apart, so
    that a batch smaller than ``window / 2`` cuts hardly ever sees an image twice: only at the two
    ends of an epoch, and less often than in an order that is random throughout. About half of
    ``window * replicas`` cuts wait; never more than all of them. Where ``replicas`` is 1 nothing
    waits, and the order is random over all images.

    Args:
        n: Number of images.
        replicas: Cuts of each.
        window: In images; :func:`default_window` when ``None``.
        seed: Of the run.
        epoch: Counted from 0.

    Returns:
        (n * replicas, 2): image and replica, each pair once.

    Example:
        >>> epoch_order(4, 2, window=3).tolist()
        [[2, 0], [2, 1], [0, 0], [1, 0], [0, 1], [3, 0], [1, 1], [3, 1]]
    """
    generator = np.random.default_rng([seed, epoch])
    images = generator.permutation(n)
    if replicas == 1:
        return np.stack([images, np.zeros_like(images)], axis=1)
    if window is None:
        window = default_window(replicas)
    gap = _APART / replicas
    delays = np.sort(generator.uniform(0, 1 - gap * (replicas - 1), (n, replicas)), axis=1)
    times = np.arange(n)[:, None] + window * (delays + gap * np.arange(replicas))
    entered, replica = np.divmod(np.argsort(times, axis=None, kind="stable"), replicas)
    return np.stack([images[entered], replica], axis=1)


def batch_bounds(count: int, batch_size: int) -> list[tuple[int, int]]:
    """Where each batch of an epoch starts and ends; a last one of a single item is left out.

    Example:
        >>> batch_bounds(9, 4)
        [(0, 4), (4, 8)]
    """
    starts = range(0, count, batch_size)
    bounds = [(start, min(start + batch_size, count)) for start in starts]
    return [(start, end) for start, end in bounds if end - start > 1]


def batch_shares(
    order: Rows, batch_size: int, shard: tuple[int, int], seed: int, epoch: int
) -> list[Rows]:
    """Which rows of each batch a process has.

    The batches do not depend on the number of processes; each process has a part of every batch,
    parts differ by one row at most, and a batch of fewer rows than processes leaves some with
    none. An image's replicas go to the same process as far as the parts' sizes allow, so that few
    images are decoded by two.

    Args:
        order: (N, 2) from :func:`epoch_order`.
        batch_size: Rows of a batch, over all processes.
        shard: Number of this process, and how many there are.
        seed: Of the run.
        epoch: Counted from 0.

    Returns:
        (rows, 2) for each batch.

    Example:
        >>> order = epoch_order(4, 2, window=3)
        >>> for rank in range(2):
        ...     print([rows.tolist() for rows in batch_shares(order, 4, (rank, 2), 0, 0)])
        [[[1, 0], [0, 0]], [[1, 1], [3, 0]]]
        [[[2, 0], [2, 1]], [[3, 1], [0, 1]]]
    """
    rank, world = shard
    batches = [order[start:end] for start, end in batch_bounds(len(order), batch_size)]
    if world == 1:
        return batches
    # Images stand in one random order all epoch: part k of a batch is then always much the same
    # part of the images. The generator's five numbers are no others of ours.
    images = int(order[:, 0].max(initial=-1)) + 1
    place = np.random.default_rng([seed, epoch, 0, 0, 1]).permutation(images)
    shares = []
    for rows in batches:
        by_place = rows[np.argsort(place[rows[:, 0]], kind="stable")]
        shares.append(np.array_split(by_place, world)[rank])
    return shares
