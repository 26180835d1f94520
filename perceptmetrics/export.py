"""A metric as one file that other runtimes read: ONNX, and OpenVINO from it.

The file holds what turns cuts into scores: normalisation, the encoder with LoRA merged, the head,
the scale of the ratings. What comes before, resizing and cutting, stands in its metadata, with
what the scores mean and where they come from. Nothing else is needed to score with it.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from perceptmetrics.averaging import CutJudge
from perceptmetrics.backbones import Backbone
from perceptmetrics.backbones.vit import VisionTransformer
from perceptmetrics.destination import ready, replacing, unwritable
from perceptmetrics.errors import OptionError
from perceptmetrics.lora import folded_state
from perceptmetrics.metric import Metric
from perceptmetrics.model import PerceptualModel

FORMAT = "perceptmetrics-export/1"
METADATA_KEY = "perceptmetrics"
INPUT, OUTPUT = "cuts", "scores"
OPSET = 18
"""Of ONNX: what every runtime since 2023 reads."""

LARGEST = 2**31 - 2**24
"""Bytes of weights that one ONNX file can hold: protobuf's 2 GiB, less some for the graph."""


def export_onnx(metric: Metric, path: str | os.PathLike[str]) -> Path:
    """Writes a metric as one ONNX file.

    The graph takes ``cuts``, (N, 3, size, size) uint8 RGB, any N, and gives ``scores``, (N, K)
    float32: in the unit of the ratings, or probabilities. An image's score is the mean over its
    cuts. The file's metadata has one entry, ``perceptmetrics``: the JSON of :func:`description`.

    Args:
        metric: In float32, on any device. It is left as it is.
        path: Ends in ``.onnx``. A file of that name is replaced once the new one is whole.

    Returns:
        The path.

    Raises:
        OptionError: The metric is in half precision or over 2 GiB, the path cannot be written, or
            the package onnxscript is missing.

    Example:
        >>> import perceptmetrics as pm
        >>> metric = pm.create_metric("memorability")  # doctest: +SKIP
        >>> pm.export_onnx(metric, "memorability.onnx")  # doctest: +SKIP
        PosixPath('memorability.onnx')
    """
    target = ready(path, ".onnx")
    program = _onnx_program(metric)
    with replacing(target) as temporary:
        program.save(temporary, external_data=False)
    return target


def export_openvino(metric: Metric, path: str | os.PathLike[str]) -> Path:
    """Writes a metric as OpenVINO's pair of files, through ONNX, in float32.

    Input, output and description are those of :func:`export_onnx`; the description stands in the
    model's runtime information under ``perceptmetrics``.

    Args:
        metric: In float32, on any device.
        path: Ends in ``.xml``; the weights lie beside it in a ``.bin``. Files of these names are
            replaced once the new ones are whole.

    Returns:
        The path.

    Raises:
        OptionError: As for :func:`export_onnx`, or the package openvino is missing.
    """
    target = ready(path, ".xml")
    program = _onnx_program(metric)
    import openvino

    with replacing(target) as temporary:
        program.save(temporary.with_suffix(".onnx"), external_data=False)
        # Not openvino.convert_model, which has telemetry in it.
        converted = openvino.Core().read_model(temporary.with_suffix(".onnx"))
        converted.set_rt_info(json.dumps(description(metric)), [METADATA_KEY])
        try:
            # Half the size by float16 would be another metric.
            openvino.save_model(converted, temporary, compress_to_fp16=False)
        except RuntimeError as error:
            # Its text is of C++ streams and source files.
            reason = "OpenVINO could not save its files, as on a full disk"
            raise unwritable(target, reason, "make room or name another place") from error
    return target


def description(metric: Metric) -> dict[str, Any]:
    """What must be known to score with an exported file: plain data for JSON.

    Returns:
        ``input`` (name, dtype, shape), ``preprocessing`` (decoding, view, crops, seed, mean, std
        and what of it the graph does), ``output`` (names, kind, range, direction, unit),
        ``base_sha256``, ``adapter_sha256``, ``card``, ``made_by``.
    """
    card, spec = metric.card, metric.model.spec
    return {
        "format": FORMAT,
        "input": {"name": INPUT, "dtype": "uint8", "shape": ["N", *_cut_shape(metric)]},
        "preprocessing": {
            "decoding": "RGB uint8, upright by EXIF, alpha over white, ICC profile to sRGB",
            "resize": "Pillow, bicubic, antialiased",
            "view": metric.view.to_dict(),
            "view_in_words": str(metric.view),
            "crops": metric.view.count,
            "seed": metric.seed,
            "drawn_by": "numpy.random.default_rng(seed), anew for each image",
            "mean": list(spec.mean),
            "std": list(spec.std),
            "normalisation": "inside the graph: (cuts / 255 - mean) / std",
        },
        "output": {
            "name": OUTPUT,
            "names": list(metric.labels),
            "kind": metric.kind,
            "of_an_image": "the mean over its cuts",
            "range": None if card.score_range is None else list(card.score_range),
            "direction": card.direction,
            "higher_is_better": metric.higher_is_better,
            "unit": card.unit,
        },
        "base_sha256": card.base_sha256 or metric.config.base_sha256,
        "adapter_sha256": card.sha256,
        "card": card.to_dict(),
        "made_by": f"perceptmetrics {version('perceptmetrics')}, torch {torch.__version__}",
    }


def _onnx_program(metric: Metric) -> torch.onnx.ONNXProgram:
    """The graph in memory, with its description."""
    scorer = _CutScorer(metric)
    cuts = torch.zeros(2, *_cut_shape(metric), dtype=torch.uint8)
    with torch.no_grad(), _clear_errors(metric):
        program = torch.onnx.export(
            scorer,
            (cuts,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise OptionError(f"torch {torch.__version__} gave no ONNX program; update torch")
    program.model.metadata_props[METADATA_KEY] = json.dumps(description(metric))
    program.model.doc_string = metric.card.direction
    return program


class _CutScorer(nn.Module):
    """Cuts to scores, on the CPU, LoRA merged; the metric's own tensors where they can serve."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        if not isinstance(metric, Metric):
            raise OptionError(
                f"cannot export a {type(metric).__name__}; give one metric, such as group['iqa']"
            )
        model = metric.model
        if model.precision != "float32":
            raise OptionError(
                f"{metric.card.name} is in {model.precision}, and is exported from float32: create "
                "it without dtype and precision, and let the runtime round"
            )
        state = {
            name: tensor.detach().cpu() for name, tensor in folded_state(model.encoder).items()
        }
        size = sum(tensor.numel() * tensor.itemsize for tensor in state.values())
        if size > LARGEST:
            raise OptionError(
                f"{metric.card.name} has {size / 2**30:.1f} GiB of weights, and an ONNX file holds "
                "2; export a metric on a smaller backbone"
            )
        # Runtimes do not agree on bicubic interpolation (OpenVINO moved scores by 4e-3), so the
        # table of positions is written as it is at the size of a cut.
        spec, state["pos_embed"] = _positions_at(metric, *_cut_shape(metric)[1:])
        with torch.device("meta"):
            encoder = VisionTransformer(spec)
        encoder.load_state_dict(state, assign=True)
        head = copy.deepcopy(model.head(metric.dataset)).cpu()
        self.model = PerceptualModel(spec, encoder, {"head": head}, model.strategy)
        self.classification = metric.kind == "classification"
        self.requires_grad_(False)
        self.eval()

    def forward(self, cuts: Tensor) -> Tensor:
        """(N, 3, size, size) uint8 -> (N, K)."""
        return CutJudge(self.model, self.classification)(cuts)


def _positions_at(metric: Metric, height: int, width: int) -> tuple[Backbone, Tensor]:
    """The backbone at the size of a square cut, and its table of positions there, on the CPU."""
    encoder = metric.model.encoder
    spec = encoder.spec
    rows, columns = height // spec.patch_size, width // spec.patch_size
    if rows != columns:
        raise OptionError(
            f"{metric.card.name} sees cuts of {width}x{height} pixels; only square ones can be "
            "exported: create it with another view"
        )
    return (
        replace(spec, image_size=rows * spec.patch_size),
        encoder.positions(rows, columns).detach().cpu().contiguous(),
    )


def _cut_shape(metric: Metric) -> tuple[int, int, int]:
    """Channels, height and width of a cut: asked of the view, which may be a plug-in's."""
    cuts = metric.view.cut(np.zeros((64, 64, 3), np.uint8), np.random.default_rng(metric.seed))
    return cuts.shape[3], cuts.shape[1], cuts.shape[2]


@contextmanager
def _clear_errors(metric: Metric) -> Iterator[None]:
    from torch.onnx.errors import OnnxExporterError

    try:
        yield
    except OnnxExporterError as error:
        cause = error.__cause__ or error
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise OptionError(
            f"{metric.card.name} cannot be exported: torch cannot put its encoder or head into an "
            f"ONNX graph ({reason})"
        ) from error
