"""One training run: data in, a folder with an adapter and everything needed to repeat it out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

from perceptmetrics.backbones import Backbone
from perceptmetrics.card import MetricCard
from perceptmetrics.errors import OptionError, RunFolderError, TrainingError
from perceptmetrics.training.checkpoint import SUFFIX
from perceptmetrics.training.engine import Engine
from perceptmetrics.training.figures import figure, fit_rating_scale, run_card
from perceptmetrics.training.inputs import Predictions, predict
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.record import RUN_FILE, run_record
from perceptmetrics.training.source import Source
from perceptmetrics.training.stages import History, Stages, views_of
from perceptmetrics.training.trainer import WatchOf, nobody_watches
from perceptmetrics.weights.adapter import ADAPTER_FILE, Adapter, AdapterConfig
from perceptmetrics.weights.base import LoadedBase


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        folder: Holds ``adapter.safetensors`` and ``run.json``.
        adapter: As it was saved.
        history: One entry an epoch.
        figures: Dataset -> each measure of its task on its validation part, of the saved adapter.
        head_first: Dataset -> the history of its head before all else, if there was such a stage.
        second_stage: Dataset -> the history of its head alone, where there was such a stage.
    """

    folder: Path
    adapter: Adapter
    history: History
    figures: Mapping[str, Mapping[str, float]]
    head_first: Mapping[str, History] = field(default_factory=dict)
    second_stage: Mapping[str, History] = field(default_factory=dict)


def train(
    sources: Sequence[Source],
    out: Path,
    *,
    backbone: Backbone,
    base: LoadedBase,
    base_name: str,
    recipe: Recipe,
    engine: Engine | None = None,
    command: str = "",
    watch: WatchOf = nobody_watches,
    checkpoint_seconds: float = 300.0,
    feature_cache: Path | None = None,
) -> Run:
    """Trains one model on one dataset or several, and writes the run folder.

    A run that was killed goes on where its last checkpoint stands, to the same weights, when it
    is called again with the same arguments.

    Args:
        sources: The datasets, each with its task, its training and its validation part.
        out: The run folder; it must not hold an adapter already.
        backbone: The encoder.
        base: Its pretrained tensors.
        base_name: Their full name, ``backbone.tag``.
        recipe: Everything else.
        engine: One process on the CPU when ``None``.
        command: The command line that started this, for the record.
        watch: A stage -> who looks on at it.
        checkpoint_seconds: Least time between checkpoints inside an epoch.
        feature_cache: The folder where features of an encoder that keeps still are kept, for the
            strategy ``frozen`` and the second stage; without it they are computed in every epoch.

    Raises:
        ImageError: An image cannot be read. The run can go on once it is mended.
        OptionError: No source, or two of one name.
        RunFolderError: The folder holds a finished run or another run's checkpoint, or cannot be
            written.
        TrainingError: The loss or the validation score became NaN.
    """
    engine = engine or Engine()
    if find_spec("scipy") is None or find_spec("sklearn") is None:
        raise TrainingError("training needs scipy and scikit-learn: pip install scipy scikit-learn")
    if not sources or len({source.name for source in sources}) < len(sources):
        raise OptionError(
            f"sources are called {[source.name for source in sources]}; expected at least one, "
            "each with a name of its own"
        )
    if (out / ADAPTER_FILE).exists():
        raise RunFolderError(f"{out} holds a finished run already; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    stages = Stages(
        sources,
        backbone,
        base,
        recipe,
        out,
        run_fingerprint(sources, base, recipe),
        engine,
        watch,
        checkpoint_seconds,
        feature_cache,
    )
    if recipe.head_first is not None:
        stages.heads_first(recipe.head_first)
    history = stages.together()
    second: dict[str, History] = {}
    if recipe.second_stage:
        second = {source.name: stages.alone(source) for source in sources}
    run = _finish(stages, out, base_name, command, history, second)
    engine.wait()
    return run


def _finish(
    stages: Stages,
    out: Path,
    base_name: str,
    command: str,
    history: History,
    second: Mapping[str, History],
) -> Run:
    """Judges what was trained and writes it."""
    model, recipe = stages.model, stages.recipe
    if recipe.half:
        # What is stored is what is judged: the figures below are those of the rounded matrices.
        model.load_adapted_state(
            {n: t.half().float() if t.dim() > 1 else t for n, t in model.adapted_state().items()}
        )
    model.eval()
    figures: dict[str, dict[str, float]] = {}
    predictions: dict[str, Predictions] = {}
    parts: dict[str, tuple[AdapterConfig, MetricCard]] = {}
    for source in stages.sources:
        task = source.task
        view = views_of(source, recipe).eval
        prediction = predict(model, source, source.validation, view, stages.engine)
        if task.scale_free:
            prediction = fit_rating_scale(
                model.head(source.name), prediction, source.validation.targets
            )
        predictions[source.name] = prediction
        figures[source.name] = {
            name: figure(task, name, prediction, source.validation) for name in task.measures
        }
        config = AdapterConfig(
            kind=task.kind,
            outputs=task.outputs,
            backbone=stages.backbone.name,
            base=base_name,
            base_sha256=stages.base.sha256,
            view=view,
            strategy=recipe.strategy,
            lora=recipe.lora,
            head=recipe.head or stages.sources[0].task.head,
            datasets=tuple(one.name for one in stages.sources),
            groupings=task.groupings,
            higher_is_better=task.higher_is_better,
        )
        parts[source.name] = config, run_card(source, config, prediction, command)
    config, first_card = parts[stages.sources[0].name]
    several = parts if len(parts) > 1 else {}
    adapter = Adapter(config, first_card, model.adapted_state(), several)
    if stages.engine.is_main:
        record = run_record(stages, base_name, command, history, second, figures, predictions)
        try:
            # The adapter comes last: where it is, the run is finished.
            (out / RUN_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            adapter.save(out / ADAPTER_FILE, half=recipe.half)
        except OSError as error:
            raise RunFolderError(
                f"{out} cannot be written ({error.strerror}); make room, and the same command "
                "goes on from the last checkpoint"
            ) from error
        for kept in out.glob(f"checkpoint*{SUFFIX}"):
            kept.unlink()
    return Run(out, adapter, history, figures, stages.head_first, second)


def is_unfinished(out: Path) -> bool:
    """Whether a folder holds a run that was stopped, and nothing else.

    A run that was killed early may have left no checkpoint yet.
    """
    ours = ("checkpoint*", ".checkpoint*", "curves*.png", ".curves*", "tensorboard", RUN_FILE)
    names = [path.name for path in out.iterdir()] if out.is_dir() else []
    return bool(names) and all(any(fnmatch(name, one) for one in ours) for name in names)


def run_fingerprint(sources: Sequence[Source], base: LoadedBase, recipe: Recipe) -> str:
    """What two runs must agree on to give the same numbers: data, splits, weights, recipe.

    What only saves memory, or rounds the file, does not enter.
    """
    optimisation = replace(recipe.optimisation, rows=None)
    thrifty = replace(recipe, half=False, recompute=False, optimisation=optimisation)
    described = {
        "recipe": thrifty.to_dict(),
        "base": base.sha256,
        "sources": [
            [
                *(s.name, s.task.name, s.sha256, s.replicas),
                *(s.training.names, s.validation.names, s.test.names if s.test else ()),
            ]
            for s in sources
        ],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
