"""``perceptmetrics explain``: photographs in; pictures, tables and JSON out."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import tiny
import tiny_plugin
from PIL import Image

from perceptmetrics.cli.main import main


class Lab:
    """A plug-in package, random base weights, images and a finished run on each kind of task."""

    def __init__(self, folder: Path) -> None:
        self.plugin = tiny_plugin.write_plugin(folder / "site")
        self.base = tiny_plugin.write_base(self.plugin, folder / "base.safetensors")
        self.images = folder / "images"
        self.images.mkdir()
        data = tiny.rated_folder(self.images, 12)
        labels = self.images / "labels.csv"
        rows = [f"{k:02}.png,{'light' if k > 5 else 'dark'}" for k in range(12)]
        labels.write_text("\n".join(["image,label", *rows]) + "\n")
        self.run = tiny_plugin.train_run(self.plugin, self.base, data, folder / "mine")
        self.shade = tiny_plugin.train_run(
            self.plugin, self.base, labels, folder / "shades", tiny_plugin.CLASSES
        )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def lab(finished: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The same, in a process that has the plug-in installed."""
    tiny_plugin.plug_in(finished.plugin, monkeypatch)
    return finished


def run(
    capsys: pytest.CaptureFixture[str], lab: Lab, *arguments: object, metric: Path | None = None
) -> tuple[object, str, str]:
    """Exit code, standard output and standard error."""
    given = (*arguments, "--metric", metric or lab.run, "--base", lab.base)
    with pytest.raises(SystemExit) as ended:
        main(["explain", *map(str, given)])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_a_photograph_gets_pictures_and_a_json(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "why"
    code, said, _ = run(capsys, lab, lab.images / "03.png", "-o", out, "--top", 2)
    assert code == 0
    assert "03.png: brightness" in said
    assert sorted(path.name for path in out.iterdir()) == [
        "03.heads.png",
        "03.json",
        "03.methods.png",
        "03.shift.png",
    ]
    for picture in out.glob("*.png"):
        assert min(Image.open(picture).size) > 20
    data = json.loads((out / "03.json").read_text())
    assert data["output"] == "brightness"
    sizes = [abs(head["change"]) for head in data["heads"]]
    assert len(sizes) == 4
    assert sizes == sorted(sizes, reverse=True)


def test_more_is_written_on_request(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("captum", reason="captum is not installed (extra explain)")
    code, _, _ = run(
        *(capsys, lab, lab.images / "03.png", "-o", tmp_path, "--compare", "--quality-map"),
    )
    assert code == 0
    assert (tmp_path / "03.quality.png").exists()
    played = json.loads((tmp_path / "03.json").read_text())["faithfulness"]
    assert "random" in played
    assert len(played) == 6


def test_classes_are_explained_and_any_may_be_chosen(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for name in ("dark", "light"):
        arguments = (lab.images / "11.png", "-o", tmp_path / name, "--score", name, "--top", 1)
        assert run(capsys, lab, *arguments, metric=lab.shade)[0] == 0
        found[name] = json.loads((tmp_path / name / "11.json").read_text())["score"]
    assert found["dark"] + found["light"] == pytest.approx(1)


def test_heads_are_ranked_over_a_folder_and_a_second_run_resumes(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "heads"
    code, said, err = run(capsys, lab, lab.images, "--heads", "-o", out, "--top", 2)
    assert (code, err) == (0, "")
    assert said.splitlines()[0].split() == [
        *("layer", "head", "size", "of", "change", "95", "%", "from", "to", "mean", "change")
    ]
    assert "times as much as a random head" in said
    names = {path.name for path in out.iterdir()} - {".effects.jsonl.lock"}
    assert names == {"effects.jsonl", "heads.csv", "heads.json", "heads.png", "shift.png"}
    with (out / "heads.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    data = json.loads((out / "heads.json").read_text())
    assert data["images"] == 12
    assert data["stability"]["images"][-1] == 6
    record = (out / "effects.jsonl").read_bytes()
    (out / "effects.jsonl").write_bytes(record[:-30])
    code, again, err = run(capsys, lab, lab.images, "--heads", "-o", out, "--top", 2)
    assert (code, again) == (0, said)
    assert "11 of 12 images were measured by an earlier run" in err
    assert (out / "effects.jsonl").read_bytes() == record


def test_pictures_of_an_earlier_call_are_not_explained(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs = tmp_path / "photographs"
    shutil.copytree(lab.images, photographs)
    out = photographs / "why"
    for _ in range(2):
        code, _, _ = run(capsys, lab, photographs, "--heads", "-o", out, "--top", 1)
        assert code == 0
        assert json.loads((out / "heads.json").read_text())["images"] == 12


def test_one_bad_image_is_named_and_the_rest_is_explained(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    for extra in ((), ("--heads",)):
        arguments = (bad, lab.images / "03.png", "-o", tmp_path / "why", "--top", 1, *extra)
        code, _, err = run(capsys, lab, *arguments)
        assert code == 1
        assert f"error: {bad}:" in err
        assert "1 of 2 images could not be explained" in err
    assert run(capsys, lab, bad, "--heads", "-o", tmp_path / "none")[0] == 2


def test_two_images_of_one_name_do_not_overwrite_each_other(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "03.jpg"
    Image.open(lab.images / "07.png").save(other)
    run(capsys, lab, lab.images / "03.png", other, "-o", tmp_path / "why", "--top", 1)
    assert {p.name for p in (tmp_path / "why").glob("*.json")} == {"03.json", "03-2.json"}


def test_wrong_usage_is_one_line_before_anything_is_measured(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = lab.images / "03.png"
    file = tmp_path / "file"
    file.write_text("")
    for arguments, expected in (
        ((image, "-o", file / "why"), "cannot make the folder"),
        ((image, "-o", tmp_path, "--score", "brightnes"), "did you mean 'brightness'"),
        ((image, "-o", tmp_path, "--heads", "--compare"), "--compare is about single images"),
        ((tmp_path / "*.nothing", "-o", tmp_path), "matches no file"),
    ):
        code, out, err = run(capsys, lab, *arguments)
        assert code == 2
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert expected in err
