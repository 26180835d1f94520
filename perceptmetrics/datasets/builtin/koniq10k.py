"""KonIQ-10k: photographs of many kinds, rated by a crowd."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.datasets.base import Dataset
from perceptmetrics.datasets.labels import csv_rows, label_file, numbers, rated_images

_NAME = "koniq10k"
_SOURCE = (
    "http://database.mmsp-kn.de/koniq-10k-database.html (images and scores), "
    "https://github.com/subpic/koniq (metadata/koniq10k_distributions_sets.csv)"
)
_LAYOUT = """
koniq10k_distributions_sets.csv or koniq10k_scores_and_distributions.csv
1024x768/ or 512x384/
"""
_SETS = "koniq10k_distributions_sets.csv"
_SCORES = "koniq10k_scores_and_distributions.csv"


def _read(root: Path) -> Manifest:
    # Both files hold the same scores, from 3.91 to 88.39: the sets file calls them MOS, the scores
    # file MOS_zscore (its MOS is the plain mean, 1 to 5). So scores are alike with either.
    file, column = (_SETS, "MOS") if (root / _SETS).is_file() else (_SCORES, "MOS_zscore")
    path = label_file(root, file, dataset=_NAME, source=_SOURCE, layout=_LAYOUT)
    rows = csv_rows(path, ("image_name", column))
    folder = "1024x768" if (root / "1024x768").is_dir() else "512x384"
    return rated_images(
        root,
        folder,
        [row["image_name"] for row in rows],
        numbers(rows, column, path),
        dataset=_NAME,
        source=_SOURCE,
    )


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import loda_splits

    splits = loda_splits(data, _NAME)
    return (*splits, _official(data, root / _SETS)) if (root / _SETS).is_file() else splits


def _official(data: Manifest, path: Path) -> Split:
    from perceptmetrics.data.protocols import published_split

    sides: dict[str, list[str]] = {"training": [], "validation": [], "test": []}
    for row in csv_rows(path, ("image_name", "set")):
        # Whatever else stands there is on no side.
        sides.get(row["set"], []).append(row["image_name"])
    return published_split(
        data,
        _NAME,
        "official",
        sides["training"],
        sides["test"],
        sides["validation"],
        source=f"the authors of KonIQ-10k, column set of {_SETS}",
    )


KONIQ10K = Dataset(
    name=_NAME,
    title="KonIQ-10k",
    task="iqa",
    read=_read,
    splits=_splits,
    count=10073,
    source=_SOURCE,
    layout=_LAYOUT,
    score_range=(3.91, 88.39),
    direction="higher is better quality",
    licence="see its page",
    paper="Hosu et al., KonIQ-10k: An ecologically valid database for deep learning of blind image "
    "quality assessment, IEEE TIP 2020",
    replicas=3,
    protocol_splits=10,
)
