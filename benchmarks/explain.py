"""Every figure of docs/explain.md: what explaining costs, how sure a ranking is, what is faithful.

    python benchmarks/explain.py                      # all sections, half an hour of one core
    python benchmarks/explain.py top-head ranking     # these alone
    python benchmarks/explain.py page                 # measures nothing, writes the page

Each section is kept in ``benchmarks/results/explain.json`` as it is measured, and written into the
page. ``tests/test_explain_figures.py`` fails where page and results disagree. ``ranking`` and
``top-head`` keep each image in ``benchmarks/runs/explain`` and go on where they were stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import click
import numpy as np
import torch
from explain_cost import operations, seconds
from explain_page import PAGE, Section, keep, with_figures
from train_embedded import RUNS, RUNS_WANTED

import perceptmetrics as pm
from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.explanation.attention import front_tokens
from perceptmetrics.explanation.effects import HeadEffects, head_effects
from perceptmetrics.explanation.explain import attention_of
from perceptmetrics.explanation.faithfulness import DeletionInsertion, compare_explanations
from perceptmetrics.explanation.folder import rank_heads
from perceptmetrics.explanation.methods import OCCLUSION, QUICK, method_maps, play_games
from perceptmetrics.explanation.ranking import (
    head_importance,
    held_out_advantage,
    ranking_stability,
)
from perceptmetrics.images import load_image
from perceptmetrics.metric import Metric

RECORDS = RUNS / "explain"

LAYERS = (5, 8, 11)
"""Of top-head: one early, one in the middle and the last; all twelve take seven times as long."""


@dataclass(frozen=True)
class Judge:
    """A metric whose heads are ranked, and the runs whose validation photographs it is shown."""

    metric: str
    runs: tuple[str, ...]
    crops: int | None = None


JUDGES = (
    Judge("memorability", ("memorability",)),
    # It was validated on none of LNSIM and OASIS, and trained on distorted copies of both.
    Judge("iqa", ("memorability", "oasis"), crops=1),
    Judge("aesthetics", ("beauty",)),
    Judge("affect", ("oasis",), crops=1),
)


def ranking(images: int | None) -> Section:
    """All heads of memorability on photographs of LNSIM: do rankings agree, and which head leads?

    The photographs are one in every 52, of which most trained the metric.
    """
    metric = pm.create_metric("memorability")
    wanted = RUNS_WANTED["memorability"]
    data = read_manifest(wanted.csv, wanted.task)
    places = np.linspace(0, len(data) - 1, 41).astype(int)[: images or 15]
    RECORDS.mkdir(parents=True, exist_ok=True)
    measured = rank_heads(
        metric, [str(data.images[place].resolve()) for place in places], RECORDS / "ranking.jsonl"
    )
    effects = [one.effects for one in measured if one.effects is not None]
    changes = np.stack([one.change(0) for one in effects])
    stability = ranking_stability(changes)
    found, advantage = head_importance(changes), held_out_advantage(changes)
    return {
        "images": len(effects),
        "heads": found.absolute.size,
        "sizes": stability.images.tolist(),
        "agreement": stability.agreement.tolist(),
        "overlap": stability.overlap.tolist(),
        "top": stability.top,
        "leading": [
            {
                "head": _name(place),
                "value": found.absolute[place],
                "low": found.absolute_low[place],
                "high": found.absolute_high[place],
            }
            for place in found.top(5)
        ],
        "halves_chose": [_name(place) for place in advantage.heads],
        "times": asdict(advantage.times),
    }


def top_head(images: int | None) -> Section:
    """The top head's effect over a random head's; each half of the images chooses for the other.

    Both are heads of :data:`LAYERS`: that the top head of all layers leads is not shown by this.
    Photographs are those that the metric was validated on, evenly spaced.
    """
    scores = {}
    for judge in JUDGES:
        metric = pm.create_metric(judge.metric, crops=judge.crops)
        paths = validation_photographs(judge.runs, images or 40)
        effects = list(_late_effects(metric, paths))
        for index, output in enumerate(metric.labels):
            changes = np.stack([one.change(index) for one in effects])
            advantage, importance = held_out_advantage(changes), head_importance(changes)
            scores[output] = {
                "metric": judge.metric,
                "outputs": list(metric.labels),
                "images": len(paths),
                "cuts": metric.view.count,
                "photographs": [RUNS_WANTED[run].csv.stem for run in judge.runs],
                "halves_chose": [_name((LAYERS[at], head)) for at, head in advantage.heads],
                "leading": [_name((LAYERS[at], head)) for at, head in importance.top(5)],
                "times": asdict(advantage.times),
            }
    return {"layers": list(LAYERS), "scores": scores}


def validation_photographs(runs: Sequence[str], count: int) -> list[str]:
    """Paths of photographs that validated these runs, as many of each, evenly spaced."""
    found: list[str] = []
    for run in runs:
        wanted = RUNS_WANTED[run]
        data = read_manifest(wanted.csv, wanted.task)
        part = split_by_group(data.groups, wanted.validation_fraction, wanted.recipe.seed)[1]
        places = np.linspace(0, len(part) - 1, count // len(runs)).round().astype(int)
        found += [str(data.images[part[place]].resolve()) for place in places]
    return found


def noise(images: int | None) -> Section:
    """How often :func:`held_out_advantage` is sure of a top head where heads differ by noise."""
    rng = np.random.default_rng(0)
    draws, count, shape = 300, images or 24, (3, 12)
    above = [
        held_out_advantage(rng.normal(size=(count, *shape)), seed=draw).times.low > 1
        for draw in range(draws)
    ]
    return {
        "draws": draws,
        "images": count,
        "heads": shape[0] * shape[1],
        "above_one": float(np.mean(above)),
    }


def faithfulness(images: int | None) -> Section:
    """Deletion and insertion of explanations of iqa, on one crop of each photograph."""
    metric = pm.create_metric("iqa", crops=1)
    paths = validation_photographs(("memorability", "oasis"), images or 4)
    played: dict[str, list[DeletionInsertion]] = {}
    for seed, path in enumerate(_watched(paths)):
        pixels = load_image(path)
        maps = method_maps(metric, pixels, 0, (*QUICK, OCCLUSION))
        # Of the last layer, which costs two forwards and has led wherever heads were ranked.
        last = metric.model.spec.depth - 1
        change = head_effects(metric, pixels, [last]).change(0)[0]
        rows = attention_of(metric, metric.model.encoder, pixels)[:, last, np.abs(change).argmax()]
        shape = next(iter(maps.values())).shape
        patches = rows[:, front_tokens(metric.model.spec) :].reshape(shape).astype(np.float64)
        maps["attention of the top head"] = patches
        for name, game in play_games(metric, pixels, 0, maps, seed).items():
            played.setdefault(name, []).append(game)
    told = compare_explanations(played)
    return {
        "metric": metric.card.name,
        "images": told.images,
        "ranking": list(told.ranking),
        "gap": {name: asdict(interval) for name, interval in told.gap.items()},
        "over_random": {name: asdict(interval) for name, interval in told.over_control.items()},
        "lead": None if told.lead is None else asdict(told.lead),
    }


def _late_effects(metric: Metric, paths: list[str]) -> Iterator[HeadEffects]:
    """What the heads of :data:`LAYERS` do, from the record where it is known."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    record = RECORDS / f"late-{metric.card.name}.jsonl"
    known = {}
    if record.is_file():
        text = record.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]  # a kill may have cut the last line
        record.write_bytes(whole)
        entries = [json.loads(line) for line in whole.splitlines()]
        known = {tuple(entry["of"]): entry for entry in entries}
    for path in _watched(paths):
        of = (path, metric.card.sha256, str(metric.view), str(LAYERS))
        if of not in known:
            found = head_effects(metric, load_image(path), LAYERS)
            known[of] = {
                "of": of,
                "baseline": found.baseline.tolist(),
                "masked": found.masked.tolist(),
            }
            with record.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(known[of]) + "\n")
        yield HeadEffects(np.array(known[of]["baseline"]), np.array(known[of]["masked"]))


def _watched(paths: Sequence[str]) -> Iterator[str]:
    for index, path in enumerate(paths, start=1):
        click.echo(f"{index}/{len(paths)}\r", nl=False, err=True)
        yield path


def _name(place: tuple[int, int]) -> str:
    return f"{place[0]}.{place[1]}"


SECTIONS: dict[str, Callable[[int | None], Section]] = {
    "operations": operations,
    "seconds": seconds,
    "ranking": ranking,
    "top-head": top_head,
    "noise": noise,
    "faithfulness": faithfulness,
}


@click.command()
@click.argument("sections", nargs=-1, type=click.Choice([*SECTIONS, "page"]))
@click.option("--images", type=click.IntRange(min=4), help="Instead of each section's own number.")
def main(sections: tuple[str, ...], images: int | None) -> None:
    """Measures SECTIONS, all by default, keeps them, and writes the page."""
    torch.set_num_threads(1)
    for name in sections or SECTIONS:
        if name in SECTIONS:
            start = time.process_time()
            found = SECTIONS[name](images)
            found = {"command": f"python benchmarks/explain.py {name}", **found}
            keep(name, {**found, "cpu_seconds": round(time.process_time() - start)})
            click.echo(f"{name}: {json.dumps(found)}")
    PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
