"""One training run: data in, a folder with an adapter and everything needed to repeat it out."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from perceptmetrics.backbones import Backbone
from perceptmetrics.card import MetricCard
from perceptmetrics.data.batches import batch_bounds, training_batches
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.errors import DataError, TrainingError
from perceptmetrics.images import load_image
from perceptmetrics.lora import parameter_count
from perceptmetrics.metric import DEFAULT_SEED, mean_over_cuts
from perceptmetrics.model import build_model
from perceptmetrics.tasks import Task
from perceptmetrics.training.figures import figure, fit_rating_scale, run_card, set_rating_scale
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.trainer import Epoch, fit
from perceptmetrics.views import View
from perceptmetrics.weights.adapter import ADAPTER_FILE, Adapter, AdapterConfig
from perceptmetrics.weights.base import LoadedBase

RUN_FILE = "run.json"
RECORDED_PACKAGES = (
    "perceptmetrics",
    "torch",
    "numpy",
    "pillow",
    "safetensors",
    "loralib",
    "scipy",
    "scikit-learn",
)


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
    more: Manifest | None = None,
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
        more: Rated images that only training sees, beside its part of ``data``.
        device: Where to train.
        card: What to put on the card beside what the run knows itself (data, licence, notes).
        command: The command line that started this, for the record.
        report: Called after each epoch.
        progress: Wraps an epoch's batches, given their number.

    Raises:
        DataError: Too few images or groups, or constant ratings.
        ImageError: An image cannot be read.
        TrainingError: The loss or the validation score became NaN.
    """
    if find_spec("scipy") is None or find_spec("sklearn") is None:
        raise TrainingError("training needs scipy and scikit-learn: pip install scipy scikit-learn")
    if (out / ADAPTER_FILE).exists():
        raise TrainingError(f"{out} holds a finished run already; give another --out")
    head = recipe.head or task.head
    replicas = recipe.replicas or task.replicas
    train_view = recipe.train_view or task.train_view
    eval_view = recipe.eval_view or task.eval_view
    validation_view = recipe.validation_view or eval_view
    recipe = replace(
        recipe,
        head=head,
        replicas=replicas,
        train_view=train_view,
        eval_view=eval_view,
        validation_view=validation_view,
    )
    first, second = split_by_group(data.groups, recipe.validation_fraction, recipe.seed)
    training, validation = data.take(first), data.take(second)
    if len(set(validation.groups)) < 2 or len(training) < 2:
        # Found now, not after hours of training: figures and their intervals need more.
        raise DataError(
            f"the split leaves {len(training)} training images and {len(set(validation.groups))} "
            "validation images (or groups of them), expected at least 2 of each; raise "
            "--validation-fraction, or give more images"
        )
    if more is not None:
        training = training.joined(more)
    classification = task.kind == "classification"
    model = build_model(
        backbone,
        base.tensors,
        outputs=len(task.outputs),
        head=head,
        strategy=recipe.strategy,
        lora=recipe.lora,
        seed=recipe.seed,
    )
    targets = torch.from_numpy(training.targets)
    if not classification:
        set_rating_scale(model, training.targets)
        out_head = model.head()
        targets = ((targets.float() - out_head.shift) / out_head.scale).float()
    model.to(device)

    def predict(view: View) -> npt.NDArray[np.float64]:
        images = (load_image(path) for path in validation.images)
        with torch.no_grad():
            scores = mean_over_cuts(
                model, images, view, classification=classification, seed=DEFAULT_SEED
            )
        return np.asarray(scores, dtype=np.float64)

    def batches(epoch: int) -> Any:
        produced = training_batches(
            training,
            targets,
            train_view,
            batch_size=recipe.batch_size,
            replicas=replicas,
            seed=recipe.seed,
            epoch=epoch,
        )
        return progress(produced, steps)

    steps = len(batch_bounds(len(training) * replicas, recipe.batch_size))
    history, best = fit(
        model,
        model.adapted_state,
        task.loss,
        batches,
        steps,
        lambda: figure(task, task.selects_by, predict(validation_view), validation),
        recipe.optimisation,
        recipe.seed,
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
        view=eval_view,
        strategy=recipe.strategy,
        lora=recipe.lora,
        head=head,
        groupings=task.groupings,
        higher_is_better=task.higher_is_better,
    )
    if recipe.half:
        # What is stored is what is judged: the figures below are those of the rounded matrices.
        model.load_adapted_state(
            {n: t.half().float() if t.dim() > 1 else t for n, t in model.adapted_state().items()}
        )
    model.eval()
    prediction = predict(eval_view)
    if task.scale_free:
        prediction = fit_rating_scale(model, prediction, validation.targets)
    figures = {name: figure(task, name, prediction, validation) for name in task.measures}
    adapter = Adapter(
        config,
        run_card(card, task, config, training, validation, prediction, command),
        model.adapted_state(),
    )
    record = {
        "task": task.name,
        "backbone": backbone.name,
        "command": command,
        "recipe": recipe.to_dict(),
        "base": {"name": base_name, "sha256": base.sha256, "origin": base.origin},
        "data": {
            "sha256": data.sha256,
            "sha256 of more": more.sha256 if more else None,
            "training": len(training),
            "validation": len(validation),
        },
        "validation_images": [path.name for path in validation.images],
        "validation_prediction": prediction.tolist(),
        "validation_target": validation.targets.tolist(),
        "parameters": {
            "trained": parameter_count(model),
            "all": parameter_count(model, trainable=False),
        },
        "history": [asdict(epoch) for epoch in history],
        "figures": figures,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in RECORDED_PACKAGES},
        },
        "machine": {
            "platform": platform.platform(),
            "device": device,
            "threads": torch.get_num_threads(),
        },
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    # The adapter comes last: where it is, the run is finished.
    (out / RUN_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    adapter.save(out / ADAPTER_FILE, half=recipe.half)
    return Run(out, adapter, tuple(history), figures)
