"""One dataset of a run: what it judges, what trains, what validates."""

from __future__ import annotations

from dataclasses import dataclass

from perceptmetrics.card import MetricCard
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.errors import DataError
from perceptmetrics.tasks import Task
from perceptmetrics.weights.adapter import DEFAULT_DATASET


@dataclass(frozen=True, eq=False)
class Source:
    """One dataset of a run.

    Attributes:
        name: Of its head: ``default`` where a run has one dataset, else the dataset's.
        task: What is judged.
        training: What trains.
        validation: What chooses the best epoch.
        sha256: Of all its data.
        replicas: Cuts of a training image per epoch; the recipe's or the task's when ``None``.
        split: How training and validation were told apart, where a split file says so.
        card: What to put on the card beside what the run knows itself (data, licence, notes).
        test: What a sweep judges; training never sees it.

    Raises:
        DataError: Fewer than two training images, or than two validation groups, or targets that
            are not those of the task.
    """

    name: str
    task: Task
    training: Manifest
    validation: Manifest
    sha256: str
    replicas: int | None = None
    split: Split | None = None
    card: MetricCard | None = None
    test: Manifest | None = None

    def __post_init__(self) -> None:
        """Found now, not after hours of training: figures and their intervals need more."""
        for part in (self.training, self.validation):
            _check_targets(self.task, part)
        if len(set(self.validation.groups)) < 2 or len(self.training) < 2:
            remedy = "raise --validation-fraction" if self.split is None else "give another split"
            raise DataError(
                f"{self._which_split()} leaves {len(self.training)} training images and "
                f"{len(set(self.validation.groups))} validation images (or groups of them), "
                f"expected at least 2 of each; {remedy}, or more images"
            )

    def _which_split(self) -> str:
        if self.split is not None:
            return f"split {self.split.name!r} of {self.split.dataset}"
        return "the split" if self.name == DEFAULT_DATASET else f"the split of {self.name}"


def _check_targets(task: Task, part: Manifest) -> None:
    targets = part.targets
    if task.kind == "classification":
        fits = targets.ndim == 1 and targets.dtype.kind in "iu"
        fits = fits and (
            not len(targets) or 0 <= targets.min() <= targets.max() < len(task.outputs)
        )
        wanted = f"one of {len(task.outputs)} classes an image"
    else:
        fits = targets.ndim == 2 and targets.shape[1] == len(task.outputs)
        wanted = f"{len(task.outputs)} ratings an image ({', '.join(task.outputs)})"
    if not fits:
        raise DataError(
            f"task {task.name!r} needs {wanted}, the data has targets of shape "
            f"{targets.shape} and type {targets.dtype}; give another task, or other data"
        )


def source_of(
    task: Task,
    data: Manifest,
    *,
    name: str = DEFAULT_DATASET,
    split: Split | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
    replicas: int | None = None,
    card: MetricCard | None = None,
) -> Source:
    """A source from rated images: by a split, or by holding a share of the groups out.

    Args:
        task: What is judged.
        data: All rated images.
        name: Of the head.
        split: Which images train and validate; its test images are left alone.
        validation_fraction: Share of the groups held out where there is no split.
        seed: Draws them.
        replicas: Cuts of a training image per epoch.
        card: What only a person knows of it.

    Raises:
        DataError: Too few images, or a split of other data.
    """
    test = None
    if split is not None:
        training, validation, rest = split.parts(data)
        test = rest if len(rest) else None
    else:
        first, second = split_by_group(data.groups, validation_fraction, seed)
        training, validation = data.take(first), data.take(second)
    return Source(name, task, training, validation, data.sha256, replicas, split, card, test)
