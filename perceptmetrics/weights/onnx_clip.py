"""Read CLIP's image tower from an int8 ONNX file into our tensor names.

The file was exported from transformers' ``CLIPVisionModelWithProjection`` and quantised by
onnxruntime: each matrix is int8 per output channel, all else float32. Only the dequantised
weights are taken. The graph itself rounds activations too and is not used (DESIGN section 4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from perceptmetrics.errors import WeightsMismatchError
from perceptmetrics.weights.onnx_graph import OnnxGraph

if TYPE_CHECKING:
    from torch import Tensor

_LINEAR = re.compile(r"^/(?P<module>.+)/MatMul_quant$")
_PREFIX = "vision_model."
_STEM = {
    "embeddings.patch_embedding.weight": "patch_embed.proj.weight",
    "pre_layrnorm.weight": "norm_pre.weight",
    "pre_layrnorm.bias": "norm_pre.bias",
    "post_layernorm.weight": "norm.weight",
    "post_layernorm.bias": "norm.bias",
}
_IN_BLOCK = {
    "layer_norm1": "norm1",
    "layer_norm2": "norm2",
    "self_attn.out_proj": "attn.proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def read_clip_onnx(data: bytes) -> dict[str, Tensor]:
    """Convert the int8 CLIP image tower to our canonical tensors.

    Args:
        data: Bytes of the ONNX file.

    Returns:
        Float32 tensors under timm's ViT names with a fused qkv, plus ``projection.weight``
        (out_dim, width).

    Raises:
        WeightsError: The bytes are no ONNX model, or the onnx package is missing.
        WeightsMismatchError: The model is not the expected tower.

    Example:
        >>> tensors = read_clip_onnx(open("clip_encoder.int8.onnx", "rb").read())  # doctest: +SKIP
        >>> tensors["projection.weight"].shape  # doctest: +SKIP
        torch.Size([512, 768])
    """
    return to_canonical(read_clip_onnx_as_transformers(data))


def read_clip_onnx_as_transformers(data: bytes) -> dict[str, Tensor]:
    """Dequantise the file and keep transformers' own names.

    Args:
        data: Bytes of the ONNX file.

    Returns:
        The state dict of a ``CLIPVisionModelWithProjection``, float32.

    Raises:
        WeightsError: The bytes are no ONNX model, or the onnx package is missing.
        WeightsMismatchError: A matrix is not quantised as expected.

    Example:
        >>> state = read_clip_onnx_as_transformers(b"no model")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsError: not an ONNX model: ...
    """
    graph = OnnxGraph(data)
    state = {name: graph.tensor(name) for name in graph.names if name.startswith(_PREFIX)}
    for node in graph.nodes("MatMulInteger"):
        match = _LINEAR.match(node.name)
        quantised, zero_point = node.input[1], node.input[3]
        stem = quantised.removesuffix("_quantized")
        if match is None or zero_point != f"{stem}_zero_point":
            raise WeightsMismatchError(
                f"node {node.name!r} of the ONNX file is not the int8 linear layer expected"
            )
        module = match["module"].replace("/", ".")
        # Integers up to 255 are exact in float32, so one rounding is left, the same everywhere.
        centred = graph.tensor(quantised).float() - graph.tensor(zero_point).float()
        weight = centred * graph.tensor(f"{stem}_scale")
        state[f"{module}.weight"] = weight.T.contiguous()
    return state


def to_canonical(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a transformers CLIP image tower to timm's ViT names and fuse q, k and v.

    Args:
        state: State dict of a ``CLIPVisionModelWithProjection``.

    Returns:
        Canonical tensors.

    Raises:
        WeightsMismatchError: A tensor is missing or left over.

    Example:
        >>> to_canonical({})
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMismatchError: the CLIP tower lacks 'visual_projection.weight'
    """
    import torch

    left = dict(state)

    def take(name: str) -> Tensor:
        if name not in left:
            raise WeightsMismatchError(f"the CLIP tower lacks {name!r}")
        return left.pop(name)

    tensors = {"projection.weight": take("visual_projection.weight")}
    tensors["cls_token"] = take(f"{_PREFIX}embeddings.class_embedding").reshape(1, 1, -1)
    tensors["pos_embed"] = take(f"{_PREFIX}embeddings.position_embedding.weight").unsqueeze(0)
    for theirs, ours in _STEM.items():
        tensors[ours] = take(_PREFIX + theirs)
    depth = sum(name.endswith(".self_attn.q_proj.weight") for name in left)
    for index in range(depth):
        layer, block = f"{_PREFIX}encoder.layers.{index}.", f"blocks.{index}."
        for kind in ("weight", "bias"):
            parts = [take(f"{layer}self_attn.{part}_proj.{kind}") for part in "qkv"]
            tensors[f"{block}attn.qkv.{kind}"] = torch.cat(parts)
            for theirs, ours in _IN_BLOCK.items():
                tensors[f"{block}{ours}.{kind}"] = take(f"{layer}{theirs}.{kind}")
    if left:
        raise WeightsMismatchError(f"the CLIP tower has tensors left over: {', '.join(left)}")
    return tensors
