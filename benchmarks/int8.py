"""What int8 does to scores: onnxruntime's two ways to quantise the file that ``export`` writes.

    python benchmarks/int8.py        # results/int8.json; five minutes of one core

``as they come``: matrices in int8, activations quantised by each forward's own range.
``calibrated``: activations by the ranges of 40 other photographs. Photographs of LNSIM, one thread;
a processor without int8 products (VNNI, AMX) says little of the time, and all of the scores.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from speed_measure import machine

import perceptmetrics as pm
from perceptmetrics.averaging import cuts_in
from perceptmetrics.images import load_image
from perceptmetrics.metric import Metric
from perceptmetrics.statistics import srcc

HERE = Path(__file__).parent
PHOTOGRAPHS = HERE.parent.parent / "shared" / "data" / "lnsim" / "images"
CALIBRATED_ON, JUDGED = 40, 200
MATRICES = ["MatMul", "Gemm"]
Cuts = npt.NDArray[np.uint8]


class Photographs(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    """Cuts, one at a time, as onnxruntime asks for them."""

    def __init__(self, cuts: list[Cuts]) -> None:
        self._left: Iterator[Cuts] = iter(cuts)

    def get_next(self) -> dict[str, Cuts] | None:
        """The next, or nothing."""
        cut = next(self._left, None)
        return None if cut is None else {"cuts": cut}


def cut_of(metric: Metric, path: Path) -> Cuts:
    """(1, 3, size, size): the only cut that the metric sees."""
    sheet = metric.view.lay_out(load_image(path), np.random.default_rng(metric.seed))
    pixels = torch.from_numpy(np.ascontiguousarray(sheet.pixels)).permute(2, 0, 1)
    (cut,) = cuts_in(pixels, sheet.plan)
    return np.ascontiguousarray(cut[None].numpy())


def scored(path: Path, cuts: list[Cuts]) -> tuple[npt.NDArray[np.float64], float]:
    """Scores of all cuts, and the CPU seconds of one."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    session.run(None, {"cuts": cuts[0]})
    began = time.process_time()
    scores = [session.run(None, {"cuts": cut})[0][0, 0] for cut in cuts]
    return np.asarray(scores, np.float64), (time.process_time() - began) / len(cuts)


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Both ways against float32."""
    metric = pm.create_metric(name)
    paths = sorted(PHOTOGRAPHS.glob("*.jpg"))
    np.random.default_rng(0).shuffle(paths)
    wanted = paths[: CALIBRATED_ON + JUDGED]
    cuts = [cut_of(metric, path) for path in wanted]
    plain = pm.export_onnx(metric, folder / "plain.onnx")
    ready, came, calibrated = (folder / f"{way}.onnx" for way in ("ready", "came", "calibrated"))
    quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
    common = {"per_channel": True, "op_types_to_quantize": MATRICES}
    quantize_dynamic(str(ready), str(came), weight_type=QuantType.QInt8, **common)
    quantize_static(
        str(ready),
        str(calibrated),
        Photographs(cuts[:CALIBRATED_ON]),
        quant_format=QuantFormat.QDQ,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        **common,
    )
    exact, seconds = scored(plain, cuts[CALIBRATED_ON:])
    found: dict[str, Any] = {"metric": name, "images": len(exact)}
    for label, path in (("as they come", came), ("calibrated", calibrated)):
        scores, took = scored(path, cuts[CALIBRATED_ON:])
        change = np.abs(scores - exact) / exact.std()
        found[label] = {
            "SRCC to float32": round(srcc(scores, exact), 4),
            "median change, share of the spread": round(float(np.median(change)), 3),
            "time, share of float32's": round(took / seconds, 2),
        }
    return found


@click.command()
@click.argument("name", default="memorability")
def main(name: str) -> None:
    """Measures and writes the result."""
    if not PHOTOGRAPHS.is_dir():
        raise click.ClickException(f"{PHOTOGRAPHS}: there are no photographs")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(name, Path(folder))
    record = {"command": "python benchmarks/int8.py", **found, "machine": machine()}
    path = HERE / "results" / "int8.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    click.echo(path.read_text())


if __name__ == "__main__":
    main()
