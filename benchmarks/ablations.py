"""The shape of the paper's Tables 5 to 7 and A.8 on the ratings that this machine has.

    python benchmarks/ablations.py run                     # small images, to fit two cores
    python benchmarks/ablations.py run --size 160 --arm frozen
    python benchmarks/ablations.py run --size 224 --device cuda
    python benchmarks/ablation_figures.py                  # what that says
    python benchmarks/readme_tables.py                     # the tables of docs/ablations.md

Every arm sees the same fold with the same three seeds, and exchanges one thing of the first or, of
the frozen ones, of "frozen". A head trains first for up to forty epochs on kept features, then
encoder and head for one epoch; a frozen encoder has the first part alone. Quality, which a frozen
encoder hardly sees, has three epochs of random crops and no head that goes first. Full fine-tuning
has a learning rate of its own. The random controls are the same encoder without its pretraining.
Rank and alpha change on the smaller encoder, where nine of them cost what two cost on the larger.
Runs land in ``benchmarks/runs/ablations`` (not in git), what they say of the test images in
``benchmarks/results/ablations.json``. What is done is skipped, and a run that was stopped goes on.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from train_embedded import HERE, OASIS, RUNS, RUNS_WANTED, rated_images

from perceptmetrics.adaptation import LoRAConfig, Strategy
from perceptmetrics.backbones import Backbone, find_backbone
from perceptmetrics.backbones.vit import random_encoder
from perceptmetrics.create import create_metric
from perceptmetrics.data.protocols import random_splits
from perceptmetrics.heads import head_named
from perceptmetrics.tasks import TASKS, Task
from perceptmetrics.training.engine import Engine
from perceptmetrics.training.recipe import HEAD_FIRST, Recipe
from perceptmetrics.training.run import train
from perceptmetrics.training.source import Source, source_of
from perceptmetrics.training.trainer import Epoch, Optimisation, Stage, Watch
from perceptmetrics.training.writing import write_text
from perceptmetrics.views import CentreCrop, RandomCrops
from perceptmetrics.weights.adapter import ADAPTER_FILE
from perceptmetrics.weights.base import LoadedBase, load_base, load_base_file
from perceptmetrics.weights.cache import cache_folder
from perceptmetrics.weights.files import save_tensors

RESULTS = HERE / "results" / "ablations.json"
SEEDS = (0, 1, 2)
WEIGHTS = {"clip-b16": "openai-int8", "dinov2-s14": "meta"}


@dataclass(frozen=True)
class Arm:
    """One row: the first one's recipe, but for one thing.

    Attributes:
        name: In the table.
        learning_rate: Full fine-tuning wants another rate than LoRA.
        lora: Rank and alpha.
        pretrained: Whether the encoder has its weights, or random ones.
        together: Whether one encoder trains on several datasets.
        datasets: Which ones it trains on.
    """

    name: str
    backbone: str = "clip-b16"
    strategy: Strategy = "lora"
    head: Literal["mlp", "linear"] = "mlp"
    learning_rate: float = 5e-4
    lora: LoRAConfig = field(default_factory=LoRAConfig)
    pretrained: bool = True
    together: bool = False
    datasets: tuple[str, ...] = ("oasis", "lnsim", "tid2013")


ARMS = (
    Arm("LoRA, MLP, CLIP B/16"),
    Arm("frozen", strategy="frozen"),
    Arm("frozen, DINOv2 S/14", backbone="dinov2-s14", strategy="frozen"),
    Arm("frozen, random weights", strategy="frozen", pretrained=False),
    Arm("frozen, linear head", strategy="frozen", head="linear"),
    Arm("LoRA, DINOv2 S/14", backbone="dinov2-s14"),
    Arm("full fine-tuning", strategy="full", learning_rate=5e-5),
    Arm("full fine-tuning, rate 1e-5", strategy="full", learning_rate=1e-5),
    Arm("LoRA, memorability and OASIS together", together=True),
    Arm("LoRA, linear head", head="linear"),
    Arm("LoRA, random weights", pretrained=False, datasets=("oasis", "lnsim")),
    *(
        Arm(
            f"LoRA, DINOv2 S/14, rank {rank}, alpha {alpha}",
            backbone="dinov2-s14",
            lora=LoRAConfig(rank, alpha),
            datasets=("oasis", "lnsim"),
        )
        for rank in (8, 16, 32)
        for alpha in (4, 8, 16)
        if LoRAConfig(rank, alpha) != LoRAConfig()
    ),
)


@dataclass(frozen=True)
class Rated:
    """One dataset.

    Attributes:
        task: Its replicas are the cuts of an image in an epoch.
        run: Which run of ``train_embedded.py`` reads the same ratings.
        joins: Whether it is part of the arm that trains together.
    """

    task: Task
    run: str
    joins: bool


DATASETS = {
    "oasis": Rated(replace(OASIS, replicas=2), "oasis", True),
    "lnsim": Rated(replace(TASKS.get("memorability"), replicas=1), "memorability", True),
    "tid2013": Rated(replace(TASKS.get("iqa"), replicas=2), "iqa", False),
}


def recipe_of(arm: Arm, rated: Rated, size: int, seed: int) -> Recipe:
    """The recipe of one cell."""
    quality = rated.run == "iqa"
    frozen = arm.strategy == "frozen"
    seen = RandomCrops(size, 384, crops=5) if quality else CentreCrop(size, size)
    varied = RandomCrops(size, 384 if quality else size, crops=1, flip_x=True)
    encoder = Optimisation(
        epochs=3 if quality else 1, learning_rate=arm.learning_rate, schedule="one-cycle"
    )
    return Recipe(
        strategy=arm.strategy,
        lora=arm.lora,
        head=head_named(arm.head),
        optimisation=HEAD_FIRST if frozen and not quality else encoder,
        head_first=None if frozen or quality else HEAD_FIRST,
        batch_size=32 if quality else 16,
        train_view=seen if frozen and not quality else varied,
        eval_view=seen,
        seed=seed,
    )


def base_of(arm: Arm, backbone: Backbone) -> LoadedBase:
    """The pretrained tensors, or random ones out of a file that is kept beside the runs."""
    if arm.pretrained:
        return load_base(backbone.name, backbone.weights_of(WEIGHTS[arm.backbone]))
    path = RUNS / "ablations" / f"{backbone.name}.random.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tensors(random_encoder(backbone).state_dict(), path)
    return load_base_file(path)


def source_named(name: str, scratch: Path) -> Source:
    """The first random split, 70/10/20; by reference where there are references."""
    rated = DATASETS[name]
    data = rated_images(RUNS_WANTED[rated.run], scratch)
    # As it was drawn before two files of LNSIM were found to be one image; both are for training.
    stated = data.names if RUNS_WANTED[rated.run].group_column is None else data.groups
    drawn_from = replace(data, groups=stated)
    (split,) = random_splits(drawn_from, name, count=1, training=0.7, validation=0.1)
    return source_of(rated.task, data, name=name, split=split)


@click.group()
def main() -> None:
    """Measures ablations and writes their table."""


@main.command()
@click.option("--size", default=96, show_default=True, help="Pixels that the encoder sees.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--dataset", "only", type=click.Choice(sorted(DATASETS)), multiple=True)
@click.option("--arm", "arms", type=click.Choice([arm.name for arm in ARMS]), multiple=True)
@click.option("--seed", "seeds", type=int, multiple=True, default=SEEDS, show_default=True)
def run(
    size: int, device: str, only: tuple[str, ...], arms: tuple[str, ...], seeds: tuple[int, ...]
) -> None:
    """Trains every arm on every dataset with every seed, and judges it on the test images."""
    together = tuple(name for name, rated in DATASETS.items() if rated.joins)
    with tempfile.TemporaryDirectory() as scratch:
        sources = {name: source_named(name, Path(scratch)) for name in DATASETS}
        for seed in seeds:  # all arms once before any arm twice
            for arm in (arm for arm in ARMS if not arms or arm.name in arms):
                alone = [(name,) for name in only or sources if name in arm.datasets]
                for names in [together] if arm.together else alone:
                    measure(arm, [sources[name] for name in names], seed, size, device)


def measure(arm: Arm, sources: Sequence[Source], seed: int, size: int, device: str) -> None:
    """One run, judged; nothing where that is done."""
    measured = read_results()
    cell = f"{arm.name}, {size} pixels"
    names = [source.name for source in sources]
    if all(str(seed) in measured.get(cell, {}).get(name, {}) for name in names):
        return
    out = RUNS / "ablations" / f"{cell}, {' and '.join(names)}, seed {seed}".replace("/", "")
    backbone = find_backbone(arm.backbone)
    base = base_of(arm, backbone)
    # An encoder cuts an image into whole patches.
    size = round(size / backbone.patch_size) * backbone.patch_size

    def watch(stage: Stage) -> Watch:
        return Watch(lambda history: report(out.name, history))

    if not (out / ADAPTER_FILE).exists():
        train(
            sources,
            out,
            backbone=backbone,
            base=base,
            base_name=f"{backbone.name}.{WEIGHTS[arm.backbone] if arm.pretrained else 'random'}",
            recipe=recipe_of(arm, DATASETS[names[0]], size, seed),
            engine=Engine(device),
            command="python benchmarks/ablations.py run",
            watch=watch,
            feature_cache=cache_folder() / "features",
        )
    measured = read_results()  # another process may have written since
    for source in sources:
        if source.test is None:
            raise SystemExit(f"{source.name} has no test part")
        metric = create_metric(
            str(out),
            base=None if arm.pretrained else base.origin,
            dataset=source.name if len(sources) > 1 else None,
            device=device,
        )
        scores = np.asarray(metric(list(source.test.images)).cpu(), np.float64)
        entry = measured.setdefault(cell, {}).setdefault(source.name, {})
        entry["target"] = source.test.targets.tolist()
        entry["groups"] = list(source.test.groups)
        entry[str(seed)] = scores.reshape(len(source.test), -1).round(5).tolist()
    write_text(RESULTS, json.dumps(measured) + "\n")


def read_results() -> dict[str, Any]:
    """What is measured so far: arm -> dataset -> ratings, groups, and scores by seed."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def report(name: str, history: Sequence[Epoch]) -> None:
    """One line an epoch."""
    click.echo(f"{name}: epoch {history[-1].number} {history[-1].validation:.4f}")


if __name__ == "__main__":
    main()
