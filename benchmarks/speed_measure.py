"""Two ways in turn, in one process: seconds, their ratio with its spread, and the machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from perceptmetrics.errors import OptionError
from perceptmetrics.precision import require_fast

Section: TypeAlias = dict[str, Any]
Work: TypeAlias = Callable[[], Any]
Clock: TypeAlias = Callable[[Work], float]


def cpu_seconds(work: Work) -> float:
    """CPU seconds of this process: other work on the machine counts little."""
    start = time.process_time()
    work()
    return time.process_time() - start


def wall_seconds(work: Work) -> float:
    """Seconds on the wall."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def gpu_seconds(work: Work) -> float:
    """Seconds between two events on the GPU."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000


def in_turn(ways: Mapping[str, Work], clock: Clock, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way: A B, B A, A B, ...; once before without a clock."""
    for work in ways.values():
        work()
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name in list(ways) if turn % 2 else list(ways)[::-1]:
            took[name].append(clock(ways[name]))
    return took


def compared(theirs: list[float], ours: list[float]) -> dict[str, Any]:
    """How many times faster ours is: the median of the pairs' ratios, and their quartiles.

    Example:
        >>> compared([2.0, 2.2, 3.0], [1.0, 1.0, 1.0])["times"]
        2.2
    """
    ratios = np.array(theirs) / np.array(ours)
    low, middle, high = (float(q) for q in np.percentile(ratios, (25, 50, 75)))
    return {
        "times": round(middle, 3),
        "quartiles": [round(low, 3), round(high, 3)],
        "pairs": len(ratios),
        "official": float(np.median(theirs)),
        "ours": float(np.median(ours)),
    }


def flops(work: Work) -> float:
    """Floating-point operations, two for a multiplication with its addition."""
    with FlopCounterMode(display=False) as counted:
        work()
    return float(counted.get_total_flops())


def gemm_peak(dtype: torch.dtype, device: str, clock: Clock, size: int, rounds: int = 5) -> float:
    """The most operations a second that a square product reaches, here and now."""
    a, b = (torch.randn(size, size).to(device, dtype) for _ in range(2))
    torch.mm(a, b)
    return float(2 * size**3 / min(clock(lambda: torch.mm(a, b)) for _ in range(rounds)))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def no_bfloat16() -> str:
    """Why bfloat16 is not measured on this CPU; empty where it can be."""
    try:
        require_fast(torch.device("cpu"))
    except OptionError:
        return "not measured: this CPU has neither AMX nor AVX512-BF16 instructions"
    return ""


def machine() -> Section:
    """What the figures are of."""
    packages = ("torch", "transformers", "peft", "safetensors", "numpy", "openvino")
    return {
        "processor": _processor(),
        "torch's CPU capability": torch.backends.cpu.get_cpu_capability(),
        "cores": cores(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        **{name: version(name) for name in packages if find_spec(name)},
        "malloc": {k: v for k, v in os.environ.items() if k.startswith("MALLOC_")} or "as it comes",
    }


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
