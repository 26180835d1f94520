"""Where datasets lie on this machine, and which of them are whole, as their own readers see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perceptmetrics.bench.monotony import reason_of
from perceptmetrics.datasets import DATASETS
from perceptmetrics.errors import OptionError, PerceptError


@dataclass(frozen=True)
class Roots:
    """Folders that a user named: roots with a folder for each dataset, and single ones.

    Attributes:
        roots: Looked through in this order.
        named: Dataset -> its folder, wherever that is; it goes before the roots.

    Example:
        >>> roots = Roots((Path("/data"),), {"oasis-beauty": Path("/data/oasis")})
        >>> roots.folder("oasis-beauty").as_posix(), roots.folder("koniq10k").as_posix()
        ('/data/oasis', '/data/koniq10k')
    """

    roots: tuple[Path, ...]
    named: Mapping[str, Path] = field(default_factory=dict)

    def folder(self, dataset: str) -> Path:
        """Where the dataset lies, or would lie."""
        if dataset in self.named:
            return self.named[dataset]
        candidates = [root / dataset for root in self.roots]
        return next((one for one in candidates if _exists(one)), candidates[0])

    def present(self) -> tuple[str, ...]:
        """Every registered dataset that has a folder, by name."""
        return tuple(
            name
            for name in DATASETS.names()
            if name in self.named or any(_exists(root / name) for root in self.roots)
        )

    def __bool__(self) -> bool:
        return bool(self.roots or self.named)


def roots_of(given: Iterable[str]) -> Roots:
    """What ``--data`` was given: ``ROOT`` or ``DATASET=FOLDER``, each any number of times.

    Raises:
        OptionError: A root is no folder.
        UnknownNameError: No dataset is called so.
    """
    roots: list[Path] = []
    named: dict[str, Path] = {}
    for one in given:
        name, equals, folder = one.partition("=")
        # A root whose name has an equals sign is still a root.
        if equals and not _exists(Path(one)):
            named[DATASETS.get(name).name] = Path(folder).expanduser()
        else:
            roots.append(Path(one).expanduser())
    for root in roots:
        if not _exists(root):
            raise OptionError(
                f"there is no folder {root}; expected one that holds a folder for each dataset"
            )
    if named and not roots:
        roots.append(Path())
    return Roots(tuple(roots), named)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it may not be entered: its reader will say so
        return True


@dataclass(frozen=True, eq=False)
class Place:
    """One dataset on this machine.

    Attributes:
        dataset: Its name.
        root: Its folder.
        problem: Why it cannot be used, and where to get it; empty if it can.
        images: How many are rated and there.
        published: How many the whole set holds.
        splits: (training, validation, test) images of each split of the protocol.
    """

    dataset: str
    root: Path
    problem: str = ""
    images: int = 0
    published: int = 0
    splits: tuple[tuple[int, int, int], ...] = ()

    @property
    def folds(self) -> int:
        """How many splits the protocol has."""
        return len(self.splits)

    @property
    def part(self) -> str:
        """That it is a part of the set, in words; empty where it is whole.

        Example:
            >>> Place("tid2013", Path("tid2013"), images=380, published=3000).part
            '380 of 3,000 images of tid2013'
        """
        if self.images >= self.published:
            return ""
        return f"{self.images:,} of {self.published:,} images of {self.dataset}"


def place_of(dataset: str, root: Path) -> Place:
    """Reads a dataset's labels, looks for every image, and draws its splits; opens no image.

    Never raises for what is wrong with a dataset: :attr:`Place.problem` says it.

    Example:
        >>> place_of("koniq10k", Path("no/where")).problem
        'koniq10k: there is no folder no/where; ...'
    """
    spec = DATASETS.get(dataset)
    try:
        data = spec.read(root)
        splits = spec.splits(data, root)
        sizes = tuple(
            (len(split.training), len(split.validation), len(split.test))
            for split in splits[: spec.protocol_splits or len(splits)]
        )
        return Place(dataset, root, "", len(data), spec.count, sizes)
    except PerceptError as error:
        return Place(dataset, root, " ".join(str(error).split()))
    except OSError as error:
        return Place(
            dataset,
            root,
            f"{dataset}: {root} cannot be read ({error.strerror or error}); mend its rights",
        )
    # A reader may be anybody's, and one that fails must not cost the other datasets.
    except Exception as error:  # noqa: BLE001
        return Place(
            dataset,
            root,
            f"{dataset}: its reader failed on {root} ({reason_of(error)}); unpack the dataset "
            f"again, and if that does not help tell the reader's authors; to be had at: "
            f"{spec.source}",
        )


def task_of(dataset: str) -> str:
    """The task that a dataset is judged by."""
    return DATASETS.get(dataset).task


def is_of_task(dataset: str, tasks: Sequence[str]) -> bool:
    """Whether a dataset belongs to one of the tasks; ``emotion`` means ``emotion-6`` too.

    Example:
        >>> is_of_task("emotionroi", ["emotion"]), is_of_task("lamem", ["emotion", "iqa"])
        (True, False)
    """
    own = task_of(dataset)
    return any(own == task or own.startswith(f"{task}-") for task in tasks)
