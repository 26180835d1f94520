"""Trains the adapters that the package ships, on the ratings in ``../shared/data``.

    python benchmarks/train_embedded.py train oasis      # affect
    python benchmarks/train_embedded.py train beauty     # aesthetics
    python benchmarks/train_embedded.py train iqa
    python benchmarks/train_embedded.py train memorability
    python benchmarks/train_embedded.py embed            # all runs -> perceptmetrics/adapters

With glibc, ``MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1000000000000`` before the command saves a
fifth of the time. A run folder lands in ``benchmarks/runs/`` (not in git); its ``run.json`` is kept
in ``benchmarks/results/``, beside ``embedded.json``, which holds what ``embed`` measured. ``embed``
also chooses what each metric sees of an image, by SRCC on the run's validation part. The three
OASIS ratings are trained in one head, because each helps the others, and are then taken apart. Two
recipes were tried: a head that trains first is better in the mean of valence and arousal
(``affect``), LoRA from a random head in beauty (``aesthetics``).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import torch
from known_distortions import known_distortions
from tqdm import tqdm

from perceptmetrics.backbones import find_backbone
from perceptmetrics.card import Validation
from perceptmetrics.data.manifest import Manifest, read_manifest
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.images import load_image
from perceptmetrics.metric import mean_over_cuts
from perceptmetrics.model import build_model
from perceptmetrics.statistics import bootstrap_ci, srcc
from perceptmetrics.tasks import TASKS, Task
from perceptmetrics.training.recipe import HEAD_FIRST, Recipe
from perceptmetrics.training.run import train
from perceptmetrics.training.source import Source, source_of
from perceptmetrics.training.step import Batch
from perceptmetrics.training.trainer import Epoch, Optimisation, Watch
from perceptmetrics.views import CentreCrop, GridCrops, RandomCrops, View
from perceptmetrics.weights.adapter import Adapter, load_adapter
from perceptmetrics.weights.base import load_base
from perceptmetrics.weights.cache import cache_folder
from perceptmetrics.weights.digest import sha256_of_file

FloatArray = npt.NDArray[np.floating[Any]]

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data"
RUNS = HERE / "runs"
ADAPTERS = HERE.parent / "perceptmetrics" / "adapters"

OASIS = replace(TASKS.get("affect"), name="oasis", outputs=("valence", "arousal", "beauty"))


@dataclass(frozen=True)
class Embedding:
    """One training run."""

    task: Task
    csv: Path
    recipe: Recipe
    validation_fraction: float = 0.1
    group_column: str | None = None


RUNS_WANTED = {
    "oasis": Embedding(
        OASIS,
        SHARED / "oasis" / "oasis.csv",
        Recipe(
            optimisation=Optimisation(epochs=4, learning_rate=5e-4, schedule="one-cycle"),
            batch_size=16,
            head_first=HEAD_FIRST,
            train_view=RandomCrops(crops=1, resize_to=224, flip_x=True),
            half=True,
        ),
        validation_fraction=0.2,
    ),
    "beauty": Embedding(
        OASIS,
        SHARED / "oasis" / "oasis.csv",
        Recipe(
            optimisation=Optimisation(epochs=6, learning_rate=5e-4, schedule="one-cycle"),
            batch_size=16,
            train_view=RandomCrops(crops=1, resize_to=224, flip_x=True),
            half=True,
        ),
        validation_fraction=0.2,
    ),
    "iqa": Embedding(
        TASKS.get("iqa"),
        SHARED / "tid2013" / "manifest.csv",
        Recipe(
            optimisation=Optimisation(epochs=2, learning_rate=5e-4, schedule="one-cycle"),
            batch_size=32,
            replicas=1,
            # Own pixels: the photographs of known_distortions.py are smaller than TID2013's.
            train_view=RandomCrops(crops=1, size=160, resize_to=None, flip_x=True, flip_y=True),
            eval_view=RandomCrops(size=160),
            validation_view=RandomCrops(crops=4, size=160),
            half=True,
        ),
        validation_fraction=0.2,
        group_column="ref_name",
    ),
    "memorability": Embedding(
        TASKS.get("memorability"),
        SHARED / "lnsim" / "lnsim.csv",
        Recipe(
            optimisation=Optimisation(epochs=2, learning_rate=1e-3, schedule="one-cycle"),
            batch_size=16,
            head_first=HEAD_FIRST,
            # 160 pixels, not 224, to fit the hours of a two-core machine.
            train_view=RandomCrops(crops=1, size=160, resize_to=160, flip_x=True),
            eval_view=CentreCrop(size=160, resize_to=160),
            half=True,
        ),
    ),
}


def rated_images(wanted: Embedding, scratch: Path) -> Manifest:
    """Reads the ratings; the distorted images of TID2013 are rebuilt first."""
    if wanted.task.name != "iqa":
        return read_manifest(wanted.csv, wanted.task)
    folder = SHARED / "tid2013"
    subprocess.run(
        [sys.executable, folder / "rebuild.py", folder / "kodak", wanted.csv, scratch],
        check=True,
        stderr=subprocess.DEVNULL,  # libjpeg's cautions, which the data's README announces
    )
    return read_manifest(
        wanted.csv,
        wanted.task,
        images=scratch / "distorted_images",
        target_columns=["mos"],
        group_column=wanted.group_column,
    )


def rated_source(wanted: Embedding, scratch: Path) -> Source:
    """What trains and what validates; quality trains on distorted photographs too."""
    data = rated_images(wanted, scratch)
    source = source_of(
        wanted.task,
        data,
        validation_fraction=wanted.validation_fraction,
        seed=wanted.recipe.seed,
    )
    if wanted.task.name != "iqa":
        return source
    more = known_distortions(SHARED, scratch, source.training)
    training = source.training.joined(more)
    return replace(source, training=training, sha256=data.joined(more).sha256)


@click.group()
def main() -> None:
    """Trains and embeds the adapters of the package."""


@main.command("train")
@click.argument("name", type=click.Choice(sorted(RUNS_WANTED)))
@click.option("--out", type=click.Path(path_type=Path), default=None)
def train_command(name: str, out: Path | None) -> None:
    """Trains one run on the CLIP ViT-B/16 that the package registry carries."""
    wanted = RUNS_WANTED[name]
    backbone = find_backbone("clip-b16")
    weights = backbone.weights_of("openai-int8")
    base = load_base(backbone.name, weights)
    started = time.monotonic()

    def report(history: Sequence[Epoch]) -> None:
        epoch = history[-1]
        minutes = (time.monotonic() - started) / 60
        click.echo(
            f"{name} epoch {epoch.number} loss {epoch.loss:.4f} "
            f"validation {epoch.validation:.4f} {minutes:.1f} min"
        )

    def progress(batches: Iterator[Batch], done: int, steps: int) -> Iterator[Batch]:
        yield from tqdm(batches, initial=done, total=steps, mininterval=30)

    with tempfile.TemporaryDirectory() as scratch:
        run = train(
            [rated_source(wanted, Path(scratch))],
            out or RUNS / name,
            backbone=backbone,
            base=base,
            base_name=f"{backbone.name}.{weights.tag}",
            recipe=wanted.recipe,
            command=f"python benchmarks/train_embedded.py train {name}",
            watch=lambda stage: Watch(report, progress=progress),
            feature_cache=cache_folder() / "features",
        )
    click.echo(f"{name} {dict(run.figures['default'])} {(time.monotonic() - started) / 60:.1f} min")


@dataclass(frozen=True)
class Shipped:
    """One adapter of the package: which outputs of which run, seen how, described how."""

    name: str
    run: str
    outputs: tuple[str, ...]
    views: tuple[View, ...]
    training_data: str
    licence: str
    seen: str
    unit: str
    paper: str
    score_range: tuple[float, float]
    notes: tuple[str, ...] = ()
    also_chosen: str = ""
    """What else the validation images chose, beside epoch and view."""


_LICENCE = "Apache-2.0 for the adapter; base MIT (OpenAI); "
_OASIS_VIEWS: tuple[View, ...] = (
    CentreCrop(),
    CentreCrop(mirrored=True),
    GridCrops(resize_to=224, crops=3),
)
_OASIS_SEEN = (
    "642 photographs of scenes, people, animals and objects; nudity, gore and hate were left out"
)
SHIPPED = (
    Shipped(
        "memorability",
        "memorability",
        ("memorability",),
        (
            CentreCrop(160, 160),
            GridCrops(160, 160, 3),
            CentreCrop(192, 192),
        ),
        "LNSIM, 1,895 of 2,106 outdoor natural scenes (Lu et al., IEEE TIP 2020)",
        _LICENCE + "LNSIM states no licence",
        "outdoor natural scenes only: no people, objects or art; ratings from 0.14 to 0.95",
        "hit rate in a memory game",
        "Lu et al. 2020, Understanding and Predicting the Memorability of Outdoor Natural Scenes",
        (0.0, 1.0),
        also_chosen=", the epoch of the head that went first, and the rate of LoRA (at 96 pixels)",
    ),
    Shipped(
        "affect",
        "oasis",
        ("valence", "arousal"),
        _OASIS_VIEWS,
        "OASIS, 514 of 642 photographs (Kurdi et al. 2017)",
        _LICENCE + "OASIS images have mixed licences",
        _OASIS_SEEN,
        "mean rating from 1 to 7",
        "Kurdi et al. 2017, OASIS, Behavior Research Methods 49",
        (1.0, 7.0),
        also_chosen=", rate and epoch of the head that went first, and this recipe of two",
    ),
    Shipped(
        "aesthetics",
        "beauty",
        ("beauty",),
        _OASIS_VIEWS,
        "OASIS, 514 of 642 photographs, beauty ratings of Brielmann & Pelli 2019",
        _LICENCE + "OASIS images have mixed licences",
        _OASIS_SEEN,
        "mean rating from 1 to 7",
        "Brielmann & Pelli 2019, Intense Beauty Requires Intense Pleasure",
        (1.0, 7.0),
        also_chosen=", and this recipe of two",
    ),
    Shipped(
        "iqa",
        "iqa",
        ("quality",),
        (RandomCrops(size=160),),  # 224 was worse by 0.02 with an earlier adapter
        "a part of TID2013: 300 distortions of 15 Kodak photographs (Ponomarenko et al. 2013); and "
        "two distortions each of 2,748 photographs of LNSIM and OASIS, which nobody rated: each "
        "has the mean rating of its type and level over the 15, moved by how much fine detail "
        "the photograph has",
        _LICENCE + "TID2013 is free for research, LNSIM states no licence, OASIS images have mixed "
        "licences",
        "Gaussian blur, JPEG, brightness shift and contrast change only, on photographs of 122 to "
        "384 pixels on the short side; noise, colour, and whatever else a camera does it has never "
        "seen",
        "mean opinion score of TID2013, about 1 to 7",
        "Ponomarenko et al. 2013, Color Image Database TID2013; photographs also of Lu et al. 2020 "
        "(LNSIM) and Kurdi et al. 2017 (OASIS)",
        (0.0, 9.0),
        also_chosen=", this recipe of three, and crops of 160 pixels before 224",
    ),
)


@dataclass(frozen=True)
class Judged:
    """A run's validation part, and what its adapter says of it through each view."""

    adapter: Adapter
    validation: Manifest
    images: int
    epochs: int
    predictions: dict[View, FloatArray]


def judge(name: str, views: tuple[View, ...]) -> Judged:
    """Scores the validation part of a run through each view; its own view is in ``run.json``."""
    wanted = RUNS_WANTED[name]
    adapter = load_adapter(RUNS / name / "adapter.safetensors")
    record = json.loads((RUNS / name / "run.json").read_text())
    recorded = record.get("datasets", {}).get("default", record)  # flat in runs before 0.2
    backbone = find_backbone("clip-b16")
    base = load_base(backbone.name, backbone.weights_of("openai-int8"))
    model = build_model(
        backbone,
        base.tensors,
        outputs=len(adapter.config.outputs),
        head=adapter.config.head,
        lora=adapter.config.lora,
    )
    model.load_adapted_state(adapter.tensors)
    model.eval()
    predictions = {adapter.config.view: np.asarray(recorded["validation_prediction"])}
    with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
        data = rated_images(wanted, Path(scratch))
        fraction, seed = wanted.validation_fraction, wanted.recipe.seed
        part = data.take(split_by_group(data.groups, fraction, seed)[1])
        for view in views:
            if view not in predictions:
                images = (load_image(path) for path in part.images)
                predictions[view] = np.asarray(mean_over_cuts(model, images, view), np.float64)
    epochs = len(record["history"])
    return Judged(adapter, part, len(data), epochs, {view: predictions[view] for view in views})


def figures_by_output(
    prediction: Sequence[Sequence[float]],
    target: Sequence[Sequence[float]],
    outputs: Sequence[str],
) -> dict[str, float]:
    """SRCC of each output, and their mean."""
    said, rated = np.asarray(prediction), np.asarray(target)
    figures = {name: srcc(said[:, k], rated[:, k]) for k, name in enumerate(outputs)}
    return {**figures, "mean": float(np.mean(list(figures.values())))}


def figures_of(
    judged: Judged, prediction: FloatArray, outputs: tuple[str, ...]
) -> tuple[Validation, ...]:
    """SRCC of each output with its interval; whole groups are resampled."""
    groups = np.unique(np.asarray(judged.validation.groups), return_inverse=True)[1]
    figures = []
    for output in outputs:
        k = judged.adapter.config.outputs.index(output)
        targets = judged.validation.targets[:, k]
        interval = bootstrap_ci(srcc, prediction[:, k], targets, groups=groups)
        figures.append(
            Validation(output, "SRCC", interval.value, interval.low, interval.high, len(targets))
        )
    return tuple(figures)


@main.command("embed")
@click.argument("runs", nargs=-1, type=click.Choice(sorted(RUNS_WANTED)))
def embed_command(runs: tuple[str, ...]) -> None:
    """Chooses views, measures, and writes the adapters of those runs (or all) into the package."""
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    record = results / "embedded.json"
    measured = json.loads(record.read_text()) if record.exists() else {}
    for run in runs or sorted(RUNS_WANTED):
        shipped = [one for one in SHIPPED if one.run == run]
        judged = judge(run, shipped[0].views)
        for one in shipped:
            measured[one.name] = ship(one, judged)
        (results / f"{run}.run.json").write_bytes((RUNS / run / "run.json").read_bytes())
        record.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


TID2013_KINDS = {"08": "blur", "10": "JPEG", "16": "brightness", "17": "contrast"}


def kinds_of(shipped: Shipped, judged: Judged, view: View) -> tuple[str, ...]:
    """For quality: how well it tells levels of one distortion apart, and how few contents."""
    if shipped.name != "iqa":
        return ()
    names = [path.stem.lower().split("_") for path in judged.validation.images]
    said, rated = judged.predictions[view][:, 0], judged.validation.targets[:, 0]
    found = []
    for kind, word in TID2013_KINDS.items():
        rows = [index for index, (_, one, _) in enumerate(names) if one == kind]
        found.append(f"{word} {srcc(said[rows], rated[rows]):.2f}")
    contents = len({content for content, _, _ in names})
    return (
        f"the validation images are distortions of {contents} photographs, which makes the "
        "interval wide",
        f"SRCC within a kind of distortion: {', '.join(found)}",
    )


def ship(shipped: Shipped, judged: Judged) -> dict[str, Any]:
    """Writes one adapter with its card into the package; gives what was measured."""
    tried = {
        view: figures_of(judged, prediction, shipped.outputs)
        for view, prediction in judged.predictions.items()
    }
    for view, figures in tried.items():
        click.echo(f"{shipped.name}, {view}: " + "; ".join(map(str, figures)))
    best = max(tried, key=lambda view: float(np.mean([f.value for f in tried[view]])))
    adapter = judged.adapter.select(shipped.outputs)
    count = len(judged.validation)
    fitted = RUNS_WANTED[shipped.run].task.scale_free
    card = replace(
        adapter.card,
        name=shipped.name,
        task=shipped.name,
        outputs=shipped.outputs,
        score_range=shipped.score_range,
        direction=TASKS.get(shipped.name).direction,
        unit=shipped.unit,
        seen=shipped.seen,
        training_data=shipped.training_data,
        licence=shipped.licence,
        paper=shipped.paper,
        view=str(best),
        validation=tried[best],
        validated_how=f"{count} of the {judged.images} images, which training never saw; they "
        f"chose the best of {judged.epochs} epochs"
        + (f" and of {len(tried)} views" if len(tried) > 1 else "")
        + shipped.also_chosen
        + ", which flatters the figure a little"
        + (", and the scores' scale and offset were fitted on them" if fitted else ""),
        command=f"python benchmarks/train_embedded.py train {shipped.run} && "
        f"python benchmarks/train_embedded.py embed {shipped.run}",
        notes=(
            *kinds_of(shipped, judged, best),
            *shipped.notes,
            "images whose short side is smaller than the view needs are enlarged",
            "matrices are stored as float16; the figures are those of the stored file",
        ),
    )
    better = TASKS.get(shipped.name).higher_is_better
    config = replace(adapter.config, view=best, higher_is_better=better)
    chosen = replace(adapter, config=config, card=card)
    path = chosen.save(ADAPTERS / f"{shipped.name}.safetensors", half=True)
    sha256 = sha256_of_file(path)
    click.echo(f"{path} {sha256}")
    return {
        "command": card.command,
        "sha256": sha256,
        "bytes": path.stat().st_size,
        "views": {str(view): [asdict(figure) for figure in f] for view, f in tried.items()},
        "chosen": str(best),
    }


if __name__ == "__main__":
    main()
