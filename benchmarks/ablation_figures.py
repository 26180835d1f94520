"""What the scores of ``ablations.py`` are worth, and what each exchange changed.

    python benchmarks/ablation_figures.py      # results/ablation_figures.json

Reads ``results/ablations.json`` alone. Intervals know which images happened to be in the test part;
of the seeds, each figure keeps its own value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from ablations import ARMS, DATASETS, RESULTS

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
    ("LoRA, MLP, CLIP B/16", "LoRA, linear head"),
    ("LoRA, MLP, CLIP B/16", "LoRA, DINOv2 S/14"),
    ("LoRA, memorability and OASIS together", "LoRA, MLP, CLIP B/16"),
    ("frozen", "frozen, linear head"),
    ("frozen", "frozen, DINOv2 S/14"),
    ("frozen", "frozen, random weights"),
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


@click.command()
def main() -> None:
    """Says what the kept scores are worth, and what each exchange changed."""
    measured = json.loads(RESULTS.read_text())
    found: dict[str, Any] = {"figures": {}, "differences": {}}
    for arm in ARMS:
        for cell in (name for name in measured if name.startswith(f"{arm.name}, ")):
            found["figures"][cell] = {
                f"{dataset} {output}": figure_of(measured[cell][dataset], column)
                for dataset, output, column in OUTPUTS
                if dataset in measured[cell]
            }
    for first, second in PAIRS:
        for cell in found["figures"]:
            other = cell.replace(first, second, 1)
            if not cell.startswith(f"{first}, ") or other not in measured:
                continue
            found["differences"][f"{cell} - {other}"] = {
                f"{dataset} {output}": difference_of(
                    measured[cell][dataset], measured[other][dataset], column
                )
                for dataset, output, column in OUTPUTS
                if dataset in measured[cell] and dataset in measured[other]
            }
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
