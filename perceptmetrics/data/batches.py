"""Batches of cuts: decoded ahead in threads, the same whatever the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.images import load_image
from perceptmetrics.views import Pixels, View


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
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order, each image ``replicas`` times, each time cut anew.

    Every cut has a generator of its own, seeded by (seed, epoch, image, replica), so that order
    and threads do not matter. A last batch of one item is dropped: the PLCC loss needs two.

    Args:
        manifest: The images.
        targets: (N, K) floats or (N,) int64: what the loss is given.
        view: A view that gives one cut.
        batch_size: Cuts in a batch.
        replicas: Cuts of each image.
        seed: Of the run.
        epoch: Counted from 0.
        threads: That decode.

    Yields:
        Cuts (B, 3, S, S) uint8 and their targets.

    Raises:
        ImageError: An image cannot be read.
    """
    items = np.stack(np.divmod(np.arange(len(manifest) * replicas), replicas), axis=1)
    order = np.random.default_rng([seed, epoch]).permutation(len(items))

    def load(item: int) -> Pixels:
        index, replica = (int(number) for number in items[item])
        generator = np.random.default_rng([seed, epoch, index, replica])
        cut: Pixels = view.cut(load_image(manifest.images[index]), generator)[0]
        return cut

    chunks = [order[start:end] for start, end in batch_bounds(len(order), batch_size)]
    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(load, item) for item in (chunks[0] if chunks else ())]
        for position, chunk in enumerate(chunks):
            cuts = [future.result() for future in ahead]
            following = chunks[position + 1] if position + 1 < len(chunks) else ()
            ahead = [pool.submit(load, item) for item in following]
            yield to_tensor(np.stack(cuts)), targets[torch.from_numpy(items[chunk, 0])]


def batch_bounds(count: int, batch_size: int) -> list[tuple[int, int]]:
    """Where each batch of an epoch starts and ends; a last one of a single item is left out.

    Example:
        >>> batch_bounds(9, 4)
        [(0, 4), (4, 8)]
    """
    starts = range(0, count, batch_size)
    bounds = [(start, min(start + batch_size, count)) for start in starts]
    return [(start, end) for start, end in bounds if end - start > 1]


def to_tensor(cuts: Pixels) -> Tensor:
    """(N, H, W, 3) uint8 array -> (N, 3, H, W) uint8 tensor."""
    return torch.from_numpy(np.ascontiguousarray(cuts.transpose(0, 3, 1, 2)))
