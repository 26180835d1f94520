"""``perceptmetrics explain``: photographs in; pictures, tables and JSON out."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import tiny_plugin
from PIL import Image
from small_disk import small_disk

import perceptmetrics as pm
from perceptmetrics.cli.explain_images import photographs
from perceptmetrics.cli.main import main
from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.explanation.naming import stems
from perceptmetrics.explanation.report import shift_sheet
from perceptmetrics.explanation.writing import write_json, write_picture
from perceptmetrics.weights.base import keep_base
from perceptmetrics.weights.files import load_tensors


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
        self.strategies = {}
        for strategy in ("full", "frozen"):
            self.strategies[strategy] = folder / strategy
            arguments = tiny_plugin.train_arguments(self.base, data, folder / strategy, epochs=1)
            with pytest.MonkeyPatch.context() as patch:
                tiny_plugin.plug_in(self.plugin, patch)
                with pytest.raises(SystemExit) as ended:
                    main([*arguments, "--strategy", strategy, "--no-feature-cache"])
            assert ended.value.code == 0


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
    arguments = (lab.images / "03.png", "-o", tmp_path, "--compare", "--quality-map", "--top", 1)
    code, _, err = run(capsys, lab, *arguments)
    assert code == 0
    assert "one image does not say which explanation is faithful" in err
    assert not (tmp_path / "comparison.json").exists()
    assert (tmp_path / "03.quality.png").exists()
    played = json.loads((tmp_path / "03.json").read_text())["faithfulness"]
    assert set(played) == EXPLANATIONS


EXPLANATIONS = {
    *("attention of the top head", "attention rollout", "gradient x attention", "occlusion"),
    *("integrated gradients", "random"),
}


def test_several_images_say_which_explanation_is_the_more_faithful(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("captum", reason="captum is not installed (extra explain)")
    images = [lab.images / f"{k:02}.png" for k in (1, 9)]
    code, said, _ = run(capsys, lab, *images, "-o", tmp_path, "--compare", "--top", 1)
    assert code == 0
    told = json.loads((tmp_path / "comparison.json").read_text())
    assert told["images"] == 2
    assert {row["explanation"] for row in told["explanations"]} == EXPLANATIONS
    assert said.splitlines()[-1] == told["told"]
    assert " is the most faithful on 2 images, " in told["told"]
    each = [json.loads((tmp_path / f"{i.stem}.json").read_text())["faithfulness"] for i in images]
    for row in told["explanations"]:
        gaps = [one[row["explanation"]]["gap"] for one in each]
        assert row["gap"]["value"] == pytest.approx(sum(gaps) / 2)
        assert row["gap"]["low"] <= row["gap"]["value"] <= row["gap"]["high"]
    with (tmp_path / "comparison.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5", ""]
    assert [row["explanation"] for row in rows] == [r["explanation"] for r in told["explanations"]]
    best = [float(row["gap"]) for row in rows[:5]]
    assert best == sorted(best, reverse=True)


@pytest.mark.parametrize("strategy", ["full", "frozen"])
def test_every_strategy_is_explained_and_a_frozen_encoder_says_that_it_was_not_trained(
    strategy: str, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single, ranked = tmp_path / "why", tmp_path / "heads"
    metric = lab.strategies[strategy]
    arguments = (lab.images / "03.png", "-o", single, "--top", 1)
    code, _, err = run(capsys, lab, *arguments, metric=metric)
    assert (code, err) == (0, "")
    frozen = strategy == "frozen"
    assert json.loads((single / "03.json").read_text())["strategy"] == strategy
    assert (single / "03.shift.png").exists() != frozen
    images = [lab.images / f"{k:02}.png" for k in (1, 9)]
    again = (*images, "--heads", "-o", ranked, "--top", 1)
    code, _, err = run(capsys, lab, *again, metric=metric)
    assert (code, err) == (0, "")
    # One map a row instead of three: there is nothing to compare.
    widths = [Image.open(path).width for path in (single / "03.heads.png", ranked / "shift.png")]
    assert widths[0] == widths[1]
    assert (widths[0] < 1000) == frozen


def test_a_run_folder_may_stand_for_its_metric_in_python(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERCEPTMETRICS_HOME", str(tmp_path))
    monkeypatch.setenv("PERCEPTMETRICS_OFFLINE", "1")
    keep_base(tiny_plugin.BACKBONE, "mine", load_tensors(lab.base), {})
    named = pm.explain(lab.run, lab.images / "03.png")
    loaded = pm.explain(pm.create_metric(lab.run, base=lab.base), str(lab.images / "03.png"))
    assert named.metric == loaded.metric
    np.testing.assert_allclose(named.changes, loaded.changes, atol=1e-6)
    assert named.pretrained is not None


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
    written = {path.name: path.read_bytes() for path in out.glob("[!.]*")}
    (out / "effects.jsonl").write_bytes(record[:-30])
    code, again, err = run(capsys, lab, lab.images, "--heads", "-o", out, "--top", 2)
    assert (code, again) == (0, said)
    assert "11 of 12 images were measured by an earlier run" in err
    assert {path.name: path.read_bytes() for path in out.glob("[!.]*")} == written


def test_photographs_that_left_take_only_their_sheet_with_them(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step reads photographs and the pretrained encoder once more."""

    def gone(path: str) -> None:
        raise ImageError(path, "there is no such file")

    monkeypatch.setattr("perceptmetrics.explanation.ranking_files.load_image", gone)
    images = [lab.images / f"{k:02}.png" for k in (1, 9)]
    code, _, err = run(capsys, lab, *images, "--heads", "-o", tmp_path)
    assert code == 2
    assert "there is no such file" in err
    left = {path.name for path in tmp_path.glob("[!.]*")}
    assert left == {"effects.jsonl", "heads.csv", "heads.json", "heads.png"}


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


@pytest.mark.parametrize("out", [".", "photos"])
def test_photographs_beside_or_above_the_output_are_explained(
    out: str,
    lab: Lab,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second call meets the pictures of the first and leaves them out."""
    (tmp_path / "photos").mkdir()
    for source, target in (("01", "photos/a"), ("09", "other")):
        shutil.copy(lab.images / f"{source}.png", tmp_path / f"{target}.png")
    monkeypatch.chdir(tmp_path)
    named = ("photos", "other.png", "-o", out, "--top", 1)
    code, said, err = run(capsys, lab, *named)
    assert (code, err) == (0, "")
    assert [line.split(":")[0] for line in said.splitlines()] == ["photos/a.png", "other.png"]
    code, _, err = run(capsys, lab, *named, "--heads")
    left_out = "6 pictures that an earlier call wrote are left out\n"
    assert (code, err) == (0, left_out if out == "photos" else "")
    assert json.loads((tmp_path / out / "heads.json").read_text())["images"] == 2


def test_pictures_in_any_other_output_folder_are_no_photographs(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("01", "09"):
        shutil.copy(lab.images / f"{name}.png", photos)
    shutil.copy(lab.images / "05.png", photos / "05.heads.png")  # a photograph: no JSON beside it
    assert run(capsys, lab, photos / "01.png", "-o", photos / "why", "--top", 1)[0] == 0
    assert run(capsys, lab, photos, "--heads", "-o", photos / "first")[0] == 0
    code, _, err = run(capsys, lab, photos, "--heads", "-o", photos / "second")
    assert code == 0
    assert "5 pictures that an earlier call wrote are left out" in err
    assert json.loads((photos / "second" / "heads.json").read_text())["images"] == 3
    code, _, err = run(capsys, lab, photos / "first", "-o", photos / "third")
    assert code == 2
    assert err.startswith("error: all 2 images are pictures that 'perceptmetrics explain' wrote")
    assert not (photos / "third").exists()
    # One that is named itself is meant.
    picture = photos / "first" / "shift.png"
    assert photographs([str(picture)]) == [str(picture)]


def test_an_image_that_is_given_twice_counts_once(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.images)
    (tmp_path / "link.png").symlink_to(lab.images / "03.png")
    images = ("03.png", "./03.png", lab.images / "03.png", tmp_path / "link.png")
    pytest.importorskip("captum", reason="captum is not installed (extra explain)")
    code, said, err = run(capsys, lab, *images, "-o", tmp_path / "why", "--compare", "--top", 1)
    assert code == 0
    assert said.count("\n") == 1
    assert "one image does not say which explanation is faithful" in err


@pytest.mark.parametrize(
    ("precious", "arguments"),
    [
        ("03.json", ("03.png",)),
        ("03.heads.png", ("03.png",)),
        ("heads.csv", ("03.png", "05.png", "--heads")),
        ("shift.png", ("03.png", "05.png", "--heads")),
        ("comparison.csv", ("03.png", "05.png", "--compare")),
    ],
)
def test_a_file_of_the_users_is_never_overwritten(
    precious: str,
    arguments: tuple[str, ...],
    lab: Lab,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("03.png", "05.png"):
        shutil.copy(lab.images / name, tmp_path)
    (tmp_path / precious).write_text('{"camera": "mine"}')
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    # Before a metric is loaded: there is none of that name.
    code, said, err = run(capsys, lab, *arguments, "-o", ".", metric=Path("none"))
    assert (code, said) == (2, "")
    assert err == (
        f"error: {precious} would be overwritten, and 'perceptmetrics explain' did not write it; "
        "name another output folder\n"
    )
    assert (tmp_path / precious).read_text() == '{"camera": "mine"}'
    assert {path.name for path in tmp_path.iterdir()} == before


def test_photographs_called_like_files_of_ours_keep_their_own(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("captum", reason="captum is not installed (extra explain)")
    shutil.copy(lab.images / "03.png", tmp_path / "comparison.png")
    shutil.copy(lab.images / "05.png", tmp_path / "heads.png")
    out = tmp_path / "why"
    assert run(capsys, lab, tmp_path, "-o", out, "--compare", "--top", 1)[0] == 0
    found = {path.name: json.loads(path.read_text()) for path in out.glob("*.json")}
    assert set(found) == {"comparison.json", "comparison-2.json", "heads-2.json"}
    assert found["comparison.json"]["images"] == 2
    assert found["comparison-2.json"]["image"] == str(tmp_path / "comparison.png")


def test_names_that_differ_by_case_alone_are_one() -> None:
    """As on the disks of Windows and macOS."""
    names = stems(["a/X.png", "b/x.png", "x-2.png", "c/x.jpg", "Comparison.png", "a/X.png"])
    assert list(names.values()) == ["X", "x-3", "x-2", "x-4", "Comparison-2"]


@pytest.mark.parametrize("extra", [(), ("--heads",)])
def test_progress_is_shown_within_an_image(
    extra: tuple[str, ...], lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = lab.images / "03.png"
    arguments = (image, "-o", tmp_path, "--top", 1, *extra)
    code, _, err = run(capsys, lab, *arguments, "--progress")
    assert code == 0
    for layer in (1, 2):
        assert f"heads: {layer} of 2 layers, cut 1 of 1" in err
    assert "1/1" in err
    assert run(capsys, lab, *arguments, "--no-progress")[2].count("layers, cut") == 0


def test_the_sheet_of_a_ranking_shows_heads_where_they_do_most(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[tuple[int, int], list[str]] = {}

    def seen_sheet(
        why: pm.Explanation,
        pixels: Sequence[npt.NDArray[np.uint8]],
        chosen: Sequence[tuple[tuple[int, int], Sequence[int]]],
        *,
        title: str,
    ) -> Image.Image:
        for place, images in chosen:
            seen[place] = [why.names[image] for image in images]
            for image in images:  # the photograph that the row says it is
                shown = Image.open(why.names[image]).convert("RGB")
                np.testing.assert_array_equal(pixels[image], np.asarray(shown))
        return shift_sheet(why, pixels, chosen, title=title)

    monkeypatch.setattr("perceptmetrics.explanation.ranking_files.shift_sheet", seen_sheet)
    images = [lab.images / f"{k:02}.png" for k in (1, 4, 7, 9, 11)]
    assert run(capsys, lab, *images, "--heads", "-o", tmp_path, "--top", 2)[0] == 0
    lines = (tmp_path / "effects.jsonl").read_text().splitlines()[1:]
    entries = [json.loads(line) for line in lines]
    changes = np.array([one["masked"] for one in entries])[..., 0]
    changes -= np.array([one["baseline"] for one in entries])[:, None]
    leading = json.loads((tmp_path / "heads.json").read_text())["heads"][:2]
    assert list(seen) == [(head["layer"], head["head"]) for head in leading]
    for (layer, head), names in seen.items():
        names_of = [one["image"] for one in entries]
        sizes = dict(zip(names_of, np.abs(changes[:, layer, head]), strict=True))
        assert names == sorted(sizes, key=lambda name: -sizes[name])[:2]


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


@pytest.mark.parametrize("extra", [(), ("--heads",), ("--score", "brightnes")])
def test_total_failure_leaves_no_folder_behind(
    extra: tuple[str, ...], lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    assert run(capsys, lab, *extra, bad, "-o", tmp_path / "a" / "b")[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["bad.png"]
    mine = tmp_path / "mine"
    mine.mkdir()
    assert run(capsys, lab, *extra, bad, "-o", mine)[0] == 2
    assert list(mine.iterdir()) == []


def test_a_full_disk_and_a_wrong_place_are_told_apart(tmp_path: Path) -> None:
    picture = Image.new("RGB", (300, 300))
    with pytest.raises(OptionError, match=r"no/a\.png: No such file .*; name another place"):
        write_picture(picture, tmp_path / "no" / "a.png")
    with pytest.raises(OptionError, match="Is a directory; name another place"):
        write_json({}, tmp_path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "a.json"
    write_json({"a": 1}, place)
    before = place.read_bytes()
    with small_disk(100), pytest.raises(OptionError, match=r"a\.json: .*; make room"):
        write_json({"a": "much" * 100}, place)
    assert place.read_bytes() == before
    picture = Image.fromarray(tiny.photograph(90, 90))
    with small_disk(100), pytest.raises(OptionError, match=r"b\.png: .*; make room"):
        write_picture(picture, tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_written_to_is_noticed_before_the_work(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """/proc is a folder in which nobody makes files, whoever he is."""
    if not Path("/proc/self").exists():
        pytest.skip("this system has no /proc")
    code, _, err = run(capsys, lab, lab.images / "03.png", "-o", "/proc", metric=Path("none"))
    assert code == 2
    assert err.startswith("error: cannot write to the folder /proc: ")
    assert err.count("\n") == 1


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
        ((image, "-o", tmp_path, "--heads", "--quality-map"), "--quality-map is about single"),
        ((tmp_path / "*.nothing", "-o", tmp_path), "matches no file"),
    ):
        code, out, err = run(capsys, lab, *arguments)
        assert code == 2
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert expected in err


def test_classes_have_no_quality_map_and_that_is_said_before_the_work(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (lab.images / "03.png", "-o", tmp_path / "why", "--quality-map")
    code, said, err = run(capsys, lab, *arguments, metric=lab.shade)
    assert (code, said) == (2, "")
    assert "tells classes (dark, light); a quality map needs a metric that gives scores" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "option"), [("matplotlib", ()), ("captum", ("--compare",)), ("scipy", ("--heads",))]
)
def test_a_missing_package_is_said_before_the_work(
    package: str,
    option: tuple[str, ...],
    lab: Lab,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    arguments = (lab.images / "03.png", "-o", tmp_path / "why", *option)
    code, said, err = run(capsys, lab, *arguments, metric=Path("none"))
    assert (code, said) == (2, "")
    assert f"{package}: pip install 'perceptmetrics[explain]'" in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
