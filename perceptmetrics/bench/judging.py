"""From run folders to figures: what a sweep tested, and whole sets that were not trained on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

from perceptmetrics.bench.record import figure_from
from perceptmetrics.bench.table import Column
from perceptmetrics.create import create_metric
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import DataError, RunFolderError
from perceptmetrics.evaluation.evaluate import Average, evaluate, over_splits
from perceptmetrics.evaluation.figures import Figure
from perceptmetrics.evaluation.judgements import judgements_of
from perceptmetrics.training.kept_judgements import judgements_file, keep_judgements
from perceptmetrics.training.writing import write_text

SWEEP_FILE = "sweep.json"
RUN_FILE = "run.json"

Figures = tuple[Figure, ...]


def tested(folder: Path) -> dict[int, tuple[Path, Mapping[str, Figures]]]:
    """What a sweep found on the test parts.

    Args:
        folder: Of the sweep.

    Returns:
        Fold -> the folder of its chosen run, and dataset -> figures.

    Raises:
        RunFolderError: There is no record of a sweep, or it cannot be read.

    Example:
        >>> tested(Path("no/where"))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.RunFolderError: no/where/sweep.json cannot be read ...
    """
    file = folder / SWEEP_FILE
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        chosen = {one["fold"]: Path(one["folder"]) for one in plain["runs"] if one["chosen"]}
        return {
            int(fold): (
                # The bench folder may have been moved since: what counts is the run's own name.
                folder / f"fold-{fold}" / chosen[int(fold)].name,
                {name: tuple(map(figure_from, figures)) for name, figures in found.items()},
            )
            for fold, found in plain["folds"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{file} cannot be read ({error}); remove it, and the same command writes it anew"
        ) from error


def judged_whole(
    run: Path, dataset: str, root: Path, *, base: Path | None = None, device: str = "cpu"
) -> Figures:
    """A run on all images of a dataset that it was not trained on; kept beside the run.

    Args:
        run: The run folder.
        dataset: Name.
        root: Where it lies.
        base: A file of base weights in place of the cache.
        device: Where to score.

    Raises:
        DataError: An image cannot be read: a whole set is not to shrink.
        PerceptError: What is wrong with the run or the dataset.
    """
    data = DATASETS.get(dataset).read(root)
    identity = [_fingerprint(run), data.sha256]
    kept = run / f"whole.{dataset}.json"
    try:
        record = json.loads(kept.read_text(encoding="utf-8"))
        if record["identity"] == identity:
            return tuple(map(figure_from, record["figures"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not judged yet, or not to the end
    metric = create_metric(run, base=base, device=device)
    found = evaluate(metric, data, groupings=metric.config.groupings, data_name=dataset)
    if found.unreadable:
        name, reason = found.unreadable[0]
        raise DataError(
            f"{len(found.unreadable)} images of {dataset} cannot be read, the first is {name} "
            f"({reason}); mend them, and the same command goes on"
        )
    keep_judgements(judgements_file(run, dataset, whole=True), judgements_of(metric, data, found))
    plain = [
        {key: None if _is_nan(value) else value for key, value in asdict(figure).items()}
        for figure in found.figures
    ]
    write_text(kept, json.dumps({"identity": identity, "figures": plain}, indent=1) + "\n")
    return found.figures


def _fingerprint(run: Path) -> str:
    try:
        record = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
        return str(record["fingerprint"])
    except (OSError, ValueError, KeyError) as error:
        raise RunFolderError(f"{run} holds no record of a finished run ({error})") from error


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def pick(figures: Sequence[Figure], column: Column) -> Figure:
    """The figure that a column prints.

    Args:
        figures: All of one dataset.
        column: Names the measure, and the output where it is not the first.

    Raises:
        DataError: There is none.

    Example:
        >>> from perceptmetrics.bench.experiment import SRCC
        >>> figures = [
        ...     Figure("valence", "SRCC", 0.9, 0.8, 1.0, 64),
        ...     Figure("arousal", "SRCC", 0.7, 0.6, 0.8, 64),
        ... ]
        >>> pick(figures, Column("arousal", SRCC, "oasis", output="arousal")).value
        0.7
    """
    wanted = (column.measure.name, column.measure.scale)
    for figure in figures:
        if (figure.measure, figure.scale) == wanted and column.output in ("", figure.output):
            return figure
    raise DataError(
        f"there is no {column.measure.name} {column.output} of {column.dataset}".replace("  ", " ")
    )


def over_folds(figures: Sequence[Figure], average: Average) -> Figure:
    """One figure over the folds that are done.

    Its interval is a bootstrap over folds; fewer than five have none. A single fold keeps the
    interval over its own images, and says so in :attr:`Figure.reason`.

    Args:
        figures: Of each fold, the same one.
        average: Median or mean.

    Example:
        >>> one = Figure("quality", "SRCC", 0.92, 0.9, 0.94, 380)
        >>> over_folds([one], "median").low, over_folds([one, one, one], "median").images
        (0.9, 1140)
    """
    found = _averaged(tuple(figures), average)
    if len(figures) == 1 and math.isnan(figures[0].low) and not math.isnan(figures[0].value):
        return figures[0]  # it says why
    if len(figures) == 1 and not math.isnan(figures[0].value):
        return replace(figures[0], reason="interval over the images of one fold")
    return found


@lru_cache(maxsize=1024)
def _averaged(figures: Figures, average: Average) -> Figure:
    # Kept, because a bench is tabulated after each step, and a bootstrap takes its time.
    (found,) = over_splits([[figure] for figure in figures], average)
    return found
