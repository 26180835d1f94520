"""Tasks: what is judged.

A file dropped in ``builtin/``, or an entry point in the group ``perceptmetrics.tasks``, adds one;
nothing else is edited.
"""

from __future__ import annotations

from perceptmetrics.registry import Registry
from perceptmetrics.tasks.base import Task

TASKS: Registry[Task] = Registry(
    "task", Task, package="perceptmetrics.tasks.builtin", group="perceptmetrics.tasks"
)

__all__ = ["TASKS", "Task"]
