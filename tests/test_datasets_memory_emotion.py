"""Memorability, emotion and beauty sets, read in the layout that their authors distribute."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets import DATASETS
from perceptmetrics.datasets.split_files import splits_of_files
from perceptmetrics.errors import DataError
from perceptmetrics.tasks import TASKS

SETS = (
    "lamem",
    "things",
    "sun",
    "memcat",
    "emoset",
    "emotionroi",
    "lnsim",
    "oasis",
    "oasis-beauty",
)
# Their splits are drawn, not read from files.
DRAWN = ("things", "memcat", "emotionroi", "lnsim", "oasis", "oasis-beauty")
EMOTIONS = TASKS.get("emotion").outputs
SIX = TASKS.get("emotion-6").outputs


def pictures(root: Path, names: list[str]) -> None:
    """One small JPEG, hard-linked under every name."""
    first = root / names[0]
    first.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), "teal").save(first)
    made = {first.parent}
    for name in names[1:]:
        path = root / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        os.link(first, path)


def real_labels(shared_data: Path, name: str) -> Path:
    path = shared_data.parent / "labels" / name
    if not path.exists():
        pytest.skip(f"no real label file: {path} does not exist")
    return path


def assert_on_one_side(split: Split, data: Manifest) -> None:
    sides = [set(split.training), set(split.validation), set(split.test)]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert set.union(*sides) <= set(data.names)
    parts = split.parts(data)
    for part in parts:
        for other in parts:
            if other is not part:
                assert set(part.groups).isdisjoint(other.groups)


@pytest.mark.parametrize("name", SETS)
def test_a_set_that_is_not_there_says_what_is_missing_and_where_it_is_to_be_had(
    tmp_path: Path, name: str
) -> None:
    dataset = DATASETS.get(name)
    task = TASKS.get(dataset.task)
    assert (dataset.score_range is None) == (task.kind == "classification")
    assert dataset.turned == ""
    with pytest.raises(DataError, match=r"there (is|are) no") as caught:
        dataset.read(tmp_path)
    assert dataset.source in str(caught.value)
    assert str(tmp_path) in str(caught.value)


# LaMem and SUN: label files that are split files.


def write_folds(root: Path, count: int, *, validation: bool = True) -> list[str]:
    """Twenty images, turned by one place from fold to fold; gives their names."""
    names = [f"{number:08}.jpg" for number in range(1, 21)]
    (root / "splits").mkdir(parents=True)
    for fold in range(1, count + 1):
        turned = names[fold % 20 :] + names[: fold % 20]
        sides = {"train": turned[:15], "val": turned[15:16], "test": turned[16:]}
        if not validation:
            sides = {"train": turned[:16], "test": turned[16:]}
        for side, members in sides.items():
            lines = [f"{name} 0.{name[6:8]}" for name in members]
            (root / "splits" / f"{side}_{fold}.txt").write_text("\n".join(lines) + "\n")
    return names


@pytest.mark.parametrize(("name", "count"), [("lamem", 5), ("sun", 25)])
def test_published_folds_are_the_splits(tmp_path: Path, name: str, count: int) -> None:
    names = write_folds(tmp_path, count)
    pictures(tmp_path / "images", names)
    dataset = DATASETS.get(name)
    data = dataset.read(tmp_path)
    # The row order is that in which the files of the first fold name the images.
    assert data.names == (*names[1:], names[0])
    assert data.targets[:2].tolist() == [[0.02], [0.03]]
    assert data.images[0] == tmp_path / "images" / "00000002.jpg"
    splits = dataset.splits(data, tmp_path)
    assert [split.name for split in splits] == [f"fold-{k}" for k in range(1, count + 1)]
    listed = (tmp_path / "splits" / "test_3.txt").read_text().split()[::2]
    assert sorted(splits[2].test) == sorted(listed)
    assert [len(splits[2].training), len(splits[2].validation)] == [15, 1]
    for split in splits:
        assert_on_one_side(split, data)


def test_without_a_validation_list_a_tenth_of_training_is_held_out(tmp_path: Path) -> None:
    pictures(tmp_path / "images", write_folds(tmp_path, 25, validation=False))
    sun = DATASETS.get("sun")
    split = sun.splits(sun.read(tmp_path), tmp_path)[0]
    assert [len(split.training), len(split.validation), len(split.test)] == [14, 2, 4]
    assert "10 % of training" in split.source


def test_two_ratings_of_one_image_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "images", write_folds(tmp_path, 5))
    path = tmp_path / "splits" / "train_4.txt"
    path.write_text(path.read_text().replace("00000005.jpg 0.05", "00000005.jpg 0.5"))
    with pytest.raises(DataError, match=r"train_4.txt, line 1: 00000005.jpg has 0.5, but .*0.05"):
        DATASETS.get("lamem").read(tmp_path)


def test_a_line_that_is_no_rating_is_named(tmp_path: Path) -> None:
    write_folds(tmp_path, 5)
    (tmp_path / "splits" / "val_2.txt").write_text("00000001.jpg 0.01\n\n00000002.jpg")
    with pytest.raises(DataError, match=r"val_2.txt, line 3: '00000002.jpg', expected an image"):
        DATASETS.get("lamem").read(tmp_path)


def test_images_that_the_disk_lacks_are_counted(tmp_path: Path) -> None:
    names = write_folds(tmp_path, 5)
    pictures(tmp_path / "images", names[:17])
    with pytest.raises(DataError, match=r"lamem: 3 of 20 images are missing .*00000018.jpg"):
        DATASETS.get("lamem").read(tmp_path)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["train", "val", "test"]), min_size=12, max_size=40), st.booleans())
def test_published_lists_leave_no_image_on_two_sides(sides: list[str], leaks: bool) -> None:
    sides = ["train", "train", "val", "test", *sides]
    names = tuple(f"{number}.jpg" for number in range(len(sides)))
    data = Manifest(tuple(map(Path, names)), names, np.zeros((len(names), 1)), names, "")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "splits").mkdir()
        for side in ("train", "val", "test"):
            lines = [f"{n} 0.5" for n, s in zip(names, sides, strict=True) if s == side]
            if leaks and side == "test":
                lines.append(f"{names[0]} 0.5")
            (root / "splits" / f"{side}_1.txt").write_text("\n".join(lines))
        if leaks:
            with pytest.raises(DataError, match=r"'0\.jpg' more than once"):
                splits_of_files(data, root, 1, dataset="lamem", source="")
            return
        (split,) = splits_of_files(data, root, 1, dataset="lamem", source="")
    assert_on_one_side(split, data)
    assert len(split.training) + len(split.validation) + len(split.test) == len(names)


# Sets whose splits are drawn.


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DRAWN), st.integers(min_value=8, max_value=120))
def test_drawn_splits_leave_no_image_on_two_sides(name: str, count: int) -> None:
    names = tuple(f"c/{number}.jpg" for number in range(count))
    data = Manifest(tuple(map(Path, names)), names, np.zeros((count, 1)), names, "")
    splits = DATASETS.get(name).splits(data, Path("/no/where"))
    assert len(splits) == 5
    for split in splits:
        assert split.dataset == name
        assert_on_one_side(split, data)
        assert len(split.training) + len(split.validation) + len(split.test) == count


@pytest.mark.parametrize("name", ["lnsim", "oasis", "oasis-beauty"])
def test_every_image_of_our_own_sets_is_tested_once(name: str) -> None:
    names = tuple(f"{number}.jpg" for number in range(31))
    data = Manifest(tuple(map(Path, names)), names, np.zeros((31, 1)), names, "")
    splits = DATASETS.get(name).splits(data, Path("/no/where"))
    assert sorted(image for split in splits for image in split.test) == sorted(names)


@pytest.mark.parametrize(
    ("title", "entries"),
    [
        ("image_name", ["aardvark_01b.jpg", "bow2_01b.jpg", "bow2_02s.jpg"]),
        (
            "file_path",
            ["images/aardvark/aardvark_01b.jpg", "images/bow2/bow2_01b.jpg", "bow2/bow2_02s.jpg"],
        ),
    ],
)
def test_things_are_read_whatever_its_file_column_is_called(
    tmp_path: Path, title: str, entries: list[str]
) -> None:
    lines = [f"{number},{entry},0.{number}5" for number, entry in enumerate(entries, 1)]
    text = "\n".join([f",{title},cr", *lines])
    (tmp_path / "THINGS_Memorability_Scores.csv").write_text(text)
    names = ["aardvark/aardvark_01b.jpg", "bow2/bow2_01b.jpg", "bow2/bow2_02s.jpg"]
    pictures(tmp_path / "images", names)
    data = DATASETS.get("things").read(tmp_path)
    assert data.names == tuple(names)
    assert data.targets.tolist() == [[0.15], [0.25], [0.35]]


def test_things_without_file_names_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "THINGS_Memorability_Scores.csv").write_text("concept,cr\naardvark,0.8")
    with pytest.raises(DataError, match=r"0 columns of \.jpg files among concept, cr"):
        DATASETS.get("things").read(tmp_path)


def test_the_paper_draws_75_5_20_from_things() -> None:
    names = tuple(f"{number}.jpg" for number in range(200))
    data = Manifest(tuple(map(Path, names)), names, np.zeros((200, 1)), names, "")
    for split in DATASETS.get("things").splits(data, Path("/no/where")):
        assert [len(split.training), len(split.validation), len(split.test)] == [150, 10, 40]


@pytest.mark.data
def test_memcat_is_read_from_its_real_label_file(shared_data: Path, tmp_path: Path) -> None:
    labels = real_labels(shared_data, "memcat/memcat_image_data.csv")
    (tmp_path / labels.name).write_bytes(labels.read_bytes())
    with labels.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    pictures(
        tmp_path, [f"{row['category']}/{row['subcategory']}/{row['image_file']}" for row in rows]
    )
    dataset = DATASETS.get("memcat")
    data = dataset.read(tmp_path)
    assert len(data) == dataset.count == 10_000
    # Its first row.
    assert data.names[0] == "animal/bear/000000003481.jpg"
    assert data.targets[0] == pytest.approx(0.520408163265306)
    assert (data.column("category")[0], data.column("subcategory")[0]) == ("animal", "bear")
    assert 0 < data.targets.min() <= data.targets.max() < 1
    for split in dataset.splits(data, tmp_path):
        assert_on_one_side(split, data)
        assert [len(split.training), len(split.validation), len(split.test)] == [7500, 500, 2000]


# EmoSet and EmotionROI: classes.


def emoset_entries(side: str, count: int, *, with_id: bool) -> list[list[str | int]]:
    entries: list[list[str | int]] = []
    for number in range(count):
        emotion = EMOTIONS[number % 8]
        stem = f"{emotion}/{emotion}_{side}{number:05}"
        between: list[str | int] = [number] if with_id else []
        entries.append([emotion, *between, f"image/{stem}.jpg", f"annotation/{stem}.json"])
    return entries


def write_emoset(root: Path, *, with_id: bool = False) -> None:
    for side, count in (("train", 16), ("val", 1), ("test", 3)):
        entries = emoset_entries(side, count, with_id=with_id)
        (root / f"{side}.json").write_text(json.dumps(entries))


def test_emoset_is_read_with_and_without_ids(tmp_path: Path) -> None:
    write_emoset(tmp_path)
    sides = [("train", 16), ("val", 1), ("test", 3)]
    names = [str(e[1]) for s, n in sides for e in emoset_entries(s, n, with_id=False)]
    pictures(tmp_path, names)
    dataset = DATASETS.get("emoset")
    data = dataset.read(tmp_path)
    assert data.names == tuple(names)
    assert data.targets.dtype == np.int64
    assert [EMOTIONS[index] for index in data.targets[:16]] == list(EMOTIONS) * 2
    (split,) = dataset.splits(data, tmp_path)
    assert split.training == tuple(sorted(names[:16]))
    assert (split.validation, split.test) == ((names[16],), tuple(sorted(names[17:])))
    assert_on_one_side(split, data)

    write_emoset(tmp_path, with_id=True)
    again = dataset.read(tmp_path)
    assert (again.names, again.sha256) == (data.names, data.sha256)
    assert dataset.splits(again, tmp_path) == (split,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[["joy", "image/joy/1.jpg", "a"]]', "val.json, entry 1: .*expected .emotion.*amusement"),
        ('[["awe", "image/awe/1.jpg"]]', "val.json, entry 1"),
        ('{"awe": 1}', "val.json, entry 1"),
        ("[[", "val.json cannot be read"),
    ],
)
def test_an_entry_that_is_not_emosets_is_named(tmp_path: Path, content: str, message: str) -> None:
    write_emoset(tmp_path)
    (tmp_path / "val.json").write_text(content)
    with pytest.raises(DataError, match=message):
        DATASETS.get("emoset").read(tmp_path)


@pytest.mark.data
def test_our_index_order_is_emosets_own(shared_data: Path) -> None:
    info = json.loads(real_labels(shared_data, "emoset/info.json").read_text())
    assert info["emotion"]["label2idx"] == {label: i for i, label in enumerate(EMOTIONS)}


def write_emotionroi(root: Path) -> list[str]:
    names = [f"{label}/{number}.jpg" for label in SIX for number in (1, 2, 10, 11)]
    pictures(root / "images", names)
    return names


def test_the_folder_is_the_label_in_emotionroi(tmp_path: Path) -> None:
    names = write_emotionroi(tmp_path)
    data = DATASETS.get("emotionroi").read(tmp_path)
    assert data.names == tuple(names)  # by number: 2 before 10
    assert data.targets.dtype == np.int64
    assert data.targets.tolist() == [index for index in range(6) for _ in range(4)]


def test_emotionrois_own_split_comes_after_the_papers_five(tmp_path: Path) -> None:
    names = write_emotionroi(tmp_path)
    dataset = DATASETS.get("emotionroi")
    data = dataset.read(tmp_path)
    drawn = dataset.splits(data, tmp_path)
    assert len(drawn) == 5
    lists = tmp_path / "training_testing_split"
    lists.mkdir()
    (lists / "training.txt").write_text("\n".join(names[::2]))
    (lists / "testing.txt").write_text("\n".join(f"images/{name} 3" for name in names[1::2]))
    *five, official = dataset.splits(data, tmp_path)
    assert tuple(five) == drawn
    assert official.name == "official"
    assert official.test == tuple(sorted(names[1::2]))
    assert sorted(official.training + official.validation) == sorted(names[::2])
    for split in (*drawn, official):
        assert_on_one_side(split, data)


def test_a_class_without_images_is_an_error(tmp_path: Path) -> None:
    pictures(tmp_path / "images", [f"{label}/1.jpg" for label in SIX if label != "joy"])
    with pytest.raises(DataError, match=r"no images in .*joy; expected one folder for each"):
        DATASETS.get("emotionroi").read(tmp_path)


# LNSIM and OASIS: the real ratings.


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder", "images", "low", "high", "first"),
    [
        # Counts and ranges: the README of the folder. First: the first row of its CSV.
        ("lnsim", "lnsim", 2106, 0.14, 0.95, [0.57176]),
        ("oasis", "oasis", 642, 1, 7, [4.68627451, 2.346534653]),
        ("oasis-beauty", "oasis", 642, 1, 7, [4.86]),
    ],
)
def test_the_real_ratings_are_read(
    shared_data: Path,
    name: str,
    folder: str,
    images: int,
    low: float,
    high: float,
    first: list[float],
) -> None:
    dataset = DATASETS.get(name)
    data = dataset.read(shared_data / folder)
    assert len(data) == images
    assert data.targets.shape == (images, len(TASKS.get(dataset.task).outputs))
    assert data.targets[0].tolist() == first
    assert low - 0.005 <= data.targets.min() <= data.targets.max() <= high + 0.005
    splits = dataset.splits(data, shared_data / folder)
    assert len(splits) == 5
    for split in splits:
        assert_on_one_side(split, data)


def test_oasis_is_read_from_its_authors_table_too(tmp_path: Path) -> None:
    # Header and naming of OASIS.csv as Kurdi et al. distribute it; the numbers are made up.
    (tmp_path / "OASIS.csv").write_text(
        '"","Theme","Category","Source","Valence_mean","Valence_SD","Valence_N",'
        '"Arousal_mean","Arousal_SD","Arousal_N"\n'
        '"I1","Acorns 1","Object","Pixabay",4.7,1,102,2.3,1.6,101\n'
    )
    pictures(tmp_path, ["images/Acorns 1.jpg"])
    data = DATASETS.get("oasis").read(tmp_path)
    assert data.names == ("images/Acorns 1.jpg",)
    assert data.targets.tolist() == [[4.7, 2.3]]
    assert data.columns == {
        "category": ("Object",),
        "valence_sd": ("1",),
        "arousal_sd": ("1.6",),
        "valence_n": ("102",),
        "arousal_n": ("101",),
    }
    with pytest.raises(DataError, match="no column 'Beauty_mean'"):
        DATASETS.get("oasis-beauty").read(tmp_path)
