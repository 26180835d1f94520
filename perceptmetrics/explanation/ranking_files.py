"""The heads of a metric over many images, written to a folder: tables first, then pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from perceptmetrics.backbones.vit import VisionTransformer
from perceptmetrics.explanation.effects import explained_output
from perceptmetrics.explanation.explain import explain_measured
from perceptmetrics.explanation.folder import Measured
from perceptmetrics.explanation.importance_figure import draw_importance
from perceptmetrics.explanation.naming import RANKING
from perceptmetrics.explanation.ranking import (
    head_importance,
    held_out_advantage,
    ranking_stability,
    strongest_images,
)
from perceptmetrics.explanation.report import ranking_data, shift_sheet
from perceptmetrics.explanation.writing import write_csv, write_json, write_picture
from perceptmetrics.images import load_image
from perceptmetrics.metric import Metric

RECORD = "effects.jsonl"
IMAGES_PER_HEAD = 2  # in the sheet of a ranking
HEADS_IN_SHEET = 3


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
        ImageError: A photograph that is to be shown cannot be read any more; all but ``shift.png``
            is written.
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
    rows = [{"rank": rank, **head} for rank, head in enumerate(data["heads"], start=1)]
    write_json(data, folder / RANKING.mark)  # first: it says that all is ours
    write_csv(rows, folder / "heads.csv")
    about = what if what == metric.card.name else f"{metric.card.name}: {what}"
    title = f"{about}, {len(known)} images"
    unit = "probability" if metric.kind == "classification" else what
    picture = draw_importance(found, stability, title=title, unit=unit, count=2 * top)
    write_picture(picture, folder / "heads.png")
    # What needs photographs and the pretrained encoder again comes last: if that fails, it fails
    # alone.
    heads = found.top(min(top, HEADS_IN_SHEET))
    strongest = {
        (layer, head): strongest_images(changes, layer, head, IMAGES_PER_HEAD)
        for layer, head in heads
    }
    shown = sorted({image for images in strongest.values() for image in images})
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
    sheet = shift_sheet(
        why,
        pixels,
        [(place, [shown.index(image) for image in images]) for place, images in strongest.items()],
        title=f"{title}: leading heads where they do most",
    )
    write_picture(sheet, folder / "shift.png")
    return data
