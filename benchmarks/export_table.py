"""How near an exported file's scores are to torch's: every embedded metric, ONNX and OpenVINO.

    OMP_NUM_THREADS=1 python benchmarks/export_table.py               # all four
    OMP_NUM_THREADS=1 python benchmarks/export_table.py memorability  # this one

The photographs are the two that scikit-learn ships and, where ``shared/data/lnsim`` is there, some
of LNSIM, taken evenly from the list of names. Cuts are those of the metric, each runtime gets the
same, and an image's score is the mean over its cuts. Results are ``results/export.json``, and the
table of docs/export.md is written from them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import click
import numpy as np
import numpy.typing as npt
import torch
from readme_tables import with_tables
from speed_measure import machine

import perceptmetrics as pm
from perceptmetrics.destination import files_of
from perceptmetrics.images import load_image

HERE = Path(__file__).parent
RESULT = HERE / "results" / "export.json"
PAGE = HERE.parent / "docs" / "export.md"
SHARED = Path(os.environ.get("PERCEPTMETRICS_SHARED", HERE.parent.parent / "shared"))
LNSIM = {"memorability": 20, "aesthetics": 20, "affect": 20, "iqa": 4}
"""Photographs of it: fewer where an image has 15 cuts."""

Scores: TypeAlias = npt.NDArray[np.float32]
Runtime: TypeAlias = Callable[[npt.NDArray[np.uint8]], Scores]


def photographs(count: int) -> dict[str, list[Path]]:
    """By source."""
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise click.ClickException("scikit-learn, which ships photographs, is not installed")
    samples = Path(spec.origin).parent / "datasets" / "images"
    found = {"scikit-learn": [samples / "china.jpg", samples / "flower.jpg"]}
    listed = sorted((SHARED / "data" / "lnsim" / "images").rglob("*.jpg"))
    if listed:
        at = np.linspace(0, len(listed) - 1, count).round().astype(int)
        found["LNSIM"] = [listed[index] for index in at]
    return found


def onnxruntime_of(path: Path) -> Runtime:
    """Cuts to scores by onnxruntime, on the CPU, on as many threads as torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(cuts: npt.NDArray[np.uint8]) -> Scores:
        (scores,) = session.run(None, {"cuts": cuts})
        return np.asarray(scores)

    return run


def openvino_of(path: Path) -> Runtime:
    """Cuts to scores by OpenVINO, on the CPU, in float32, on as many threads as torch."""
    import openvino

    exact = {
        "INFERENCE_PRECISION_HINT": "f32",  # else it may choose bfloat16
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino.Core().compile_model(path, "CPU", exact)

    def run(cuts: npt.NDArray[np.uint8]) -> Scores:
        return np.asarray(compiled(cuts)[0])

    return run


def scored(metric: pm.Metric, runtime: Runtime, paths: list[Path]) -> Scores:
    """(N, K): the mean over an image's cuts, which are drawn as the metric draws them."""
    rows = []
    for path in paths:
        cuts = metric.view.cut(load_image(path), np.random.default_rng(metric.seed))
        rows.append(runtime(np.ascontiguousarray(cuts.transpose(0, 3, 1, 2))).mean(0))
    return np.stack(rows)


def measure(metric: pm.Metric, paths: list[Path]) -> dict[str, Any]:
    """File sizes, and each output's differences from torch."""
    ours = metric(paths).view(len(paths), -1).numpy()
    found: dict[str, Any] = {"images": len(paths), "cuts of an image": metric.view.count}
    outputs: dict[str, dict[str, Any]] = {label: {} for label in metric.labels}
    with TemporaryDirectory() as folder:
        for name, path, runtime in (
            ("onnxruntime", pm.export_onnx(metric, Path(folder, "m.onnx")), onnxruntime_of),
            ("openvino", pm.export_openvino(metric, Path(folder, "m.xml")), openvino_of),
        ):
            found[f"{name}, bytes"] = sum(file.stat().st_size for file in files_of(path))
            away = np.abs(scored(metric, runtime(path), paths) - ours)
            for index, label in enumerate(metric.labels):
                outputs[label][name] = {
                    "largest difference": float(away[:, index].max()),
                    "median difference": float(np.median(away[:, index])),
                }
    return {**found, "outputs": outputs}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*LNSIM]))
@click.option("--out", type=click.Path(path_type=Path), default=RESULT)
def main(names: tuple[str, ...], out: Path) -> None:
    """Measures and writes the results."""
    for name in names or LNSIM:
        sources = photographs(LNSIM[name])
        found = measure(
            pm.create_metric(name), [path for paths in sources.values() for path in paths]
        )
        kept = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
        kept[name] = {
            **found,
            "photographs": {source: len(paths) for source, paths in sources.items()},
            "command": f"OMP_NUM_THREADS={torch.get_num_threads()} "
            f"python benchmarks/export_table.py {name}",
            "machine": {
                **machine(),
                **{package: version(package) for package in ("onnxruntime", "onnxscript")},
            },
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        click.echo(json.dumps({name: found}, indent=1))
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
