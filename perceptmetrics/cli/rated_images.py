"""The options that say which rated images a metric is judged on, and the images themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from perceptmetrics.errors import DataError, OptionError

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.tasks import Task

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--data", type=_FILE, help="CSV or Parquet of images and ratings, or labels."),
    click.option(
        "--dataset",
        type=(str, _FOLDER),
        metavar="NAME ROOT",
        help="A published dataset and the folder where it is unpacked; see 'perceptmetrics data "
        "list'.",
    ),
    click.option("--split", type=_FILE, help="A file of 'perceptmetrics data split'."),
    click.option(
        "--part",
        type=click.Choice(["training", "validation", "test"]),
        default="test",
        show_default=True,
        help="Which images of the split.",
    ),
    click.option(
        "--images",
        type=_FOLDER,
        help="The folder that paths in --data are relative to; else its own.",
    ),
    click.option("--image-column", help="Else image, image_name, path, file or filename."),
    click.option(
        "--target-column",
        "target_columns",
        multiple=True,
        help="Else the output's name, score, mos or rating; label for classes. Once for each "
        "output.",
    ),
    click.option("--group-column", help="Images of one group are resampled together."),
)
_NEITHER = "give the rated images: either --data FILE or --dataset NAME ROOT"


def rated_images_options(command: Command) -> Command:
    """Gives a command the options of :class:`RatedImages`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class RatedImages:
    """The values of :func:`rated_images_options`, by their names."""

    data: Path | None
    dataset: tuple[str, Path] | None
    split: Path | None
    part: str
    images: Path | None
    image_column: str | None
    target_columns: tuple[str, ...]
    group_column: str | None

    @classmethod
    def take(cls, given: dict[str, Any]) -> RatedImages:
        """Takes its own out of a command's arguments."""
        return cls(**{field.name: given.pop(field.name) for field in fields(cls)})

    def check(self) -> None:
        """Refuses what cannot be, before anything is read.

        Raises:
            OptionError: Options that do not go together.
            UnknownNameError: No such dataset.
        """
        if (self.data is None) == (self.dataset is None):
            raise OptionError(_NEITHER)
        if self.dataset is None:
            return
        of_file = {
            "--images": self.images,
            "--image-column": self.image_column,
            "--target-column": self.target_columns,
            "--group-column": self.group_column,
        }
        meant = [name for name, value in of_file.items() if value]
        if meant:
            raise OptionError(f"{meant[0]} is about --data; a dataset knows its own layout")

        from perceptmetrics.datasets import DATASETS

        DATASETS.get(self.dataset[0])

    def task(self) -> Task | None:
        """What the dataset's ratings are of; a file of one's own takes the metric's word."""
        if self.dataset is None:
            return None

        from perceptmetrics.datasets import DATASETS
        from perceptmetrics.tasks import TASKS

        return TASKS.get(DATASETS.get(self.dataset[0]).task)

    def read(self, task: Task) -> Manifest:
        """All images, whatever the split.

        Args:
            task: Says what the targets of a file are.

        Raises:
            DataError: See :func:`~perceptmetrics.data.manifest.read_manifest`.
        """
        if self.dataset is not None:
            from perceptmetrics.datasets import DATASETS

            name, root = self.dataset
            return DATASETS.get(name).read(root)

        from perceptmetrics.data.manifest import read_manifest

        if self.data is None:
            raise OptionError(_NEITHER)
        return read_manifest(
            self.data,
            task,
            images=self.images,
            image_column=self.image_column,
            target_columns=self.target_columns,
            group_column=self.group_column,
        )

    def chosen(self, rated: Manifest) -> tuple[Manifest, str]:
        """The part of the split that is asked for, and what the report calls it.

        Raises:
            DataError: The part is empty, or the split is of other images.
        """
        name = self.dataset[0] if self.dataset is not None else self.data.name if self.data else ""
        if self.split is None:
            return rated, name

        from perceptmetrics.data.split import load_split

        split = load_split(self.split)
        parts = dict(zip(("training", "validation", "test"), split.parts(rated), strict=True))
        if not len(parts[self.part]):
            raise DataError(f"{self.split} has no {self.part} images; choose another --part")
        return parts[self.part], f"{name}, {self.part} images of {split.name}"

    def split_half(self) -> float | None:
        """How well two halves of a published dataset's raters agree, where it says so."""
        if self.dataset is None:
            return None

        from perceptmetrics.datasets import DATASETS

        return DATASETS.get(self.dataset[0]).split_half
