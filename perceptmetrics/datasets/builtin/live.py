"""LIVE, release 2: 29 photographs under five distortions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.binary_labels import mat_numbers, mat_strings
from perceptmetrics.datasets.labels import check_lengths, label_file, rated_images

_NAME = "live"
_SOURCE = "https://live.ece.utexas.edu/research/quality/subjective.htm (release 2)"
_LAYOUT = """
dmos_realigned.mat
refnames_all.mat
jp2k/img1.bmp to img227.bmp
jpeg/img1.bmp to img233.bmp
wn/img1.bmp to img174.bmp
gblur/img1.bmp to img174.bmp
fastfading/img1.bmp to img174.bmp
"""
# The order in which the rows of the .mat files go through the folders.
_FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
_DISTORTIONS = {
    "jp2k": "JPEG2000 compression",
    "jpeg": "JPEG compression",
    "wn": "white noise",
    "gblur": "Gaussian blur",
    "fastfading": "fast fading",
}
_WORST = 111.7747  # the largest DMOS, 111.77469, rounded up: no score is below 0


def _read(root: Path) -> Manifest:
    scores, references = (
        label_file(root, file, dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
        for file in ("dmos_realigned.mat", "refnames_all.mat")
    )
    names = [f"{t}/img{i}.bmp" for t, count in _FOLDERS.items() for i in range(1, count + 1)]
    dmos = mat_numbers(scores, "dmos_new")
    undistorted = mat_numbers(scores, "orgs")
    of_reference = mat_strings(references, "refnames_all")
    for path, rows in ((scores, dmos), (scores, undistorted), (references, of_reference)):
        check_lengths(path, len(rows), root / "jp2k ... fastfading", len(names))
    # Each folder holds its references once more (orgs == 1), with a DMOS of 0 that nobody gave.
    kept = np.flatnonzero(undistorted == 0)
    return rated_images(
        root,
        "",
        [names[row] for row in kept],
        _WORST - dmos[kept],
        [of_reference[row] for row in kept],
        dataset=_NAME,
        source=_SOURCE,
        columns={"distortion": [_DISTORTIONS[names[row].partition("/")[0]] for row in kept]},
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import loda_reference_splits

    note = "LoDa's own splits of LIVE hang on Python's hash seed and cannot be had again"
    splits = loda_reference_splits(data, _NAME)
    return tuple(replace(split, source=f"{split.source}; {note}") for split in splits)


LIVE = Dataset(
    name=_NAME,
    title="LIVE Image Quality Assessment Database, release 2",
    task="iqa",
    read=_read,
    splits=_splits,
    count=779,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(0.0, 114.41),
    direction="higher is better quality",
    turned=f"{_WORST} - DMOS (published: -2.64 to 111.77, lower is better)",
    licence="see its page",
    paper="Sheikh, Sabir and Bovik, A statistical evaluation of recent full reference image "
    "quality assessment algorithms, IEEE TIP 2006",
    replicas=5,
)
