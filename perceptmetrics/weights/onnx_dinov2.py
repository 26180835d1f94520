"""Read DINOv2 from an ONNX file into our tensor names.

The file was exported from Meta's own code: our names already, under ``model.``, except that the
exporter folded each linear layer's transpose into a nameless matrix (found again by the node
that uses it), split the position table, and merged the class token's position row with
``cls_token`` because the two are bit-identical in Meta's file (DESIGN section 4).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perceptmetrics.errors import WeightsMismatchError
from perceptmetrics.weights.onnx_graph import OnnxGraph

if TYPE_CHECKING:
    from torch import Tensor

_LINEAR = re.compile(r"^/(?P<module>blocks\.\d+/(?:attn/(?:qkv|proj)|mlp/fc[12]))/MatMul$")
_PREFIX = "model."


def read_dinov2_onnx(data: bytes) -> dict[str, Tensor]:
    """Convert a DINOv2 ONNX file to our canonical tensors.

    Args:
        data: Bytes of the ONNX file.

    Returns:
        Float32 tensors under timm's ViT names; ``pos_embed`` is (1, 1 + grid**2, width) and
        starts with the class token's row.

    Raises:
        WeightsError: The bytes are no ONNX model, or the onnx package is missing.
        WeightsMismatchError: The model is not DINOv2 as expected.

    Example:
        >>> tensors = read_dinov2_onnx(open("dinov2.onnx", "rb").read())  # doctest: +SKIP
        >>> tensors["pos_embed"].shape  # doctest: +SKIP
        torch.Size([1, 1370, 384])
    """
    import torch

    graph = OnnxGraph(data)
    tensors = {
        name.removeprefix(_PREFIX): graph.tensor(name)
        for name in graph.names
        if name.startswith(_PREFIX)
    }
    for node in graph.nodes("MatMul"):
        if match := _LINEAR.match(node.name):
            module = match["module"].replace("/", ".")
            tensors[f"{module}.weight"] = graph.tensor(node.input[1]).T.contiguous()
    tensors["pos_embed"] = torch.cat(_position_rows(graph), dim=1)
    depth = sum(name.endswith(".attn.qkv.bias") for name in tensors)
    linear = [f"blocks.{i}.{part}.weight" for i in range(depth) for part in _PARTS]
    if missing := [name for name in linear if name not in tensors]:
        raise WeightsMismatchError(f"the DINOv2 file lacks {', '.join(missing)}")
    return tensors


_PARTS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def _position_rows(graph: OnnxGraph) -> list[Tensor]:
    """Find the class row and the patch rows by the nodes that put them together."""
    aliases = {node.output[0]: node.input[0] for node in graph.nodes("Identity")}
    # The patch rows are the one initialiser that is reshaped (to its grid, to be resized).
    patches = [node.input[0] for node in graph.nodes("Reshape") if node.input[0] in graph.names]
    # The class row is the one concatenated with the resized patch rows: an alias of cls_token.
    rows = [name for node in graph.nodes("Concat") for name in node.input if name in aliases]
    if len(patches) != 1 or len(rows) != 1 or aliases[rows[0]] != f"{_PREFIX}cls_token":
        raise WeightsMismatchError(
            "the DINOv2 file does not hold its position table as expected: patch rows in one "
            "reshaped tensor, the class row an alias of cls_token"
        )
    return [graph.tensor(aliases[rows[0]]), graph.tensor(patches[0])]
