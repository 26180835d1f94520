"""KADID-10k: 81 photographs under 25 distortions at five levels."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.labels import (
    csv_rows,
    distortion_columns,
    label_file,
    numbers,
    rated_images,
)

_NAME = "kadid10k"
_SOURCE = "http://database.mmsp-kn.de/kadid-10k-database.html (kadid10k.zip)"
_LAYOUT = """
dmos.csv
images/
"""

# As the authors number them.
_DISTORTIONS = (
    "Gaussian blur",
    "lens blur",
    "motion blur",
    "colour diffusion",
    "colour shift",
    "colour quantization",
    "colour saturation 1",
    "colour saturation 2",
    "JPEG2000 compression",
    "JPEG compression",
    "white noise",
    "white noise in colour component",
    "impulse noise",
    "multiplicative noise",
    "denoise",
    "brighten",
    "darken",
    "mean shift",
    "jitter",
    "non-eccentricity patch",
    "pixelate",
    "quantization",
    "colour block",
    "high sharpen",
    "contrast change",
)


def _read(root: Path) -> Manifest:
    path = label_file(root, "dmos.csv", dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
    rows = csv_rows(path, ("dist_img", "ref_img", "dmos"))
    names = [row["dist_img"] for row in rows]
    return rated_images(
        root,
        "images",
        names,
        numbers(rows, "dmos", path),  # in spite of its name, higher is better
        [row["ref_img"] for row in rows],
        dataset=_NAME,
        source=_SOURCE,
        columns=distortion_columns(names, _DISTORTIONS),
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import loda_reference_splits

    return loda_reference_splits(data, _NAME)


KADID10K = Dataset(
    name=_NAME,
    title="Konstanz Artificially Distorted Image quality Database",
    task="iqa",
    read=_read,
    splits=_splits,
    count=10125,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(1.0, 4.93),
    direction="higher is better quality",
    licence="see its page",
    paper="Lin, Hosu and Saupe, KADID-10k: A large-scale artificially distorted IQA database, "
    "QoMEX 2019",
    replicas=3,
)
