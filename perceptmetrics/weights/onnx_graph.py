"""The initialisers and nodes of an ONNX file, read with the onnx library and never executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perceptmetrics.errors import WeightsError, WeightsMismatchError

if TYPE_CHECKING:
    from torch import Tensor


class OnnxGraph:
    """Tensors by name and nodes by kind of one ONNX model.

    Args:
        data: Bytes of the file.

    Attributes:
        names: Names of the initialisers, in the file's order.

    Raises:
        WeightsError: The bytes are no ONNX model, or the onnx package is missing.

    Example:
        >>> from onnx import TensorProto, helper
        >>> one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
        >>> graph = helper.make_graph([], "empty", [], [], [one])
        >>> read = OnnxGraph(helper.make_model(graph).SerializeToString())
        >>> read.names, read.tensor("one")
        (('one',), tensor([1.]))
    """

    def __init__(self, data: bytes) -> None:
        try:
            import onnx
        except ImportError as error:
            raise WeightsError(
                "reading these weights needs the onnx package: pip install onnx"
            ) from error
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        try:
            graph = onnx.load_model_from_string(data).graph
        except DecodeError as error:
            raise WeightsError(f"not an ONNX model: {str(error).splitlines()[0]}") from error
        self._initialisers = {item.name: item for item in graph.initializer}
        self._nodes = list(graph.node)
        self.names: tuple[str, ...] = tuple(self._initialisers)

    # onnx ships generated protobuf classes whose types change between releases, hence Any.
    def nodes(self, kind: str) -> list[Any]:
        """List the nodes of one operator, in the graph's order.

        Args:
            kind: Operator name, such as ``"MatMul"``.

        Returns:
            ``onnx.NodeProto`` values.

        Example:
            >>> from onnx import helper
            >>> node = helper.make_node("Neg", ["x"], ["y"], name="minus")
            >>> graph = helper.make_graph([node], "one", [], [])
            >>> read = OnnxGraph(helper.make_model(graph).SerializeToString())
            >>> [found.name for found in read.nodes("Neg")]
            ['minus']
        """
        return [node for node in self._nodes if node.op_type == kind]

    def tensor(self, name: str) -> Tensor:
        """Read one initialiser.

        Args:
            name: Name of the initialiser.

        Returns:
            A tensor with memory of its own, in the file's dtype and shape.

        Raises:
            WeightsMismatchError: There is no such initialiser.

        Example:
            >>> from onnx import helper
            >>> graph = helper.make_graph([], "empty", [], [])
            >>> OnnxGraph(helper.make_model(graph).SerializeToString()).tensor("w")
            Traceback (most recent call last):
            ...
            perceptmetrics.errors.WeightsMismatchError: the ONNX file lacks the tensor 'w'
        """
        import torch
        from onnx import numpy_helper

        if name not in self._initialisers:
            raise WeightsMismatchError(f"the ONNX file lacks the tensor {name!r}")
        return torch.from_numpy(numpy_helper.to_array(self._initialisers[name]).copy())
