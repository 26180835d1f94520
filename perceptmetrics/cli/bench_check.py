"""The built-in check of ``bench`` as its user sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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
    from perceptmetrics.bench.monotony import check

    pictures, unreadable = read_photographs(photographs or sample_photographs())
    ours = loaders(metrics or registered(), crops=crops, device=device, bases=bases)
    # disable=None: no bar where standard error is no terminal.
    disable = None if progress is None else not progress
    with tqdm(desc="check", unit="image", disable=disable, leave=False) as bar:

        def tell(metric: str, done: int, images: int) -> None:
            bar.set_description(metric, refresh=False)
            bar.total = images
            bar.update(done - bar.n)

        return check({**ours, **rivals}, pictures, failures=unreadable, progress=tell)


def check_plan(metrics: tuple[str, ...], photographs: Path | None) -> str:
    """What the check would do, in a line."""
    from perceptmetrics.bench.candidates import registered, sample_photographs
    from perceptmetrics.bench.distortions import DISTORTIONS, LEVELS

    folder = photographs or sample_photographs()
    return (
        f"built-in check: the photographs of {folder} under {len(DISTORTIONS)} distortions in "
        f"{LEVELS} levels, judged by {', '.join(metrics or registered())}; not human judgement"
    )


def counted_failures(check: CheckResult, metrics: tuple[str, ...]) -> list[str]:
    """What failed although it was asked for.

    Without a model hub the official metrics are not to be had: that counts only for those that
    were asked for by name.
    """
    from perceptmetrics.bench.candidates import optional

    free = () if metrics else optional()
    return [name for name, _ in check.failures if name not in free]
