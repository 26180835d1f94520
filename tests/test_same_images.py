"""One image under several names, or in several rows, is on one side of every split, and is said."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptmetrics.data.alike import joined_groups, stated_groups
from perceptmetrics.data.manifest import Manifest, read_manifest
from perceptmetrics.data.protocols import fold_splits, random_splits
from perceptmetrics.data.split_column import split_of_manifest
from perceptmetrics.errors import DataError
from perceptmetrics.tasks import TASKS, Task
from perceptmetrics.training.source import source_of


def write(folder: Path, rows: Sequence[tuple[str, object, object]], **contents: str) -> Path:
    """``NAME,score,ref`` a row; a file holds its own name, unless ``contents`` says otherwise."""
    for name, _, _ in rows:
        stem = Path(name).stem
        (folder / name).write_text(contents.get(stem, Path(name).name))
    path = folder / "r.csv"
    path.write_text("\n".join(["image,score,ref", *(f"{n},{s},{r}" for n, s, r in rows)]))
    return path


def read(path: Path, group_column: str | None = None) -> tuple[Manifest, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = read_manifest(path, tiny.TASK, group_column=group_column)
    return data, [str(warning.message) for warning in caught]


def test_another_spelling_and_a_copy_are_the_same_image(tmp_path: Path) -> None:
    rows = [("a.png", 1, ""), ("b.png", 2, ""), ("./a.png", 1, ""), ("copy.png", 2, "")]
    data, said = read(write(tmp_path, rows, copy="b.png"))
    assert data.groups == ("./a.png", "b.png", "./a.png", "b.png")
    assert data.names == ("a.png", "b.png", "./a.png", "copy.png")
    (line,) = said
    assert "r.csv: 4 rows show 2 images (a.png and ./a.png are the same)" in line
    assert "one side of a split" in line


@pytest.mark.parametrize("column", [None, "ref"])
def test_where_no_two_files_are_alike_groups_are_what_the_file_states(
    tmp_path: Path, column: str | None
) -> None:
    rows = [(f"{i}.png", i, f"ref{i % 3}") for i in (7, 3, 5, 1, 8)]
    data, said = read(write(tmp_path, rows), column)
    assert data.groups == tuple(row[2] if column else row[0] for row in rows)
    assert said == []


def test_groups_that_share_an_image_are_one_group(tmp_path: Path) -> None:
    rows = [(f"{i}.png", i, ref) for i, ref in enumerate("abccde")]
    # a and b share one image, b and c another: all three are one.
    path = write(tmp_path, [*rows, ("6.png", 0, "b"), ("7.png", 2, "b")], **{"6": "0.png"})
    (tmp_path / "7.png").write_text("2.png")
    data, _ = read(path, "ref")
    assert data.groups == ("a", "a", "a", "a", "d", "e", "a", "a")
    assert stated_groups(data.groups[0]) == ("a", "b", "c")


def test_ratings_that_differ_are_counted_and_named_and_kept(tmp_path: Path) -> None:
    rows = [
        ("a.png", 1, ""),
        ("b.png", 2, ""),
        ("a.png", 4, ""),
        ("c.png", 2, ""),
        ("d.png", 5, ""),
    ]
    data, said = read(write(tmp_path, [*rows, ("e.png", 9, "")], c="b.png", e="d.png"))
    assert data.targets[:, 0].tolist() == [1, 2, 4, 2, 5, 9]
    alike, differ = said
    assert "6 rows show 3 images (a.png stands there twice)" in alike
    assert "images of which they do: 2, such as a.png (1 and 4)" in differ


@pytest.mark.filterwarnings("ignore:.*rows show:UserWarning")
def test_labels_that_differ_are_said_as_they_stand(tmp_path: Path) -> None:
    path = write(tmp_path, [("a.png", "awe", ""), ("a.png", "fear", "")])
    path.write_text(path.read_text().replace("score", "label"))
    with pytest.warns(UserWarning, match=r"differ in label; .*: 1, such as a.png \(awe and fear\)"):
        read_manifest(path, TASKS.get("emotion"))


def test_a_split_column_that_shows_a_copy_to_both_sides_is_refused(tmp_path: Path) -> None:
    rows = [(f"{i}.png", i, "train" if i < 4 else "val") for i in range(7)]
    path = write(tmp_path, rows, **{"5": "1.png"})
    path.write_text(path.read_text().replace("ref", "split"))
    data, _ = read(path)
    with pytest.raises(DataError, match=r"'5\.png' \(validation\) and another .*'1\.png' \(train"):
        split_of_manifest(path, data)


def by_fraction(data: Manifest) -> list[tuple[Manifest, ...]]:
    source = source_of(tiny.TASK, data, validation_fraction=0.3)
    return [(source.training, source.validation)]


def by_folds(data: Manifest) -> list[tuple[Manifest, ...]]:
    return [split.parts(data) for split in fold_splits(data, "mine", folds=3)]


def at_random(data: Manifest) -> list[tuple[Manifest, ...]]:
    return [split.parts(data) for split in random_splits(data, "mine", count=2)]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30)), min_size=1, max_size=30),
    st.booleans(),
    st.sampled_from([by_fraction, by_folds, at_random]),
)
def test_no_image_is_on_two_sides(
    tmp_path_factory: pytest.TempPathFactory,
    shown: list[tuple[int, int]],
    by_reference: bool,
    parts_of: Callable[[Manifest], list[tuple[Manifest, ...]]],
) -> None:
    """Whatever rows show the same image, and whatever groups they are in."""
    # Beside them, eight images that are in no other row or group: every side gets something.
    pictures = [*shown, *((100 + i, 100 + i) for i in range(8))]
    rows = [(f"{row}.png", 1, f"ref{ref}") for row, (_, ref) in enumerate(pictures)]
    contents = {str(row): f"picture {picture}" for row, (picture, _) in enumerate(pictures)}
    path = write(tmp_path_factory.mktemp("data"), rows, **contents)
    data, _ = read(path, "ref" if by_reference else None)
    for parts in parts_of(data):
        seen = [{image.read_text() for image in part.images} for part in parts]
        assert sum(map(len, seen)) == len(set.union(*seen)) == len(set(contents.values()))
        references = [set(part.columns["ref"]) for part in parts]
        if by_reference:
            assert sum(map(len, references)) == len(set.union(*references))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20), st.randoms())
def test_groups_do_not_hang_on_the_order_of_rows(
    rows: list[tuple[int, int]], random: np.random.Generator
) -> None:
    def grouped(ordered: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
        groups = joined_groups([f"g{g}" for g, _ in ordered], [c for _, c in ordered])
        return dict(zip(ordered, groups, strict=True))

    shuffled = list(rows)
    random.shuffle(shuffled)
    assert grouped(shuffled) == grouped(rows)


def test_a_copy_leaves_the_rest_of_a_split_as_it_was(tmp_path: Path) -> None:
    rows = [(f"{i:02}.png", i, "") for i in range(40)]
    before = source_of(tiny.TASK, read(write(tmp_path, rows))[0], validation_fraction=0.2)
    for one, other in ((3, 17), (0, 39), (11, 12)):
        contents = {f"{other:02}": f"{one:02}.png"}
        data, _ = read(write(tmp_path, rows, **contents))
        after = source_of(tiny.TASK, data, validation_fraction=0.2)
        moved = set(before.validation.names) ^ set(after.validation.names)
        # What comes along may take the place of one other, so that the share stays.
        assert len(moved - {f"{one:02}.png", f"{other:02}.png"}) <= 1


def test_a_joined_group_stays_one_when_it_is_taken_or_stored() -> None:
    groups = joined_groups(["a", "b", "c"], [1, 1, 2])
    names = ("a", "b", "c")
    data = Manifest(tuple(map(Path, names)), names, np.zeros((3, 1)), groups, "")
    kept = data.take([1]).joined(data.take([2])).groups
    for found in (kept, pickle.loads(pickle.dumps(kept))):
        assert [stated_groups(group) for group in found] == [("a", "b"), ("c",)]


OASIS = replace(TASKS.get("affect"), name="oasis", outputs=("valence", "arousal", "beauty"))


@pytest.mark.data
@pytest.mark.filterwarnings("ignore:.*rows show:UserWarning", "ignore:.*differ in:UserWarning")
@pytest.mark.parametrize(
    ("run", "csv", "task", "fraction"),
    [
        ("oasis", "oasis/oasis.csv", OASIS, 0.2),
        ("beauty", "oasis/oasis.csv", OASIS, 0.2),
        ("memorability", "lnsim/lnsim.csv", TASKS.get("memorability"), 0.1),
    ],
)
def test_the_splits_of_the_embedded_adapters_are_those_of_their_runs(
    root: Path, shared_data: Path, run: str, csv: str, task: Task, fraction: float
) -> None:
    """In LNSIM 0277.jpg and 1219.jpg are one file, with two ratings; both are for training."""
    record = json.loads((root / "benchmarks" / "results" / f"{run}.run.json").read_text())
    recorded = record["datasets"]["default"]
    source = source_of(task, read_manifest(shared_data / csv, task), validation_fraction=fraction)
    assert source.sha256 == recorded["sha256"]
    assert list(source.validation.names) == recorded["validation_images"]
