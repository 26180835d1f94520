"""More contents for the quality metric: other photographs, distorted as TID2013's are.

The part of TID2013 in ``../shared/data`` has 19 contents, and a model that sees 15 of them learns
those photographs, not what blur does to any photograph. TID2013's ratings hang mostly on the
distortion and its level. So photographs of LNSIM and OASIS are distorted by the same code,
and are given the mean rating of the same type and level over the *training* references. Nobody
rated them, and no validation rating enters.
"""

from __future__ import annotations

import re
import runpy
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from perceptmetrics.data.manifest import Manifest, read_manifest
from perceptmetrics.images import load_image
from perceptmetrics.tasks import TASKS

PHOTOGRAPHS = 1_800
CONDITIONS_OF_EACH = 2
REPEATS_OF_RATED = 2


def known_distortions(shared: Path, scratch: Path, rated: Manifest, seed: int = 0) -> Manifest:
    """Distorted photographs with the mean rating of their condition, and the rated ones again.

    Args:
        shared: The folder with ``lnsim``, ``oasis`` and ``tid2013``.
        scratch: Where the distorted photographs are written.
        rated: The training part of TID2013.
        seed: Decides which photograph gets which conditions.
    """
    distort = runpy.run_path(str(shared / "tid2013" / "rebuild.py"))["distort"]
    ratings: dict[tuple[int, int], list[float]] = defaultdict(list)
    for path, rating in zip(rated.images, rated.targets[:, 0], strict=True):
        ratings[_condition(path)].append(float(rating))
    conditions = sorted(ratings)
    generator = np.random.default_rng(seed)
    oasis = sorted((shared / "oasis").rglob("*.jpg"))
    lnsim = sorted((shared / "lnsim").rglob("*.jpg"))
    chosen = generator.permutation(len(lnsim))[: PHOTOGRAPHS - len(oasis)]
    photographs = oasis + [lnsim[index] for index in chosen]
    folder = scratch / "known_distortions"
    folder.mkdir()

    def write(number: int) -> list[str]:
        drawn = np.random.default_rng([seed, number]).permutation(len(conditions))
        image = load_image(photographs[number])
        rows = []
        for index in drawn[:CONDITIONS_OF_EACH]:
            kind, level = conditions[index]
            name = f"{number:04}_{kind}_{level}.png"
            Image.fromarray(distort(image, kind, level)).save(folder / name, compress_level=1)
            rows.append(f"{name},{np.mean(ratings[kind, level])},{number}")
        return rows

    with ThreadPoolExecutor(2) as pool:
        rows = [row for rows in pool.map(write, range(len(photographs))) for row in rows]
    table = folder / "ratings.csv"
    table.write_text("\n".join(["image,mos,photograph", *rows]) + "\n", encoding="utf-8")
    distorted = read_manifest(table, TASKS.get("iqa"), group_column="photograph")
    return distorted.joined(rated.take(np.repeat(np.arange(len(rated)), REPEATS_OF_RATED)))


def _condition(path: Path) -> tuple[int, int]:
    # TID2013 names its files Ireference_type_level.
    found = re.fullmatch(r"i\d\d_(\d\d)_(\d)", path.stem, re.IGNORECASE)
    if found is None:
        raise ValueError(f"{path.name} is not named as TID2013 names its images")
    return int(found[1]), int(found[2])
