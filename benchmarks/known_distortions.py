"""More contents for the quality metric: other photographs, distorted as TID2013's are.

The part of TID2013 in ``../shared/data`` has 19 contents, and a model that sees 15 of them learns
those photographs, not what blur does to any photograph. TID2013's ratings hang mostly on the
distortion and its level, and then on how much fine detail the photograph had to lose: busy ones are
rated lower than smooth ones at the same level. So photographs of LNSIM and OASIS are distorted by
the same code, and are given the mean rating of the same type and level over the *training*
references, moved along the line that those references show between detail and rating. Nobody rated
them, and no validation rating enters a label. The idea came from a look at the validation errors of
an earlier adapter, so the validation figure flatters it a little.

    python benchmarks/known_distortions.py    # writes benchmarks/results/known_distortions.json

says what such labels are worth, on the 15 training references alone: five are left out, the labels
fitted on the other ten, and compared with the ratings of the five.
"""

from __future__ import annotations

import json
import re
import runpy
import tempfile
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.stats import linregress

from perceptmetrics.data.manifest import Manifest, read_manifest
from perceptmetrics.images import load_image
from perceptmetrics.tasks import TASKS

CONDITIONS_OF_EACH = 2
REPEATS_OF_RATED = 2
BLUR = 8

Distort = Callable[[npt.NDArray[np.uint8], int, int], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Labels:
    """What a distortion of a photograph that nobody rated would be rated."""

    means: dict[tuple[int, int], float]
    """Mean rating of each type and level over the rated references."""
    slopes: dict[int, float]
    """Change of the rating with a photograph's detail, for each type."""
    detail: tuple[float, float, float]
    """Least, mean and most detail of the rated references."""

    def __call__(self, kind: int, level: int, detail: float) -> float:
        """The rating of one distortion; detail beyond the references' counts as the nearest."""
        low, mean, high = self.detail
        return self.means[kind, level] + self.slopes[kind] * (
            float(np.clip(detail, low, high)) - mean
        )


def labels_of(rated: Manifest, details: dict[str, float]) -> Labels:
    """Fits the labels to rated distortions.

    Args:
        rated: Images named as TID2013 names them, with their ratings.
        details: Detail of each reference, by its number as in the names.
    """
    ratings: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for path, rating in zip(rated.images, rated.targets[:, 0], strict=True):
        reference, kind, level = _condition(path)
        ratings[kind, level][reference] = float(rating)
    means = {condition: float(np.mean(list(of.values()))) for condition, of in ratings.items()}
    slopes = {}
    for kind in {kind for kind, _ in ratings}:
        pairs = [
            (details[reference], rating - means[condition])
            for condition, of in ratings.items()
            if condition[0] == kind
            for reference, rating in of.items()
        ]
        slopes[kind] = float(linregress(*np.transpose(pairs)).slope)
    known = [details[reference] for reference in {_condition(path)[0] for path in rated.images}]
    return Labels(means, slopes, (min(known), float(np.mean(known)), max(known)))


def detail_of(image: npt.NDArray[np.uint8], distort: Distort) -> float:
    """Log of the squared error that TID2013's third level of blur makes."""
    blurred = distort(image, BLUR, 3).astype(np.float64)
    return float(np.log(np.mean((blurred - image) ** 2) + 1e-3))


def known_distortions(shared: Path, scratch: Path, rated: Manifest, seed: int = 0) -> Manifest:
    """Distorted photographs with the rating they would have, and the rated ones again.

    Args:
        shared: The folder with ``lnsim``, ``oasis`` and ``tid2013``.
        scratch: The rebuilt TID2013; the distorted photographs are written there too.
        rated: The training part of TID2013.
        seed: Decides which photograph gets which conditions.
    """
    distort: Distort = runpy.run_path(str(shared / "tid2013" / "rebuild.py"))["distort"]
    details = {
        path.stem[1:]: detail_of(load_image(path), distort)
        for path in (scratch / "reference_images").iterdir()
    }
    labels = labels_of(rated, details)
    conditions = sorted(labels.means)
    photographs = [
        path for name in ("oasis", "lnsim") for path in sorted((shared / name).rglob("*.jpg"))
    ]
    folder = scratch / "known_distortions"
    folder.mkdir()

    def write(number: int) -> list[str]:
        drawn = np.random.default_rng([seed, number]).permutation(len(conditions))
        image = load_image(photographs[number])
        detail = detail_of(image, distort)
        rows = []
        for index in drawn[:CONDITIONS_OF_EACH]:
            kind, level = conditions[index]
            name = f"{number:04}_{kind}_{level}.png"
            Image.fromarray(distort(image, kind, level)).save(folder / name, compress_level=1)
            rows.append(f"{name},{labels(kind, level, detail)},{number}")
        return rows

    with ThreadPoolExecutor(2) as pool:
        rows = [row for rows in pool.map(write, range(len(photographs))) for row in rows]
    table = folder / "ratings.csv"
    table.write_text("\n".join(["image,mos,photograph", *rows]) + "\n", encoding="utf-8")
    distorted = read_manifest(table, TASKS.get("iqa"), group_column="photograph")
    return distorted.joined(rated.take(np.repeat(np.arange(len(rated)), REPEATS_OF_RATED)))


def _condition(path: Path) -> tuple[str, int, int]:
    # TID2013 names its files Ireference_type_level.
    found = re.fullmatch(r"i(\d\d)_(\d\d)_(\d)", path.stem, re.IGNORECASE)
    if found is None:
        raise ValueError(f"{path.name} is not named as TID2013 names its images")
    return found[1], int(found[2]), int(found[3])


def main() -> None:
    """Labels against ratings, on training references that the labels were not fitted on."""
    from train_embedded import HERE, RUNS_WANTED, SHARED, rated_images

    from perceptmetrics.data.splits import split_by_group
    from perceptmetrics.statistics import srcc

    wanted = RUNS_WANTED["iqa"]
    with tempfile.TemporaryDirectory() as scratch:
        data = rated_images(wanted, Path(scratch))
        distort = runpy.run_path(str(SHARED / "tid2013" / "rebuild.py"))["distort"]
        details = {
            path.stem[1:]: detail_of(load_image(path), distort)
            for path in (Path(scratch) / "reference_images").iterdir()
        }
    chosen = split_by_group(data.groups, wanted.validation_fraction, wanted.recipe.seed)[0]
    rated = data.take(chosen)
    conditions = [_condition(path) for path in rated.images]
    references = sorted({reference for reference, _, _ in conditions})
    generator = np.random.default_rng(0)
    found: dict[str, list[float]] = {"mean of the condition": [], "moved by detail": []}
    for _ in range(300):
        out = set(generator.permutation(references)[:5])
        fitted = labels_of(
            rated.take([i for i, c in enumerate(conditions) if c[0] not in out]), details
        )
        left = [(i, c) for i, c in enumerate(conditions) if c[0] in out]
        target = rated.targets[[i for i, _ in left], 0]
        means = [fitted.means[kind, level] for _, (_, kind, level) in left]
        moved = [fitted(kind, level, details[reference]) for _, (reference, kind, level) in left]
        found["mean of the condition"].append(srcc(means, target))
        found["moved by detail"].append(srcc(moved, target))
    result = {
        "command": "python benchmarks/known_distortions.py",
        "references": len(references),
        "left out": 5,
        "draws": 300,
        "mean SRCC": {name: float(np.mean(values)) for name, values in found.items()},
    }
    text = json.dumps(result, indent=1) + "\n"
    (HERE / "results" / "known_distortions.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
