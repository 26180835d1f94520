"""``perceptmetrics data``: what it says of a dataset on disk, and the split files it writes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perceptmetrics.cli.main import main
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import load_split
from perceptmetrics.datasets import DATASETS, Dataset
from perceptmetrics.datasets.check import check
from perceptmetrics.datasets.labels import rated_images
from perceptmetrics.errors import OptionError


class Said:
    """How a command ended, and what it wrote."""

    def __init__(self, code: object, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line as a process would, in this one."""

    def run(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Said(ended.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def kadid(tmp_path: Path) -> Path:
    """A small KADID-10k: six references, four images each."""
    root = tmp_path / "kadid10k"
    (root / "images").mkdir(parents=True)
    lines = ["dist_img,ref_img,dmos,var"]
    for reference in range(1, 7):
        for level in range(1, 5):
            name = f"I{reference:02}_01_{level:02}.png"
            Image.new("RGB", (20 + level, 16), (40 * reference, 60 * level, 0)).save(
                root / "images" / name
            )
            lines.append(f"{name},I{reference:02}.png,{5 - level},0.1")
    (root / "dmos.csv").write_text("\n".join(lines))
    return root


def test_list_names_every_dataset_with_its_range(command: Command) -> None:
    said = command("data", "list")
    assert said.code == 0
    lines = {line.split()[0]: line for line in said.out.splitlines() if line}
    for dataset in DATASETS:
        assert dataset.title in lines[dataset.name]
        assert f"{dataset.count:,}" in lines[dataset.name]
    assert "0 to 114.41" in lines["live"]


def test_list_as_json_says_where_each_is_to_be_had(command: Command) -> None:
    facts = json.loads(command("data", "list", "--format", "json").out)
    assert [entry["name"] for entry in facts] == DATASETS.names()
    for entry in facts:
        assert entry["source"]
        assert entry["layout"]
        assert entry["paper"]


def test_check_prints_counts_range_direction_and_histogram(command: Command, kadid: Path) -> None:
    said = command("data", "check", "kadid10k", kadid)
    assert said.code == 0
    assert "24 of 10,125 published, in images" in said.out
    assert "24: 24 can be read, 0 cannot; 21x16 to 24x16" in said.out
    assert "higher is better quality" in said.out
    assert "6, kept whole in splits" in said.out
    assert "quality: 1 to 4, mean 2.5" in said.out
    assert "database.mmsp-kn.de" in said.out  # where the rest is to be had
    bars = [line for line in said.out.splitlines() if " .. " in line]
    assert len(bars) == 10
    assert sum(int(line.split()[3]) for line in bars) == 24


def test_check_names_images_that_cannot_be_read(command: Command, kadid: Path) -> None:
    (kadid / "images" / "I02_01_03.png").write_bytes(b"no picture")
    said = command("data", "check", "kadid10k", kadid)
    assert said.code == 1
    assert "24: 23 can be read, 1 cannot" in said.out
    assert "I02_01_03.png: " in said.out
    found = json.loads(command("data", "check", "kadid10k", kadid, "--format", "json").out)
    assert [each["name"] for each in found["unreadable"]] == ["I02_01_03.png"]
    assert found["unreadable"][0]["reason"]
    assert found["images"] == found["opened"] == 24


def test_check_without_opening_only_counts(command: Command, kadid: Path) -> None:
    (kadid / "images" / "I02_01_03.png").write_bytes(b"no picture")
    said = command("data", "check", "kadid10k", kadid, "--no-open")
    assert said.code == 0
    assert "opened     none, as asked" in said.out


def test_check_says_what_is_missing_and_where_to_get_it(command: Command, kadid: Path) -> None:
    (kadid / "images" / "I02_01_03.png").unlink()
    said = command("data", "check", "kadid10k", kadid)
    assert said.code == 2
    assert "1 of 24 images are missing" in said.err
    assert "I02_01_03.png" in said.err
    assert "database.mmsp-kn.de" in said.err
    (kadid / "dmos.csv").unlink()
    said = command("data", "check", "kadid10k", kadid)
    assert said.code == 2
    assert f"there is no file {kadid}/dmos.csv; expected in {kadid}: dmos.csv, images/" in said.err
    assert len(said.err.splitlines()) == 1


def test_check_counts_scores_outside_the_published_range(command: Command, kadid: Path) -> None:
    labels = kadid / "dmos.csv"
    labels.write_text(labels.read_text().replace("I01.png,4,", "I01.png,7.5,"))
    said = command("data", "check", "kadid10k", kadid, "--no-open")
    assert "1 outside the published range" in said.out
    assert said.out.count(" .. ") == 10


def test_check_says_what_was_turned(command: Command, kadid: Path) -> None:
    turned = dataclasses.replace(DATASETS.get("kadid10k"), name="upside-down", turned="5 - DMOS")
    assert check(turned, kadid).turned == "5 - DMOS"
    assert "turned" not in command("data", "check", "kadid10k", kadid).out


def test_check_reports_progress_and_does_not_hang_on_the_number_of_threads(kadid: Path) -> None:
    seen: list[tuple[int, int]] = []
    reports = [
        check(
            DATASETS.get("kadid10k"),
            kadid,
            threads=threads,
            progress=lambda done, total: seen.append((done, total)),
        )
        for threads in (1, 4)
    ]
    assert reports[0] == reports[1]
    assert seen == [(done, 24) for done in range(1, 25)] * 2
    with pytest.raises(OptionError, match="threads is 0"):
        check(DATASETS.get("kadid10k"), kadid, threads=0)


def test_check_counts_classes(tmp_path: Path) -> None:
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)

    def read(root: Path) -> Manifest:
        return rated_images(root, "", names, np.array([0, 7, 7]), dataset="feelings", source="here")

    feelings = Dataset(
        name="feelings",
        title="Feelings",
        task="emotion",
        read=read,
        splits=lambda data, root: (),
        count=3,
        source="here",
        layout="*.png",
        score_range=None,
        direction="eight emotions",
        paper="none",
    )
    report = check(feelings, tmp_path)
    assert report.ratings == ()
    assert dict(report.classes)["amusement"] == 1
    assert dict(report.classes)["sadness"] == 2
    assert sum(count for _, count in report.classes) == 3


def test_split_writes_files_that_load_again(command: Command, kadid: Path, tmp_path: Path) -> None:
    out = tmp_path / "splits"
    said = command("data", "split", "kadid10k", kadid, "-o", out)
    assert said.code == 0
    files = sorted(out.iterdir())
    assert len(files) == 10
    data = DATASETS.get("kadid10k").read(kadid)
    for file in files:
        split = load_split(file)
        assert split.name == file.stem
        assert f"{split.name} " in said.out
        assert split.sha256[:12] in said.out
        training, validation, test = split.parts(data)
        assert len(training) + len(validation) + len(test) == 24
    assert "sorted reference names" in said.out


def test_split_again_changes_nothing_and_another_split_is_kept(
    command: Command, kadid: Path, tmp_path: Path
) -> None:
    out = tmp_path / "splits"
    command("data", "split", "kadid10k", kadid, "-o", out)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert command("data", "split", "kadid10k", kadid, "-o", out).code == 0
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    name, other = sorted(before)[:2]
    (out / name).write_bytes(before[other])
    said = command("data", "split", "kadid10k", kadid, "-o", out)
    assert said.code == 2
    assert "holds another split" in said.err
    assert (out / name).read_bytes() == before[other]


def test_an_unknown_dataset_is_answered_with_the_nearest(command: Command, kadid: Path) -> None:
    for words in (("check", "kadid", kadid), ("split", "kadid", kadid, "-o", kadid / "out")):
        said = command("data", *words)
        assert said.code == 2
        assert "did you mean 'kadid10k'" in said.err
