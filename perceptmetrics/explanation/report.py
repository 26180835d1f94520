"""An explanation as files: pictures of heads and of methods, and what they say as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from perceptmetrics.explanation.explain import Explanation
from perceptmetrics.explanation.faithfulness import CONTROL, Comparison, DeletionInsertion
from perceptmetrics.explanation.overlay import overlay
from perceptmetrics.explanation.pictures import sheet, side_by_side
from perceptmetrics.explanation.placement import Placement
from perceptmetrics.explanation.ranking import (
    HeadImportance,
    HeldOutAdvantage,
    RankingStability,
)
from perceptmetrics.statistics import ConfidenceInterval
from perceptmetrics.statistics.checks import Floats
from perceptmetrics.views import Pixels

Scalar = TypeVar("Scalar", bound=np.generic)


def head_row(why: Explanation, image: int, pixels: Pixels, layer: int, head: int) -> Image.Image:
    """The photograph, where the head looks after training and before, and the difference.

    Of a frozen encoder, which training did not touch, it is one map.

    Args:
        why: The explanation, with pretrained attention.
        image: Index of the image in it.
        pixels: (H, W, 3) uint8, that image. What the metric does not see is cut off.
        layer: Counted from 0.
        head: Counted from 0.

    Returns:
        An RGB picture.

    Raises:
        OptionError: There is no pretrained attention, or matplotlib is not installed.
    """
    place = why.placements[image]
    change = why.changes[image, layer, head]
    if why.strategy == "frozen":
        maps = [("attention", why.attention_map(image, layer, head), False)]
    else:
        moved = why.shift(image, layer, head)
        maps = [
            ("attention of the metric", moved.adapted, False),
            ("before training", moved.pretrained, False),
            ("difference", moved.difference, True),
        ]
    return side_by_side(
        _seen(place, pixels),
        [(name, _seen(place, heat), diverging) for name, heat, diverging in maps],
        title=f"layer {layer}, head {head}: {why.outputs[image]} {change:+.3g} when made uniform",
        shared_scale=True,
    )


def head_sheet(why: Explanation, image: int, pixels: Pixels, count: int) -> Image.Image:
    """One image and the heads that its judgement rests on most.

    Args:
        why: The explanation, with pretrained attention.
        image: Index of the image in it.
        pixels: (H, W, 3) uint8, that image.
        count: How many heads.

    Raises:
        OptionError: There is no pretrained attention, or matplotlib is not installed.
    """
    heads = why.strongest_heads(image, count)
    rows = [head_row(why, image, pixels, layer, head) for layer, head in heads]
    return sheet(rows, title=f"{judgement(why, image)}{training_note(why)}")


def shift_overlay(why: Explanation, image: int, pixels: Pixels) -> Image.Image:
    """The attention shift of the strongest head over the image, at its own size (Figure 4).

    Args:
        why: The explanation, with pretrained attention.
        image: Index of the image in it.
        pixels: (H, W, 3) uint8, that image. What the metric does not see is cut off.

    Raises:
        OptionError: There is no pretrained attention, or matplotlib is not installed.
    """
    ((layer, head),) = why.strongest_heads(image, 1)
    place = why.placements[image]
    difference = why.shift(image, layer, head).difference
    return overlay(_seen(place, pixels), _seen(place, difference), diverging=True)


def method_sheet(
    place: Placement,
    pixels: Pixels,
    maps: Mapping[str, tuple[Floats, bool]],
    *,
    title: str,
) -> Image.Image:
    """One image and what several methods say of it.

    Args:
        place: Where the cuts lie in the image.
        pixels: (H, W, 3) uint8, that image.
        maps: Name -> (cuts, rows, columns), and whether entries below zero lower the score.
        title: Above all.

    Raises:
        OptionError: matplotlib is not installed.
    """
    placed = [
        (name, _seen(place, place.at_image_size(grids)), signed)
        for name, (grids, signed) in maps.items()
    ]
    return side_by_side(_seen(place, pixels), placed, title=title)


def image_data(
    why: Explanation, image: int, games: Mapping[str, DeletionInsertion] | None = None
) -> dict[str, Any]:
    """What is said of one image, as JSON holds it.

    Args:
        why: The explanation.
        image: Index of the image in it.
        games: Method -> deletion and insertion, where they were played.
    """
    order = why.strongest_heads(image, why.changes[image].size)
    data: dict[str, Any] = {
        "image": why.names[image],
        "metric": why.metric,
        "strategy": why.strategy,
        "output": why.outputs[image],
        "score": float(why.scores[image]),
        "heads": [
            {"layer": layer, "head": head, "change": float(why.changes[image, layer, head])}
            for layer, head in order
        ],
    }
    if games:
        data["faithfulness"] = {
            name: {
                "deletion_area": game.deletion_area,
                "insertion_area": game.insertion_area,
                "gap": game.gap,
            }
            for name, game in games.items()
        }
    return data


def ranking_data(
    found: HeadImportance,
    stability: RankingStability | None,
    advantage: HeldOutAdvantage | None,
) -> dict[str, Any]:
    """What is said of all heads, as JSON holds it.

    Args:
        found: Importance over the images.
        stability: How far rankings from other images agree, from two images on.
        advantage: How far the top head exceeds a random one, from four images on.
    """
    heads = [
        {
            "layer": layer,
            "head": head,
            "absolute": _figure(found.absolute[layer, head]),
            "absolute_low": _figure(found.absolute_low[layer, head]),
            "absolute_high": _figure(found.absolute_high[layer, head]),
            "mean": _figure(found.mean[layer, head]),
            "mean_low": _figure(found.mean_low[layer, head]),
            "mean_high": _figure(found.mean_high[layer, head]),
        }
        for layer, head in found.top(found.absolute.size)
    ]
    data: dict[str, Any] = {"images": found.images, "level": found.level, "heads": heads}
    if stability is not None:
        data["stability"] = {
            "images": stability.images.tolist(),
            "agreement": [_figure(value) for value in stability.agreement],
            "agreement_low": [_figure(value) for value in stability.agreement_low],
            "agreement_high": [_figure(value) for value in stability.agreement_high],
            "top": stability.top,
            "overlap": [_figure(value) for value in stability.overlap],
            "enough_for_0.9": stability.enough(0.9),
        }
    if advantage is not None:
        data["top_over_random"] = {
            "halves_chose": [{"layer": layer, "head": head} for layer, head in advantage.heads],
            **interval_data(advantage.times),
        }
    return data


def comparison_data(told: Comparison) -> dict[str, Any]:
    """Which explanation is the more faithful, as JSON holds it: the best one first.

    Args:
        told: Over several images.
    """
    rows = [
        {
            "explanation": name,
            "gap": interval_data(told.gap[name]),
            "deletion_area": interval_data(told.deletion[name]),
            "insertion_area": interval_data(told.insertion[name]),
            "over_random": interval_data(told.over_control[name]) if name != CONTROL else None,
        }
        for name in (*told.ranking, CONTROL)
    ]
    lead = None if told.lead is None else interval_data(told.lead)
    return {"images": told.images, "told": str(told), "lead": lead, "explanations": rows}


def interval_data(interval: ConfidenceInterval) -> dict[str, float | None]:
    """A figure and its 95 % interval."""
    return {name: _figure(value) for name, value in asdict(interval).items()}


def shift_sheet(
    why: Explanation,
    pixels: Sequence[Pixels],
    chosen: Sequence[tuple[tuple[int, int], Sequence[int]]],
    *,
    title: str,
) -> Image.Image:
    """Heads, each on the images on which it does most (Figures 4, A.1, A.2).

    Args:
        why: The explanation of these images, with pretrained attention.
        pixels: The images, (H, W, 3) uint8 each.
        chosen: (layer, head) and the indices of its images, a row each.
        title: Above all.

    Raises:
        OptionError: There is no pretrained attention, or matplotlib is not installed.
    """
    rows = [
        head_row(why, image, pixels[image], layer, head)
        for (layer, head), images in chosen
        for image in images
    ]
    return sheet(rows, title=f"{title}{training_note(why)}")


def judgement(why: Explanation, image: int) -> str:
    """What a metric says of one image, for a title: ``memorability 0.670``."""
    what, score = why.outputs[image], f"{why.scores[image]:.3f}"
    return f"{what} {score}" if what == why.metric else f"{why.metric}: {what} {score}"


def training_note(why: Explanation) -> str:
    """What a sheet of a frozen encoder says at the end of its title; else nothing."""
    return " (frozen: the encoder was not trained)" if why.strategy == "frozen" else ""


def _seen(place: Placement, array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """The box that the cuts span, of an image or of a map at the image's size."""
    top, left, bottom, right = place.seen()
    return np.ascontiguousarray(array[top:bottom, left:right])


def _figure(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)
