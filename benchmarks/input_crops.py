"""Input of one image for 15 crops, from the JPEG to what the first layer is given.

    python benchmarks/input_crops.py        # writes benchmarks/results/input_crops.json

The official way opens, decodes, resizes, crops and normalises for every crop, as the test code of
PerceptCLIP and LoDa does: PIL, Resize(384), RandomCrop(224), ToTensor, Normalize. Ours decodes and
resizes once. Both end with (15, 3, 224, 224) normalised floats, on one thread of one process, in
pairs whose order alternates. What counts is CPU time of the process, so that other work on the
machine matters little.

Which interpolation the authors resize by is not known. ``bicubic`` is CLIP's own and ours;
``bilinear`` is torchvision's default and takes half as long.

The images are mosaics of scikit-learn's two photographs at their own resolution, because enlarged
ones would have less detail to decode than real photographs of the size.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from perceptmetrics.averaging import CutJudge, CutStream, cuts_in
from perceptmetrics.backbones import find_backbone
from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.vit import random_encoder
from perceptmetrics.images import load_picture
from perceptmetrics.model import PerceptualModel
from perceptmetrics.views import RandomCrops

HERE = Path(__file__).parent
QUALITY, VIEW = 90, RandomCrops()
SIZES = {"1 MP": (1224, 816), "12 MP": (4242, 2828)}
GOALS = {"1 MP": 4.5, "12 MP": 9.0}

Way = Callable[[Path], Tensor]


class Ours:
    """The steps of scoring up to the encoder."""

    def __init__(self) -> None:
        spec = find_backbone("clip-b16")
        self.model = PerceptualModel(spec, random_encoder(replace(spec, depth=1)), {}, "frozen")
        self.stream = CutStream([CutJudge(self.model)], VIEW)

    def __call__(self, path: Path) -> Tensor:
        """(15, 3, 224, 224) normalised."""
        pixels, plan = self.stream.lay_out(load_picture(path))
        return self.model.normalise(torch.stack(list(cuts_in(pixels, plan))))

    def steps(self, path: Path) -> dict[str, Callable[[], object]]:
        """What :meth:`__call__` does, one by one."""
        picture = load_picture(path)
        plan = VIEW.plan(picture.height, picture.width, np.random.default_rng(0))
        pixels, plan = self.stream.lay_out(picture)
        cuts = torch.stack(list(cuts_in(pixels, plan)))
        size = (plan.width, plan.height)
        return {
            "decode": lambda: load_picture(path),
            "resize": lambda: picture.resize(size, Image.Resampling.BICUBIC),
            "cut": lambda: torch.stack(list(cuts_in(pixels, plan))),
            "normalise": lambda: self.model.normalise(cuts),
            "bytes to floats alone": lambda: cuts.float(),
        }


def official_transform(mode: InterpolationMode, spec: Backbone) -> Callable[[Image.Image], Tensor]:
    """One crop of a decoded picture, ready for the model: (3, 224, 224)."""
    return transforms.Compose(  # type: ignore[no-any-return]
        [
            transforms.Resize(384, interpolation=mode),
            transforms.RandomCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(spec.mean, spec.std),
        ]
    )


def official(mode: InterpolationMode, spec: Backbone) -> Way:
    """All that happens to one image, for each crop anew."""
    transform = official_transform(mode, spec)

    def crops(path: Path) -> Tensor:
        made = []
        for _ in range(VIEW.count):
            with Image.open(path) as image:
                made.append(transform(image.convert("RGB")))
        return torch.stack(made)

    return crops


def mosaic(size: tuple[int, int], path: Path) -> None:
    """A JPEG of that width and height, tiled with the two photographs, each mirrored or not."""
    china, flower = (Image.fromarray(array) for array in load_sample_images().images)
    mirrored = [tile.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for tile in (china, flower)]
    tiles = [china, flower, *mirrored]
    picture = Image.new("RGB", size)
    width, height = china.size
    corners = product(range(0, size[0], width), range(0, size[1], height))
    for number, corner in enumerate(corners):
        picture.paste(tiles[number % len(tiles)], corner)
    picture.save(path, quality=QUALITY)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def compare(theirs: Way, ours: Way, path: Path, pairs: int) -> dict[str, object]:
    """CPU seconds of both, in alternation."""
    seconds: dict[Way, list[float]] = {theirs: [], ours: []}
    for pair in range(pairs):
        for way in (theirs, ours) if pair % 2 else (ours, theirs):
            seconds[way].append(cpu_seconds(lambda way=way: way(path)))  # type: ignore[misc]
    ratios = [a / b for a, b in zip(seconds[theirs], seconds[ours], strict=True)]
    return {
        "times": round(statistics.median(ratios), 1),
        "times of the pairs, least and most": [round(min(ratios), 1), round(max(ratios), 1)],
        "official, ms": round(1000 * statistics.median(seconds[theirs]), 1),
        "ours, ms": round(1000 * statistics.median(seconds[ours]), 1),
    }


@click.command()
@click.option("--pairs", default=9, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=HERE / "results" / "input_crops.json"
)
def main(pairs: int, out: Path) -> None:
    """Measures and writes the result."""
    torch.set_num_threads(1)
    ours = Ours()
    modes = {"bicubic": InterpolationMode.BICUBIC, "bilinear": InterpolationMode.BILINEAR}
    rivals = {name: official(mode, ours.model.spec) for name, mode in modes.items()}
    images: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            path = Path(folder) / f"{name}.jpg"
            mosaic(size, path)
            ways: list[Callable[[Path], Tensor]] = [ours, *rivals.values()]
            for way in ways:
                way(path)  # imports and caches
            steps = {
                step: round(1000 * statistics.median(cpu_seconds(work) for _ in range(pairs)), 2)
                for step, work in ours.steps(path).items()
            }
            against = {rival: compare(way, ours, path, pairs) for rival, way in rivals.items()}
            images[name] = {
                "pixels": list(size),
                "kilobytes": round(path.stat().st_size / 1000),
                "goal": GOALS[name],
                "against": against,
                "ours by step, ms": steps,
            }
            click.echo(f"{name}: {json.dumps(images[name], indent=2)}")
    record = {
        "command": "python benchmarks/input_crops.py",
        "what": "CPU time of one thread for 15 crops of one image, official over ours",
        "images": images,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            **{name: version(name) for name in ("pillow", "numpy", "torch", "torchvision")},
        },
    }
    out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
