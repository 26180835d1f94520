"""OASIS: valence and arousal, and beauty, of 900 photographs; sets of ours, not of the paper.

The paper has no protocol for them: five folds with disjoint tests, the same images in both sets.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.datasets.base import Dataset

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split

SOURCE = (
    "https://osf.io/6pnd7 (OASIS.csv and images/); beauty from Brielmann & Pelli 2019. Write the "
    "ratings as oasis.csv with the columns image,valence,arousal,beauty beside images/; valence "
    "and arousal are read from OASIS.csv as well"
)
LAYOUT = """\
oasis.csv (image,valence,arousal,beauty), or the authors' OASIS.csv (Theme,Valence_mean,...)
images/Acorns_1.jpg ..."""


def _read_affect(root: Path) -> Manifest:
    from perceptmetrics.tasks.builtin.affect import AFFECT

    return _read(root, AFFECT.outputs, "oasis")


def _read_beauty(root: Path) -> Manifest:
    from perceptmetrics.tasks.builtin.aesthetics import AESTHETICS

    return _read(root, AESTHETICS.outputs, "oasis-beauty")


def _read(root: Path, ratings: tuple[str, ...], dataset: str) -> Manifest:
    import numpy as np

    from perceptmetrics.datasets.labels import (
        check_columns,
        csv_rows,
        label_file,
        numbers,
        other_columns,
        rated_images,
    )

    files = ("oasis.csv", "OASIS.csv")
    there = next((file for file in files if (root / file).is_file()), files[0])
    path = label_file(root, there, dataset=dataset, source=SOURCE, layout=LAYOUT)
    rows = csv_rows(path)
    # By its header: on some file systems the two names are one.
    if "Theme" in rows[0]:
        columns = [f"{rating.capitalize()}_mean" for rating in ratings]
        others = {"Category": "category", **{f"{r.capitalize()}_SD": f"{r}_sd" for r in ratings}}
        others |= {f"{r.capitalize()}_N": f"{r}_n" for r in ratings}
        names = [f"images/{row['Theme'].strip()}.jpg" for row in rows]
    else:
        columns = list(ratings)
        doubts = [f"{rating}_{what}" for rating in ratings for what in ("sd", "n")]
        others = {name: name for name in ("category", *doubts)}
        check_columns(path, list(rows[0]), ["image"])
        names = [row["image"] for row in rows]
    check_columns(path, list(rows[0]), columns)
    targets = np.array([numbers(rows, column, path) for column in columns]).T
    return rated_images(
        root,
        "",
        names,
        targets,
        dataset=dataset,
        source=SOURCE,
        columns=other_columns(rows, others),
    )


def _splits_affect(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import fold_splits

    return fold_splits(data, "oasis", folds=5)


def _splits_beauty(data: Manifest, root: Path) -> tuple[Split, ...]:
    from perceptmetrics.data.protocols import fold_splits

    return fold_splits(data, "oasis-beauty", folds=5)


OASIS = Dataset(
    name="oasis",
    title="OASIS, valence and arousal",
    task="affect",
    read=_read_affect,
    splits=_splits_affect,
    count=900,
    source=SOURCE,
    layout=LAYOUT,
    score_range=(1.0, 7.0),
    direction="valence: higher is more positive, 4 is neutral; arousal: higher is more activating",
    licence="mixed, by image",
    paper="Kurdi et al. 2017, OASIS, Behavior Research Methods 49",
)

OASIS_BEAUTY = replace(
    OASIS,
    name="oasis-beauty",
    title="OASIS, beauty",
    task="aesthetics",
    read=_read_beauty,
    splits=_splits_beauty,
    direction="higher is more beautiful",
    paper="Brielmann & Pelli 2019, Intense Beauty Requires Intense Pleasure",
)
