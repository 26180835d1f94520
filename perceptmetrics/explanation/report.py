"""An explanation as files: pictures of heads and of methods, and what they say as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from perceptmetrics.explanation.explain import Explanation
from perceptmetrics.explanation.faithfulness import DeletionInsertion
from perceptmetrics.explanation.pictures import overlay, sheet, side_by_side
from perceptmetrics.explanation.placement import Maps, Placement
from perceptmetrics.explanation.ranking import (
    HeadImportance,
    RankingStability,
)
from perceptmetrics.statistics import ConfidenceInterval
from perceptmetrics.statistics.checks import Floats
from perceptmetrics.views import Pixels


def head_row(why: Explanation, image: int, pixels: Pixels, layer: int, head: int) -> Image.Image:
    """The photograph, where the head looks after training and before, and the difference.

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
    moved = why.shift(image, layer, head)
    place = why.placements[image]
    change = why.changes[image, layer, head]
    return side_by_side(
        _seen(place, pixels),
        [
            ("attention of the metric", _finite(place, moved.adapted), False),
            ("before training", _finite(place, moved.pretrained), False),
            ("difference", _finite(place, moved.difference), True),
        ],
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
    return sheet(rows, title=judgement(why, image))


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
    difference = _finite(place, why.shift(image, layer, head).difference)
    return overlay(_seen(place, pixels), difference, diverging=True)


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
        (name, _finite(place, place.at_image_size(grids)), signed)
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
    advantage: ConfidenceInterval | None,
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
            "value": _figure(advantage.value),
            "low": _figure(advantage.low),
            "high": _figure(advantage.high),
        }
    return data


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
    return sheet(rows, title=title)


def judgement(why: Explanation, image: int) -> str:
    """What a metric says of one image, for a title: ``memorability 0.670``."""
    what, score = why.outputs[image], f"{why.scores[image]:.3f}"
    return f"{what} {score}" if what == why.metric else f"{why.metric}: {what} {score}"


def _seen(place: Placement, pixels: Pixels) -> Pixels:
    """The box that the cuts span, blank where no cut looks: no value there is a finding."""
    top, left, bottom, right = place.seen()
    shown = np.where(place.covered()[..., None], pixels, np.uint8(255))
    return np.ascontiguousarray(shown[top:bottom, left:right])


def _finite(place: Placement, heat: Maps) -> Maps:
    """The same box of a map; zero where no cut looks, for pictures take finite numbers."""
    top, left, bottom, right = place.seen()
    return np.nan_to_num(heat[top:bottom, left:right])


def _figure(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)
