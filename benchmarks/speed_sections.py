"""The sections of ``speed.py``: what is measured, each against the official way."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import speed_models as models
import torch
from speed_gpu import gpu
from speed_measure import (
    Clock,
    Section,
    compared,
    cores,
    cpu_seconds,
    flops,
    gemm_peak,
    in_turn,
    no_bfloat16,
    wall_seconds,
)
from speed_training import data, gradient_deviations, normalised, official_step, our_step

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.lora import share
from perceptmetrics.metric import Metric
from perceptmetrics.precision import narrow

FRESH = Path(__file__).parent / "speed_fresh.py"

FORWARD = {"clip-b32": 32, "clip-b16": 16, "clip-l14": 8}
"""Images at once. Large enough for full speed, small enough for a machine of 8 GB."""

STEP = {"clip-b32": 16, "clip-l14": 4}
START = "clip-l14"
GROUP = ("clip-l14", 3, 8)
"""Backbone, metrics, images at once."""

NEAR = 1e-5

GRADIENTS_NEAR = 5e-5
"""Float32 itself is 1e-5 away from float64 at ViT-L/14, in the official way too."""


def peaks(rounds: int, quiet: bool) -> Section:
    """Operations a second of square products: the roof of every other row."""
    found: Section = {}
    for label, threads, clock in _clocks(quiet):
        torch.set_num_threads(threads)
        found[f"float32, {label}"] = gemm_peak(torch.float32, "cpu", clock, 2048)
    torch.set_num_threads(1)
    found["bfloat16, CPU, one thread"] = no_bfloat16() or gemm_peak(
        torch.bfloat16, "cpu", cpu_seconds, 2048
    )
    return found


def forward(rounds: int, quiet: bool) -> Section:
    """Normalised pixels to scores; LoRA is merged in ours."""
    found: Section = {}
    for name, batch in FORWARD.items():
        official = models.Official(BACKBONES.get(name)).eval()
        metric = models.as_metric(models.ours(official, name), name)
        found[name] = {"batch": batch, **_forward(official, metric, batch, rounds, quiet)}
    return found


def _forward(
    official: models.Official, metric: Metric, batch: int, rounds: int, quiet: bool
) -> Section:
    cuts, _ = data(official.spec.name, batch)
    pixels = normalised(cuts, official.spec)
    model = metric.model
    with torch.no_grad():
        ways: dict[str, Callable[[], torch.Tensor]] = {
            "official": lambda: official(pixels),
            "ours": lambda: model.head()(model.encoder(pixels)),
        }
        scores = {side: way() for side, way in ways.items()}
        deviation = float((scores["ours"] - scores["official"]).abs().max())
        _near("scores", deviation)
        done = {side: flops(way) for side, way in ways.items()}
        found: Section = {"deviation": deviation, "operations": done}
        for label, threads, clock in _clocks(quiet):
            torch.set_num_threads(threads)
            took = in_turn(ways, clock, rounds)
            found[label] = compared(took["official"], took["ours"])
            for side, operations in done.items():
                found[label][f"{side}, share of the peak"] = operations / (
                    found[label][side] * _peak(threads, clock)
                )
        found["fast, one thread"] = no_bfloat16() or _fast(ways["official"], metric, cuts, rounds)
    return found


def _fast(official: Callable[[], Any], metric: Metric, cuts: torch.Tensor, rounds: int) -> Section:
    quick = copy.deepcopy(metric.model)
    narrow([quick])
    torch.set_num_threads(1)
    took = in_turn({"official": official, "ours": lambda: quick(cuts)}, cpu_seconds, rounds)
    scores = official()
    change = (quick(cuts) - scores).abs().max() / scores.std()
    return {
        **compared(took["official"], took["ours"]),
        "largest change of a score, share of their spread": float(change),
    }


def training(rounds: int, quiet: bool) -> Section:
    """A step, LoRA's dropout 0.1 and the head's 0.5 in both; memory each in its own process."""
    found: Section = {}
    for name, batch in STEP.items():
        torch.set_num_threads(cores())
        deviations = gradient_deviations(name, batch)
        _near("gradients", deviations["ours"], GRADIENTS_NEAR)
        found[name] = {"batch": batch, "gradients, from float64's": deviations}
        found[name] |= _steps(name, batch, rounds, quiet)
        runs = {
            side: _fresh("step", side, name, str(batch), threads=cores())
            for side in ("official", "ours")
        }
        found[name] |= _peaks({side: run["peak_mb"] for side, run in runs.items()})
    return found


def _steps(name: str, batch: int, rounds: int, quiet: bool) -> Section:
    official = models.Official(BACKBONES.get(name))
    sides = {"ours": our_step(models.ours(official, name)), "official": official_step(official)}
    given = data(name, batch)
    ways = {side: partial(step, *given) for side, step in sides.items()}
    found: Section = {}
    for label, threads, clock in _clocks(quiet):
        torch.set_num_threads(threads)
        took = in_turn(ways, clock, rounds)
        found[label] = compared(took["official"], took["ours"])
    found["bfloat16, one thread"] = no_bfloat16() or _narrow_steps(ways, rounds)
    return found


def _narrow_steps(ways: Mapping[str, Callable[[], float]], rounds: int) -> Section:
    """The official way in float32; ours under autocast, as ``train --precision bf16`` has it."""

    def narrow_step() -> float:
        with torch.autocast("cpu", torch.bfloat16):
            return ways["ours"]()

    torch.set_num_threads(1)
    sides = {"official": ways["official"], "ours": narrow_step}
    took = in_turn(sides, cpu_seconds, rounds)
    return compared(took["official"], took["ours"])


def _peaks(peaks: dict[str, float]) -> Section:
    return {"peak MB": peaks, "peak share": peaks["ours"] / peaks["official"]}


def start(rounds: int, quiet: bool) -> Section:
    """From nothing to a printed score of one photograph: files on disk, a fresh process each."""
    sides = ["official", "release", "ours", *([] if no_bfloat16() else ["ours, fast"])]
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["PERCEPTMETRICS_HOME"] = str(folder / "home")
        models.write(folder, START)
        shutil.copy(_photograph(), folder / "photo.jpg")
        for turn in range(rounds + 1):
            for side in sides if turn % 2 else sides[::-1]:
                run = _fresh("first-score", side, str(folder), threads=1)
                if quiet:
                    both = _fresh("first-score", side, str(folder), threads=cores())
                    run["wall_seconds"] = both["wall_seconds"]
                if turn:  # the first brings the files into the page cache
                    runs[side].append(run)
    scores = {side: runs[side][0]["value"] for side in sides}
    for side in ("release", "ours"):
        _near(f"scores of {side}", abs(scores[side] - scores["official"]))
    return {
        "backbone": START,
        "scores": scores,
        **{
            f"{rival}, {side}": _start(runs[rival], runs[side], quiet)
            for rival in ("official", "release")
            for side in sides[2:]
        },
    }


def _start(rival: list[dict[str, float]], own: list[dict[str, float]], quiet: bool) -> Section:
    kinds = {
        "CPU, one thread": "cpu_seconds",
        **({"wall, all threads": "wall_seconds"} if quiet else {}),
    }
    seconds = {
        label: compared([run[kind] for run in rival], [run[kind] for run in own])
        for label, kind in kinds.items()
    }
    peak = [float(np.median([run["peak_mb"] for run in side])) for side in (rival, own)]
    return {**seconds, **_peaks(dict(zip(("official", "ours"), peak, strict=True)))}


def group(rounds: int, quiet: bool) -> Section:
    """Metrics over one base, against as many merged ones that each hold a base."""
    name, count, batch = GROUP
    official = models.Official(BACKBONES.get(name))
    shared = models.ours(official, name).eval()
    alone = [models.as_metric(models.ours(official, name), name) for _ in range(count)]
    share(shared.encoder)
    cuts, _ = data(name, batch)
    with torch.no_grad():
        deviation = float((shared(cuts) - alone[0].model(cuts)).abs().max())
        _near("scores", deviation)
        torch.set_num_threads(1)
        ways = {
            "merged": lambda: [metric.model(cuts) for metric in alone],
            "shared": lambda: [shared(cuts) for _ in range(count)],
        }
        took = in_turn(ways, cpu_seconds, rounds)
    ratio = compared(took["merged"], took["shared"])
    row = {"merged": ratio.pop("official"), "shared": ratio.pop("ours"), **ratio}
    found = {"backbone": name, "metrics": count, "batch": batch, "deviation": deviation}
    return {**found, "CPU, one thread": row}


def export(rounds: int, quiet: bool) -> Section:
    """The OpenVINO export of ViT-B/16, one thread, against the official way."""
    if find_spec("openvino") is None or find_spec("onnxscript") is None:
        return {"clip-b16, float32": "not measured: openvino or onnxscript is not installed"}
    import openvino

    from perceptmetrics.export import export_openvino

    name, batch = "clip-b16", FORWARD["clip-b16"]
    official = models.Official(BACKBONES.get(name)).eval()
    metric = models.as_metric(models.ours(official, name), name)
    cuts, _ = data(name, batch)
    pixels = normalised(cuts, official.spec)
    with tempfile.TemporaryDirectory() as place, torch.no_grad():
        path = export_openvino(metric, Path(place) / "metric.xml")
        exact = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(path, "CPU", exact)
        ways: dict[str, Callable[[], Any]] = {
            "official": lambda: official(pixels),
            "ours": lambda: compiled([cuts.numpy()])[0],
        }
        deviation = float(np.abs(ways["ours"]() - ways["official"]().numpy()).max())
        _near("scores", deviation)
        torch.set_num_threads(1)
        took = in_turn(ways, cpu_seconds, rounds)
    row = {"batch": batch, "deviation": deviation, **compared(took["official"], took["ours"])}
    return {
        "clip-b16, float32": row,
        "bfloat16": no_bfloat16() or "not measured: this program does not do it yet",
        "int8": "not offered: it lost the order of scores (docs/speed.md)",
    }


SECTIONS: dict[str, tuple[Callable[[int, bool], Section], int]] = {
    "peaks": (peaks, 1),
    "forward": (forward, 5),
    "training": (training, 3),
    "start": (start, 5),
    "group": (group, 3),
    "export": (export, 3),
    "gpu": (gpu, 20),
}
"""Each with its number of pairs."""


def _clocks(quiet: bool) -> list[tuple[str, int, Clock]]:
    clocks: list[tuple[str, int, Clock]] = [("CPU, one thread", 1, cpu_seconds)]
    return [*clocks, ("wall, all threads", cores(), wall_seconds)] if quiet else clocks


def _peak(threads: int, clock: Clock) -> float:
    """The roof, at the moment of the row that it is compared with."""
    torch.set_num_threads(threads)
    return gemm_peak(torch.float32, "cpu", clock, 2048, 3)


def _near(what: str, deviation: float, most: float = NEAR) -> None:
    if not deviation <= most:
        raise click.ClickException(f"{what} differ by {deviation:.1e}, expected at most {most:.0e}")


def _fresh(*arguments: str, threads: int) -> dict[str, float]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(FRESH), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    took = time.perf_counter() - began
    if done.returncode:
        raise click.ClickException(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "wall_seconds": took}


def _photograph() -> Path:
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise click.ClickException("scikit-learn, which ships the photograph, is not installed")
    return Path(spec.origin).parent / "datasets" / "images" / "china.jpg"
