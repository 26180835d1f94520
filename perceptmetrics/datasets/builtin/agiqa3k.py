"""AGIQA-3K: images made by six generators from 300 prompts.

The paper has no protocol for it. Ours: five random 75/5/20 splits by prompt, so that no prompt is
on two sides, and three cuts of an image, as for KonIQ-10k.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.labels import csv_rows, label_file, numbers, rated_images

_NAME = "agiqa3k"
_SOURCE = "https://github.com/lcysyzxdxc/AGIQA-3k-Database"
_LAYOUT = """
data.csv
the images beside it, or in images/ or AGIQA-3K/
"""


def _read(root: Path) -> Manifest:
    path = label_file(root, "data.csv", dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
    rows = csv_rows(path, ("name", "prompt", "mos_quality"))
    names = [row["name"] for row in rows]
    # The archive is one flat folder; where it was unpacked is the user's affair.
    inside = [folder for folder in ("images", "AGIQA-3K") if (root / folder / names[0]).is_file()]
    return rated_images(
        root,
        inside[0] if inside else "",
        names,
        numbers(rows, "mos_quality", path),
        [row["prompt"].strip() for row in rows],
        dataset=_NAME,
        source=_SOURCE,
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import random_splits

    note = "by prompt; ours, the paper has no protocol for AGIQA-3K"
    return tuple(
        replace(split, source=f"{split.source}; {note}") for split in random_splits(data, _NAME)
    )


AGIQA3K = Dataset(
    name=_NAME,
    title="AI-Generated Image Quality Assessment 3K",
    task="iqa",
    read=_read,
    splits=_splits,
    count=2982,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(0.0, 4.49),
    direction="higher is better quality",
    licence="see its page",
    paper="Li et al., AGIQA-3K: An open database for AI-generated image quality assessment, "
    "IEEE TCSVT 2023",
    replicas=3,
)
