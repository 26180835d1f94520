"""A split: which images train, which choose the best epoch, which are only judged. A JSON file."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.errors import DataError

FORMAT = "perceptmetrics split 1"


@dataclass(frozen=True)
class Split:
    """Names of the images on each side; see :attr:`Manifest.names`.

    Attributes:
        dataset: Name of the dataset, or of the manifest's file.
        name: Of this split among those of the dataset: ``"loda-1"``, ``"fold-3"``.
        training: Sorted names.
        validation: Sorted names; they choose the best epoch.
        test: Sorted names; may be empty.
        source: How it was drawn, or who published it.

    Raises:
        DataError: A name stands twice, or training or validation is empty.

    Example:
        >>> split = Split("mine", "first", ("a.jpg", "b.jpg"), ("c.jpg",), ("d.jpg",))
        >>> split.sha256[:12]
        '3ac594955f0b'
    """

    dataset: str
    name: str
    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Refuses a split that leaks; sorts the names, so that the hash is that of the sets."""
        counts = Counter((*self.training, *self.validation, *self.test))
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise DataError(
                f"split {self.name!r} of {self.dataset} names {twice[0]!r} more than once; an "
                "image stands on one side only"
            )
        if not self.training or not self.validation:
            raise DataError(
                f"split {self.name!r} of {self.dataset} has {len(self.training)} training and "
                f"{len(self.validation)} validation images; expected at least one of each"
            )
        for side in ("training", "validation", "test"):
            object.__setattr__(self, side, tuple(sorted(getattr(self, side))))

    @property
    def sha256(self) -> str:
        """Hash of the three sets of names; dataset, name and source do not enter."""
        sides = json.dumps([self.training, self.validation, self.test], ensure_ascii=False)
        return hashlib.sha256(sides.encode()).hexdigest()

    def parts(self, data: Manifest) -> tuple[Manifest, Manifest, Manifest]:
        """Training, validation and test images of the data.

        Raises:
            DataError: The data lacks an image that the split names, or holds two of that name, or
                a group of the data is on two sides.
        """
        places: dict[str, int] = {}
        for place, name in enumerate(data.names):
            if name in places:
                raise DataError(
                    f"{name!r} stands twice in the data; a split cannot tell them apart"
                )
            places[name] = place
        for name in (*self.training, *self.validation, *self.test):
            if name not in places:
                raise DataError(
                    f"split {self.name!r} of {self.dataset} names {name!r}, which is not among the "
                    f"{len(data)} images given; check that split and data belong together"
                )
        training, validation, test = (
            data.take([places[name] for name in side])
            for side in (self.training, self.validation, self.test)
        )
        seen = set(training.groups)
        leaked = sorted(seen & {*validation.groups, *test.groups})
        leaked += sorted(set(validation.groups) & set(test.groups))
        if leaked:
            raise DataError(
                f"split {self.name!r} of {self.dataset} puts images of group {leaked[0]!r} on two "
                "sides; draw the split with the same groups as the data"
            )
        return training, validation, test

    def save(self, path: Path) -> Path:
        """Writes the split as JSON with its hash."""
        record = {"format": FORMAT, "sha256": self.sha256, **asdict(self)}
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path


def load_split(path: Path) -> Split:
    """Reads what :meth:`Split.save` wrote.

    Raises:
        DataError: The file cannot be read, is not a split, or was changed.
    """
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a split: {error}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DataError(f"{path} is no split; expected a file of 'perceptmetrics data split'")
    try:
        stated = str(record["sha256"])
        training, validation, test = (
            tuple(map(str, record[side])) for side in ("training", "validation", "test")
        )
        dataset, name, source = (str(record[key]) for key in ("dataset", "name", "source"))
    except (TypeError, KeyError) as error:
        raise DataError(f"{path} cannot be read as a split: {error}") from error
    split = Split(dataset, name, training, validation, test, source)
    if split.sha256 != stated:
        raise DataError(
            f"{path} was changed: its names hash to {split.sha256[:12]}, the file says "
            f"{stated[:12]}; draw the split anew"
        )
    return split
