"""Batches: every cut once, one decode an image, and the same whoever makes them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from perceptmetrics.data import batches as batches_module
from perceptmetrics.data.batches import training_batches
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.order import (
    WAITING_CUTS,
    batch_bounds,
    batch_shares,
    epoch_order,
)
from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.images import load_image, load_picture
from perceptmetrics.views import (
    CentreCrop,
    GridCrops,
    RandomCrops,
    RandomResizedCrop,
    StretchedCrops,
    View,
)

VIEW = RandomCrops(16, 20, 1, flip_x=True, flip_y=True)
COUNT, REPLICAS, BATCH = 13, 3, 4

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("images")
    paths = tuple(folder / f"{index:02}.png" for index in range(COUNT))
    for index, path in enumerate(paths):
        Image.fromarray(tiny.photograph(24 + index, 40 - index, seed=index)).save(path)
    names = tuple(path.name for path in paths)
    return Manifest(paths, names, np.arange(COUNT, dtype=np.float64)[:, None], names, "")


def epoch_of(
    data: Manifest,
    *,
    view: View = VIEW,
    replicas: int = REPLICAS,
    threads: int = 1,
    window: int | None = 5,
    start: int = 0,
    shard: tuple[int, int] = (0, 1),
) -> Batches:
    given = training_batches(
        data,
        torch.from_numpy(data.targets),
        view,
        batch_size=BATCH,
        replicas=replicas,
        seed=7,
        epoch=2,
        threads=threads,
        window=window,
        start=start,
        shard=shard,
    )
    return list(given)


def same(first: Batches, second: Batches) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b) and torch.equal(x, y)
        for (a, x), (b, y) in zip(first, second, strict=True)
    )


@given(st.integers(1, 60), st.integers(1, 10), st.integers(1, 80), st.integers(0, 9))
def test_every_replica_comes_once_an_epoch(n: int, replicas: int, window: int, epoch: int) -> None:
    order = epoch_order(n, replicas, window, 3, epoch)
    pairs = {(image, replica) for image in range(n) for replica in range(replicas)}
    assert len(order) == len(pairs)
    assert set(map(tuple, order.tolist())) == pairs
    np.testing.assert_array_equal(order, epoch_order(n, replicas, window, 3, epoch))


@given(st.integers(1, 200), st.integers(1, 10), st.integers(1, 60))
def test_no_more_cuts_wait_than_the_window_holds(n: int, replicas: int, window: int) -> None:
    assert most_waiting(epoch_order(n, replicas, window, 0, 0)) <= (window + 1) * replicas


@pytest.mark.parametrize("replicas", [3, 5, 10])
def test_about_a_thousand_cuts_wait_by_default(replicas: int) -> None:
    assert most_waiting(epoch_order(2000, replicas)) <= 1.1 * WAITING_CUTS


def most_waiting(order: np.ndarray) -> int:
    """Cuts that were made, when an image was first needed, and have not had their turn."""
    replicas = int(order[:, 1].max()) + 1
    is_first = np.zeros(len(order), np.int64)
    is_first[np.unique(order[:, 0], return_index=True)[1]] = 1
    return int((np.cumsum(is_first) * replicas - np.arange(len(order))).max())


@pytest.mark.parametrize(("n", "replicas"), [(1000, 3), (800, 5), (500, 10), (40, 3)])
def test_a_batch_sees_an_image_twice_less_often_than_by_chance(n: int, replicas: int) -> None:
    pairs = by_chance = 0.0
    for epoch in range(4):
        order = epoch_order(n, replicas, seed=1, epoch=epoch)
        shuffled = order[np.random.default_rng(epoch).permutation(len(order))]
        pairs += twins(order, 32)
        by_chance += twins(shuffled, 32)
    assert pairs < by_chance / 2


def twins(order: np.ndarray, batch_size: int) -> int:
    """Pairs of cuts of one image in one batch."""
    found = 0
    for start, end in batch_bounds(len(order), batch_size):
        count = np.bincount(order[start:end, 0])
        found += int((count * (count - 1) // 2).sum())
    return found


def test_with_one_replica_the_order_is_a_permutation_of_all_images() -> None:
    order = epoch_order(50, 1, seed=4, epoch=1)
    np.testing.assert_array_equal(order[:, 0], np.random.default_rng([4, 1]).permutation(50))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 8), st.integers(0, 11), st.integers(1, 20))
def test_threads_change_nothing_and_any_start_gives_the_tail(
    data: Manifest, threads: int, start: int, window: int
) -> None:
    whole = epoch_of(data, window=window)
    assert same(epoch_of(data, window=window, threads=threads, start=start), whole[start:])


@pytest.mark.parametrize("view", [VIEW, RandomResizedCrop(16)], ids=lambda view: view.kind)
def test_a_cut_is_what_its_own_generator_cuts_alone(data: Manifest, view: View) -> None:
    order = epoch_order(COUNT, REPLICAS, 5, 7, 2)
    cuts = torch.cat([cut for cut, _ in epoch_of(data, view=view)])
    assert len(cuts) == len(order) == COUNT * REPLICAS
    for cut, (image, replica) in zip(cuts, order.tolist(), strict=True):
        generator = np.random.default_rng([7, 2, image, replica])
        alone = view.cut(load_image(data.images[image]), generator)[0]
        np.testing.assert_array_equal(cut.numpy().transpose(1, 2, 0), alone)


@pytest.mark.parametrize(
    "view",
    [
        CentreCrop(16, 20, mirrored=True),
        GridCrops(16, 20),
        RandomCrops(16, None, 4, flip_x=True),
        StretchedCrops(16, 20, 3),
        RandomResizedCrop(16),
    ],
    ids=lambda view: view.kind,
)
def test_cutting_many_times_at_once_gives_the_pixels_of_one_at_a_time(view: View) -> None:
    image = tiny.photograph(45, 33)
    together = view.cut_each(image, [np.random.default_rng(seed) for seed in range(4)])
    for seed, cuts in enumerate(together):
        np.testing.assert_array_equal(cuts, view.cut(image, np.random.default_rng(seed)))
    from_pillow = view.cut_each(Image.fromarray(image), [np.random.default_rng(2)])
    np.testing.assert_array_equal(from_pillow[0], together[2])
    changes = any((cuts != together[0]).any() for cuts in together)
    assert changes == view.draws


@pytest.mark.parametrize("replicas", [2, 3, 10])  # with 1 a last batch of one image is left out
def test_an_image_is_decoded_once_an_epoch(
    data: Manifest, replicas: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[str] = Counter()

    def counting(path: Path) -> Image.Image:
        decoded[path.name] += 1
        return load_picture(path)

    monkeypatch.setattr(batches_module, "load_picture", counting)
    epoch_of(data, replicas=replicas, threads=3)
    assert decoded == dict.fromkeys(data.names, 1)


@pytest.mark.parametrize("world", [2, 3, 5])
def test_the_processes_parts_make_up_each_batch(data: Manifest, world: int) -> None:
    whole = epoch_of(data)
    parts = [epoch_of(data, shard=(rank, world), threads=2) for rank in range(world)]
    assert {len(part) for part in parts} == {len(whole)}
    for number, (cuts, wanted) in enumerate(whole):
        rows = [part[number] for part in parts]
        sizes = [len(cut) for cut, _ in rows]
        assert max(sizes) - min(sizes) <= 1
        assert as_set(torch.cat([c for c, _ in rows]), torch.cat([w for _, w in rows])) == as_set(
            cuts, wanted
        )


def as_set(cuts: Tensor, wanted: Tensor) -> Counter[tuple[bytes, float]]:
    return Counter((cut.numpy().tobytes(), w.item()) for cut, w in zip(cuts, wanted, strict=True))


def test_few_images_are_decoded_by_two_processes() -> None:
    order = epoch_order(2000, 3)
    decodes = 0
    for rank in range(2):
        rows = np.concatenate(batch_shares(order, 32, (rank, 2), 0, 0))
        decodes += len(np.unique(rows[:, 0]))
    assert decodes < 1.25 * 2000  # parts cut without regard to images give 1.75


def test_an_epoch_can_be_left_early(data: Manifest) -> None:
    given = training_batches(
        data, torch.zeros(COUNT, 1), VIEW, batch_size=2, replicas=3, seed=0, epoch=0
    )
    cuts, _ = next(given)
    given.close()  # type: ignore[attr-defined]
    assert cuts.shape == (2, 3, 16, 16)


def test_an_unreadable_image_is_named(data: Manifest, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(data.images[0].read_bytes()[:60])
    images = (*data.images[:5], broken, *data.images[6:])
    worse = Manifest(images, data.names, data.targets, data.groups, "")
    with pytest.raises(ImageError, match=r"broken\.png"):
        epoch_of(worse, threads=3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shard": (2, 2)}, "expected .rank, world. with 0 <= rank < world"),
        ({"threads": 0}, "threads is 0, expected at least 1"),
        ({"window": 0}, "window is 0, expected at least 1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    data: Manifest, wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        epoch_of(data, **wrong)  # type: ignore[arg-type]
