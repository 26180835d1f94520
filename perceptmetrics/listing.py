"""What there is: tasks, backbones and metrics by name."""

from __future__ import annotations

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.metrics import METRICS
from perceptmetrics.tasks import TASKS


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

    :func:`perceptmetrics.create_metric` also takes the name of a task that has a default metric, as
    ``emotion`` has, and paths.

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
