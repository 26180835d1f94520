"""Batches of cuts: one decode per image and epoch, ahead in threads, the same however many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.order import Rows, batch_bounds, batch_shares, epoch_order
from perceptmetrics.errors import OptionError
from perceptmetrics.images import load_picture
from perceptmetrics.views import Pixels, View

__all__ = ["batch_bounds", "epoch_order", "to_tensor", "training_batches"]


def training_batches(
    manifest: Manifest,
    targets: Tensor,
    view: View,
    *,
    batch_size: int,
    replicas: int,
    seed: int,
    epoch: int,
    threads: int = 2,
    window: int | None = None,
    start: int = 0,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order, each image ``replicas`` times, each time cut anew.

    An image is decoded once, and resized once where the view allows; all its cuts are made then
    and wait for their turn (:func:`~perceptmetrics.data.order.epoch_order`). Every cut has a
    generator of its own, seeded by (seed, epoch, image, replica), so that order and threads do
    not matter. A last batch of one item is dropped: the PLCC loss needs two.

    Args:
        manifest: The images.
        targets: (N, K) floats or (N,) int64: what the loss is given.
        view: A view that gives one cut.
        batch_size: Cuts in a batch, over all processes.
        replicas: Cuts of each image.
        seed: Of the run.
        epoch: Counted from 0.
        threads: That decode.
        window: Images among which the replicas of one are spread; the default keeps about 150 MB
            of 224 x 224 cuts in memory.
        start: The first batch to give. The batches are those of a whole epoch, without the work
            for what came before.
        shard: Number of this process, and how many there are: this one gives its part of each
            batch (:func:`~perceptmetrics.data.order.batch_shares`), which is empty where a last
            batch has fewer rows than there are processes.

    Yields:
        Cuts (B, 3, S, S) uint8 and their targets.

    Raises:
        ImageError: An image cannot be read.
        OptionError: A number that cannot be.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> from perceptmetrics.views import RandomCrops
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.png"
        ...     Image.new("RGB", (48, 40)).save(path)
        ...     data = Manifest((path,), ("a.png",), np.ones((1, 1)), ("a.png",), "")
        ...     view = RandomCrops(32, 32, crops=1)
        ...     given = training_batches(
        ...         data, torch.ones(1, 1), view, batch_size=4, replicas=4, seed=0, epoch=0
        ...     )
        ...     [(tuple(cuts.shape), tuple(wanted.shape)) for cuts, wanted in given]
        [((4, 3, 32, 32), (4, 1))]
    """
    rank, world = shard
    if not 0 <= rank < world:
        raise OptionError(f"shard is {shard}, expected (rank, world) with 0 <= rank < world")
    for name, number in {"threads": threads, "window": window, "replicas": replicas}.items():
        if number is not None and number < 1:
            raise OptionError(f"{name} is {number}, expected at least 1")
    order = epoch_order(len(manifest), replicas, window, seed, epoch)
    batches = batch_shares(order, batch_size, shard, seed, epoch)[start:]

    def load(image: int, wanted: Sequence[int]) -> dict[int, Tensor]:
        generators = [np.random.default_rng([seed, epoch, image, replica]) for replica in wanted]
        cuts = view.cut_each(load_picture(manifest.images[image]), generators)
        # Each in memory of its own, which is given back as soon as it has had its turn.
        return {replica: to_tensor(cut[:1]) for replica, cut in zip(wanted, cuts, strict=True)}

    nothing = to_tensor(view.cut(np.zeros((1, 1, 3), np.uint8), np.random.default_rng(0))[:0])
    return _produce(batches, load, nothing, targets, threads)


def _produce(
    batches: Sequence[Rows],
    load: Callable[[int, Sequence[int]], dict[int, Tensor]],
    nothing: Tensor,
    targets: Tensor,
    threads: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches, from images that are loaded in the order in which they are first needed."""
    rows = np.concatenate([*batches, np.empty((0, 2), np.int64)])
    wanted = _replicas_of(rows)
    first = np.sort(np.unique(rows[:, 0], return_index=True)[1])
    entering = rows[first, 0].tolist()
    ends = [*accumulate(len(batch) for batch in batches)]
    waiting: dict[int, Future[dict[int, Tensor]]] = {}

    def take(image: int, replica: int) -> Tensor:
        cuts = waiting[image].result()
        cut = cuts.pop(replica)
        if not cuts:
            del waiting[image]
        return cut

    pool = ThreadPoolExecutor(threads)
    try:
        asked = 0
        for position, batch in enumerate(batches):
            # Ahead of the consumer: the next batch, and enough that no thread is idle.
            now, following = np.searchsorted(first, ends[position : position + 2])[[0, -1]]
            until = max(int(following), int(now) + 2 * threads, asked)
            for image in entering[asked:until]:
                waiting[image] = pool.submit(load, image, wanted[image])
            asked = until
            cuts = [take(image, replica) for image, replica in batch.tolist()]
            yield torch.cat([nothing, *cuts]), targets[torch.from_numpy(batch[:, 0])]
    finally:
        # Also where the consumer stops early, or an image cannot be read.
        pool.shutdown(cancel_futures=True)


def _replicas_of(rows: Rows) -> dict[int, list[int]]:
    """Image -> its replicas among the rows."""
    found: dict[int, list[int]] = {}
    for image, replica in rows.tolist():
        found.setdefault(image, []).append(replica)
    return found


def to_tensor(cuts: Pixels) -> Tensor:
    """(N, H, W, 3) uint8 array -> (N, 3, H, W) uint8 tensor, a copy."""
    return torch.from_numpy(np.array(cuts.transpose(0, 3, 1, 2), order="C"))
