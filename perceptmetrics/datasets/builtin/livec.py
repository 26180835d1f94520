"""LIVE In the Wild Image Quality Challenge (LIVEC)."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.binary_labels import mat_numbers, mat_strings
from perceptmetrics.datasets.labels import check_lengths, label_file, rated_images

_NAME = "livec"
_SOURCE = "https://live.ece.utexas.edu/research/ChallengeDB/ (ChallengeDB_release.zip)"
_LAYOUT = """
Data/AllImages_release.mat
Data/AllMOS_release.mat
Images/
"""
_PRACTICE = 7  # t1.bmp to t7.bmp, with which the raters were trained


def _read(root: Path) -> Manifest:
    images, scores = (
        label_file(root, f"Data/{file}.mat", dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
        for file in ("AllImages_release", "AllMOS_release")
    )
    names = mat_strings(images, "AllImages_release")
    mos = mat_numbers(scores, "AllMOS_release")
    check_lengths(images, len(names), scores, len(mos))
    return rated_images(
        root, "Images", names[_PRACTICE:], mos[_PRACTICE:], dataset=_NAME, source=_SOURCE
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import loda_splits

    return loda_splits(data, _NAME)


LIVEC = Dataset(
    name=_NAME,
    title="LIVE In the Wild Image Quality Challenge",
    task="iqa",
    read=_read,
    splits=_splits,
    count=1162,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(3.42, 92.43),
    direction="higher is better quality",
    licence="see its page",
    paper="Ghadiyaram and Bovik, Massive online crowdsourced study of subjective and objective "
    "picture quality, IEEE TIP 2016",
    replicas=5,
)
