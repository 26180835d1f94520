"""``create_metric`` and its lists: from a name, a run folder or a file to a metric."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.errors import OptionError
from perceptmetrics.locate import find_adapter, find_base, require_base
from perceptmetrics.metrics import METRICS
from perceptmetrics.tasks import TASKS

if TYPE_CHECKING:
    import os

    import torch

    from perceptmetrics.metric import Metric


def list_tasks() -> list[str]:
    """Names of all tasks, sorted; plug-ins too.

    Example:
        >>> [task for task in list_tasks() if task.startswith("emotion")]
        ['emotion', 'emotion-6']
    """
    return TASKS.names()


def list_backbones() -> list[str]:
    """Names of all backbones, sorted; plug-ins too.

    Example:
        >>> "dinov2-s14" in list_backbones()
        True
    """
    return BACKBONES.names()


def list_metrics(task: str | None = None) -> list[str]:
    """Names of all metrics, sorted; plug-ins too.

    :func:`create_metric` also takes the name of a task that has a default metric, as ``emotion``
    has, and paths.

    Args:
        task: Only those that judge this.

    Raises:
        UnknownNameError: No such task.

    Example:
        >>> list_metrics(task="iqa")
        ['iqa', 'perceptclip-iqa', 'perceptclip-iqa@squeezed']
    """
    wanted = None if task is None else TASKS.get(task).name
    return [spec.name for spec in METRICS if wanted in (None, spec.task)]


def create_metric(
    name: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    base: str | os.PathLike[str] | None = None,
    allow_other_base: bool = False,
    dataset: str | None = None,
    crops: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = "cpu",
    dtype: torch.dtype | None = None,
) -> Metric:
    """A metric by name, ready to judge images.

    Args:
        name: A metric (``memorability``, ``perceptclip-iqa``), a task that has a default metric
            (``emotion``), or the path of a run folder or an adapter file.
        weights: A run folder or an adapter file to use; ``name`` is then the task that it must
            have been trained for.
        base: A file of base weights to use instead of the cache.
        allow_other_base: Use base weights whose hash is not the one that the adapter was trained
            on. Scores change, and the card then says so.
        dataset: Which head, for adapters trained on several datasets.
        crops: How many crops to average, for metrics that crop.
        seed: Draws the crops, for views that draw them.
        batch_size: Cuts in one forward pass; changes memory and speed, not scores.
        device: Where the model runs; ``None`` means the CPU.
        dtype: ``torch.float16`` or ``torch.bfloat16`` for half precision; float32 by default.

    Returns:
        A :class:`~perceptmetrics.metric.Metric`.

    Raises:
        UnknownNameError: No such metric; the text suggests the nearest.
        OptionError: An argument that this metric cannot use.
        WeightsError: Weights are missing or are not the expected ones.

    Example:
        >>> import perceptmetrics as pm
        >>> pm.create_metric("memorabilty")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.UnknownNameError: no metric is called 'memorabilty': ...
    """
    if base is None:
        require_base(name, weights)  # before torch, whose import takes seconds

    import torch

    from perceptmetrics.metric import DEFAULT_BATCH_SIZE, DEFAULT_SEED, Metric
    from perceptmetrics.model import build_model

    adapter = find_adapter(name, weights).pick(dataset)
    config = adapter.config
    spec = BACKBONES.get(config.backbone)
    loaded = find_base(adapter, spec, base, allow_other_base)
    card = adapter.card
    if loaded.sha256 != config.base_sha256:
        note = f"on another base than {config.base}, which it was trained on: no figure holds"
        card = replace(
            card, base=loaded.origin, base_sha256=loaded.sha256, notes=(*card.notes, note)
        )
    model = build_model(
        spec,
        loaded.tensors,
        outputs=len(config.outputs),
        head=config.head,
        strategy=config.strategy,
        lora=config.lora,
        datasets=config.datasets,
    )
    model.load_adapted_state(adapter.tensors)
    metric = Metric(
        model,
        config,
        card,
        crops=crops,
        seed=DEFAULT_SEED if seed is None else seed,
        batch_size=DEFAULT_BATCH_SIZE if batch_size is None else batch_size,
    )
    try:
        return metric.to(device=torch.device(device or "cpu"), dtype=dtype)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        what = f"device {str(device)!r}" + (f" with {dtype}" if dtype is not None else "")
        raise OptionError(f"{what} cannot be used: {reason}") from error
