"""TID2013: 25 photographs under 24 distortions at five levels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.labels import (
    check_lengths,
    distortion_columns,
    label_file,
    numbers,
    rated_images,
    text_lines,
)
from perceptmetrics.errors import DataError

_NAME = "tid2013"
_SOURCE = "http://www.ponomarenko.info/tid2013.htm (tid2013.rar)"
_LAYOUT = """
mos_with_names.txt
distorted_images/
"""

# As the readme of TID2013 numbers them.
_DISTORTIONS = (
    "additive Gaussian noise",
    "additive noise in colour components",
    "spatially correlated noise",
    "masked noise",
    "high frequency noise",
    "impulse noise",
    "quantization noise",
    "Gaussian blur",
    "image denoising",
    "JPEG compression",
    "JPEG2000 compression",
    "JPEG transmission errors",
    "JPEG2000 transmission errors",
    "non-eccentricity pattern noise",
    "local block-wise distortions",
    "mean shift",
    "contrast change",
    "change of colour saturation",
    "multiplicative Gaussian noise",
    "comfort noise",
    "lossy compression of noisy images",
    "colour quantization with dither",
    "chromatic aberrations",
    "sparse sampling and reconstruction",
)


_LABELS = "mos_with_names.txt"
_PARTS = ("rebuild.py", "manifest.csv")  # from which a part of the set is made anew


def _read(root: Path) -> Manifest:
    if not (root / _LABELS).exists() and all((root / part).is_file() for part in _PARTS):
        raise DataError(
            f"{_NAME}: {root} holds what a part of the set is made from, not yet its images; run "
            f"there 'python rebuild.py kodak manifest.csv OUT' and give the folder OUT; the whole "
            f"set is to be had at: {_SOURCE}"
        )
    path = label_file(root, _LABELS, dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
    rows = []
    for number, line in text_lines(path):
        mos, _, name = line.partition(" ")
        # I01_08_3.bmp: reference, distortion, level
        reference = name.strip().partition("_")[0].upper()
        if not reference:
            raise DataError(f"{path}, line {number}: {line!r}, expected '5.51429 I01_01_1.bmp'")
        rows.append({"mos": mos, "name": name.strip(), "reference": reference})
    names = [row["name"] for row in rows]
    columns = distortion_columns(names, _DISTORTIONS)
    errors = root / "mos_std.txt"
    if errors.exists():
        # The standard error of each MOS: as the spread between observers, whose scores are whole
        # numbers, it would be too small for most of the means.
        lines = [line for _, line in text_lines(errors)]
        check_lengths(path, len(rows), errors, len(lines))
        columns["quality_se"] = tuple(lines)
    return rated_images(
        root,
        "distorted_images",
        names,
        numbers(rows, "mos", path),
        [row["reference"] for row in rows],
        dataset=_NAME,
        source=_SOURCE,
        any_case=True,  # the list and the archive differ: I01_01_1.bmp, i01_01_1.bmp
        columns=columns,
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import loda_reference_splits

    note = "LoDa's own splits of TID2013 hang on Python's hash seed and cannot be had again"
    splits = loda_reference_splits(data, _NAME)
    return tuple(replace(split, source=f"{split.source}; {note}") for split in splits)


TID2013 = Dataset(
    name=_NAME,
    title="Tampere Image Database 2013",
    task="iqa",
    read=_read,
    splits=_splits,
    count=3000,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(0.24, 7.21),
    direction="higher is better quality",
    licence="see its page",
    paper="Ponomarenko et al., Color image database TID2013: Peculiarities and preliminary "
    "results, EUVIP 2013",
    replicas=10,
)
