"""The built-in check of ``bench`` as its user sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.cli.text import one_line

if TYPE_CHECKING:
    from perceptmetrics.bench.monotony import CheckResult, Judge


def run_check(
    metrics: tuple[str, ...],
    photographs: Path | None,
    *,
    crops: int | None,
    device: str,
    progress: bool | None,
    bases: Mapping[str, Path],
    rivals: Mapping[str, Callable[[], Judge]],
) -> CheckResult:
    """The built-in check, with a bar.

    Args:
        metrics: Names; every metric of image quality where none is given.
        photographs: A folder; scikit-learn's where it is ``None``.
        crops: Cuts to average, where a metric averages several.
        device: Where metrics run.
        progress: Whether to show the bar; where standard error is a terminal when ``None``.
        bases: Backbone -> a file of its weights, in place of the cache.
        rivals: What makes those that are asked too.
    """
    from tqdm import tqdm

    from perceptmetrics.bench.candidates import (
        loaders,
        read_photographs,
        registered,
        sample_photographs,
    )
    from perceptmetrics.bench.checked import photograph_hashes
    from perceptmetrics.bench.monotony import check

    folder = photographs or sample_photographs()
    pictures, unreadable = read_photographs(folder)
    hashes = photograph_hashes(folder, tuple(pictures))
    ours = loaders(metrics or registered(), crops=crops, device=device, bases=bases)
    # disable=None: no bar where standard error is no terminal.
    disable = None if progress is None else not progress
    with tqdm(desc="check", unit="image", disable=disable, leave=False) as bar:

        def tell(metric: str, done: int, images: int) -> None:
            bar.set_description(metric, refresh=False)
            bar.total = images
            bar.update(done - bar.n)

        made = {**ours, **rivals}
        return check(made, pictures, failures=unreadable, hashes=hashes, progress=tell)


def check_plan(
    metrics: tuple[str, ...], photographs: Path | None, *, crops: int | None, device: str
) -> str:
    """What the check would do, how long that takes, and what is missing; a line each.

    Args:
        metrics: As in :func:`run_check`, like the others.
        photographs: Counted, and not opened.
        crops: Cuts to average.
        device: Where metrics would run.
    """
    from perceptmetrics.bench.candidates import image_cost, registered, sample_photographs
    from perceptmetrics.bench.distortions import DISTORTIONS, LEVELS
    from perceptmetrics.bench.estimate import speed_of
    from perceptmetrics.bench.report import duration
    from perceptmetrics.errors import PerceptError
    from perceptmetrics.scoring.files import find_images

    folder = photographs or sample_photographs()
    # Each photograph is judged as it is, and at each level of each distortion.
    images = sum(isinstance(one, str) for one in find_images([str(folder)], globs=False))
    images *= 1 + len(DISTORTIONS) * LEVELS
    lines, there, cost = [], [], 0.0
    for name in metrics or registered():
        try:
            cost += images * image_cost(name, crops)
        except PerceptError as error:
            lines.append(f"not here: metric {name}: {error}")
            continue
        there.append(name)
    speed = speed_of((), "", "", device, "fp32")
    took = f"; {duration(speed.seconds(cost))} ({speed.how})" if there else ""
    said = (
        f"built-in check: the photographs of {folder} under {len(DISTORTIONS)} distortions in "
        f"{LEVELS} levels, {images} images, judged by {', '.join(there) or 'nothing'}{took}; not "
        "human judgement"
    )
    return "\n".join([said, *map(one_line, lines)])


def counted_failures(check: CheckResult, metrics: tuple[str, ...]) -> list[str]:
    """What failed although it was asked for.

    Without a model hub the official metrics are not to be had: that counts only for those that
    were asked for by name.
    """
    from perceptmetrics.bench.candidates import optional

    free = () if metrics else optional()
    return [name for name, _ in check.failures if name not in free]
