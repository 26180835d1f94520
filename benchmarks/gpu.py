"""From JPEGs to scores on a GPU: images a second, the official way against ours.

    python benchmarks/gpu.py        # writes benchmarks/results/gpu.json

ViT-L/14 with random weights of full size, 15 crops of each 1 MP JPEG. The official way is
transformers and peft in float32, and a loader of torch whose workers open, resize, crop and
normalise once for each crop. Ours is ``metric(paths)`` in half precision, with its readers and the
crops cut on the GPU. Wall time; forwards alone are in ``benchmarks/speed.py``. Without a CUDA
device the result says that nothing was measured.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import speed_models as models
import torch
from input_crops import HERE, SIZES, VIEW, mosaic, official_transform
from PIL import Image
from speed_measure import compared, flops, gemm_peak, gpu_seconds, in_turn, machine, wall_seconds
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode

from perceptmetrics.averaging import default_readers
from perceptmetrics.backbones import find_backbone
from perceptmetrics.metric import Metric

BATCH = 240
"""Crops in a forward: those of 16 images."""


class OfficialCrops(Dataset[Tensor]):
    """Every crop from a decoding of its own."""

    def __init__(self, paths: list[str], model: models.Official) -> None:
        self.paths = paths
        self.transform = official_transform(InterpolationMode.BICUBIC, model.spec)

    def __len__(self) -> int:
        return len(self.paths) * VIEW.count

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.paths[index // VIEW.count]) as image:
            return self.transform(image.convert("RGB"))


def official_way(
    model: models.Official, paths: list[str], device: torch.device
) -> Callable[[], Tensor]:
    """Scores of all images, (N,)."""
    workers = default_readers(device)
    loader = DataLoader(
        OfficialCrops(paths, model), BATCH, num_workers=workers, pin_memory=device.type == "cuda"
    )

    def score() -> Tensor:
        with torch.no_grad():
            crops = [model(batch.to(device, non_blocking=True))[:, 0] for batch in loader]
        return torch.cat(crops).view(len(paths), -1).mean(1).cpu()

    return score


def measure(name: str, device: torch.device, images: int, rounds: int) -> dict[str, Any]:
    """Both ways in turn, from the same files."""
    official = models.Official(find_backbone(name)).eval()
    metric: Metric = models.as_metric(models.ours(official, name), name, BATCH)
    metric.view = VIEW
    metric.to(device)
    official.to(device)
    clock = gpu_seconds if device.type == "cuda" else wall_seconds
    cuts = torch.zeros(VIEW.count, 3, VIEW.size, VIEW.size, dtype=torch.uint8, device=device)
    with torch.no_grad():
        work = flops(lambda: metric.model(cuts))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "0.jpg"
        mosaic(SIZES["1 MP"], one)
        paths = [str(one)] * images
        theirs = official_way(official, paths, device)
        scores = theirs()
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            ours = copy.deepcopy(metric).to(dtype)  # from float32 each, lest it be rounded twice
            took = in_turn({"official": theirs, "ours": partial(ours, paths)}, wall_seconds, rounds)
            row = compared(took["official"], took["ours"])
            rate = images / row["ours"]
            peak = gemm_peak(dtype, str(device), clock, 8192 if device.type == "cuda" else 512)
            found[str(dtype).removeprefix("torch.")] = {
                "times": row["times"],
                "quartiles": row["quartiles"],
                "images a second, official in float32": round(images / row["official"], 1),
                "images a second, ours": round(rate, 1),
                "share of the GEMM peak": round(rate * work / peak, 3),
                # Of random weights and one photograph: what rounding does to ratings is said by
                # precision.py.
                "largest difference of a score": float((ours(paths) - scores).abs().max()),
            }
    return found


@click.command()
@click.option("--images", default=128, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=HERE / "results" / "gpu.json")
def main(images: int, rounds: int, out: Path) -> None:
    """Measures and writes the result."""
    measured: object = "not measured: no CUDA device"
    if torch.cuda.is_available():
        measured = measure("clip-l14", torch.device("cuda"), images, rounds)
    record = {
        "command": "python benchmarks/gpu.py",
        "what": "images a second from JPEGs of 1 MP to scores over 15 crops, ViT-L/14",
        "measured": measured,
        "machine": machine(),
    }
    out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
