"""Scoring many images: which are meant, that each becomes one row, how rows are written."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.images import load_image
from perceptmetrics.scoring.files import find_images, image_suffixes, read_paths
from perceptmetrics.scoring.formats import CSV, FORMATS, JSONL, TABLE, format_for
from perceptmetrics.scoring.rows import Judge, Row, columns_of, score_images

NAMES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=20
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
CELLS = st.tuples(st.none() | NUMBERS, st.none() | NAMES)
ROWS = st.lists(st.builds(Row, NAMES, CELLS, st.just("") | NAMES), max_size=5)
COLUMNS = ("affect.valence", "emotion.label")


class Fake:
    """Judges by the mean of the red channel, and remembers how many images came at once."""

    def __init__(self, labels: tuple[str, ...], kind: str = "regression") -> None:
        self.labels = labels
        self.kind = kind
        self.asked: list[int] = []

    def __call__(self, images: Any) -> torch.Tensor:
        self.asked.append(len(images))
        means = torch.tensor([float(image[..., 0].mean()) for image in images])
        if len(self.labels) == 1:
            return means
        return torch.stack([means + index for index in range(len(self.labels))], dim=1)


def paint(path: Path, level: int = 0, size: tuple[int, int] = (4, 3)) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, 0, 0)).save(path)
    return str(path)


# Finding


def test_a_folder_means_the_images_in_it_and_below_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.PNG", "a/2.jpg", "a/10.webp", "c.tiff"):
        paint(tmp_path / name)
    for name in ("notes.txt", "scores.csv", ".hidden.jpg", ".cache/x.jpg", "a/._2.jpg", "page.eps"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    found = [Path(str(path)).relative_to(tmp_path) for path in find_images([str(tmp_path)])]
    assert found == [Path("a/10.webp"), Path("a/2.jpg"), Path("b.PNG"), Path("c.tiff")]


def test_a_named_file_is_taken_as_it_is(tmp_path: Path) -> None:
    named = [str(tmp_path / "photo.dat"), str(tmp_path / "not there.jpg"), str(tmp_path / ".x")]
    assert list(find_images(named)) == named


def test_a_quoted_glob_means_what_the_shell_would_make_of_it(tmp_path: Path) -> None:
    paths = [paint(tmp_path / name) for name in ("a1.png", "a2.png", "b.png", "deep/a3.png")]
    assert list(find_images([str(tmp_path / "a*.png")])) == paths[:2]
    assert list(find_images([str(tmp_path / "**" / "*.png")])) == [*paths[:3], paths[3]]
    assert list(find_images([str(tmp_path / "d*")])) == paths[3:]
    everything = [str(path) for path in find_images([str(tmp_path / "**")])]
    assert sorted(everything) == sorted(paths)  # each once, although its folder matches too


def test_a_file_whose_name_looks_like_a_glob_is_found(tmp_path: Path) -> None:
    path = paint(tmp_path / "holiday [1].png")
    assert list(find_images([path])) == [path]
    assert list(find_images([path + "*"], globs=False)) == [path + "*"]


def test_what_means_nothing_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (nothing,) = find_images([str(tmp_path / "empty")])
    (unmatched,) = find_images([str(tmp_path / "*.gif")])
    assert isinstance(nothing, ImageError)
    assert isinstance(unmatched, ImageError)
    assert (nothing.item, unmatched.item) == (str(tmp_path / "empty"), str(tmp_path / "*.gif"))


def test_a_photograph_of_a_telephone_that_pillow_cannot_read_is_named(tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png")
    photograph = tmp_path / "IMG_1.HEIC"
    photograph.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert list(find_images([str(tmp_path)])) == [str(photograph), path]
    with pytest.raises(ImageError, match="is HEIC, which Pillow does not read; convert it to JPEG"):
        load_image(photograph)
    with pytest.raises(ImageError, match="is JPEG XL"):
        load_image(b"\xff\x0a\0\0")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_in_a_folder_is_named_and_not_waited_for(tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    read, pipe = find_images([str(tmp_path)])
    assert read == path
    assert (
        str(pipe) == f"{tmp_path / 'b.png'}: is a pipe, a socket or a device, which may never end"
    )


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert list(find_images([str(tmp_path)])) == [path]


def test_finding_is_lazy(tmp_path: Path) -> None:
    def arguments() -> Iterator[str]:
        yield "first.jpg"
        raise AssertionError("asked for more than was needed")

    assert next(find_images(arguments())) == "first.jpg"


def test_suffixes_are_those_that_pillow_reads_as_pictures() -> None:
    suffixes = image_suffixes()
    assert {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"} <= suffixes
    assert not {".eps", ".ps", ".pdf", ".mpg", ".txt", ".csv", ".mp4"} & suffixes


@given(st.lists(NAMES.filter(lambda name: not name.isspace())), st.booleans())
@settings(max_examples=50, deadline=None)
def test_paths_come_back_out_of_a_stream(names: list[str], null: bool) -> None:
    names = [name if null else name.replace("\n", "").replace("\r", "") for name in names]
    data = b"".join(os.fsencode(name) + (b"\0" if null else b"\n") for name in names)
    assert list(read_paths(io.BytesIO(data), null=null)) == [name for name in names if name]


def test_a_last_path_needs_no_end() -> None:
    assert list(read_paths(io.BytesIO(b"a\0b\nc"), null=True)) == ["a", "b\nc"]
    assert list(read_paths(io.BytesIO(b"a\r\nb"))) == ["a", "b"]


@pytest.mark.parametrize(
    "data", [b"a.jpg\0b.jpg\0", b"\xff\xd8\xff\xe0\0\x10JFIF\0\n", b"\x89PNG\r\n\x1a\n\0\0"]
)
def test_a_stream_that_holds_no_lines_of_paths_is_refused(data: bytes) -> None:
    with pytest.raises(OptionError, match="does not begin with a path: give --null"):
        list(read_paths(io.BytesIO(data)))


# Rows


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_every_image_becomes_one_row_in_order_whatever_the_chunk(
    tmp_path: Path, chunk: int
) -> None:
    images: list[str | ImageError] = [paint(tmp_path / f"{n}.png", 10 * n) for n in range(5)]
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    images[2:2] = [str(tmp_path / "broken.jpg"), ImageError("folder", "holds no image")]
    judges: dict[str, Judge] = {"one": Fake(("x",)), "two": Fake(("v", "a"))}
    rows = [row for rows in score_images(judges, images, chunk=chunk) for row in rows]
    names = [image.item if isinstance(image, ImageError) else image for image in images]
    assert [row.image for row in rows] == names
    assert [row.values for row in rows if not row.error] == [
        (10.0 * n, 10.0 * n, 10.0 * n + 1) for n in range(5)
    ]
    failed = [row for row in rows if row.error]
    assert [row.values for row in failed] == [(None, None, None)] * 2
    assert "not an image" in failed[0].error
    assert failed[1].error == "holds no image"


def test_images_are_taken_a_chunk_at_a_time(tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png")
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield path

    chunks = score_images({"one": Fake(("x",))}, endless(), chunk=4)
    assert [len(next(chunks)), len(next(chunks))] == [4, 4]
    assert taken == 8


def test_large_images_make_a_chunk_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptmetrics.scoring.rows.MAX_PIXELS_AT_ONCE", 200)
    judge = Fake(("x",))
    images = [paint(tmp_path / "a.png", size=(10, 10))] * 5
    assert len(list(score_images({"one": judge}, images, chunk=32))) == 3
    assert judge.asked == [2, 2, 1]


def test_a_chunk_of_unreadable_images_asks_no_metric() -> None:
    judge = Fake(("x",))
    ((row,),) = score_images({"one": judge}, ["not there.jpg"])
    assert row == Row("not there.jpg", (None,), "there is no such file; check the path")
    assert judge.asked == []


def test_a_score_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    class Broken(Fake):
        def __call__(self, images: Any) -> torch.Tensor:
            return torch.tensor([float("nan")] * len(images))

    ((row,),) = score_images({"one": Broken(("x",))}, [paint(tmp_path / "a.png")])
    assert row.values == (None,)
    assert "not a finite number" in row.error


def test_columns_are_named_after_metric_and_output() -> None:
    assert columns_of("iqa", Fake(("quality",))) == ("iqa",)
    assert columns_of("affect", Fake(("valence", "arousal"))) == (
        "affect.valence",
        "affect.arousal",
    )
    assert columns_of("shade", Fake(("dark", "light"), "classification")) == (
        "shade.label",
        "shade.dark",
        "shade.light",
    )


def test_rows_hold_exactly_what_the_metric_says_of_the_file(tmp_path: Path) -> None:
    """Read once for both metrics, and yet as if each had been given the path."""
    paths = []
    for index in range(3):
        path = tmp_path / f"{index}.png"
        Image.fromarray(tiny.photograph(40, 60, index)).save(path)
        paths.append(str(path))
    brightness = tiny.metric()
    shade = tiny.metric(("dark", "light"), "classification")
    (rows,) = score_images({"brightness": brightness, "shade": shade}, paths)
    scores, chances = brightness(paths).numpy(), shade(paths).numpy()
    for row, score, chance in zip(rows, scores, chances, strict=True):
        assert row.values[1] == ("dark", "light")[int(chance.argmax())]
        numbers = np.array([row.values[0], *row.values[2:]], np.float32)
        np.testing.assert_array_equal(numbers, [score, *chance])


# Formats


@given(ROWS)
@example([Row("a\rb,\n.png", (0.5, None))])
@settings(max_examples=100, deadline=None)
def test_csv_holds_what_the_rows_hold(rows: list[Row]) -> None:
    text = CSV.header(COLUMNS) + "".join(CSV.line(COLUMNS, row) for row in rows)
    header, *lines = csv.reader(io.StringIO(text, newline=""))
    assert header == ["image", *COLUMNS, "error"]
    for line, row in zip(lines, rows, strict=True):
        number, label = row.values
        assert line[0] == row.image
        assert (float(line[1]) if line[1] else None) == number
        assert (line[2] or None) == label
        assert line[3] == row.error


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_json_lines_hold_what_the_rows_hold(rows: list[Row]) -> None:
    text = JSONL.header(COLUMNS) + "".join(JSONL.line(COLUMNS, row) for row in rows)
    assert text.isascii()
    for line, row in zip(text.splitlines(), rows, strict=True):
        values = dict(zip(COLUMNS, row.values, strict=True))
        assert json.loads(line) == {"image": row.image, **values, "error": row.error or None}


@given(ROWS)
@settings(max_examples=50, deadline=None)
def test_a_table_has_one_line_a_row(rows: list[Row]) -> None:
    text = TABLE.header(COLUMNS) + "".join(
        TABLE.line(COLUMNS, Row(row.image, (row.values[0], None), row.error)) for row in rows
    )
    assert len(text.split("\n")) == len(rows) + 2
    assert len(text.splitlines()) == len(rows) + 1


def test_a_table_is_aligned() -> None:
    rows = [Row("a.jpg", (0.71318, "awe")), Row("b.jpg", (None, None), "broken")]
    text = TABLE.header(COLUMNS) + "".join(TABLE.line(COLUMNS, row) for row in rows)
    assert text.splitlines() == [
        "affect.valence  emotion.label  image",
        "        0.7132            awe  a.jpg",
        "             -              -  b.jpg",
    ]


def test_the_suffix_says_how_to_write_unless_the_format_is_named() -> None:
    assert format_for(Path("a.CSV")) is CSV
    assert format_for(Path("a.jsonl")) is format_for(Path("a.ndjson")) is JSONL
    assert format_for(None) is format_for(Path("a.txt")) is TABLE
    assert format_for(Path("a.csv"), "jsonl") is JSONL
    assert [format_for(None, known.name) for known in FORMATS] == list(FORMATS)
    with pytest.raises(OptionError, match=r"call it \.csv, \.jsonl or \.txt"):
        format_for(Path("scores.xlsx"))
    with pytest.raises(OptionError, match="expected one of table, csv, jsonl"):
        format_for(None, "xml")


@pytest.mark.parametrize("name", ["photo.jpg", "PHOTO.PNG", "page.eps", "report.pdf"])
@pytest.mark.parametrize("asked", [None, "csv"])
def test_scores_are_never_written_over_an_image(name: str, asked: str | None) -> None:
    with pytest.raises(OptionError, match="is the suffix of an image"):
        format_for(Path(name), asked)
