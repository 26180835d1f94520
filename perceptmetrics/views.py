"""What the encoder sees: one or more square cuts of an image.

A view is a small frozen value. Scoring views say where they cut (:meth:`View.plan`), so that the
same geometry serves uint8 images here and differentiable tensors in ``metric.py``. Pixels are
resized by Pillow (bicubic, antialiased), which is what CLIP's own preprocessing does.

Images smaller than a view needs are enlarged: the short side is brought to the size that the
view names whatever it was before.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from perceptmetrics.errors import OptionError

Pixels = npt.NDArray[np.uint8]

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


def short_side_to(size: int, height: int, width: int) -> tuple[int, int]:
    """Height and width with the short side at ``size`` and the ratio kept, as torchvision does.

    Example:
        >>> short_side_to(224, 427, 640)
        (224, 335)
    """
    if height <= width:
        return size, max(size, int(size * width / height))
    return max(size, int(size * height / width)), size


def resize(image: Pixels, height: int, width: int) -> Pixels:
    """Bicubic, antialiased: (H, W, 3) uint8 -> (height, width, 3) uint8."""
    if image.shape[:2] == (height, width):
        return image
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


@dataclass(frozen=True)
class View:
    """A view whose cuts follow from the image's size and a generator: resize, then cut.

    Attributes:
        kind: The name under which an adapter file stores it.
    """

    kind: ClassVar[str] = ""

    @property
    def count(self) -> int:
        """How many cuts one image gives."""
        return 1

    def __post_init__(self) -> None:
        """Refuses sizes that no cut can have; views come out of files and plug-ins too."""
        size, resize_to = getattr(self, "size", 1), getattr(self, "resize_to", None)
        crops, min_area = getattr(self, "crops", 1), getattr(self, "min_area", 1)
        if size < 1 or (resize_to is not None and resize_to < size):
            raise OptionError(
                f"view {self.kind} of size {size}, resized to {resize_to}: expected a size of at "
                "least 1 and a resize_to of at least the size"
            )
        if crops < 1 or not 0 < min_area <= 1:
            raise OptionError(
                f"view {self.kind} with {crops} crops, min_area {min_area}: expected at least 1 "
                "crop and 0 < min_area <= 1"
            )

    def plan(self, height: int, width: int, generator: np.random.Generator) -> Plan:
        """Where to cut an image of that size."""
        raise OptionError(f"the view {type(self).__name__} does not say where it cuts")

    def cut(self, image: Pixels, generator: np.random.Generator) -> Pixels:
        """Cuts an image.

        Args:
            image: (H, W, 3) uint8.
            generator: Decides whatever is random about the view.

        Returns:
            (count, size, size, 3) uint8.
        """
        plan = self.plan(image.shape[0], image.shape[1], generator)
        resized = resize(image, plan.height, plan.width)
        return np.stack([_take(resized, cut, plan.size) for cut in plan.cuts])

    def to_dict(self) -> dict[str, Any]:
        """The view as plain data; :func:`view_from_dict` reads it."""
        return {"kind": self.kind, **asdict(self)}


def _take(image: Pixels, cut: Cut, size: int) -> Pixels:
    part = image[cut.top : cut.top + size, cut.left : cut.left + size]
    return part[:: -1 if cut.mirror_y else 1, :: -1 if cut.mirror_x else 1]


@dataclass(frozen=True)
class CentreCrop(View):
    """Short side to ``resize_to``, then the middle ``size`` square (appendix A.1).

    With ``mirrored``, the cut is seen a second time mirrored left to right.

    Example:
        >>> image = np.zeros((300, 500, 3), np.uint8)
        >>> CentreCrop().cut(image, np.random.default_rng(0)).shape
        (1, 224, 224, 3)
    """

    kind: ClassVar[str] = "centre_crop"
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
class RandomCrops(View):
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
class GridCrops(View):
    """Short side to ``resize_to``, then ``crops`` cuts spread evenly over the image.

    The cuts stand on rows and columns whose numbers are the divisors of ``crops`` nearest to the
    image's shape: 15 are 3 x 5 on a landscape. Nothing is random about them.

    Example:
        >>> GridCrops().plan(384, 512, np.random.default_rng(0)).cuts[-1]
        Cut(top=160, left=288, mirror_x=False, mirror_y=False)
    """

    kind: ClassVar[str] = "grid_crops"
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


@dataclass(frozen=True)
class RandomResizedCrop(View):
    """A random part of the image brought to ``size``, mirrored half of the time: for training.

    Area between ``min_area`` and all of the image, aspect ratio between 3/4 and 4/3, as in
    Inception and torchvision; after ten draws that do not fit, the largest square anywhere.
    """

    kind: ClassVar[str] = "random_resized_crop"
    size: int = 224
    min_area: float = 0.08
    flip_x: bool = True

    def __str__(self) -> str:
        flip = ", mirrored half of the time" if self.flip_x else ""
        return f"a random part of at least {self.min_area:.0%}, brought to {self.size}{flip}"

    def cut(self, image: Pixels, generator: np.random.Generator) -> Pixels:
        """(H, W, 3) uint8 -> (1, size, size, 3) uint8."""
        height, width = image.shape[:2]
        for _ in range(10):
            area = height * width * generator.uniform(self.min_area, 1)
            ratio = np.exp(generator.uniform(np.log(3 / 4), np.log(4 / 3)))
            w, h = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
            if 0 < w <= width and 0 < h <= height:
                break
        else:
            w = h = min(height, width)
        top = int(generator.integers(0, height - h, endpoint=True))
        left = int(generator.integers(0, width - w, endpoint=True))
        part = resize(np.ascontiguousarray(image[top : top + h, left : left + w]), *[self.size] * 2)
        if self.flip_x and generator.random() < 0.5:
            part = part[:, ::-1]
        return part[None]


VIEWS: tuple[type[View], ...] = (
    CentreCrop,
    RandomCrops,
    StretchedCrops,
    GridCrops,
    RandomResizedCrop,
)


def view_from_dict(data: dict[str, Any]) -> View:
    """The view that :meth:`View.to_dict` wrote.

    Raises:
        OptionError: No such kind of view, or fields that it does not have.

    Example:
        >>> view_from_dict({"kind": "centre_crop", "size": 336, "resize_to": 336})
        CentreCrop(size=336, resize_to=336, mirrored=False)
    """
    fields = dict(data)
    kind = fields.pop("kind", None)
    for view in VIEWS:
        if view.kind == kind:
            try:
                return view(**fields)
            except TypeError as error:
                raise OptionError(f"view {kind!r}: {error}") from error
    raise OptionError(f"view {kind!r}: expected one of {', '.join(v.kind for v in VIEWS)}")
