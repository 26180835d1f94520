"""What the files of an explanation are called, and which of those in a folder are ours.

A file says whose it is by the JSON beside it, which is written before all that stands with it: no
photograph is lost to a picture of ours, and none of our pictures is taken for a photograph.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from perceptmetrics.errors import OptionError


@dataclass(frozen=True)
class Written:
    """Files that belong together.

    Attributes:
        mark: The JSON that says that they are ours.
        fields: What it holds at least.
        others: The files beside it.
    """

    mark: str
    fields: frozenset[str]
    others: tuple[str, ...]

    def is_ours(self, folder: Path) -> bool:
        """Whether the JSON in this folder is one that we write."""
        try:
            found = json.loads((folder / self.mark).read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(found, dict) and self.fields <= found.keys()

    def check_free(self, folder: Path) -> None:
        """Lets our own files be written anew, and no others.

        Raises:
            OptionError: A file of such a name is there, and is not ours.
        """
        there = [name for name in (self.mark, *self.others) if (folder / name).exists()]
        if there and not self.is_ours(folder):
            raise OptionError(
                f"{folder / there[0]} would be overwritten, and 'perceptmetrics explain' did not "
                "write it; name another output folder"
            )


def of_image(name: str) -> Written:
    """The files of one photograph.

    Example:
        >>> of_image("photo").others
        ('photo.heads.png', 'photo.shift.png', 'photo.methods.png', 'photo.quality.png')
    """
    fields = frozenset({"image", "metric", "strategy", "output", "score", "heads"})
    kinds = ("heads", "shift", "methods", "quality")
    return Written(f"{name}.json", fields, tuple(f"{name}.{kind}.png" for kind in kinds))


RANKING = Written(
    "heads.json",
    frozenset({"metric", "output", "images", "level", "heads"}),
    ("heads.csv", "heads.png", "shift.png"),
)
"""The files of all heads over many images, beside the record."""

COMPARISON = Written(
    "comparison.json",
    frozenset({"images", "told", "lead", "explanations"}),
    ("comparison.csv",),
)
"""The files that say which explanation is the more faithful."""

_RESERVED = tuple(Path(one.mark).stem for one in (RANKING, COMPARISON))


def is_ours(path: str) -> bool:
    """Whether a picture is one that an earlier call wrote, in whatever folder it lies.

    Example:
        >>> is_ours("photo.heads.png")  # there is no photo.json beside it
        False
    """
    file = Path(path)
    families = [RANKING, of_image(file.stem.rpartition(".")[0])]
    return any(file.name in one.others and one.is_ours(file.parent) for one in families)


def stems(paths: Sequence[str]) -> dict[str, str]:
    """What the files of each image are called: its name, numbered where two have one name.

    Names that differ by case alone are one, as on many disks; those of the files that tell of all
    images are taken.

    Example:
        >>> stems(["a/x.jpg", "b/X.png", "y.jpg", "comparison.jpg"])
        {'a/x.jpg': 'x', 'b/X.png': 'X-2', 'y.jpg': 'y', 'comparison.jpg': 'comparison-2'}
    """
    wanted = {Path(path).stem.casefold() for path in paths}
    given = set(_RESERVED)
    numbers: defaultdict[str, count[int]] = defaultdict(lambda: count(2))
    names: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        stem = name = Path(path).stem
        folded = stem.casefold()
        if folded in given:
            free = (
                number for number in numbers[folded] if f"{folded}-{number}" not in wanted | given
            )
            name = f"{stem}-{next(free)}"
        given.add(name.casefold())
        names[path] = name
    return names
