"""Where a view cuts, and the pixels there: plans, resizing, slicing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from perceptmetrics.deferred import Deferred

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image
else:
    np, Image = Deferred("numpy"), Deferred("PIL.Image")

Pixels: TypeAlias = "npt.NDArray[np.uint8]"

Picture: TypeAlias = "Pixels | Image.Image"
"""(H, W, 3) uint8, or a PIL image of mode RGB: what was decoded need not be copied first."""

ENLARGED = "images whose short side is smaller than the view needs are enlarged"
"""What every card says of small images."""


@dataclass(frozen=True)
class Cut:
    """One square cut of a resized image, mirrored or not."""

    top: int
    left: int
    mirror_x: bool = False
    mirror_y: bool = False


@dataclass(frozen=True)
class Plan:
    """Resize to (height, width), then take these cuts of ``size`` x ``size``."""

    height: int
    width: int
    size: int
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, eq=False)
class Sheet:
    """One picture, and the cuts that are slices of it.

    It is what travels to the model: overlapping crops are fewer bytes in one picture than apart.

    Attributes:
        pixels: (plan.height, plan.width, 3) uint8.
        plan: Where the cuts lie.
    """

    pixels: Pixels
    plan: Plan

    def take(self) -> Pixels:
        """The cuts: (count, size, size, 3) uint8, a copy.

        Example:
            >>> sheet = Sheet(np.zeros((40, 60, 3), np.uint8), Plan(40, 60, 32, (Cut(0, 9),)))
            >>> sheet.take().shape
            (1, 32, 32, 3)
        """
        return np.stack([take(self.pixels, cut, self.plan.size) for cut in self.plan.cuts])


def sheet_of(cuts: Pixels) -> Sheet:
    """(count, size, size, 3) uint8, one below the other.

    Example:
        >>> sheet_of(np.zeros((3, 32, 32, 3), np.uint8)).plan.cuts[-1].top
        64
    """
    count, size = cuts.shape[:2]
    places = tuple(Cut(index * size, 0) for index in range(count))
    return Sheet(cuts.reshape(count * size, size, 3), Plan(count * size, size, size, places))


def short_side_to(size: int, height: int, width: int) -> tuple[int, int]:
    """Height and width with the short side at ``size`` and the ratio kept, as torchvision does.

    Example:
        >>> short_side_to(224, 427, 640)
        (224, 335)
    """
    if height <= width:
        return size, max(size, int(size * width / height))
    return max(size, int(size * height / width)), size


def resize(image: Picture, height: int, width: int) -> Pixels:
    """Bicubic, antialiased: (H, W, 3) uint8 or an RGB PIL image -> (height, width, 3) uint8."""
    if size_of(image) == (height, width):
        return np.asarray(image)
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def size_of(image: Picture) -> tuple[int, int]:
    """Height and width."""
    if isinstance(image, np.ndarray):
        return image.shape[0], image.shape[1]
    return image.height, image.width


def take(image: Pixels, cut: Cut, size: int) -> Pixels:
    """One cut of a resized image: (size, size, 3), not copied."""
    part = image[cut.top : cut.top + size, cut.left : cut.left + size]
    return part[:: -1 if cut.mirror_y else 1, :: -1 if cut.mirror_x else 1]
