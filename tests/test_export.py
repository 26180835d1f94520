"""An exported metric gives the scores of the metric, and says how to use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import torch

import perceptmetrics as pm
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
    with monkeypatch.context() as patch:
        patch.setattr("perceptmetrics.export.find_spec", lambda _: None)
        with pytest.raises(pm.OptionError, match=r"pip install 'perceptmetrics\[export\]'"):
            pm.export_onnx(ours, there)
    assert not there.exists()


def test_openvino_gives_the_scores_of_torch(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    ours = metric("crops")
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
