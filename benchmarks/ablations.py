"""The shape of the paper's Tables 5 to 7 and A.8 on the ratings that this machine has.

    python benchmarks/ablations.py run                     # small images, to fit two cores
    python benchmarks/ablations.py run --size 224 --device cuda
    python benchmarks/ablations.py table                   # docs/ablations.md out of what is there

Every arm exchanges one thing of the first, and sees the same fold with the same three seeds. What
does not train the encoder by LoRA has a learning rate of its own, and a frozen encoder trains its
head for forty epochs on kept features.
Runs land in ``benchmarks/runs/ablations`` (not in git), what they say of the test images in
``benchmarks/results/ablations.json``. What is done is skipped, and a run that was stopped goes on.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
import numpy.typing as npt
from train_embedded import HERE, OASIS, RUNS, RUNS_WANTED, rated_images

from perceptmetrics.adaptation import Strategy
from perceptmetrics.backbones import find_backbone
from perceptmetrics.create import create_metric
from perceptmetrics.data.protocols import random_splits
from perceptmetrics.heads import head_named
from perceptmetrics.statistics import bootstrap_ci, srcc
from perceptmetrics.tasks import TASKS, Task
from perceptmetrics.training.engine import Engine
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.run import train
from perceptmetrics.training.source import Source, source_of
from perceptmetrics.training.trainer import Epoch, Optimisation, Stage, Watch
from perceptmetrics.views import CentreCrop, RandomCrops
from perceptmetrics.weights.adapter import ADAPTER_FILE
from perceptmetrics.weights.base import load_base
from perceptmetrics.weights.cache import cache_folder

RESULTS = HERE / "results" / "ablations.json"
PAGE = HERE.parent / "docs" / "ablations.md"
SEEDS = (0, 1, 2)
WEIGHTS = {"clip-b16": "openai-int8", "dinov2-s14": "meta"}


@dataclass(frozen=True)
class Arm:
    """One row: the first one's recipe, but for one thing.

    Attributes:
        name: In the table.
        learning_rate: Full fine-tuning and a lone head want other rates than LoRA.
    """

    name: str
    backbone: str = "clip-b16"
    strategy: Strategy = "lora"
    head: Literal["mlp", "linear"] = "mlp"
    learning_rate: float = 1e-3
    together: bool = False


ARMS = (
    Arm("LoRA, MLP, CLIP B/16"),
    Arm("frozen", strategy="frozen", learning_rate=5e-4),
    Arm("full fine-tuning", strategy="full", learning_rate=5e-5),
    Arm("linear head", head="linear"),
    Arm("DINOv2 S/14", backbone="dinov2-s14"),
    Arm("memorability and OASIS together", together=True),
)


@dataclass(frozen=True)
class Rated:
    """One dataset: its task, and what a training image costs.

    Attributes:
        run: Which run of ``train_embedded.py`` reads the same ratings.
        epochs: Of an encoder that trains; a frozen one has forty, on kept features.
        replicas: Cuts of an image in an epoch.
        joins: Whether it is part of the arm that trains together.
    """

    task: Task
    run: str
    epochs: int
    replicas: int
    joins: bool


DATASETS = {
    "oasis": Rated(OASIS, "oasis", 3, 1, True),
    "lnsim": Rated(TASKS.get("memorability"), "memorability", 3, 1, True),
    "tid2013": Rated(TASKS.get("iqa"), "iqa", 4, 2, False),
}


def recipe_of(arm: Arm, rated: Rated, size: int, seed: int) -> Recipe:
    """The recipe of one cell."""
    quality = rated.task.name == "iqa"
    still = arm.strategy == "frozen"
    shorter = 384 if quality else size
    seen = RandomCrops(size, shorter, crops=5) if quality else CentreCrop(size, size)
    varied = RandomCrops(size, shorter, crops=1, flip_x=True)
    return Recipe(
        strategy=arm.strategy,
        head=head_named(arm.head),
        optimisation=Optimisation(
            epochs=40 if still and not quality else rated.epochs,
            learning_rate=arm.learning_rate,
            schedule="constant" if still else "one-cycle",
        ),
        batch_size=32 if quality else 16,
        replicas=rated.replicas,
        train_view=seen if still and not quality else varied,
        eval_view=seen,
        seed=seed,
    )


def sources_of(names: Sequence[str], scratch: Path) -> list[Source]:
    """The first random split, 70/10/20, of each; by reference where there are references."""
    found = []
    for name in names:
        rated = DATASETS[name]
        folder = scratch / name
        folder.mkdir(exist_ok=True)
        data = rated_images(RUNS_WANTED[rated.run], folder)
        (split,) = random_splits(data, name, count=1, training=0.7, validation=0.1)
        found.append(source_of(rated.task, data, name=name, split=split))
    return found


@click.group()
def main() -> None:
    """Measures ablations and writes their table."""


@main.command()
@click.option("--size", default=112, show_default=True, help="Pixels that the encoder sees.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--dataset", "only", type=click.Choice(sorted(DATASETS)), multiple=True)
def run(size: int, device: str, only: tuple[str, ...]) -> None:
    """Trains every arm on every dataset with every seed, and judges it on the test images."""
    with tempfile.TemporaryDirectory() as scratch:
        for seed in SEEDS:  # all arms once before any arm twice
            for arm in ARMS:
                together = tuple(name for name, rated in DATASETS.items() if rated.joins)
                jobs = [together] if arm.together else [(name,) for name in only or DATASETS]
                for names in jobs:
                    measure(arm, names, seed, size, device, Path(scratch))


def measure(
    arm: Arm, names: Sequence[str], seed: int, size: int, device: str, scratch: Path
) -> None:
    """One run, judged; nothing where that is done."""
    measured: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    cell = f"{arm.name}, {size} pixels"
    if all(str(seed) in measured.get(cell, {}).get(name, {}) for name in names):
        return
    out = RUNS / "ablations" / f"{cell}, {' and '.join(names)}, seed {seed}".replace("/", "")
    sources = sources_of(names, scratch)
    backbone = find_backbone(arm.backbone)
    weights = backbone.weights_of(WEIGHTS[arm.backbone])

    def watch(stage: Stage) -> Watch:
        return Watch(lambda history: report(out.name, history))

    if not (out / ADAPTER_FILE).exists():
        train(
            sources,
            out,
            backbone=backbone,
            base=load_base(backbone.name, weights),
            base_name=f"{backbone.name}.{weights.tag}",
            recipe=recipe_of(arm, DATASETS[names[0]], size, seed),
            engine=Engine(device),
            command="python benchmarks/ablations.py run",
            watch=watch,
            feature_cache=cache_folder() / "features",
        )
    for source in sources:
        if source.test is None:
            raise SystemExit(f"{source.name} has no test part")
        metric = create_metric(
            str(out), dataset=source.name if len(sources) > 1 else None, device=device
        )
        scores = np.asarray(metric(list(source.test.images)).cpu(), np.float64)
        entry = measured.setdefault(cell, {}).setdefault(source.name, {})
        entry["target"] = source.test.targets.tolist()
        entry["groups"] = list(source.test.groups)
        entry[str(seed)] = scores.reshape(len(source.test), -1).tolist()
    RESULTS.write_text(json.dumps(measured) + "\n", encoding="utf-8")


def report(name: str, history: Sequence[Epoch]) -> None:
    """One line an epoch."""
    click.echo(f"{name}: epoch {history[-1].number} {history[-1].validation:.4f}")


def mean_srcc(scores: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> float:
    """Mean over seeds, which are the columns of the scores."""
    return float(np.mean([srcc(one, target) for one in scores.T]))


@main.command()
def table() -> None:
    """Writes the page."""
    measured = json.loads(RESULTS.read_text())
    columns = [(d, k, o) for d, r in DATASETS.items() for k, o in enumerate(r.task.outputs)]
    lines = [
        "# Ablations on the ratings we have",
        "",
        "Test SRCC: the mean over seeds of the same fold (70/10/20; quality by reference), with a",
        "95 % bootstrap interval over the test images. Each row exchanges one thing of the first;",
        "other strategies have their own learning rates, and frozen more epochs.",
        "The shape of the paper's Tables 6 (strategy), 7 (head), A.8 (encoder) and 5 (several",
        "datasets), at small size: few pixels and few epochs, to fit two CPU cores.",
        "`python benchmarks/ablations.py run` measures it again.",
        "",
        "| arm | seeds | " + " | ".join(output for _, _, output in columns) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, found in measured.items():
        cells = [_cell(found.get(dataset), k) for dataset, k, _ in columns]
        seeds = max(len(one) - 2 for one in found.values())
        lines.append(f"| {name} | {seeds} | " + " | ".join(cells) + " |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(entry: Mapping[str, Any] | None, output: int) -> str:
    if entry is None:
        return "not run"
    seeds = sorted(set(entry) - {"target", "groups"})
    scores = np.stack([np.asarray(entry[seed])[:, output] for seed in seeds], axis=1)
    groups = np.unique(entry["groups"], return_inverse=True)[1]
    target = np.asarray(entry["target"])[:, output]
    return str(bootstrap_ci(mean_srcc, scores, target, groups=groups))


if __name__ == "__main__":
    main()
