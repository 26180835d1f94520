"""Metrics that have names: the embedded adapters, the paper's official models, plug-ins.

A file dropped in ``builtin/``, or an entry point in the group ``perceptmetrics.metrics``, adds one.
"""

from __future__ import annotations

from perceptmetrics.metrics.base import EmbeddedAdapter, MetricSpec, OfficialCheckpoint
from perceptmetrics.registry import Registry

METRICS: Registry[MetricSpec] = Registry(
    "metric", MetricSpec, package="perceptmetrics.metrics.builtin", group="perceptmetrics.metrics"
)

__all__ = ["METRICS", "EmbeddedAdapter", "MetricSpec", "OfficialCheckpoint"]
