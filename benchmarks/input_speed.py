"""Training input at 1024 x 768: one decode an image and epoch against one decode a replica.

    python benchmarks/input_speed.py

Both ways make the same number of 224 x 224 cuts (short side to 384, a random crop, both flips:
KonIQ's recipe) of the same JPEG files, one after the other in one process, on one thread, in
pairs whose order alternates. What counts is CPU time of the process, so that other work on the
machine matters little. The other ways:

* ``decode a replica``: what this package did before, written out below;
* ``torchvision a replica``: what LoDa's and most training code does: Pillow, Resize, RandomCrop,
  flips, ToTensor, Normalize, for every replica.

The images are mosaics of Kodak photographs, four of 512 x 384 in each, because enlarged ones
would have less detail to decode than real photographs of the size.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perceptmetrics.data.batches import batch_bounds, to_tensor, training_batches
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.images import load_image
from perceptmetrics.views import RandomCrops, View, resize

HERE = Path(__file__).parent
KODAK = HERE.parent.parent / "shared" / "data" / "tid2013" / "kodak"
WIDTH, HEIGHT, QUALITY, IMAGES, BATCH = 1024, 768, 90, 24, 32
VIEW = RandomCrops(crops=1, flip_x=True, flip_y=True)

Way = Callable[[Manifest, int, int], Iterator[Tensor]]


def decode_an_image(manifest: Manifest, replicas: int, epoch: int) -> Iterator[Tensor]:
    """What training does."""
    for cuts, _ in training_batches(
        manifest,
        torch.zeros(len(manifest), 1),
        VIEW,
        batch_size=BATCH,
        replicas=replicas,
        seed=0,
        epoch=epoch,
        threads=1,
    ):
        yield cuts


def decode_a_replica(manifest: Manifest, replicas: int, epoch: int) -> Iterator[Tensor]:
    """The same cuts, each from its own decoding and resizing."""
    items = list(product(range(len(manifest)), range(replicas)))
    order = np.random.default_rng(epoch).permutation(len(items))
    for start, end in batch_bounds(len(order), BATCH):
        cuts = []
        for item in order[start:end]:
            image, replica = items[item]
            generator = np.random.default_rng([0, epoch, image, replica])
            cuts.append(cut_alone(VIEW, manifest.images[image], generator))
        yield to_tensor(np.stack(cuts))


def cut_alone(view: View, path: Path, generator: np.random.Generator) -> np.ndarray:
    """One decoding, one resizing, one cut."""
    image = load_image(path)
    plan = view.plan(image.shape[0], image.shape[1], generator)
    resized = resize(image, plan.height, plan.width)
    (cut,) = plan.cuts
    part = resized[cut.top : cut.top + plan.size, cut.left : cut.left + plan.size]
    return part[:: -1 if cut.mirror_y else 1, :: -1 if cut.mirror_x else 1]


def torchvision_a_replica(manifest: Manifest, replicas: int, epoch: int) -> Iterator[Tensor]:
    """What others do; torch's own generator decides."""
    from torchvision import transforms

    transform = transforms.Compose(
        [
            transforms.Resize(384, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.RandomHorizontalFlip(),
            transforms.RandomVerticalFlip(),
            transforms.RandomCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
        ]
    )
    order = np.random.default_rng(epoch).permutation(len(manifest) * replicas)
    for start, end in batch_bounds(len(order), BATCH):
        cuts = []
        for item in order[start:end]:
            with Image.open(manifest.images[item // replicas]) as image:
                cuts.append(transform(image.convert("RGB")))
        yield torch.stack(cuts)


OTHERS: dict[str, Way] = {
    "decode a replica": decode_a_replica,
    "torchvision a replica": torchvision_a_replica,
}


def mosaics(folder: Path) -> Manifest:
    """1024 x 768 JPEGs, each of four photographs."""
    sources = sorted(KODAK.glob("*.png"))
    photographs = []
    for path in sources:
        with Image.open(path) as image:
            photographs.append(
                image.convert("RGB").resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BICUBIC)
            )
    generator = np.random.default_rng(0)
    paths = tuple(folder / f"{index:02}.jpg" for index in range(IMAGES))
    for path in paths:
        mosaic = Image.new("RGB", (WIDTH, HEIGHT))
        corners = product((0, WIDTH // 2), (0, HEIGHT // 2))
        for chosen, corner in zip(generator.permutation(len(sources)), corners, strict=False):
            mosaic.paste(photographs[chosen], corner)
        mosaic.save(path, quality=QUALITY)
    names = tuple(path.name for path in paths)
    return Manifest(paths, names, np.zeros((IMAGES, 1)), names, "")


def cpu_seconds(way: Way, manifest: Manifest, replicas: int, epoch: int) -> float:
    """CPU seconds of an epoch."""
    started = time.process_time()
    made = sum(len(cuts) for cuts in way(manifest, replicas, epoch))
    seconds = time.process_time() - started
    if made != IMAGES * replicas:
        raise click.ClickException(f"{made} cuts, expected {IMAGES * replicas}")
    return seconds


def compare(other: Way, manifest: Manifest, replicas: int, pairs: int) -> dict[str, object]:
    """CPU seconds of both, in alternation, and how many times more images a second ours gives."""
    ours: list[float] = []
    theirs: list[float] = []
    for pair in range(pairs):
        turns = [(ours, decode_an_image), (theirs, other)]
        for seconds, way in turns if pair % 2 else reversed(turns):
            seconds.append(cpu_seconds(way, manifest, replicas, pair))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return {
        "times": round(statistics.median(ratios), 2),
        "times of each pair": [round(ratio, 2) for ratio in ratios],
        "images a CPU second, decoded once": round(IMAGES / statistics.median(ours), 1),
        "images a CPU second, the other way": round(IMAGES / statistics.median(theirs), 1),
    }


@click.command()
@click.option("--pairs", default=5, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=HERE / "results" / "input_speed.json"
)
def main(pairs: int, out: Path) -> None:
    """Measures and writes the results."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        manifest = mosaics(Path(folder))
        kilobytes = statistics.mean(path.stat().st_size for path in manifest.images) / 1000
        for way in (decode_an_image, *OTHERS.values()):
            cpu_seconds(way, manifest, 1, 0)  # imports and caches
        found = {
            name: {
                f"{replicas} replicas": compare(way, manifest, replicas, pairs)
                for replicas in (3, 5, 10)
            }
            for name, way in OTHERS.items()
        }
    record = {
        "what": "images of 1024x768 with all their 224x224 cuts, per CPU second of one core: "
        "decoded once an epoch, over decoded for each cut",
        "images": f"{IMAGES} JPEGs of quality {QUALITY}, {kilobytes:.0f} kB each on average",
        "against": found,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            **{name: version(name) for name in ("pillow", "numpy", "torch", "torchvision")},
        },
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for name, by_replicas in found.items():
        for replicas, figures in by_replicas.items():
            click.echo(f"{replicas}, against {name}: {figures['times']} times")


if __name__ == "__main__":
    main()
