"""Views that bring an image to a size and cut squares from it: middle, random, on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from perceptmetrics.views.base import PlannedView
from perceptmetrics.views.geometry import Cut, Plan, short_side_to

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class CentreCrop(PlannedView):
    """Short side to ``resize_to``, then the middle ``size`` square (appendix A.1).

    With ``mirrored``, the cut is seen a second time mirrored left to right.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((300, 500, 3), np.uint8)
        >>> CentreCrop().cut(image, np.random.default_rng(0)).shape
        (1, 224, 224, 3)
    """

    kind: ClassVar[str] = "centre_crop"
    draws: ClassVar[bool] = False
    size: int = 224
    resize_to: int = 224
    mirrored: bool = False

    def __str__(self) -> str:
        twice = ", plain and mirrored" if self.mirrored else ""
        return f"short side to {self.resize_to}, the middle {self.size}x{self.size}{twice}"

    @property
    def count(self) -> int:
        """One, or two when mirrored."""
        return 1 + self.mirrored

    def plan(self, height: int, width: int, generator: np.random.Generator) -> Plan:
        """The middle, as torchvision's CenterCrop rounds it."""
        height, width = short_side_to(self.resize_to, height, width)
        top, left = round((height - self.size) / 2), round((width - self.size) / 2)
        cuts = (Cut(top, left), Cut(top, left, mirror_x=True))
        return Plan(height, width, self.size, cuts[: self.count])


@dataclass(frozen=True)
class RandomCrops(PlannedView):
    """Short side to ``resize_to``, then ``crops`` cuts at random places (section 4.1).

    Where ``resize_to`` is ``None`` an image keeps its own pixels; one that is smaller than a cut is
    enlarged to it. ``flip_x`` and ``flip_y`` mirror each cut with probability one half: for
    training.
    """

    kind: ClassVar[str] = "random_crops"
    size: int = 224
    resize_to: int | None = 384
    crops: int = 15
    flip_x: bool = False
    flip_y: bool = False

    def __str__(self) -> str:
        flips = " and ".join(
            name for name, on in (("mirrored", self.flip_x), ("upside down", self.flip_y)) if on
        )
        return f"{self._resizing()}, {self.crops} random {self.size}x{self.size} crops" + (
            f", each {flips} half of the time" if flips else ""
        )

    def _resizing(self) -> str:
        if self.resize_to is None:
            return f"own pixels, short side at least {self.size}"
        return f"short side to {self.resize_to}"

    @property
    def count(self) -> int:
        """``crops``."""
        return self.crops

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width before cutting."""
        if self.resize_to is None and min(height, width) >= self.size:
            return height, width
        return short_side_to(self.resize_to or self.size, height, width)

    def plan(self, height: int, width: int, generator: np.random.Generator) -> Plan:
        """Uniform over all places, and over mirrorings where they are on."""
        height, width = self.resized(height, width)
        tops = generator.integers(0, height - self.size, self.crops, endpoint=True)
        lefts = generator.integers(0, width - self.size, self.crops, endpoint=True)
        mirrors = generator.random((self.crops, 2)) < 0.5
        cuts = tuple(
            Cut(int(top), int(left), bool(self.flip_x and mx), bool(self.flip_y and my))
            for top, left, (mx, my) in zip(tops, lefts, mirrors, strict=True)
        )
        return Plan(height, width, self.size, cuts)


@dataclass(frozen=True)
class StretchedCrops(RandomCrops):
    """Random crops of an image squeezed to ``resize_to * 4 / 3`` high and ``resize_to`` wide.

    The ratio is not kept: this is what a copy of the official model in the wild does to every
    image, by taking torchvision's (height, width) for (width, height). Offered for comparison.

    Example:
        >>> import numpy as np
        >>> StretchedCrops().plan(600, 900, np.random.default_rng(0)).height
        512
    """

    kind: ClassVar[str] = "stretched_crops"
    resize_to: int = 384

    def _resizing(self) -> str:
        return f"squeezed to {self.resize_to * 4 // 3} high and {self.resize_to} wide"

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The same whatever the image."""
        return self.resize_to * 4 // 3, self.resize_to


@dataclass(frozen=True)
class GridCrops(PlannedView):
    """Short side to ``resize_to``, then ``crops`` cuts spread evenly over the image.

    The cuts stand on rows and columns whose numbers are the divisors of ``crops`` nearest to the
    image's shape: 15 are 3 x 5 on a landscape. Nothing is random about them.

    Example:
        >>> import numpy as np
        >>> GridCrops().plan(384, 512, np.random.default_rng(0)).cuts[-1]
        Cut(top=160, left=288, mirror_x=False, mirror_y=False)
    """

    kind: ClassVar[str] = "grid_crops"
    draws: ClassVar[bool] = False
    size: int = 224
    resize_to: int = 384
    crops: int = 15

    def __str__(self) -> str:
        return (
            f"short side to {self.resize_to}, {self.crops} {self.size}x{self.size} crops on an "
            "even grid"
        )

    @property
    def count(self) -> int:
        """``crops``."""
        return self.crops

    def plan(self, height: int, width: int, generator: np.random.Generator) -> Plan:
        """Rows x columns from edge to edge; a single row or column stands in the middle."""
        height, width = short_side_to(self.resize_to, height, width)
        slack_y, slack_x = height - self.size, width - self.size
        divisors = [n for n in range(1, self.crops + 1) if self.crops % n == 0]
        wanted = (self.crops * (slack_y + 1) / (slack_x + 1)) ** 0.5
        rows = min(divisors, key=lambda n: (abs(n - wanted), n))
        columns = self.crops // rows
        cuts = tuple(
            Cut(top, left) for top in _even(slack_y, rows) for left in _even(slack_x, columns)
        )
        return Plan(height, width, self.size, cuts)


def _even(slack: int, count: int) -> list[int]:
    if count == 1:
        return [slack // 2]
    return [round(slack * index / (count - 1)) for index in range(count)]
