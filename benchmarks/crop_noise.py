"""What averaging 15 crops costs in score noise: random crops against a grid, on rated images.

    python benchmarks/crop_noise.py        # writes benchmarks/results/crop_noise.json

For validation images of the embedded ``iqa`` metric every score is compared with the mean over
many random crops, which stands for the truth that both estimate. The noise of n random crops is
the crops' standard deviation divided by the root of n; a grid has no noise but may be biased.
Figures are in MOS, and as a share of the standard deviation of the images' scores.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click
import numpy as np
import torch
from train_embedded import HERE, RUNS_WANTED, FloatArray, rated_images

import perceptmetrics as pm
from perceptmetrics.data.batches import to_tensor
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.images import load_image
from perceptmetrics.views import GridCrops, Pixels, RandomCrops, View


def crop_scores(metric: pm.Metric, image: Pixels, view: View) -> FloatArray:
    """The score of every single crop, in the unit of the ratings."""
    cuts = to_tensor(view.cut(image, np.random.default_rng(0)))
    raw = torch.cat([metric.model(chunk) for chunk in cuts.split(25)])
    return metric.model.head().to_rating_scale(raw)[:, 0].double().numpy()


def pixels_of(view: View) -> int:
    """Side of a crop."""
    cut = view.cut(np.zeros((400, 400, 3), np.uint8), np.random.default_rng(0))
    return int(cut.shape[1])


@click.command()
@click.option("--images", default=10, show_default=True)
@click.option("--truth", default=60, show_default=True, help="Random crops that stand for truth.")
def main(images: int, truth: int) -> None:
    """Measures the noise and writes the result."""
    wanted = RUNS_WANTED["iqa"]
    metric = pm.create_metric("iqa")
    with tempfile.TemporaryDirectory() as scratch:
        data = rated_images(wanted, Path(scratch))
        fraction, seed = wanted.validation_fraction, wanted.recipe.seed
        part = data.take(split_by_group(data.groups, fraction, seed)[1])
        chosen = part.take(np.linspace(0, len(part) - 1, images).round().astype(np.int64))
        pixels = [load_image(path) for path in chosen.images]
    with torch.no_grad():
        size = pixels_of(metric.view)
        many, grid_view = RandomCrops(size, crops=truth), GridCrops(size)
        each = np.stack([crop_scores(metric, image, many) for image in pixels])
        grid = np.array([crop_scores(metric, image, grid_view).mean() for image in pixels])
    mean = each.mean(axis=1)
    deviation = each.std(axis=1, ddof=1)
    spread = float(mean.std(ddof=1))
    # The truth itself is known to within deviation / sqrt(truth); that is taken off the grid's.
    doubt = float(np.mean(deviation**2) / truth)
    bias = float(np.sqrt(max(0.0, np.mean((grid - mean) ** 2) - doubt)))
    result = {
        "command": "python benchmarks/crop_noise.py",
        "images": images,
        "truth_crops": truth,
        "spread_of_scores": spread,
        "random": {
            str(n): {
                "error": float(np.sqrt(np.mean(deviation**2) / n)),
                "share_of_spread": float(np.sqrt(np.mean(deviation**2) / n)) / spread,
            }
            for n in (1, 3, 5, 15, 30)
        },
        "grid": {"15": {"error": bias, "share_of_spread": bias / spread}},
    }
    (HERE / "results" / "crop_noise.json").write_text(json.dumps(result, indent=2) + "\n")
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
