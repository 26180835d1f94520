"""Datasets of rated images, read in the layout that their authors distribute.

A file dropped in ``builtin/``, or an entry point in the group ``perceptmetrics.datasets``, adds
one; nothing else is edited.
"""

from __future__ import annotations

from perceptmetrics.datasets.base import Dataset
from perceptmetrics.registry import Registry

DATASETS: Registry[Dataset] = Registry(
    "dataset", Dataset, package="perceptmetrics.datasets.builtin", group="perceptmetrics.datasets"
)

__all__ = ["DATASETS", "Dataset"]
