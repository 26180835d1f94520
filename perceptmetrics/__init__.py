"""What a person would say of an image: its quality, memorability, emotion, beauty.

The public face. Names are loaded on first use (PEP 562), so importing this costs next to nothing.

Example:
    >>> import perceptmetrics as pm
    >>> metric = pm.create_metric("memorability")  # doctest: +SKIP
    >>> metric(["a.jpg", "b.png"])  # doctest: +SKIP
    tensor([0.7132, 0.6010])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perceptmetrics.backbones import Backbone
    from perceptmetrics.card import MetricCard
    from perceptmetrics.create import create_metric, create_metrics
    from perceptmetrics.errors import (
        DataError,
        DuplicateNameError,
        ImageError,
        OptionError,
        PerceptError,
        PluginError,
        TrainingError,
        UnknownNameError,
        WeightsError,
        WeightsMismatchError,
        WeightsMissingError,
    )
    from perceptmetrics.explanation.explain import Explanation, explain
    from perceptmetrics.export import export_onnx, export_openvino
    from perceptmetrics.group import MetricGroup
    from perceptmetrics.listing import list_backbones, list_metrics, list_tasks
    from perceptmetrics.metric import Metric
    from perceptmetrics.metrics import MetricSpec
    from perceptmetrics.tasks import Task

__version__ = "0.1.0"

_HOMES = {
    "backbones": ("Backbone",),
    "card": ("MetricCard",),
    "create": ("create_metric", "create_metrics"),
    "errors": (
        "DataError",
        "DuplicateNameError",
        "ImageError",
        "OptionError",
        "PerceptError",
        "PluginError",
        "TrainingError",
        "UnknownNameError",
        "WeightsError",
        "WeightsMismatchError",
        "WeightsMissingError",
    ),
    "explanation.explain": ("Explanation", "explain"),
    "export": ("export_onnx", "export_openvino"),
    "group": ("MetricGroup",),
    "listing": ("list_backbones", "list_metrics", "list_tasks"),
    "metric": ("Metric",),
    "metrics": ("MetricSpec",),
    "tasks": ("Task",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Backbone",
    "DataError",
    "DuplicateNameError",
    "Explanation",
    "ImageError",
    "Metric",
    "MetricCard",
    "MetricGroup",
    "MetricSpec",
    "OptionError",
    "PerceptError",
    "PluginError",
    "Task",
    "TrainingError",
    "UnknownNameError",
    "WeightsError",
    "WeightsMismatchError",
    "WeightsMissingError",
    "__version__",
    "create_metric",
    "create_metrics",
    "explain",
    "export_onnx",
    "export_openvino",
    "list_backbones",
    "list_metrics",
    "list_tasks",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'perceptmetrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"perceptmetrics.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
