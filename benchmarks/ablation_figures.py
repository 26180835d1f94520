"""What the scores of ``ablations.py`` are worth, and what each exchange changed.

    python benchmarks/ablation_figures.py      # results/ablation_figures.json

Reads ``results/ablations.json`` alone. Intervals know which images happened to be in the test part;
of the seeds, each figure keeps its own value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from ablations import ARMS, DATASETS, RESULTS, Arm

from perceptmetrics.adaptation import LoRAConfig
from perceptmetrics.statistics import bootstrap_ci, srcc
from perceptmetrics.statistics.paired import PairedPart, paired_difference

FIGURES = RESULTS.with_name("ablation_figures.json")
OUTPUTS = tuple(
    (name, output, column)
    for name, rated in DATASETS.items()
    for column, output in enumerate(rated.task.outputs)
)
# A pair differs in one thing and what comes with it: full fine-tuning has a learning rate of its
# own, a frozen encoder no second part of the training.
PAIRS = (
    ("LoRA, MLP, CLIP B/16", "frozen"),
    ("LoRA, MLP, CLIP B/16", "full fine-tuning"),
    ("LoRA, MLP, CLIP B/16", "full fine-tuning, rate 1e-5"),
    ("LoRA, MLP, CLIP B/16", "LoRA, linear head"),
    ("LoRA, MLP, CLIP B/16", "LoRA, DINOv2 S/14"),
    ("LoRA, memorability and OASIS together", "LoRA, MLP, CLIP B/16"),
    ("frozen", "frozen, linear head"),
    ("frozen", "frozen, DINOv2 S/14"),
    ("frozen", "frozen, random weights"),
    ("LoRA, MLP, CLIP B/16", "LoRA, random weights"),
    ("LoRA, random weights", "frozen, random weights"),
)


def seeds_of(*entries: Mapping[str, Any]) -> list[str]:
    """The seeds that all of them have."""
    return sorted(set.intersection(*(set(one) - {"target", "groups"} for one in entries)))


def mean_srcc(scores: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> float:
    """Mean over seeds, which are the columns of the scores."""
    return float(np.mean([srcc(one, target) for one in scores.T]))


def figure_of(entry: Mapping[str, Any], column: int) -> dict[str, Any]:
    """Test SRCC, its mean over seeds, with an interval over images."""
    seeds = seeds_of(entry)
    scores = np.stack([np.asarray(entry[seed])[:, column] for seed in seeds], axis=1)
    target = np.asarray(entry["target"])[:, column]
    groups = np.unique(entry["groups"], return_inverse=True)[1]
    interval = bootstrap_ci(mean_srcc, scores, target, groups=groups)
    return {**asdict(interval), "seeds": [srcc(one, target) for one in scores.T]}


def difference_of(
    first: Mapping[str, Any], second: Mapping[str, Any], column: int
) -> dict[str, Any]:
    """The first one's SRCC minus the second's, on the same draws of images."""
    target = np.asarray(first["target"])[:, column]
    parts = [
        PairedPart(
            np.asarray(first[seed])[:, column],
            np.asarray(second[seed])[:, column],
            target,
            tuple(map(str, first["groups"])),
        )
        for seed in seeds_of(first, second)
    ]
    return {**asdict(paired_difference(srcc, parts)), "seeds": len(parts)}


def cells_of(arm: Arm, measured: Mapping[str, Any]) -> dict[int, str]:
    """Size in pixels -> the arm's cell, smallest first."""
    sizes = {
        int(cell.removeprefix(f"{arm.name}, ").removesuffix(" pixels")): cell
        for cell in measured
        if re.fullmatch(rf"{re.escape(arm.name)}, \d+ pixels", cell)
    }
    return dict(sorted(sizes.items()))


def pairs_of(cells: Mapping[str, Mapping[int, str]]) -> Iterator[tuple[str, str]]:
    """Cells that differ in one thing: an arm of PAIRS at one size, or one arm at two sizes."""
    for first, second in PAIRS:
        for size in cells[first].keys() & cells[second].keys():
            yield cells[first][size], cells[second][size]
    for of_arm in cells.values():
        smallest, *larger = of_arm.values() or ("",)
        yield from ((cell, smallest) for cell in larger)


@click.command()
def main() -> None:
    """Says what the kept scores are worth, and what each exchange changed."""
    measured = json.loads(RESULTS.read_text())
    cells = {arm.name: cells_of(arm, measured) for arm in ARMS}

    def figures(names: Iterable[str]) -> dict[str, Any]:
        return {
            cell: {
                f"{dataset} {output}": figure_of(measured[cell][dataset], column)
                for dataset, output, column in OUTPUTS
                if dataset in measured[cell]
            }
            for cell in names
        }

    ranked = [arm.name for arm in ARMS if arm.lora != LoRAConfig()]
    smallest = {name: next(iter(of_arm.values())) for name, of_arm in cells.items() if of_arm}
    found = {
        "figures": figures(cell for name, cell in smallest.items() if name not in ranked),
        "ranks": figures(
            cell for name, cell in smallest.items() if name in (*ranked, "LoRA, DINOv2 S/14")
        ),
        "sizes": figures(
            cell for of_arm in cells.values() if len(of_arm) > 1 for cell in of_arm.values()
        ),
        "differences": {
            f"{first} - {second}": {
                f"{dataset} {output}": difference_of(
                    measured[first][dataset], measured[second][dataset], column
                )
                for dataset, output, column in OUTPUTS
                if dataset in measured[first] and dataset in measured[second]
            }
            for first, second in pairs_of(cells)
        },
    }
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
