"""``perceptmetrics list``: what can be asked for by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from perceptmetrics.cli.text import columns, one_line
from perceptmetrics.errors import PerceptError

if TYPE_CHECKING:
    from perceptmetrics.card import MetricCard
    from perceptmetrics.metrics import MetricSpec


@click.command("list")
@click.option("--task", help="Only metrics of this task.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_names(task: str | None, as_json: bool) -> None:
    """List metrics, tasks and backbones, those of installed plug-ins too."""
    from perceptmetrics.backbones import BACKBONES
    from perceptmetrics.backbones.counts import encoder_parameters
    from perceptmetrics.metrics import METRICS
    from perceptmetrics.tasks import TASKS

    wanted = None if task is None else TASKS.get(task).name
    found: dict[str, list[dict[str, Any]]] = {
        "metrics": [_metric(spec) for spec in METRICS if wanted in (None, spec.task)]
    }
    if wanted is None:
        found["tasks"] = [
            {"name": t.name, "kind": t.kind, "outputs": list(t.outputs), "direction": t.direction}
            for t in TASKS
        ]
        found["backbones"] = [
            {
                "name": b.name,
                "parameters": encoder_parameters(b),
                "family_default": b.default_of_family,
                "weights": [weights.tag for weights in b.weights],
            }
            for b in BACKBONES
        ]
    for registry in (METRICS, TASKS, BACKBONES):
        for error in registry.broken.values():
            click.echo(f"warning: {one_line(str(error))}", err=True)
    click.echo(json.dumps(found, indent=2) if as_json else _text(found))


def weights_of(spec: MetricSpec) -> str:
    """Where a metric's adapter comes from, in a few words."""
    from perceptmetrics.metrics import EmbeddedAdapter

    if isinstance(spec.adapter, EmbeddedAdapter):
        return "embedded"
    return f"hub: {spec.adapter.repo}"


def score_range(card: MetricCard) -> str:
    """The card's range, such as ``1 to 7``."""
    if card.score_range is None:
        return "open"
    low, high = card.score_range
    return f"{low:g} to {high:g}"


def _metric(spec: MetricSpec) -> dict[str, Any]:
    try:
        card = spec.card
    except PerceptError as error:
        # One damaged file must not hide the other names.
        click.echo(f"warning: {spec.name}: {one_line(str(error))}", err=True)
        return {"name": spec.name, "task": spec.task, "weights": "unusable"}
    return {
        "name": spec.name,
        "task": spec.task,
        "outputs": list(card.outputs),
        "range": score_range(card),
        "direction": card.direction,
        "backbone": card.backbone,
        "weights": weights_of(spec),
    }


def _text(found: dict[str, list[dict[str, Any]]]) -> str:
    metrics = [
        [m["name"], m["task"], _few(m.get("outputs", [])), m.get("range", ""), m["weights"]]
        for m in found["metrics"]
    ]
    parts = [columns([["METRIC", "TASK", "SCORES", "RANGE", "WEIGHTS"], *metrics])]
    if "tasks" in found:
        tasks = [[t["name"], t["kind"], _few(t["outputs"]), t["direction"]] for t in found["tasks"]]
        parts.append(columns([["TASK", "KIND", "SCORES", "DIRECTION"], *tasks]))
        backbones = [
            [
                b["name"],
                f"{b['parameters'] / 1e6:.1f} M",
                ", ".join(b["weights"]) or "from a file",
                "what the family's name means" if b["family_default"] else "",
            ]
            for b in found["backbones"]
        ]
        parts.append(columns([["BACKBONE", "SIZE", "WEIGHTS", ""], *backbones]))
    return "\n\n".join(parts)


def _few(outputs: list[str]) -> str:
    return ", ".join(outputs) if len(outputs) <= 3 else f"{len(outputs)} classes"
