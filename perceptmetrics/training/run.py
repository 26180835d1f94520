"""One training run: data in, a folder with an adapter and everything needed to repeat it out."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from perceptmetrics.adaptation import LoRAConfig, Strategy
from perceptmetrics.backbones import Backbone
from perceptmetrics.card import MetricCard, Validation
from perceptmetrics.data.batches import training_batches
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.errors import DataError, TrainingError
from perceptmetrics.heads import HeadSpec
from perceptmetrics.images import load_image
from perceptmetrics.lora import parameter_count
from perceptmetrics.metric import DEFAULT_SEED, mean_over_cuts
from perceptmetrics.model import PerceptualModel, build_model
from perceptmetrics.statistics import bootstrap_ci
from perceptmetrics.tasks import Task
from perceptmetrics.training.trainer import Epoch, Optimisation, fit
from perceptmetrics.views import View
from perceptmetrics.weights.adapter import Adapter, AdapterConfig
from perceptmetrics.weights.base import LoadedBase

ADAPTER_FILE = "adapter.safetensors"
RUN_FILE = "run.json"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run gives, beside data and base weights.

    Views, head and replicas are the task's own where they are ``None``.

    Attributes:
        validation_fraction: Share of the groups that training never sees (the paper: 10 %).
        validation_view: What is seen when an epoch is judged; fewer crops than when scoring save
            time. The figures on the card are computed with ``eval_view``.
        half: Store the adapter's matrices as float16.
    """

    strategy: Strategy = "lora"
    lora: LoRAConfig = field(default_factory=LoRAConfig)
    head: HeadSpec | None = None
    optimisation: Optimisation = field(default_factory=Optimisation)
    batch_size: int = 32
    replicas: int | None = None
    train_view: View | None = None
    eval_view: View | None = None
    validation_view: View | None = None
    validation_fraction: float = 0.1
    seed: int = 0
    half: bool = False


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        folder: Holds ``adapter.safetensors`` and ``run.json``.
        adapter: As it was saved.
        history: One entry an epoch.
        figures: Each measure of the task on the validation part, of the saved adapter.
    """

    folder: Path
    adapter: Adapter
    history: tuple[Epoch, ...]
    figures: Mapping[str, float]


def train(
    task: Task,
    data: Manifest,
    out: Path,
    *,
    backbone: Backbone,
    base: LoadedBase,
    base_name: str,
    recipe: Recipe,
    device: str = "cpu",
    card: MetricCard | None = None,
    command: str = "",
    report: Callable[[Epoch], None] = lambda epoch: None,
    progress: Callable[[Any, int], Any] = lambda batches, steps: batches,
) -> Run:
    """Trains one model on one manifest and writes the run folder.

    Args:
        task: What is judged.
        data: Rated images; a part is held out by group, and chooses the best epoch.
        out: The run folder; it must not hold an adapter already.
        backbone: The encoder.
        base: Its pretrained tensors.
        base_name: Their full name, ``backbone.tag``.
        recipe: Everything else.
        device: Where to train.
        card: What to put on the card beside what the run knows itself (data, licence, notes).
        command: The command line that started this, for the record.
        report: Called after each epoch.
        progress: Wraps an epoch's batches, given their number.

    Raises:
        DataError: Too few images, or constant ratings.
        ImageError: An image cannot be read.
        TrainingError: The loss or the validation score became NaN.
    """
    if (out / ADAPTER_FILE).exists():
        raise TrainingError(f"{out} holds a finished run already; give another --out")
    recipe = replace(
        recipe,
        head=recipe.head or task.head,
        replicas=recipe.replicas or task.replicas,
        train_view=recipe.train_view or task.train_view,
        eval_view=recipe.eval_view or task.eval_view,
        validation_view=recipe.validation_view or recipe.eval_view or task.eval_view,
    )
    assert recipe.head and recipe.replicas and recipe.train_view  # for the type checker
    assert recipe.eval_view and recipe.validation_view
    first, second = split_by_group(data.groups, recipe.validation_fraction, recipe.seed)
    training, validation = data.take(first), data.take(second)
    classification = task.kind == "classification"
    model = build_model(
        backbone,
        base.tensors,
        outputs=len(task.outputs),
        head=recipe.head,
        strategy=recipe.strategy,
        lora=recipe.lora,
        seed=recipe.seed,
    )
    targets = torch.from_numpy(training.targets)
    if not classification:
        _set_rating_scale(model, training.targets)
        head = model.head()
        targets = ((targets.float() - head.shift) / head.scale).float()
    model.to(device)

    def predict(view: View) -> npt.NDArray[np.float64]:
        images = (load_image(path) for path in validation.images)
        with torch.no_grad():
            out = mean_over_cuts(
                model, images, view, classification=classification, seed=DEFAULT_SEED
            )
        return out.numpy().astype(np.float64)

    def batches(epoch: int) -> Any:
        produced = training_batches(
            training,
            targets,
            recipe.train_view or task.train_view,
            batch_size=recipe.batch_size,
            replicas=recipe.replicas or 1,
            seed=recipe.seed,
            epoch=epoch,
        )
        return progress(produced, steps)

    count = len(training) * recipe.replicas
    steps = count // recipe.batch_size + (count % recipe.batch_size > 1 or count == 1)
    history, best = fit(
        model,
        model.adapted_state,
        task.loss,
        batches,
        steps,
        lambda: _figure(task, task.selects_by, predict(recipe.validation_view), validation),
        recipe.optimisation,
        report,
    )
    model.load_adapted_state(best)
    out.mkdir(parents=True, exist_ok=True)
    config = AdapterConfig(
        kind=task.kind,
        outputs=task.outputs,
        backbone=backbone.name,
        base=base_name,
        base_sha256=base.sha256,
        view=recipe.eval_view,
        strategy=recipe.strategy,
        lora=recipe.lora,
        head=recipe.head,
        groupings=task.groupings,
    )
    if recipe.half:
        # What is stored is what is judged: the figures below are those of the rounded matrices.
        model.load_adapted_state(
            {n: t.half().float() if t.dim() > 1 else t for n, t in model.adapted_state().items()}
        )
    model.eval()
    prediction = predict(recipe.eval_view)
    if task.scale_free:
        prediction = _fit_rating_scale(model, prediction, validation.targets)
    figures = {name: _figure(task, name, prediction, validation) for name in task.measures}
    adapter = Adapter(
        config,
        _card(card, task, config, training, validation, prediction, command),
        model.adapted_state(),
    )
    adapter.save(out / ADAPTER_FILE, half=recipe.half)
    record = {
        "task": task.name,
        "command": command,
        "recipe": _plain(recipe),
        "base": {"name": base_name, "sha256": base.sha256, "origin": base.origin},
        "data": {"sha256": data.sha256, "training": len(training), "validation": len(validation)},
        "validation_images": [path.name for path in validation.images],
        "validation_prediction": prediction.tolist(),
        "validation_target": validation.targets.tolist(),
        "parameters": {"trained": parameter_count(model), "all": parameter_count(model, trainable=False)},
        "history": [asdict(epoch) for epoch in history],
        "figures": figures,
        "versions": {name: version(name) for name in ("torch", "numpy", "pillow", "loralib")},
        "machine": {"platform": platform.platform(), "device": device},
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    (out / RUN_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return Run(out, adapter, tuple(history), figures)


def _set_rating_scale(model: PerceptualModel, targets: npt.NDArray[np.float64]) -> None:
    deviation = targets.std(axis=0)
    if not (deviation > 0).all():
        raise DataError("all training ratings of an output are equal; there is nothing to learn")
    head = model.head()
    head.shift.copy_(torch.from_numpy(targets.mean(axis=0)))
    head.scale.copy_(torch.from_numpy(deviation))


def _fit_rating_scale(
    model: PerceptualModel, prediction: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    # PLCC leaves scale and offset open: a least-squares line on the validation part brings the
    # output to the ratings' unit. Ranks, and so SRCC and PLCC, do not depend on it.
    head, fitted = model.head(), prediction.copy()
    for output in range(targets.shape[1]):
        slope, offset = np.polyfit(prediction[:, output], targets[:, output], 1)
        if slope <= 0:
            raise TrainingError(
                "predictions fall where ratings rise, so scores cannot be brought to the ratings' "
                "scale: the run learned nothing; train longer or with another learning rate"
            )
        head.shift[output] = head.shift[output] * slope + offset
        head.scale[output] = head.scale[output] * slope
        fitted[:, output] = fitted[:, output] * slope + offset
    return fitted


def _figure(
    task: Task, measure: str, prediction: npt.NDArray[np.float64], part: Manifest
) -> float:
    function = task.measures[measure]
    if task.kind == "classification":
        return float(function(prediction, part.targets))
    columns = range(part.targets.shape[1])
    return float(np.mean([function(prediction[:, k], part.targets[:, k]) for k in columns]))


def _card(
    given: MetricCard | None,
    task: Task,
    config: AdapterConfig,
    training: Manifest,
    validation: Manifest,
    prediction: npt.NDArray[np.float64],
    command: str,
) -> MetricCard:
    given = given or MetricCard(name=task.name, task=task.name, outputs=task.outputs)
    figures = []
    if task.kind == "regression":
        groups = np.unique(np.asarray(validation.groups), return_inverse=True)[1]
        for k, output in enumerate(task.outputs):
            interval = bootstrap_ci(
                task.measures[task.selects_by],
                prediction[:, k],
                validation.targets[:, k],
                groups=groups,
            )
            figures.append(
                Validation(
                    output,
                    task.selects_by,
                    interval.value,
                    interval.low,
                    interval.high,
                    len(validation),
                )
            )
    return replace(
        given,
        score_range=given.score_range or task.score_range,
        direction=task.direction,
        unit=given.unit or task.unit,
        paper=given.paper or task.paper,
        backbone=config.backbone,
        base=config.base,
        base_sha256=config.base_sha256,
        view=str(config.view),
        training_data=given.training_data or f"{len(training)} images of your own",
        validation=tuple(figures),
        validated_how=given.validated_how
        or f"{len(validation)} images that training never saw; they chose the best epoch",
        command=command,
    )


def _plain(recipe: Recipe) -> dict[str, Any]:
    views = ("train_view", "eval_view", "validation_view")
    plain = asdict(replace(recipe, **dict.fromkeys(views)))
    return {**plain, **{name: getattr(recipe, name).to_dict() for name in views}}
