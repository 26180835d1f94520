"""How few crops lose nothing: SRCC, PLCC and CPU time of the embedded ``iqa`` against their number.

    python benchmarks/crops.py              # all sections, half an hour of one core
    python benchmarks/crops.py agreement    # from the scores that are kept: two minutes

Sections, each kept in ``benchmarks/results/crops.json`` as it is measured:

* ``scores``: 40 random crops of each of the 80 rated images that the embedded ``iqa`` was validated
  on, each judged by itself. A run that was stopped goes on.
* ``agreement``: schemes that take some of those crops, against the ratings: a fixed number for all
  images; a number that the scatter of each image's own crops decides (progressive); the same where
  an image's scatter is known beforehand, which no rule can do; and the plain alternative to the
  latter two, for all images the number that they take on average; and the median of a fixed number
  instead of the mean. Each is drawn many times.
* ``seconds``: CPU seconds of one thread an image, from the file to the score.

``benchmarks/readme_tables.py`` writes the tables of docs/crops.md from it.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata, skew
from train_embedded import HERE, RUNS_WANTED, rated_images

import perceptmetrics as pm
from perceptmetrics.data.batches import to_tensor
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.images import load_image
from perceptmetrics.statistics import bootstrap_cis
from perceptmetrics.views import RandomCrops

Floats: TypeAlias = npt.NDArray[np.float64]
Section: TypeAlias = dict[str, Any]

RESULT = HERE / "results" / "crops.json"
DRAWN, CROPS = 60, 40
"""Places that are drawn for each image, and how many of them are judged."""
NUMBERS = (1, 2, 3, 5, 8, 10, 15, 30)
USUAL = 15
LEAST = 3
"""Crops that a progressive scheme takes before it may stop: two tell too little of the scatter."""
BOUNDS = (0.05, 0.075, 0.1, 0.125, 0.15)
"""Of the standard error of the mean, in MOS; a progressive scheme stops under it."""
DRAWS = 100
SAMPLES = 500
ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Taken:
    """What a scheme makes of crops in the order in which they come.

    Attributes:
        mean: (images, draws) scores.
        count: (images, draws) crops that it took.
    """

    mean: Floats
    count: npt.NDArray[np.int64]


def take(ordered: Floats, count: npt.ArrayLike) -> Taken:
    """The mean of the first ``count`` of (images, draws, crops)."""
    counts = np.broadcast_to(np.asarray(count), ordered.shape[:2])
    sums = np.cumsum(ordered, axis=2)
    return Taken(np.take_along_axis(sums, counts[..., None] - 1, 2)[..., 0] / counts, counts)


def median(ordered: Floats, count: int) -> Taken:
    """The median of so many, not their mean."""
    counts = np.full(ordered.shape[:2], count)
    return Taken(np.median(ordered[..., :count], axis=2), counts)


def progressive(ordered: Floats, bound: float) -> Taken:
    """Stops once the standard error of the mean, as the crops so far tell it, is within bound."""
    stopped = np.full(ordered.shape[:2], USUAL)
    for count in range(USUAL - 1, LEAST - 1, -1):
        error = ordered[..., :count].std(axis=2, ddof=1) / count**0.5
        stopped[error <= bound] = count
    return take(ordered, stopped)


def foreseen(ordered: Floats, bound: float) -> Taken:
    """The same by each image's true scatter, so that neither luck nor a bad guess stops it."""
    scatter = ordered[:, :1].std(axis=2, ddof=1)  # of all crops, whatever their order
    wanted = np.clip(np.ceil((scatter / bound) ** 2), LEAST, USUAL).astype(np.int64)
    return take(ordered, wanted)


def evenly(ordered: Floats, average: float, generator: np.random.Generator) -> Taken:
    """The same number for every image, or the next one for a share of them that the coin picks."""
    more = generator.random(ordered.shape[:2]) < average - int(average)
    return take(ordered, int(average) + more)


def schemes(ordered: Floats) -> dict[str, Taken]:
    """All of them, by name."""
    generator = np.random.default_rng(1)
    found = {f"fixed {number}": take(ordered, number) for number in NUMBERS}
    found |= {f"median {number}": median(ordered, number) for number in NUMBERS if number >= LEAST}
    for bound in BOUNDS:
        for name, rule in (("progressive", progressive), ("foreseen", foreseen)):
            one = rule(ordered, bound)
            found[f"{name} {bound:g}"] = one
            average = float(one.count.mean())
            found[f"evenly as {name} {bound:g}"] = evenly(ordered, average, generator)
    return found


def in_order(each: Floats, *, same: bool) -> Floats:
    """(images, crops) -> (images, draws, crops), shuffled: the same places in all images, or not.

    A metric takes the same places in images of one size, because its seed is the same for all.
    """
    generator = np.random.default_rng(0)
    images, crops = each.shape
    rows = 1 if same else images
    repeated = np.broadcast_to(np.arange(crops), (rows, DRAWS, crops))
    places = np.broadcast_to(generator.permuted(repeated, axis=2), (images, DRAWS, crops))
    return np.take_along_axis(each[:, None], places, axis=2)


def correlations(x: Floats, y: Floats) -> Floats:
    """Pearson's of each column of (images, columns) with (images,)."""
    x, y = x - x.mean(axis=0), y - y.mean()
    found: Floats = (x * y[:, None]).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum())
    return found


def agreement() -> None:
    """SRCC and PLCC of every scheme, means over draws, and what they lose against 15 crops."""
    rows = kept()["scores"]
    each = np.array([row["crops"] for row in rows])
    ratings = np.array([row["rating"] for row in rows])
    photographs = np.array([row["photograph"] for row in rows])
    result: Section = {"images": len(rows), "photographs": len(set(photographs)), "draws": DRAWS}
    for kind, same in (("same places", True), ("own places", False)):
        ordered = in_order(each, same=same)
        taken = schemes(ordered)
        means = np.stack([one.mean for one in taken.values()], axis=1)

        def figures(
            x: Floats, y: Floats, names: tuple[str, ...] = tuple(taken)
        ) -> dict[str, float]:
            flat = x.reshape(len(x), -1)
            srcc = correlations(rankdata(flat, axis=0), rankdata(y)).reshape(x.shape[1:])
            plcc = correlations(flat, y).reshape(x.shape[1:])
            found = {}
            for measure, drawn in (("SRCC", srcc), ("PLCC", plcc)):
                value = dict(zip(names, drawn.mean(axis=1).tolist(), strict=True))
                usual = value[f"fixed {USUAL}"]
                for name, one in value.items():
                    found[f"{name}/{measure}"] = one
                    found[f"{name}/{measure} lost"] = usual - one
                    even = value.get(f"evenly as {name}")
                    if even is not None:
                        found[f"{name}/{measure} over evenly"] = one - even
            return found

        by_photograph = bootstrap_cis(figures, means, ratings, groups=photographs, samples=SAMPLES)
        by_image = bootstrap_cis(figures, means, ratings, samples=SAMPLES)
        luck = correlations(rankdata(means.reshape(len(rows), -1), axis=0), rankdata(ratings))
        spread = luck.reshape(means.shape[1:]).std(axis=1, ddof=1)
        truth = ordered[:, :, 30:]
        doubt = truth.var(axis=2, ddof=1) / truth.shape[2]
        result[kind] = {
            name: {
                "crops": float(one.count.mean()),
                # Against crops that no scheme takes; what these do not know themselves goes off.
                "error": float(np.sqrt(np.mean((one.mean - truth.mean(axis=2)) ** 2 - doubt))),
                "SRCC of a draw, deviation": float(deviation),
                **{
                    measure.partition("/")[2]: {
                        "value": interval.value,
                        "photographs": [interval.low, interval.high],
                        "images": [by_image[measure].low, by_image[measure].high],
                    }
                    for measure, interval in by_photograph.items()
                    if measure.partition("/")[0] == name
                },
            }
            for (name, one), deviation in zip(taken.items(), spread, strict=True)
        }
    scatter = each.std(axis=1, ddof=1)
    result["scatter"] = {
        f"{share:.0%}": float(np.quantile(scatter, share)) for share in (0, 0.1, 0.5, 0.9, 1)
    }
    result["skewness"] = float(np.median(skew(each, axis=1)))
    keep("agreement", result)


def validation_part(scratch: Path) -> Manifest:
    """The 80 images of four photographs that training never saw."""
    wanted = RUNS_WANTED["iqa"]
    data = rated_images(wanted, scratch)
    return data.take(split_by_group(data.groups, wanted.validation_fraction, wanted.recipe.seed)[1])


def scores() -> None:
    """Every image's crops, at the same places in all of one size, as the metric draws them."""
    metric = pm.create_metric("iqa")
    view = with_crops(metric, DRAWN)
    done = {row["image"]: row for row in kept().get("scores", [])}
    with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
        part = validation_part(Path(scratch))
        for name, path, photograph, rating in zip(
            part.names, part.images, part.groups, part.targets[:, 0], strict=True
        ):
            if name in done:
                continue
            cuts = to_tensor(view.cut(load_image(path), np.random.default_rng(0))[:CROPS])
            raw = torch.cat([metric.model(chunk) for chunk in cuts.split(20)])
            each = metric.model.head().to_rating_scale(raw)[:, 0]
            done[name] = {
                "image": name,
                "photograph": photograph,
                "rating": float(rating),
                "crops": [round(score, 4) for score in each.tolist()],
            }
            keep("scores", list(done.values()))


def with_crops(metric: pm.Metric, crops: int) -> RandomCrops:
    """The metric's view with another number."""
    if not isinstance(metric.view, RandomCrops):
        raise click.ClickException(f"the embedded iqa sees {metric.view}, expected random crops")
    return replace(metric.view, crops=crops)


def seconds() -> None:
    """CPU seconds an image, all numbers in turn; each on as many images as give 15 crops."""
    metric = pm.create_metric("iqa")
    took: dict[int, list[float]] = {number: [] for number in NUMBERS}
    with tempfile.TemporaryDirectory() as scratch:
        paths = validation_part(Path(scratch)).images
        metric(paths[0])  # what is done once is done
        for turn in range(ROUNDS):
            for number in NUMBERS if turn % 2 else reversed(NUMBERS):
                metric.view = with_crops(metric, number)
                images = ceil(USUAL / number)
                started = time.process_time()
                metric(paths[:images])
                took[number].append((time.process_time() - started) / images)
    usual = np.median(took[USUAL])
    keep(
        "seconds",
        {
            "an image": {
                str(number): {
                    "median": float(np.median(each)),
                    "all": each,
                    "share of 15": float(np.median(each) / usual),
                }
                for number, each in took.items()
            },
            "machine": {
                "processor": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
                **{name: version(name) for name in ("torch", "numpy", "pillow")},
            },
        },
    )


def kept() -> dict[str, Any]:
    """What was measured, by section."""
    if not RESULT.is_file():
        return {}
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def keep(section: str, found: object) -> None:
    """Keeps what a section measured, beside all others; the scores of an image on one line."""
    sections = {"command": "python benchmarks/crops.py", **kept(), section: found}
    rows = sections.pop("scores", [])
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    text = json.dumps({**sections, "scores": []}, indent=1).replace(
        '"scores": []', f'"scores": [\n{lines}\n ]'
    )
    fresh = RESULT.with_suffix(".part")  # never half a file, also where the run is killed just now
    fresh.write_text(text + "\n", encoding="utf-8")
    fresh.replace(RESULT)


SECTIONS: Mapping[str, Callable[[], None]] = {
    "scores": scores,
    "agreement": agreement,
    "seconds": seconds,
}


@click.command()
@click.argument("sections", nargs=-1, type=click.Choice(list(SECTIONS)))
def main(sections: tuple[str, ...]) -> None:
    """Measures all sections, or those that are named."""
    torch.set_num_threads(1)
    for section in sections or SECTIONS:
        SECTIONS[section]()


if __name__ == "__main__":
    main()
