"""The paper's splits: the same everywhere, and nothing on two sides."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.protocols import (
    fold_splits,
    loda_reference_splits,
    loda_splits,
    published_split,
    random_splits,
)
from perceptmetrics.data.split import Split, load_split
from perceptmetrics.errors import DataError, OptionError


def rated(groups: list[str]) -> Manifest:
    names = tuple(f"{i:05}.jpg" for i in range(len(groups)))
    return Manifest(
        tuple(map(Path, names)), names, np.zeros((len(groups), 1)), tuple(groups), sha256=""
    )


def photographs(count: int) -> Manifest:
    return rated([f"{i:05}.jpg" for i in range(count)])


def shuffled(data: Manifest, seed: int) -> Manifest:
    return data.take(np.random.default_rng(seed).permutation(len(data)))


# At least 5 groups, so that every protocol has something for each side; of any sizes.
grouped = st.lists(st.integers(1, 4), min_size=5, max_size=30).map(
    lambda sizes: rated([f"g{g:02}" for g, size in enumerate(sizes) for _ in range(size)])
)
PROTOCOLS = (loda_reference_splits, random_splits, fold_splits)


def sides(split: Split) -> list[tuple[str, ...]]:
    return [split.training, split.validation, split.test]


def check(data: Manifest, split: Split) -> None:
    group_of = dict(zip(data.names, data.groups, strict=True))
    groups = [{group_of[name] for name in side} for side in sides(split)]
    assert all(groups)
    assert sum(map(len, groups)) == len(set(data.groups))
    assert sorted(name for side in sides(split) for name in side) == sorted(data.names)


@settings(max_examples=40, deadline=None)
@given(grouped, st.sampled_from(PROTOCOLS), st.integers(0, 5))
def test_no_group_is_on_two_sides_and_every_image_is_on_one(
    data: Manifest, protocol: object, seed: int
) -> None:
    assert callable(protocol)
    splits = protocol(data, "mine")
    for split in splits:
        check(data, split)
    # Only LoDa's own protocol hangs on the order of the label file.
    again = protocol(shuffled(data, seed), "mine")
    assert [s.sha256 for s in again] == [s.sha256 for s in splits]


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 200))
def test_lodas_splits_hold_every_image_once(count: int) -> None:
    data = photographs(count)
    splits = loda_splits(data, "mine")
    assert len(splits) == 10
    for split in splits:
        check(data, split)
        assert len(split.test) == count - round(0.8 * count)


def test_lodas_splits_are_those_of_its_code() -> None:
    """LoDa's lines themselves, for LIVEC's 1,162 images, on Python's global generator."""
    state = random.getstate()
    try:
        random.seed(3407)
        ids = list(range(1162))
        train = []
        for _ in range(10):
            random.shuffle(ids)
            train.append(set(ids[: round(0.8 * len(ids))]))
    finally:
        random.setstate(state)
    splits = loda_splits(photographs(1162), "livec")
    for split, expected in zip(splits, train, strict=True):
        drawn = {int(name[:5]) for name in (*split.training, *split.validation)}
        assert drawn == expected
        assert len(split.validation) == round(0.1 * len(expected))


def test_the_first_shuffle_is_pinned() -> None:
    """Golden: random.seed(3407); ids = list(range(1162)); random.shuffle(ids), CPython 3.11."""
    ids = list(range(1162))
    random.Random(3407).shuffle(ids)
    assert ids[:8] == [324, 319, 120, 1124, 212, 660, 823, 588]


def test_the_splits_are_the_same_on_every_machine() -> None:
    """Golden hashes, computed with CPython 3.11 and numpy 2.4; they hold for every other."""
    data = rated([f"I{i // 5:02}" for i in range(125)])
    drawn = {
        "loda": loda_splits(photographs(1162), "livec")[9],
        "reference": loda_reference_splits(data, "tid2013")[9],
        "random": random_splits(data, "things")[4],
        "fold": fold_splits(data, "lnsim")[4],
    }
    assert {name: split.sha256[:16] for name, split in drawn.items()} == {
        "loda": "5a23f26d10e34ce6",
        "reference": "16b085837242b24c",
        "random": "da7b11d2bc3617c2",
        "fold": "9c18564c5e1446ef",
    }


def test_drawing_leaves_the_global_generator_alone() -> None:
    state = random.getstate()
    loda_splits(photographs(20), "mine")
    random_splits(photographs(20), "mine")
    assert random.getstate() == state


def test_lodas_splits_hang_on_the_order_of_the_label_file() -> None:
    data = photographs(50)
    assert loda_splits(data, "m")[0].sha256 != loda_splits(shuffled(data, 0), "m")[0].sha256


def test_images_that_share_a_group_are_not_split_by_image() -> None:
    with pytest.raises(DataError, match="split by reference image"):
        loda_splits(rated(["a", "a", "b", "c", "d"]), "kadid10k")


@settings(max_examples=25, deadline=None)
@given(grouped, st.integers(2, 5))
def test_folds_test_every_image_once(data: Manifest, folds: int) -> None:
    splits = fold_splits(data, "mine", folds=folds)
    assert len(splits) == folds
    assert sorted(name for s in splits for name in s.test) == sorted(data.names)


def test_random_splits_are_75_5_20() -> None:
    splits = random_splits(photographs(1980), "emotionroi")
    assert [s.name for s in splits] == [f"random-{i}" for i in range(1, 6)]
    assert {(len(s.training), len(s.validation), len(s.test)) for s in splits} == {(1485, 99, 396)}
    assert len({s.sha256 for s in splits}) == 5
    assert random_splits(photographs(1980), "emotionroi", count=2) == splits[:2]


@pytest.mark.parametrize("protocol", [loda_splits, *PROTOCOLS])
def test_two_groups_are_too_few(protocol: object) -> None:
    assert callable(protocol)
    with pytest.raises(DataError, match="at least"):
        protocol(photographs(2), "mine")


def test_options_that_leave_a_side_empty_are_refused() -> None:
    with pytest.raises(OptionError, match="leave something for the test"):
        random_splits(photographs(20), "mine", training=0.9, validation=0.1)
    with pytest.raises(OptionError, match="at least 1"):
        random_splits(photographs(20), "mine", count=0)
    with pytest.raises(OptionError, match="at least 2"):
        fold_splits(photographs(20), "mine", folds=1)


def test_a_published_split_is_kept_as_it_is() -> None:
    data = photographs(10)
    n = data.names
    split = published_split(data, "koniq10k", "official", n[:6], n[8:], n[6:8], "the sets file")
    assert sides(split) == [n[:6], n[6:8], n[8:]]
    assert split.source == "the sets file"


def test_a_published_split_without_validation_holds_out_a_tenth_of_training() -> None:
    data = photographs(60)
    split = published_split(data, "sun", "fold-1", data.names[:50], data.names[50:])
    check(data, split)
    assert len(split.validation) == 5
    assert split.test == data.names[50:]
    again = published_split(data, "sun", "fold-1", data.names[:50][::-1], data.names[50:])
    assert again.sha256 == split.sha256


def test_a_published_split_that_leaks_is_refused() -> None:
    data = rated(["a", "a", "b", "c"])
    n = data.names
    with pytest.raises(DataError, match="on two sides"):
        published_split(data, "mine", "official", [n[0], n[2]], [n[1]], [n[3]])
    with pytest.raises(DataError, match="more than once"):
        published_split(data, "mine", "official", [n[0], n[2]], [n[0]], [n[3]])


@pytest.mark.parametrize("side", ["training", "validation", "test"])
def test_a_published_name_that_is_not_rated_is_an_error(side: str) -> None:
    data = photographs(10)
    n = data.names
    lists = {"training": n[:6], "test": n[8:], "validation": n[6:8]}
    lists[side] = (*lists[side], "gone.jpg")
    with pytest.raises(DataError, match=r"1 images .* 'gone\.jpg'"):
        published_split(
            data, "mine", "official", lists["training"], lists["test"], lists["validation"]
        )


names = st.text("abcü/ .jpg'\"\\", min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(names, min_size=3, max_size=9, unique=True))
def test_a_file_keeps_split_and_hash(
    tmp_path_factory: pytest.TempPathFactory, images: list[str]
) -> None:
    split = Split("mine", "first", tuple(images[2:]), (images[0],), (images[1],), "by hand")
    path = split.save(tmp_path_factory.mktemp("split") / "split.json")
    assert load_split(path) == split
    assert load_split(path).sha256 == split.sha256 == json.loads(path.read_text("utf-8"))["sha256"]


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = Split("mine", "first", ("a", "b"), ("c",), ("d",)).save(tmp_path / "split.json")
    path.write_text(path.read_text().replace('"d"', '"e"'))
    with pytest.raises(DataError, match="was changed"):
        load_split(path)


def test_parts_are_the_images_that_a_split_names() -> None:
    data = photographs(30)
    split = random_splits(data, "mine")[0]
    for part, side in zip(split.parts(shuffled(data, 1)), sides(split), strict=True):
        assert part.names == side
