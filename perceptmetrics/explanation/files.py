"""Explanations of photographs, written to a folder, and how far to trust them over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perceptmetrics.backbones.vit import VisionTransformer
from perceptmetrics.explanation.effects import (
    Watch,
    explained_output,
    head_effects,
    nobody_watches,
)
from perceptmetrics.explanation.explain import explain_measured
from perceptmetrics.explanation.faithfulness import (
    Comparison,
    DeletionInsertion,
    compare_explanations,
)
from perceptmetrics.explanation.methods import QUICK, Method, method_maps, play_games
from perceptmetrics.explanation.naming import COMPARISON
from perceptmetrics.explanation.pictures import side_by_side
from perceptmetrics.explanation.quality_map import quality_map as dense_map
from perceptmetrics.explanation.report import (
    comparison_data,
    head_sheet,
    image_data,
    judgement,
    method_sheet,
    shift_overlay,
)
from perceptmetrics.explanation.requirements import check_metric, check_quality_map
from perceptmetrics.explanation.writing import write_csv, write_json, write_picture
from perceptmetrics.images import load_image
from perceptmetrics.metric import Metric

TOP_HEAD = "attention of the top head"


@dataclass(frozen=True, eq=False)
class Explained:
    """What :func:`explain_file` found.

    Attributes:
        data: What the JSON file holds.
        games: Explanation -> deletion and insertion; empty if they were not played.
    """

    data: dict[str, Any]
    games: Mapping[str, DeletionInsertion]


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
    seed: int = 0,
    watch: Watch = nobody_watches,
) -> Explained:
    """Writes ``place.json``, ``.heads.png``, ``.shift.png`` and ``.methods.png`` of a photograph.

    A frozen encoder looks where it looked before training: it gets no ``.shift.png``.

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
        seed: Of the random map that plays against them; give each image one of its own.
        watch: Told what is being done.

    Raises:
        ImageError: The photograph cannot be read.
        DataError: A judgement of it is no finite number.
        OptionError: An argument does not suit the metric, or a file cannot be written.
    """
    check_metric(metric, output)
    if quality_map:
        check_quality_map(metric, output)
    pixels = load_image(path)
    effects = head_effects(metric, pixels, watch=watch)
    why = explain_measured(metric, [(path, pixels, effects)], output=output, pretrained=pretrained)
    chosen = explained_output(metric, effects.baseline, output)
    ((layer, head),) = why.strongest_heads(0, 1)
    attention = why.patches(0, layer, head).astype(np.float64)
    others = method_maps(metric, pixels, chosen, methods, watch=watch)
    games = (
        play_games(metric, pixels, chosen, {TOP_HEAD: attention, **others}, seed, watch=watch)
        if play
        else {}
    )
    data = image_data(why, 0, games)
    watch("pictures")
    write_json(data, place.with_name(f"{place.name}.json"))  # first: it says that all is ours

    signed = {method.name for method in methods if method.signed}
    title = judgement(why, 0)
    titled = {f"attention of head {layer}.{head}": (attention, False)}
    titled |= {name: (grids, name in signed) for name, grids in others.items()}
    pictures = {
        "heads": head_sheet(why, 0, pixels, top),
        "methods": method_sheet(why.placements[0], pixels, titled, title=title),
    }
    if why.strategy != "frozen":
        pictures["shift"] = shift_overlay(why, 0, pixels)
    for kind, picture in pictures.items():
        write_picture(picture, place.with_name(f"{place.name}.{kind}.png"))
    if quality_map:
        watch("quality map")
        dense = dense_map(metric, pixels, output=output)
        maps = [(f"{why.outputs[0]} of crops", dense.spread(), False)]
        picture = side_by_side(dense.image, maps, title=title)
        write_picture(picture, place.with_name(f"{place.name}.quality.png"))
    return Explained(data, games)


def write_comparison(played: Sequence[Mapping[str, DeletionInsertion]], folder: Path) -> Comparison:
    """Writes ``comparison.csv`` and ``comparison.json``: which explanation is the more faithful.

    Args:
        played: The games of each image, two images at least.
        folder: Where to write.

    Returns:
        What they hold.

    Raises:
        DataError: There is one image alone.
        OptionError: A file cannot be written.
    """
    told = compare_explanations({name: [games[name] for games in played] for name in played[0]})
    data = comparison_data(told)
    rows = [
        {
            "rank": rank if row["over_random"] else "",
            "explanation": row["explanation"],
            **{
                f"{figure}{end}": (row[figure] or {}).get(part, "")
                for figure in ("gap", "over_random", "deletion_area", "insertion_area")
                for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
            },
        }
        for rank, row in enumerate(data["explanations"], start=1)
    ]
    write_json(data, folder / COMPARISON.mark)
    write_csv(rows, folder / "comparison.csv")
    return told
