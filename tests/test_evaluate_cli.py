"""``perceptmetrics evaluate``: rated images in, figures with intervals out."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
import tiny
import tiny_plugin

from perceptmetrics import statistics as stats
from perceptmetrics.cli.main import main
from perceptmetrics.data.split import Split


class Lab:
    """A plug-in package, random base weights, rated images and a finished run on each task."""

    def __init__(self, folder: Path) -> None:
        self.plugin = tiny_plugin.write_plugin(folder / "site")
        self.base = tiny_plugin.write_base(self.plugin, folder / "base.safetensors")
        self.images = folder / "images"
        self.images.mkdir()
        self.data = tiny.rated_folder(self.images, 12)
        self.names = [f"{index:02}.png" for index in range(12)]
        self.labels = self.images / "labels.csv"
        rows = [f"{name},{'light' if k > 5 else 'dark'}" for k, name in enumerate(self.names)]
        self.labels.write_text("\n".join(["image,label", *rows]) + "\n")
        self.run = tiny_plugin.train_run(self.plugin, self.base, self.data, folder / "mine")
        self.shade = tiny_plugin.train_run(
            self.plugin, self.base, self.labels, folder / "shades", tiny_plugin.CLASSES
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
    capsys: pytest.CaptureFixture[str], lab: Lab, *arguments: object, samples: int = 5
) -> tuple[object, str, str]:
    """Exit code, standard output and standard error."""
    extra = ("--base", lab.base, "--samples", samples)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *map(str, (*arguments, *extra))])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_a_run_is_judged_on_ratings(capsys: pytest.CaptureFixture[str], lab: Lab) -> None:
    code, out, err = run(capsys, lab, lab.run, "--data", lab.data)
    assert code == 0
    assert err.splitlines() == [err.strip()]
    assert "warning: the run was trained on most of these images" in err
    assert out.startswith(f"{lab.run} on ratings.csv: 12 images\n")
    lines = [line.split() for line in out.splitlines()]
    assert ["brightness", "SRCC"] in [line[:2] for line in lines]
    assert "RMSE     rank statistics" in out


def test_json_holds_what_score_says(
    capsys: pytest.CaptureFixture[str], lab: Lab, tmp_path: Path
) -> None:
    out = tmp_path / "figures.json"
    code, shown, _ = run(capsys, lab, lab.run, "--data", lab.data, "-o", out)
    assert (code, shown) == (0, "")
    record = json.loads(out.read_text())
    scored = tmp_path / "scores.csv"
    with pytest.raises(SystemExit):
        main([*map(str, ("score", lab.images, "-m", lab.run, "--base", lab.base, "-o", scored))])
    rows = {Path(r["image"]).name: float(r["mine"]) for r in csv.DictReader(scored.open())}
    said = {p["image"]: p["prediction"][0] for p in record["predictions"]}
    assert said == rows
    targets = [p["target"][0] for p in record["predictions"]]
    (srcc,) = [f for f in record["figures"] if f["measure"] == "SRCC"]
    assert srcc["value"] == pytest.approx(stats.srcc(list(said.values()), targets))


def test_classes_have_a_confusion_matrix(capsys: pytest.CaptureFixture[str], lab: Lab) -> None:
    code, out, _ = run(capsys, lab, lab.shade, "--data", lab.labels)
    assert code == 0
    assert "macro F1" in out
    assert "true \\ predicted  dark  light" in out
    code, out, _ = run(capsys, lab, lab.shade, "--data", lab.labels, "--format", "csv")
    measures = [row["measure"] for row in csv.DictReader(io.StringIO(out))]
    assert measures == ["accuracy", "mAP", "macro F1", "weighted F1"]


def test_an_unreadable_image_is_named_and_the_exit_code_is_one(
    capsys: pytest.CaptureFixture[str], lab: Lab, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(lab.images, images)
    (images / "04.png").write_bytes(b"no image")
    code, out, err = run(capsys, lab, lab.run, "--data", images / "ratings.csv")
    assert code == 1
    assert f"error: {images / '04.png'}: " in err
    assert "1 of 12 images could not be judged" in err
    assert "11 images; 1 could not be judged" in out


def test_where_nothing_can_be_judged_nothing_is_written(
    capsys: pytest.CaptureFixture[str], lab: Lab, tmp_path: Path
) -> None:
    for name in lab.names:
        (tmp_path / name).write_bytes(b"no image")
    out = tmp_path / "figures.csv"
    code, _, err = run(capsys, lab, lab.run, "--data", lab.data, "--images", tmp_path, "-o", out)
    assert code == 2
    assert "0 of 12 images of ratings.csv could be judged" in err
    assert not out.exists()


def test_a_split_says_which_images(
    capsys: pytest.CaptureFixture[str], lab: Lab, tmp_path: Path
) -> None:
    n = lab.names
    split = Split("shades", "fold-1", tuple(n[:4]), tuple(n[4:7]), tuple(n[7:]))
    file = split.save(tmp_path / "split.json")
    arguments = (lab.run, "--data", lab.data, "--split", file, "--format", "json")
    _, out, _ = run(capsys, lab, *arguments)
    record = json.loads(out)
    assert [p["image"] for p in record["predictions"]] == n[7:]
    assert record["data"] == "ratings.csv, test images of fold-1"
    _, out, _ = run(capsys, lab, *arguments, "--part", "validation")
    assert [p["image"] for p in json.loads(out)["predictions"]] == n[4:7]


def test_a_published_dataset_of_another_kind_is_refused(
    capsys: pytest.CaptureFixture[str], lab: Lab, shared_data: Path
) -> None:
    code, _, err = run(capsys, lab, lab.shade, "--dataset", "oasis", shared_data / "oasis")
    assert code == 2
    assert "the data has ratings, the metric gives classes (dark, light)" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --data FILE or --dataset NAME ROOT"),
        (("--dataset", "oasis", ".", "--image-column", "x"), "--image-column is about --data"),
        (("--dataset", "oasys", "."), "did you mean"),
        (("--data", "DATA", "-o", "nowhere/figures.csv"), "there is no folder nowhere"),
        (("--data", "DATA", "-o", "figures.xls"), "the suffix '.xls' does not say"),
        (("--data", "DATA", "--dataset-head", "livec"), "livec"),
    ],
)
def test_wrong_usage_is_one_helpful_line(
    capsys: pytest.CaptureFixture[str], lab: Lab, arguments: tuple[str, ...], said: str
) -> None:
    given = [str(lab.data) if a == "DATA" else a for a in arguments]
    code, out, err = run(capsys, lab, lab.run, *given)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
