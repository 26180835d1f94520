"""An exported metric gives the scores of the metric, and says how to use it."""

from __future__ import annotations

import errno
import importlib.machinery
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import torch
from PIL import Image
from small_disk import small_disk

import perceptmetrics as pm
from perceptmetrics import destination
from perceptmetrics.cli.main import main
from perceptmetrics.export import description
from perceptmetrics.images import load_image
from perceptmetrics.views import RandomCrops, view_from_dict

onnxruntime = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="the package onnxscript is not installed (extra export)")

CROPS = RandomCrops(48, 64, 5)  # of another size than the base was trained at
IMAGES = [tiny.photograph(h, w, h) for h, w in ((40, 60), (64, 32), (33, 33))]


def metric(kind: str) -> pm.Metric:
    if kind == "classes":
        return tiny.metric(("joy", "fear", "anger"), "classification")
    return tiny.metric(("valence", "arousal"), view=CROPS, seed=4)


def scores_of(path: Path, images: list[Any]) -> npt.NDArray[np.float32]:
    """As a user would without us but for cutting: everything is taken from the file."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    told = json.loads(session.get_modelmeta().custom_metadata_map["perceptmetrics"])
    seen = told["preprocessing"]
    view = view_from_dict(seen["view"])
    rows = []
    for image in images:
        cuts = view.cut(load_image(image), np.random.default_rng(seen["seed"]))
        assert len(cuts) == seen["crops"]
        batch = np.ascontiguousarray(cuts.transpose(0, 3, 1, 2))
        (scores,) = session.run(None, {told["input"]["name"]: batch})
        rows.append(scores.mean(0))
    return np.stack(rows)


@pytest.mark.parametrize("kind", ["crops", "classes"])
def test_onnxruntime_gives_the_scores_of_torch_from_what_the_file_tells(
    kind: str, tmp_path: Path
) -> None:
    ours = metric(kind)
    places, before = [p.data_ptr() for p in ours.parameters()], ours(IMAGES)
    path = pm.export_onnx(ours, tmp_path / "metric.onnx")
    assert [p.data_ptr() for p in ours.parameters()] == places  # the metric is left as it was
    assert torch.equal(ours(IMAGES), before)
    assert [file.name for file in tmp_path.iterdir()] == ["metric.onnx"]
    np.testing.assert_allclose(scores_of(path, IMAGES), ours(IMAGES), rtol=0, atol=1e-5)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (cuts,), (scores,) = session.get_inputs(), session.get_outputs()
    size = 48 if kind == "crops" else 32
    assert (cuts.type, cuts.shape[1:]) == ("tensor(uint8)", [3, size, size])
    assert isinstance(cuts.shape[0], str)  # any number of cuts
    assert scores.shape[1] == len(ours.labels)
    told = json.loads(session.get_modelmeta().custom_metadata_map["perceptmetrics"])
    assert told == json.loads(json.dumps(description(ours)))


def test_the_description_holds_what_a_score_needs() -> None:
    told = description(metric("crops"))
    assert told["input"]["shape"] == ["N", 3, 48, 48]
    assert told["preprocessing"]["view"] == CROPS.to_dict()
    assert (told["preprocessing"]["crops"], told["preprocessing"]["seed"]) == (5, 4)
    assert told["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert told["output"]["names"] == ["valence", "arousal"]
    assert told["base_sha256"] == tiny.base().sha256
    assert pm.MetricCard.from_dict(told["card"]).name == "tiny"


def test_what_cannot_be_exported_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, there = metric("classes"), tmp_path / "m.onnx"
    with pytest.raises(pm.OptionError, match=r"ends in \.onnx"):
        pm.export_onnx(ours, tmp_path / "m.pt")
    with pytest.raises(pm.OptionError, match="there is no folder"):
        pm.export_onnx(ours, tmp_path / "no" / "m.onnx")
    with pytest.raises(pm.OptionError, match="is exported from float32"):
        pm.export_onnx(metric("classes").bfloat16(), there)
    with pytest.raises(pm.OptionError, match="cannot export a Linear; give one metric"):
        pm.export_onnx(torch.nn.Linear(2, 2), there)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        patch.setattr("perceptmetrics.export.LARGEST", 1000)
        with pytest.raises(pm.OptionError, match="GiB of weights"):
            pm.export_onnx(ours, there)

    class Strange(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if float(x.sum()) > 0 else -x  # depends on the numbers: no graph holds it

    ours.model.head().layers = Strange()
    with pytest.raises(pm.OptionError, match="tiny cannot be exported") as caught:
        pm.export_onnx(ours, there)
    assert "\n" not in str(caught.value)
    assert not there.exists()


def packages_of(extra: str, page: str) -> set[str]:
    """What an extra brings, by the text of pyproject.toml (tomllib is of Python 3.11)."""
    block = re.search(rf"^{extra} = \[\n(.*?)^\]", page, re.DOTALL | re.MULTILINE)
    assert block is not None, extra
    found: set[str] = set()
    for name, inner in re.findall(r'"([a-z_-]+)(?:\[(\w+)\])?', block[1]):
        found |= packages_of(inner, page) if name == "perceptmetrics" else {name}
    return found


@pytest.mark.parametrize(
    ("missing", "suffix", "extra"),
    [
        ("onnxscript", ".onnx", "export"),
        ("onnxscript", ".xml", "openvino"),
        ("openvino", ".xml", "openvino"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_all_that_is_needed(
    missing: str,
    suffix: str,
    extra: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = importlib.machinery.ModuleSpec("there", None)
    monkeypatch.setattr(destination, "find_spec", lambda name: None if name == missing else there)
    export = pm.export_onnx if suffix == ".onnx" else pm.export_openvino
    with pytest.raises(pm.OptionError) as caught:
        export(metric("classes"), tmp_path / f"m{suffix}")
    assert str(caught.value) == (
        f"this export needs the package {missing}: run pip install 'perceptmetrics[{extra}]'"
    )
    needed = set(destination.NEEDS[suffix][1])
    assert needed <= packages_of(extra, (root / "pyproject.toml").read_text())
    assert list(tmp_path.iterdir()) == []


def test_a_file_name_may_be_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
    name = "m" * (longest - len(".onnx")) + ".onnx"
    assert pm.export_onnx(metric("classes"), tmp_path / name).is_file()
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with pytest.raises(pm.OptionError, match=r"cannot write .*: .*; name another place") as caught:
        pm.export_onnx(metric("classes"), tmp_path / f"m{name}")
    assert "\n" not in str(caught.value)


def test_a_clean_up_that_fails_does_not_hide_why_nothing_was_written(tmp_path: Path) -> None:
    def spoiled() -> None:
        with destination.replacing(tmp_path / "m.onnx") as temporary:
            shutil.rmtree(temporary.parent)
            temporary.parent.write_text("a file, which is no folder to take away")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(pm.OptionError, match=r"m\.onnx: No space left on device; name another"):
        spoiled()


def no_work_before_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def worked(*_: object) -> None:
        pytest.fail("the graph was made before the place was looked at")

    monkeypatch.setattr("perceptmetrics.export._onnx_program", worked)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_a_place_that_cannot_be_written_is_refused_in_a_line_of_ours(
    suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In /proc no file can be made, not even by root."""
    pytest.importorskip("openvino", reason="openvino is not installed")
    no_work_before_the_check(monkeypatch)
    export = pm.export_onnx if suffix == ".onnx" else pm.export_openvino
    expected = rf"^cannot write /proc/m\{suffix}: No such file or directory; name another place$"
    with pytest.raises(pm.OptionError, match=expected):
        export(metric("classes"), f"/proc/m{suffix}")


@pytest.mark.parametrize(
    ("folder", "name"), [("m.onnx", "m.onnx"), ("m.xml", "m.xml"), ("m.bin", "m.xml")]
)
def test_a_folder_in_the_way_is_refused_in_a_line_of_ours(
    folder: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    no_work_before_the_check(monkeypatch)
    (tmp_path / folder).mkdir()
    export = pm.export_onnx if name == "m.onnx" else pm.export_openvino
    expected = f"cannot write {tmp_path / name}: {tmp_path / folder} is a folder; move it or"
    with pytest.raises(pm.OptionError, match=f"^{re.escape(expected)} name another place$"):
        export(metric("classes"), tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("name", ["m.onnx", "m.xml"])
def test_a_full_disk_leaves_the_old_files_whole(name: str, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    export = pm.export_onnx if name == "m.onnx" else pm.export_openvino
    before = {file: b"old " + file.encode() for file in {name, name.replace("xml", "bin")}}
    for file, content in before.items():
        (tmp_path / file).write_bytes(content)
    with (
        small_disk(20_000),
        pytest.raises(pm.OptionError, match=r"cannot write .*; name another place"),
    ):
        export(metric("crops"), tmp_path / name)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("failing", [RuntimeError, KeyboardInterrupt])
def test_openvinos_pair_is_replaced_only_when_both_are_whole(
    failing: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    path = tmp_path / "m.xml"
    before = {"m.xml": b"old graph", "m.bin": b"old weights"}
    for file, content in before.items():
        (tmp_path / file).write_bytes(content)

    def stopped(model: Any, path: Path, **options: Any) -> None:
        Path(path).with_suffix(".bin").write_bytes(b"half")
        raise failing("Check 'bin_file' failed at src/core/src/pass/serialize.cpp:112:\nCan't")

    monkeypatch.setattr(openvino, "save_model", stopped)
    with pytest.raises((pm.OptionError, KeyboardInterrupt)) as caught:
        pm.export_openvino(metric("crops"), path)
    if failing is RuntimeError:
        assert str(caught.value) == (
            f"cannot write {path}: OpenVINO could not save its files, as on a full disk; make room "
            "or name another place"
        )
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_openvino_gives_the_scores_of_torch(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    ours = metric("crops")
    for old in ("metric.xml", "metric.bin"):  # replaced
        (tmp_path / old).write_bytes(b"old")
    path = pm.export_openvino(ours, tmp_path / "metric.xml")
    assert {file.name for file in tmp_path.iterdir()} == {"metric.xml", "metric.bin"}
    model = openvino.Core().read_model(path)
    told = json.loads(model.get_rt_info(["perceptmetrics"]).astype(str))
    assert told == json.loads(json.dumps(description(ours)))
    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # else it may choose bfloat16
    compiled = openvino.Core().compile_model(model, "CPU", exact)
    view = view_from_dict(told["preprocessing"]["view"])
    for image, expected in zip(IMAGES, ours(IMAGES), strict=True):
        cuts = view.cut(image, np.random.default_rng(told["preprocessing"]["seed"]))
        scores = compiled(np.ascontiguousarray(cuts.transpose(0, 3, 1, 2)))[0].mean(0)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)


def test_torch_export_takes_a_metrics_model_with_any_batch() -> None:
    model = metric("crops").model
    cuts = torch.randint(0, 256, (5, 3, 48, 48), dtype=torch.uint8)
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (cuts[:2],), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(cuts), model(cuts), rtol=0, atol=1e-5)


def test_torch_compile_takes_a_metrics_encoder() -> None:
    """By aot_eager, which traces forward and backward as inductor does and needs no compiler."""
    ours, compiled = metric("classes"), metric("classes")
    compiled.model.encoder.compile(backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(IMAGES), ours(IMAGES), rtol=0, atol=1e-5)


def test_the_command_refuses_before_it_loads_anything(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "perceptmetrics", "export", "iqa", "-o", "iqa.pt"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: iqa.pt: expected .onnx, or .xml for OpenVINO\n"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("no/iqa.onnx", "cannot write no/iqa.onnx: there is no folder no; make it or"),
        ("there/iqa.xml", "cannot write there/iqa.xml: there/iqa.bin is a folder; move it or"),
    ],
)
def test_the_command_looks_at_the_place_before_torch_and_a_base_are_loaded(
    output: str, expected: str, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "there" / "iqa.bin").mkdir(parents=True)
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", "-m", "perceptmetrics"),
            *("export", "iqa", "-o", output),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "PERCEPTMETRICS_HOME": str(tmp_path / "none"),
            "PERCEPTMETRICS_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"error: {expected} name another place"
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "perceptmetrics" in loaded
    assert loaded & {"torch", "numpy", "onnxscript", "openvino"} == set()


def test_the_command_asks_for_a_missing_package_before_a_base_is_loaded(
    offline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(destination, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as caught:
        main(["export", "iqa", "-o", str(tmp_path / "iqa.onnx")])
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "error: this export needs the package onnxscript: "
        "run pip install 'perceptmetrics[export]'\n"
    )


def test_the_command_says_the_size_of_all_that_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    monkeypatch.setattr("perceptmetrics.create.create_metric", lambda *_, **__: metric("classes"))
    with pytest.raises(SystemExit) as caught:
        main(["export", "tiny", "-o", str(tmp_path / "m.xml")])
    assert caught.value.code == 0
    size = sum((tmp_path / name).stat().st_size for name in ("m.xml", "m.bin")) / 1e6
    assert f"m.xml: tiny, {size:.1f} MB" in capsys.readouterr().out


def test_the_page_holds_what_was_measured(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import readme_tables

    page = root / "docs" / "export.md"
    assert page in readme_tables.PAGES
    measured = json.loads((root / "benchmarks" / "results" / "export.json").read_text())
    assert set(measured) == set(readme_tables.NAMES)  # every embedded metric
    text = page.read_text()
    assert all(f"| `{name}` |" in text for name in measured)
    assert text == readme_tables.with_tables(text)


def test_the_program_of_the_table_measures_the_files(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import export_table

    paths = [tmp_path / f"{index}.png" for index in range(len(IMAGES))]
    for path, image in zip(paths, IMAGES, strict=True):
        Image.fromarray(image).save(path)
    # Another metric's ONNX file: its scores must not pass for those of this one.
    other = metric("crops")
    for parameter in other.model.head().parameters():
        parameter.data += 0.25
    exported = pm.export_onnx(other, tmp_path / "other.onnx")
    monkeypatch.setattr(pm, "export_onnx", lambda *_: exported)
    found = export_table.measure(metric("crops"), paths)
    assert (found["images"], found["cuts of an image"]) == (3, 5)
    assert found["onnxruntime, bytes"] == exported.stat().st_size
    for away in found["outputs"].values():
        assert away["onnxruntime"]["largest difference"] > 0.01
        assert away["openvino"]["largest difference"] < 1e-5


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, clip_base: Path) -> Path:
    """The embedded metric ``memorability``; it takes ten seconds."""
    path = tmp_path_factory.mktemp("export") / "memorability.onnx"
    return pm.export_onnx(pm.create_metric("memorability"), path)


@pytest.mark.weights
def test_real_photographs_score_alike(sample_photos: tuple[Path, Path], exported: Path) -> None:
    photos = list(sample_photos)
    ours = pm.create_metric("memorability")(photos).reshape(2, -1)
    np.testing.assert_allclose(scores_of(exported, photos), ours, rtol=0, atol=1e-5)


@pytest.mark.weights
def test_the_programs_of_the_page_give_the_score(
    root: Path,
    sample_photos: tuple[Path, Path],
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (root / "docs" / "export.md").read_text()
    blocks = [block.split("```")[0] for block in page.split("```python\n")[1:]]
    programs = [block for block in blocks if "photo.jpg" in block]
    assert len(programs) == 2
    (tmp_path / "photo.jpg").write_bytes(sample_photos[0].read_bytes())
    expected = pm.create_metric("memorability")(sample_photos[0])
    monkeypatch.chdir(exported.parent)
    for program in programs:
        names: dict[str, Any] = {}
        exec(program.replace("photo.jpg", str(tmp_path / "photo.jpg")), names)
        np.testing.assert_allclose(names["scores"].mean(), expected, rtol=0, atol=1e-4)
