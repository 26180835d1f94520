"""``perceptmetrics evaluate``: rated images in, figures with intervals out."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
import tiny
import tiny_plugin

from perceptmetrics import statistics as stats
from perceptmetrics.cli.main import main
from perceptmetrics.data.split import Split
from perceptmetrics.evaluation.error_record import from_record


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
    assert f"warning: {lab.run} was trained on most of these images" in err
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


def with_columns(lab: Lab, folder: Path) -> Path:
    """The ratings, with a kind for each image and the error of its rating."""
    rows = lab.data.read_text().splitlines()
    file = folder / "columns.csv"
    lines = [f"{rows[0]},kind,brightness_se"]
    lines += [f"{row},{'even' if k % 2 else 'odd'},0.01" for k, row in enumerate(rows[1:])]
    file.write_text("\n".join(lines) + "\n")
    return file


def test_errors_are_told_where_they_are_asked_for(
    capsys: pytest.CaptureFixture[str], lab: Lab, tmp_path: Path
) -> None:
    data = with_columns(lab, tmp_path)
    arguments = (lab.run, "--data", data, "--images", lab.images, "--errors", "--by", "kind")
    code, out, _ = run(capsys, lab, *arguments, "--split-half", "0.778", "--top", "2")
    assert code == 0
    assert "brightness: most overrated" in out
    assert "Calibration: rating = slope * score + intercept" in out
    assert "brightness by kind" in out
    assert "6 images, fewer than 8" in out
    assert "split-half Spearman 0.778" in out
    assert "brightness_se of each image" in out
    code, out, _ = run(capsys, lab, *arguments, "--format", "markdown")
    assert code == 0
    assert "| kind | images | SRCC | bias | MAE | note |" in out


def test_another_metric_is_compared_on_the_same_images(
    capsys: pytest.CaptureFixture[str], lab: Lab, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(lab.run, other)
    out = tmp_path / "figures.json"
    arguments = (lab.run, "--data", lab.data, "--against", other, "-o", out)
    code, _, err = run(capsys, lab, *arguments)
    assert code == 0
    assert f"{other} was trained on most of these images" in err
    analysis = from_record(json.loads(out.read_text())["errors"])
    assert analysis.ratings == ()  # --errors was not asked for
    assert {one.difference for one in analysis.comparisons} == {0.0}
    assert {(one.first, one.second) for one in analysis.comparisons} == {(str(lab.run), str(other))}


def test_classes_have_errors_too(capsys: pytest.CaptureFixture[str], lab: Lab) -> None:
    code, out, _ = run(capsys, lab, lab.shade, "--data", lab.labels, "--errors")
    assert code == 0
    assert "all classes: each class against the rest" in out
    assert "Expected calibration error" in out


def test_an_image_that_two_metrics_cannot_read_is_named_once(
    capsys: pytest.CaptureFixture[str], lab: Lab, tmp_path: Path
) -> None:
    images, other = tmp_path / "images", tmp_path / "other"
    shutil.copytree(lab.images, images)
    shutil.copytree(lab.run, other)
    (images / "04.png").write_bytes(b"no image")
    arguments = (lab.run, "--data", images / "ratings.csv", "--against", other)
    code, out, err = run(capsys, lab, *arguments)
    assert code == 1
    assert err.count("04.png") == 1
    assert "On 11 images." in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --data FILE or --dataset NAME ROOT"),
        (("--dataset", "oasis", ".", "--image-column", "x"), "--image-column is about --data"),
        (("--dataset", "oasys", "."), "did you mean"),
        (("--data", "DATA", "-o", "nowhere/figures.csv"), "there is no folder nowhere"),
        (("--data", "DATA", "-o", "figures.xls"), "the suffix '.xls' does not say"),
        (("--data", "DATA", "--dataset-head", "livec"), "livec"),
        (("--data", "DATA", "--by", "kind"), "no column 'kind' beside its ratings; it has none"),
        (("--data", "DATA", "--errors", "-o", "figures.csv"), "CSV holds the figures only"),
        (("--data", "DATA", "--against", "no-such-run"), "There is no file or folder of that"),
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


def test_a_page_shows_the_errors_with_their_photographs_and_needs_nothing_beside_it(
    capsys: pytest.CaptureFixture[str], lab: Lab, tmp_path: Path
) -> None:
    out = tmp_path / "errors.html"
    code, shown, _ = run(capsys, lab, lab.run, "--data", lab.data, "-o", out)
    assert (code, shown) == (0, "")
    text = out.read_text()
    for words in ("Brightness: SRCC", "overrated most", "adapter sha256", "Where it errs"):
        assert words in text
    assert text.count('src="data:image/jpeg;base64,') > 2
    assert not re.search(r'https?://|url\((?!#)|src="(?!data:)', text)
    code, text, _ = run(capsys, lab, lab.shade, "--data", lab.labels, "--format", "html")
    assert code == 0
    assert "which class was taken for which" in text


@pytest.mark.parametrize("form", ["text", "markdown", "json", "html"])
def test_every_report_says_what_the_metric_was_trained_on(
    lab: Lab, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    code, out, _ = run(capsys, lab, lab.run, "--data", lab.data, "--format", form)
    assert code == 0
    assert "images of your own" in out  # what the card of such a run says
    assert form == "json" or "figures flatter" in out
