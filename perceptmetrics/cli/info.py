"""``perceptmetrics info``: the card and the parameter counts of anything that has a name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perceptmetrics.cli.listing import weights_of
from perceptmetrics.cli.text import size

if TYPE_CHECKING:
    from perceptmetrics.backbones import Backbone
    from perceptmetrics.backbones.counts import ParameterCounts
    from perceptmetrics.metrics import MetricSpec
    from perceptmetrics.tasks import Task

Facts = dict[str, Any]


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def info(name: str, as_json: bool) -> None:
    """Show what is known of NAME: its card and how many parameters it has.

    NAME is a metric, a task, a backbone, a run folder or an adapter file. What has the name of
    several (memorability is a metric and a task) is shown as each.
    """
    from perceptmetrics.backbones import BACKBONES, find_backbone
    from perceptmetrics.metrics import METRICS
    from perceptmetrics.registry import unknown_name
    from perceptmetrics.tasks import TASKS

    families = {backbone.family for backbone in BACKBONES if backbone.default_of_family}
    found: Facts = {}
    if name in METRICS:
        found["metric"] = _metric(METRICS.get(name))
    if name in TASKS:
        found["task"] = _task(TASKS.get(name))
    if name in BACKBONES or name in families:
        found["backbone"] = _backbone(find_backbone(name))
    if not found and Path(name).exists():
        heads = _adapter_file(Path(name))
        one = len(heads) == 1
        found |= {"metric" if one else f"metric {name}@{h}": facts for h, facts in heads.items()}
    if not found:
        for registry in (METRICS, TASKS, BACKBONES):
            if name in registry.broken:
                raise registry.broken[name]
        known = {*METRICS.names(), *TASKS.names(), *BACKBONES.names(), *families}
        raise unknown_name("metric, task or backbone", name, known)
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _text(found))


def _metric(spec: MetricSpec) -> Facts:
    from perceptmetrics.backbones import BACKBONES
    from perceptmetrics.backbones.counts import count_parameters
    from perceptmetrics.metrics import EmbeddedAdapter

    if isinstance(spec.adapter, EmbeddedAdapter):
        (facts,) = _adapter_file(spec.adapter.file).values()
        return {**facts, "weights": weights_of(spec)}
    # The official release is the paper's recipe: LoRA and MLP with their default numbers.
    counts = count_parameters(BACKBONES.get(spec.card.backbone), outputs=len(spec.card.outputs))
    return {"card": spec.card.to_dict(), "parameters": _counts(counts), "weights": weights_of(spec)}


def _adapter_file(path: Path) -> dict[str, Facts]:
    """Of each head of the file, by dataset."""
    from perceptmetrics.backbones import BACKBONES
    from perceptmetrics.backbones.counts import count_parameters
    from perceptmetrics.weights.adapter import ADAPTER_FILE, read_heads

    file = path / ADAPTER_FILE if path.is_dir() else path
    found = {}
    for name, (config, card) in read_heads(file).items():
        counts = count_parameters(
            BACKBONES.get(config.backbone),
            outputs=len(config.outputs),
            head=config.head,
            strategy=config.strategy,
            lora=config.lora,
        )
        found[name] = {
            "card": card.to_dict(),
            "parameters": _counts(counts),
            "weights": f"{file} ({size(file.stat().st_size)})",
        }
    return found


def _counts(counts: ParameterCounts) -> Facts:
    return {
        "LoRA": counts.lora,
        "head": counts.head,
        "trained": counts.trained,
        "encoder": counts.encoder,
        "all": counts.all,
    }


def _task(task: Task) -> Facts:
    ends = task.score_range
    return {
        "name": task.name,
        "kind": task.kind,
        "outputs": list(task.outputs),
        "range": None if ends is None else f"{ends[0]:g} to {ends[1]:g}",
        "direction": task.direction,
        "unit": task.unit,
        "groupings": {
            name: {group: list(labels) for group, labels in groups.items()}
            for name, groups in task.groupings.items()
        },
        "training view, by default": str(task.train_view),
        "scoring view, by default": str(task.eval_view),
        "replicas": task.replicas,
        "measures": list(task.measures),
        "best epoch by": task.selects_by,
        "default metric": task.default_metric,
        "paper": task.paper,
    }


def _backbone(spec: Backbone) -> Facts:
    from perceptmetrics.backbones.counts import count_parameters

    return {
        "name": spec.name,
        "family": spec.family,
        "width": spec.width,
        "depth": spec.depth,
        "heads": spec.heads,
        "patch": f"{spec.patch_size} pixels",
        "image": f"{spec.image_size} pixels; positions are interpolated for other sizes",
        "embedding": spec.embedding_width,
        "weights": [
            f"{spec.name}.{w.tag}: {w.source}; {w.licence}" + (f"; {w.note}" if w.note else "")
            for w in spec.weights
        ],
        "paper": spec.paper,
        "parameters": _counts(count_parameters(spec)),
        "counted with": "LoRA of rank 16 and the MLP head with one output",
    }


def _text(found: Facts) -> str:
    from perceptmetrics.card import MetricCard

    parts = []
    for kind, facts in found.items():
        rest = {name: value for name, value in facts.items() if name not in ("card", "name")}
        if "card" in facts:
            head, *lines = str(MetricCard.from_dict(facts["card"])).splitlines()
        else:
            head, lines = facts["name"], []
        lines += [f"  {name:<15} {item}" for name, items in rest.items() for item in _items(items)]
        parts.append("\n".join([f"{kind} {head}", *lines]))
    return "\n\n".join(parts)


def _items(value: Any) -> list[str]:
    """What stands on lines of its own."""
    if isinstance(value, dict):
        return [f"{name}: {_plain(inner)}" for name, inner in value.items()]
    if isinstance(value, list) and any(": " in item for item in value):
        return value
    return [] if value in ("", None, []) else [_plain(value)]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
