"""Where the figures of the built-in check come from: a metric's weights, and what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from perceptmetrics.card import MetricCard
from perceptmetrics.errors import DataError
from perceptmetrics.views import View
from perceptmetrics.weights.digest import sha256_of_file


@dataclass(frozen=True)
class CheckedMetric:
    """A metric of ours as the check asked it.

    Attributes:
        metric: Its name in the check.
        adapter_sha256: Of its adapter file.
        base, base_sha256: The pretrained weights that it stood on.
        view: What its encoder saw of an image, in words.
        crops: Cuts of an image that were averaged.
        seed: Drew them, where the view draws.
    """

    metric: str
    adapter_sha256: str
    base: str
    base_sha256: str
    view: str
    crops: int
    seed: int


@runtime_checkable
class Traceable(Protocol):
    """What is needed of a :class:`perceptmetrics.Metric` here; a formula or a rival has none."""

    card: MetricCard
    view: View
    seed: int


def checked_metric(name: str, judge: object) -> tuple[CheckedMetric, ...]:
    """What is known of a judge: one entry, or none where it is no metric of ours.

    Args:
        name: In the check.
        judge: The metric.

    Example:
        >>> checked_metric("a formula", len)
        ()
    """
    if not isinstance(judge, Traceable):
        return ()
    card, view = judge.card, judge.view
    return (
        CheckedMetric(
            name, card.sha256, card.base, card.base_sha256, str(view), view.count, judge.seed
        ),
    )


def photograph_hashes(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """The hash of each photograph's file.

    Args:
        folder: Of the photographs, or the one photograph.
        names: Paths inside the folder, as the check calls them.

    Raises:
        DataError: One has gone since it was read.

    Example:
        >>> photograph_hashes(Path("holiday"), [])
        {}
    """
    files = {name: folder if folder.is_file() else folder / name for name in names}
    try:
        return {name: sha256_of_file(file) for name, file in files.items()}
    except OSError as error:
        raise DataError(
            f"{error.filename} was read, and now cannot be ({error.strerror}); run it again"
        ) from error
