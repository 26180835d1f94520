"""What ``precision="fast"`` does to scores: every embedded metric on 200 photographs.

    python benchmarks/precision.py               # all four; about a quarter of an hour of one core
    python benchmarks/precision.py memorability  # this one

On a CPU with AMX or AVX512-BF16, or with ``--device cuda``, scores are those of
``create_metric(..., precision="fast")``. On any other CPU they are worked out in float32 as such a
processor would: whatever goes into a product is rounded to bfloat16, the product of two such
numbers is exact in float32, sums are float32's, and what comes out is rounded to bfloat16. Only the
order of the sums may differ. ``tests/test_precision.py`` compares that with torch's own bfloat16.

The photographs are those of LNSIM and OASIS, as many of each, taken evenly from the lists.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from readme_tables import with_tables
from speed_measure import machine
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import perceptmetrics as pm
from perceptmetrics.errors import OptionError
from perceptmetrics.model import PerceptualModel
from perceptmetrics.precision import matrices, require_fast
from perceptmetrics.statistics import srcc

HERE = Path(__file__).parent
RESULT = HERE / "results" / "precision.json"
PAGE = HERE.parent / "docs" / "speed.md"
DATA = HERE.parent.parent / "shared" / "data"
SOURCES = ("lnsim", "oasis")
CROPS: dict[str, int | None] = {"memorability": None, "aesthetics": None, "affect": 1, "iqa": 5}
"""Crops of metrics that average them: fewer than their default, which would hide more of it."""


class Bfloat16Products(TorchFunctionMode):
    """Inside it the products of a model's matrices are those of a bfloat16 unit.

    Args:
        model: In float32. Its matrices are rounded for good.
    """

    def __init__(self, model: PerceptualModel) -> None:
        super().__init__()
        self._matrices = set()
        for layer in matrices(model):
            for parameter in layer.parameters():
                parameter.data = rounded(parameter.data)
                self._matrices.add(parameter.data_ptr())

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention:
            return _attention(*args)
        if function is F.linear and args[1].data_ptr() in self._matrices:
            return rounded(function(rounded(args[0]), *args[1:], **kwargs))
        if function is torch.addmm and args[2].data_ptr() in self._matrices:
            return rounded(function(args[0], rounded(args[1]), args[2], **kwargs))
        if function is F.silu:
            return rounded(function(*args, **kwargs))
        return function(*args, **kwargs)


def rounded(tensor: Tensor) -> Tensor:
    """To the nearest bfloat16, as float32."""
    return tensor.to(torch.bfloat16).float()


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Weights are float32 until they are multiplied with values, as in torch's kernels."""
    weights = (query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])).softmax(-1)
    return rounded(rounded(weights) @ value)


def photographs(count: int) -> list[Path]:
    """As many of each source, evenly from the list of names."""
    found = []
    for source in SOURCES:
        paths = sorted((DATA / source / "images").rglob("*.jpg"))
        if not paths:
            raise click.ClickException(f"there are no photographs in {DATA / source / 'images'}")
        at = np.linspace(0, len(paths) - 1, count // len(SOURCES)).round().astype(int)
        found += [paths[index] for index in at]
    return found


def compared(exact: Tensor, fast: Tensor) -> dict[str, float]:
    """Rank correlation, and changes as shares of the standard deviation of the scores.

    Args:
        exact: (N,) scores in float32.
        fast: (N,).
    """
    spread = float(exact.std())
    change = (fast - exact).abs()
    return {
        "SRCC": srcc(fast.numpy(), exact.numpy()),
        "spread": spread,
        "largest change": float(change.max()),
        "largest change, share of the spread": float(change.max()) / spread,
        "median change, share of the spread": float(change.median()) / spread,
    }


def measure(name: str, paths: list[Path], device: str) -> dict[str, Any]:
    """One metric's outputs, each compared."""
    exact = pm.create_metric(name, crops=CROPS[name], device=device)
    try:
        require_fast(torch.device(device))
    except OptionError:
        emulated = pm.create_metric(name, crops=CROPS[name])
        with Bfloat16Products(emulated.model):
            fast = emulated(paths)
        how = "bfloat16 products worked out in float32"
    else:
        fast = pm.create_metric(name, crops=CROPS[name], device=device, precision="fast")(paths)
        how = "measured"
    scores = exact(paths).view(len(paths), -1)
    return {
        "how": how,
        "images": len(paths),
        "cuts of an image": exact.view.count,
        "outputs": {
            label: compared(scores[:, index], fast.view(len(paths), -1)[:, index])
            for index, label in enumerate(exact.labels)
        },
    }


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*CROPS]))
@click.option("--images", default=200, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULT)
def main(names: tuple[str, ...], images: int, device: str, out: Path) -> None:
    """Measures and writes the results."""
    paths = photographs(images)
    for name in names or CROPS:
        found = measure(name, paths, device)
        kept = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
        command = f"python benchmarks/precision.py {name} --images {images} --device {device}"
        kept[name] = {**found, "command": command, "machine": machine()}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        click.echo(json.dumps({name: found}, indent=1))
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
