"""A manifest is the same data as CSV and as Parquet, and may say itself which image trains."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny

from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.data.split_column import split_of_manifest
from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.tasks import TASKS


def pictures(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).write_bytes(name.encode())


def write_parquet(path: Path, columns: dict[str, Any]) -> Path:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (extra data)")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("iqa", {"image": ["a.jpg", "b.jpg"], "mos": [0.1 + 0.2, 1e-17], "ref": ["r", "s"]}),
        ("iqa", {"image": ["a.jpg", "b.jpg"], "mos": [3, 4], "ref": ["r", "r"]}),
        ("affect", {"image": ["a.jpg", "b.jpg"], "valence": [1.5, 2], "arousal": [7, 1 / 3]}),
        ("emotion", {"image": ["a.jpg", "b.jpg"], "label": ["awe", "fear"]}),
        ("emotion", {"image": ["a.jpg", "b.jpg"], "label": [7, 0]}),
    ],
)
def test_parquet_is_the_same_data_as_the_same_csv(
    tmp_path: Path, task: str, columns: dict[str, list[Any]]
) -> None:
    pictures(tmp_path, ["a.jpg", "b.jpg"])
    lines = [
        ",".join(columns),
        *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    (tmp_path / "r.csv").write_text("\n".join(lines))
    write_parquet(tmp_path / "r.parquet", columns)
    group = "ref" if "ref" in columns else None
    first, second = (
        read_manifest(tmp_path / f"r.{kind}", TASKS.get(task), group_column=group)
        for kind in ("csv", "parquet")
    )
    assert first.targets.dtype == second.targets.dtype
    assert first.targets.tobytes() == second.targets.tobytes()
    assert (first.images, first.names) == (second.images, second.names)
    assert (first.groups, first.sha256) == (second.groups, second.sha256)


def test_tabs_are_read(tmp_path: Path) -> None:
    pictures(tmp_path, ["a, b.jpg"])
    (tmp_path / "r.tsv").write_text("image\tscore\na, b.jpg\t2.5")
    assert read_manifest(tmp_path / "r.tsv", tiny.TASK).targets.tolist() == [[2.5]]


def test_dictionary_columns_are_text(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (extra data)")
    pictures(tmp_path, ["a.jpg"])
    columns = {"image": ["a.jpg"], "label": pa.array(["awe"]).dictionary_encode()}
    path = write_parquet(tmp_path / "r.parquet", columns)
    assert read_manifest(path, TASKS.get("emotion")).targets.tolist() == [1]


def test_a_bad_value_of_parquet_names_its_row(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.jpg", "b.jpg"])
    path = write_parquet(tmp_path / "r.parquet", {"image": ["a.jpg", "b.jpg"], "mos": [1.0, None]})
    with pytest.raises(DataError, match=r"r.parquet, row 2: mos is '', expected a finite number"):
        read_manifest(path, TASKS.get("iqa"))


def test_pictures_inside_parquet_are_not_taken_for_paths(tmp_path: Path) -> None:
    columns = {"image": [{"bytes": b"1", "path": "a.jpg"}], "mos": [1.0]}
    path = write_parquet(tmp_path / "r.parquet", columns)
    with pytest.raises(DataError, match=r"no image column: .*found mos; image \(struct.*not text"):
        read_manifest(path, TASKS.get("iqa"))


@pytest.mark.parametrize(
    ("content", "message"), [(b"image,mos\na.jpg,1", "cannot be read"), (None, "cannot be read")]
)
def test_what_is_not_parquet_is_a_data_error(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (extra data)")
    if content is not None:
        (tmp_path / "r.parquet").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "r.parquet", TASKS.get("iqa"))


def test_parquet_without_rows_is_a_data_error(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "r.parquet", {"image": [], "mos": []})
    with pytest.raises(DataError, match=r"r.parquet (holds no rows|has no image column)"):
        read_manifest(path, TASKS.get("iqa"))


def test_without_pyarrow_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "r.parquet").write_bytes(b"PAR1")
    with pytest.raises(OptionError, match=r"pip install 'perceptmetrics\[data\]'"):
        read_manifest(tmp_path / "r.parquet", TASKS.get("iqa"))


NAMES = [f"{number:02}.png" for number in range(6)]
SIDES = ["train", "Training", "val", "validation", "test", "test"]


def write_split(folder: Path, sides: list[str]) -> Path:
    pictures(folder, NAMES)
    rows = [f"{n},{i},{s}" for i, (n, s) in enumerate(zip(NAMES, sides, strict=True))]
    path = folder / "r.csv"
    path.write_text("\n".join(["image,score,split", *rows]))
    return path


def test_the_split_column_says_which_image_trains(tmp_path: Path) -> None:
    path = write_split(tmp_path, SIDES)
    split = split_of_manifest(path, read_manifest(path, tiny.TASK))
    assert split is not None
    assert (split.dataset, split.name) == ("r.csv", "split")
    assert split.training == ("00.png", "01.png")
    assert split.validation == ("02.png", "03.png")
    assert split.test == ("04.png", "05.png")
    columns = {"image": NAMES, "score": [0, 1, 2, 3, 4, 5], "split": SIDES}
    parquet = write_parquet(tmp_path / "r.parquet", columns)
    again = split_of_manifest(parquet, read_manifest(parquet, tiny.TASK))
    assert again is not None
    assert again.sha256 == split.sha256


def test_without_a_split_column_there_is_no_split(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.png"])
    (tmp_path / "r.csv").write_text("image,score\na.png,1")
    assert (
        split_of_manifest(tmp_path / "r.csv", read_manifest(tmp_path / "r.csv", tiny.TASK)) is None
    )


def test_without_validation_rows_part_of_training_is_held_out(tmp_path: Path) -> None:
    path = write_split(tmp_path, ["train"] * 4 + ["test"] * 2)
    split = split_of_manifest(path, read_manifest(path, tiny.TASK))
    assert split is not None
    assert sorted(split.training + split.validation) == NAMES[:4]
    assert split.validation
    assert split.test == ("04.png", "05.png")


@pytest.mark.parametrize("word", ["dev", "", "0"])
def test_another_word_in_the_split_column_names_its_line(tmp_path: Path, word: str) -> None:
    path = write_split(tmp_path, [*SIDES[:2], word, *SIDES[3:]])
    data = read_manifest(path, tiny.TASK)
    with pytest.raises(DataError, match=f"r.csv, line 4: split is '{word}', expected train, val"):
        split_of_manifest(path, data)


def test_a_split_column_that_leaks_is_refused(tmp_path: Path) -> None:
    path = write_split(tmp_path, SIDES)
    text = path.read_text().replace("split", "split,ref", 1)
    path.write_text("\n".join(line if "ref" in line else f"{line},r" for line in text.split("\n")))
    with pytest.raises(DataError, match="on two sides"):
        split_of_manifest(path, read_manifest(path, tiny.TASK, group_column="ref"))
    path = write_split(tmp_path, ["test"] * 6)
    with pytest.raises(DataError, match="no row has split train"):
        split_of_manifest(path, read_manifest(path, tiny.TASK))


def test_a_part_of_the_data_is_not_split_by_the_whole_file(tmp_path: Path) -> None:
    path = write_split(tmp_path, SIDES)
    part = read_manifest(path, tiny.TASK).take([0, 1, 2])
    with pytest.raises(DataError, match="6 rows, but 3 images"):
        split_of_manifest(path, part)


def test_every_other_column_is_kept_beside_its_image(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    path = tmp_path / "r.csv"
    path.write_text("kind,image,mos,mos_sd\nsea,a.jpg,1,0.5\n,b.jpg,2,0.6\nsky,c.jpg,3,0.7\n")
    data = read_manifest(path, TASKS.get("iqa"))
    assert data.columns == {"kind": ("sea", "", "sky"), "mos_sd": ("0.5", "0.6", "0.7")}
    assert data.take([2, 0]).columns == {"kind": ("sky", "sea"), "mos_sd": ("0.7", "0.5")}
    with pytest.raises(DataError, match="no column 'colour' beside its ratings; it has kind, mos_"):
        data.column("colour")


def test_columns_change_no_hash(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.jpg", "b.jpg"])
    path = tmp_path / "r.csv"
    path.write_text("image,mos\na.jpg,1\nb.jpg,2\n")
    bare = read_manifest(path, TASKS.get("iqa"))
    path.write_text("image,mos,kind\na.jpg,1,sea\nb.jpg,2,sky\n")
    rich = read_manifest(path, TASKS.get("iqa"))
    assert rich.sha256 == bare.sha256
    assert bare.joined(rich).sha256 == rich.joined(bare).sha256
    assert bare.joined(rich).columns == {"kind": ("", "", "sea", "sky")}
    assert rich.joined(bare).columns == {"kind": ("sea", "sky", "", "")}


def test_a_column_of_another_length_is_refused(tmp_path: Path) -> None:
    data = read_manifest(write_split(tmp_path, SIDES), tiny.TASK)
    with pytest.raises(DataError, match="column 'kind' has 1 entries for 6 images"):
        replace(data, columns={"kind": ("sea",)})
