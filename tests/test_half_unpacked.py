"""A dataset whose unpacking was interrupted is one line that names the file, whatever is left.

Every registered reader is tried on a small tree of its own, whole and then damaged file by file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import scipy.io

from perceptmetrics.bench import places
from perceptmetrics.bench.places import place_of
from perceptmetrics.cli.main import main
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import DataError, PerceptError
from perceptmetrics.tasks import TASKS

COUNT = 20
LIVE_FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
NAMES = [f"{number:04}.jpg" for number in range(COUNT)]


def touch(root: Path, names: list[str]) -> None:
    """Readers open no image, so there is nothing in these."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def write(root: Path, name: str, lines: list[str]) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join([*lines, ""]))


def cells(texts: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
    return np.array([[text] for text in texts], dtype=object)


def csv_set(file: str, header: str, row: str, images: str) -> Callable[[Path], None]:
    """A CSV with a line an image; ``{0}`` is its number."""

    def make(root: Path) -> None:
        write(root, file, [header, *(row.format(number) for number in range(COUNT))])
        touch(root, [images.format(number) for number in range(COUNT)])

    return make


def folds(count: int) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        touch(root, [f"images/{name}" for name in NAMES])
        sides = {"train": NAMES[:14], "val": NAMES[14:16], "test": NAMES[16:]}
        for number in range(1, count + 1):
            for side, names in sides.items():
                write(root, f"splits/{side}_{number}.txt", [f"{name} 0.5" for name in names])

    return make


def live(root: Path) -> None:
    names = [f"{kind}/img{i}.bmp" for kind, n in LIVE_FOLDERS.items() for i in range(1, n + 1)]
    touch(root, names)
    references = [f"photo{place % 29}.bmp" for place in range(len(names))]
    scores = {"dmos_new": np.ones((1, len(names))), "orgs": np.zeros((1, len(names)))}
    scipy.io.savemat(root / "dmos_realigned.mat", scores, do_compression=True)
    scipy.io.savemat(root / "refnames_all.mat", {"refnames_all": cells(references)})


def livec(root: Path) -> None:
    touch(root, [f"Images/{name}" for name in NAMES])
    (root / "Data").mkdir()
    scores = {"AllMOS_release": np.ones((1, COUNT))}
    scipy.io.savemat(root / "Data/AllMOS_release.mat", scores, do_compression=True)
    names = {"AllImages_release": cells(NAMES)}
    scipy.io.savemat(root / "Data/AllImages_release.mat", names, do_compression=True)


def spaq(root: Path) -> None:
    touch(root, [f"TestImage/{name}" for name in NAMES])
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.append(["Image name", "MOS"])
    for name in NAMES:
        sheet.append([name, 50])
    (root / "Annotations").mkdir()
    book.save(root / "Annotations" / "MOS and Image attribute scores.xlsx")


def emoset(root: Path) -> None:
    names = [f"image/awe/awe_{number:05}.jpg" for number in range(COUNT)]
    touch(root, names)
    for side, part in {"train": names[:14], "val": names[14:16], "test": names[16:]}.items():
        listed = [["awe", name, "annotation/awe/1.json"] for name in part]
        (root / f"{side}.json").write_text(json.dumps(listed))


def emotionroi(root: Path) -> None:
    names = [f"{label}/{i}.jpg" for label in TASKS.get("emotion-6").outputs for i in range(1, 9)]
    touch(root, [f"images/{name}" for name in names])
    write(root, "training_testing_split/training.txt", names[::2])
    write(root, "training_testing_split/testing.txt", names[1::2])


def tid2013(root: Path) -> None:
    names = [f"I{number:02}_01_1.bmp" for number in range(COUNT)]
    write(root, "mos_with_names.txt", [f"5.5 {name}" for name in names])
    write(root, "mos_std.txt", ["0.1"] * COUNT)
    touch(root, [f"distorted_images/{name}" for name in names])


OASIS = csv_set(
    "oasis.csv", "image,valence,arousal,beauty", "images/{0}.jpg,4,4,4", "images/{0}.jpg"
)
MAKERS: Mapping[str, Callable[[Path], None]] = {
    "agiqa3k": csv_set("data.csv", "name,prompt,mos_quality", "{0}.jpg,a cat {0},3", "{0}.jpg"),
    "emoset": emoset,
    "emotionroi": emotionroi,
    "flive": csv_set(
        "labels_image.csv", "name,mos", "EE371R/{0}.jpg,70", "database/EE371R/{0}.jpg"
    ),
    "kadid10k": csv_set(
        "dmos.csv", "dist_img,ref_img,dmos", "{0}.png,r{0}.png,3", "images/{0}.png"
    ),
    "koniq10k": csv_set(
        "koniq10k_distributions_sets.csv",
        "image_name,MOS,set",
        "{0}.jpg,50,training",
        "512x384/{0}.jpg",
    ),
    "lamem": folds(5),
    "live": live,
    "livec": livec,
    "lnsim": csv_set("lnsim.csv", "image,memorability", "images/{0}.jpg,0.5", "images/{0}.jpg"),
    "memcat": csv_set(
        "memcat_image_data.csv",
        "category,subcategory,image_file,memorability_w_fa_correction",
        "food,pie,{0}.jpg,0.5",
        "food/pie/{0}.jpg",
    ),
    "oasis": OASIS,
    "oasis-beauty": OASIS,
    "spaq": spaq,
    "sun": folds(25),
    "things": csv_set(
        "THINGS_Memorability_Scores.csv",
        "file_path,cr",
        "bow/bow_{0}.jpg,0.5",
        "images/bow/bow_{0}.jpg",
    ),
    "tid2013": tid2013,
}


def koniq10k(root: Path) -> None:
    """Its sets column names every side, so that the official split is drawn as well."""
    MAKERS["koniq10k"](root)
    path = root / "koniq10k_distributions_sets.csv"
    header, *lines = path.read_text().splitlines()
    sides = ["training"] * 14 + ["validation"] * 2 + ["test"] * 4
    rows = [line.replace("training", side) for line, side in zip(lines, sides, strict=True)]
    write(root, path.name, [header, *rows])


def make(name: str, root: Path) -> list[Path]:
    """A whole small tree; gives its label files, of many alike the first and the last."""
    root.mkdir(parents=True)
    (koniq10k if name == "koniq10k" else MAKERS[name])(root)
    labels = sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)
    return labels if len(labels) <= 3 else [labels[0], labels[len(labels) // 2], labels[-1]]


def read(name: str, root: Path) -> None:
    spec = DATASETS.get(name)
    spec.splits(spec.read(root), root)


def empty(content: bytes) -> bytes:
    return b""


def junk(content: bytes) -> bytes:
    return random.Random(3407).randbytes(700)


def zeros(content: bytes) -> bytes:
    """A file whose room was taken and never filled."""
    return bytes(len(content))


def a_page(content: bytes) -> bytes:
    """What a download gives where one has to log in first."""
    return b"<!DOCTYPE html>\n<html>\n<body>Please log in</body>\n</html>\n"


def test_every_registered_reader_is_tried() -> None:
    assert [*MAKERS] == DATASETS.names()


@pytest.mark.parametrize("name", [*MAKERS])
def test_the_small_trees_are_read_while_they_are_whole(name: str, tmp_path: Path) -> None:
    make(name, tmp_path / name)
    found = place_of(name, tmp_path / name)
    assert (found.problem, found.images > 10, found.folds > 0) == ("", True, True)


@pytest.mark.parametrize("name", [*MAKERS])
@pytest.mark.parametrize("damage", [empty, junk, zeros, a_page])
def test_a_label_file_that_is_none_is_named(
    damage: Callable[[bytes], bytes], name: str, tmp_path: Path
) -> None:
    for path in make(name, tmp_path / name):
        content = path.read_bytes()
        path.write_bytes(damage(content))
        with pytest.raises(PerceptError) as caught:
            read(name, tmp_path / name)
        said = str(caught.value)
        assert path.name in said
        assert "\n" not in said
        assert any(word in said for word in ("expected", "unpack", "get the file again"))
        path.write_bytes(content)


@pytest.mark.parametrize("name", [*MAKERS])
def test_a_folder_in_the_place_of_a_label_file_is_named(name: str, tmp_path: Path) -> None:
    for path in make(name, tmp_path / name):
        content = path.read_bytes()
        path.unlink()
        path.mkdir()
        with pytest.raises(PerceptError) as caught:
            read(name, tmp_path / name)
        assert path.name in str(caught.value)
        path.rmdir()
        path.write_bytes(content)


@pytest.mark.parametrize("name", [*MAKERS])
@pytest.mark.parametrize("filled", [False, True], ids=["cut", "cut and filled with zeros"])
def test_a_cut_label_file_is_an_error_of_ours_or_a_part_of_the_set(
    filled: bool, name: str, tmp_path: Path
) -> None:
    """A text that is cut between two lines cannot be told from that of a part of the set.

    Nor can zeros be told from scores in a .mat file without compression, which has no check sum.
    """
    binary = (".mat", ".xlsx", ".json")
    for path in make(name, tmp_path / name):
        content = path.read_bytes()
        for share in (0.05, 0.3, 0.5, 0.8, 0.97):
            kept = content[: int(share * len(content))]
            path.write_bytes(kept + bytes(len(content) - len(kept)) * filled)
            if path.suffix not in binary:
                found = place_of(name, tmp_path / name)
                assert "its reader failed" not in found.problem
                continue
            with pytest.raises(PerceptError) as caught:
                read(name, tmp_path / name)
            assert path.name in str(caught.value)
        path.write_bytes(content)


def test_a_row_of_a_workbook_that_ends_early_is_named(tmp_path: Path) -> None:
    (path,) = make("spaq", tmp_path / "spaq")
    book = openpyxl.Workbook()
    for row in (["Image name", "MOS"], ["0000.jpg", 3], ["0001.jpg"]):
        book.active.append(row)
    book.save(path)
    with pytest.raises(DataError, match=r"row 2: MOS is None, expected a finite number"):
        read("spaq", tmp_path / "spaq")


def test_labels_that_rate_no_image_are_refused(tmp_path: Path) -> None:
    labels = make("livec", tmp_path / "livec")
    for path in labels:
        kept = cells(NAMES[:7]) if "Images" in path.name else np.ones((1, 7))
        scipy.io.savemat(path, {path.stem: kept})  # the raters' practice images alone
    with pytest.raises(DataError, match=r"livec: the labels in .*livec rate no image; unpack"):
        read("livec", tmp_path / "livec")
    for path in make("emoset", tmp_path / "emoset"):
        path.write_text("[]")
    with pytest.raises(DataError, match=r"train\.json lists no image; .* get the file again"):
        read("emoset", tmp_path / "emoset")


@pytest.mark.parametrize("error", [ValueError("bad\nlabels"), KeyError(0), RecursionError()])
def test_whatever_a_reader_raises_is_a_problem_of_its_dataset_alone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(root: Path) -> Manifest:
        raise error

    spec = replace(DATASETS.get("lnsim"), read=fails)
    monkeypatch.setattr(places, "DATASETS", {"lnsim": spec})
    problem = place_of("lnsim", Path("/data/lnsim")).problem
    assert problem.startswith(f"lnsim: its reader failed on /data/lnsim ({type(error).__name__}: ")
    assert "unpack the dataset again" in problem
    assert spec.source in problem
    assert "\n" not in problem


def test_a_reader_that_gives_no_manifest_is_a_problem_of_its_dataset_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gives_nothing(root: Path) -> Any:
        return None

    spec = replace(DATASETS.get("lnsim"), read=gives_nothing, splits=lambda data, root: ())
    monkeypatch.setattr(places, "DATASETS", {"lnsim": spec})
    assert "(TypeError: " in place_of("lnsim", Path("/data/lnsim")).problem


def test_the_plan_of_a_bench_goes_on_beside_a_half_unpacked_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make("lnsim", tmp_path / "data" / "lnsim")
    make("lamem", tmp_path / "data" / "lamem")
    make("live", tmp_path / "data" / "live")
    for path in (tmp_path / "data" / "lamem" / "splits").iterdir():
        path.write_bytes(b"")
    (tmp_path / "data" / "live" / "dmos_realigned.mat").write_bytes(b"")
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--data", "data", "--plan", "--backbone", "clip-b16"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for name, file in (("lamem", "train_1.txt"), ("live", "dmos_realigned.mat")):
        (line,) = [one for one in said.splitlines() if f"dataset {name}" in one]
        assert f"{file} is empty" in line
        assert DATASETS.get(name).source in line
    assert "1 training, 20 runs" in said


def test_what_a_part_of_tid2013_is_made_from_names_the_step(tmp_path: Path) -> None:
    touch(tmp_path, ["rebuild.py", "manifest.csv", "kodak/1.png"])
    with pytest.raises(DataError, match=r"python rebuild\.py kodak manifest\.csv OUT.*whole set"):
        read("tid2013", tmp_path)
