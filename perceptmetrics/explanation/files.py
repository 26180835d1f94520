"""Explanations written to a folder: of one photograph, or of the heads over many."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from perceptmetrics.backbones.vit import VisionTransformer
from perceptmetrics.errors import OptionError
from perceptmetrics.explanation.effects import explained_output, head_effects
from perceptmetrics.explanation.explain import explain_measured
from perceptmetrics.explanation.folder import Measured
from perceptmetrics.explanation.importance_figure import draw_importance
from perceptmetrics.explanation.methods import QUICK, Method, method_maps, play_games
from perceptmetrics.explanation.pictures import side_by_side
from perceptmetrics.explanation.quality_map import quality_map as dense_map
from perceptmetrics.explanation.ranking import (
    head_importance,
    held_out_advantage,
    ranking_stability,
)
from perceptmetrics.explanation.report import (
    head_sheet,
    image_data,
    judgement,
    method_sheet,
    ranking_data,
    shift_overlay,
    shift_sheet,
)
from perceptmetrics.images import load_image
from perceptmetrics.metric import Metric

RECORD = "effects.jsonl"
IMAGES_PER_HEAD = 2  # in the sheet of a ranking
HEADS_IN_SHEET = 3


def stems(paths: Sequence[str]) -> dict[str, str]:
    """What the files of each image are called: its name, numbered where two have one name.

    Example:
        >>> stems(["a/x.jpg", "b/x.png", "y.jpg"])
        {'a/x.jpg': 'x', 'b/x.png': 'x-2', 'y.jpg': 'y'}
    """
    names: dict[str, str] = {}
    seen: Counter[str] = Counter()
    taken = {Path(path).stem for path in paths}
    for path in paths:
        if path in names:
            continue
        stem = name = Path(path).stem
        seen[stem] += 1
        while seen[stem] > 1 and (name == stem or name in taken):
            name = f"{stem}-{seen[stem]}"
            if name in taken:
                seen[stem] += 1
        taken.add(name)
        names[path] = name
    return names


def explain_file(
    metric: Metric,
    path: str,
    place: Path,
    *,
    pretrained: VisionTransformer,
    output: str | None = None,
    top: int = 5,
    methods: Sequence[Method] = QUICK,
    play: bool = False,
    quality_map: bool = False,
) -> dict[str, Any]:
    """Writes ``place.heads.png``, ``.shift.png``, ``.methods.png`` and ``.json`` of a photograph.

    Args:
        metric: What judges.
        path: The photograph.
        place: Where to write; suffixes are added to its name.
        pretrained: The encoder to compare attention with.
        output: Which score or class, as :func:`perceptmetrics.explain` takes it.
        top: Heads on the sheet.
        methods: Which other explanations stand beside.
        play: Whether these and the first head play deletion and insertion.
        quality_map: Whether to write ``.quality.png``, the scores of dense crops.

    Returns:
        What the JSON file holds.

    Raises:
        ImageError: The photograph cannot be read.
        OptionError: An argument does not suit the metric, or a file cannot be written.
    """
    pixels = load_image(path)
    effects = head_effects(metric, pixels)
    why = explain_measured(metric, [(path, pixels, effects)], output=output, pretrained=pretrained)
    chosen = explained_output(metric, effects.baseline, output)
    ((layer, head),) = why.strongest_heads(0, 1)
    maps = {f"attention of head {layer}.{head}": why.patches(0, layer, head).astype(np.float64)}
    maps |= method_maps(metric, pixels, chosen, methods)
    games = play_games(metric, pixels, chosen, maps) if play else None
    signed = {method.name for method in methods if method.signed}
    title = judgement(why, 0)
    titled = {name: (grids, name in signed) for name, grids in maps.items()}
    pictures = {
        "heads": head_sheet(why, 0, pixels, top),
        "shift": shift_overlay(why, 0, pixels),
        "methods": method_sheet(why.placements[0], pixels, titled, title=title),
    }
    if quality_map:
        size = int(getattr(metric.view, "size", 224))
        dense = dense_map(metric, pixels, window=size, stride=max(1, size // 4), output=output)
        pictures["quality"] = side_by_side(
            dense.image, [(f"{why.outputs[0]} of crops", dense.spread(), False)], title=title
        )
    data = image_data(why, 0, games)
    for kind, picture in pictures.items():
        _save(picture, place.with_name(f"{place.name}.{kind}.png"))
    _write(json.dumps(data, indent=1) + "\n", place.with_name(f"{place.name}.json"))
    return data


def write_ranking(
    metric: Metric,
    measured: Sequence[Measured],
    folder: Path,
    *,
    pretrained: VisionTransformer,
    output: str | None = None,
    top: int = 5,
) -> dict[str, Any]:
    """Writes ``heads.csv``, ``heads.json``, ``heads.png`` and ``shift.png`` of many images.

    Args:
        metric: What judged.
        measured: Images whose heads were measured, at least one.
        folder: Where to write.
        pretrained: The encoder to compare attention with.
        output: Which score or class, as :func:`perceptmetrics.explain` takes it.
        top: Heads in the picture, twice as many of them; the sheet shows three at most.

    Returns:
        What the JSON file holds.

    Raises:
        ImageError: A photograph that is to be shown cannot be read any more.
        OptionError: ``output`` does not suit the metric, or a file cannot be written.
    """
    known = [(one.image, one.effects) for one in measured if one.effects is not None]
    changes = np.stack(
        [effects.change(explained_output(metric, effects.baseline, output)) for _, effects in known]
    )
    found = head_importance(changes)
    stability = ranking_stability(changes) if len(known) > 1 else None
    advantage = held_out_advantage(changes) if len(known) > 3 else None
    what = output or ("predicted class" if metric.kind == "classification" else metric.labels[0])
    data = {
        "metric": metric.card.name,
        "output": what,
        **ranking_data(found, stability, advantage),
    }
    heads = found.top(min(top, HEADS_IN_SHEET))
    strongest = {
        place: np.argsort(-np.abs(changes[:, place[0], place[1]]), kind="stable")[:IMAGES_PER_HEAD]
        for place in heads
    }
    shown = sorted({int(image) for images in strongest.values() for image in images})
    pixels = [load_image(known[image][0]) for image in shown]
    why = explain_measured(
        metric,
        [
            (known[image][0], photo, known[image][1])
            for image, photo in zip(shown, pixels, strict=True)
        ],
        output=output,
        pretrained=pretrained,
    )
    about = what if what == metric.card.name else f"{metric.card.name}: {what}"
    title = f"{about}, {len(known)} images"
    unit = "probability" if metric.kind == "classification" else what
    sheet = shift_sheet(
        why,
        pixels,
        [(place, [shown.index(int(i)) for i in images]) for place, images in strongest.items()],
        title=f"{title}: leading heads where they do most",
    )
    _write(_csv(data["heads"]), folder / "heads.csv")
    _write(json.dumps(data, indent=1) + "\n", folder / "heads.json")
    picture = draw_importance(found, stability, title=title, unit=unit, count=2 * top)
    _save(picture, folder / "heads.png")
    _save(sheet, folder / "shift.png")
    return data


def _csv(heads: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["rank", *heads[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"rank": rank, **head} for rank, head in enumerate(heads, start=1))
    return text.getvalue()


def _save(picture: Image.Image, path: Path) -> None:
    try:
        picture.save(path)
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}; make room") from error


def _write(text: str, path: Path) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}; make room") from error
