"""What a view is, and the kind that resizes once for all replicas of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from perceptmetrics.deferred import Deferred
from perceptmetrics.errors import OptionError
from perceptmetrics.views.geometry import (
    Picture,
    Pixels,
    Plan,
    Sheet,
    resize,
    sheet_of,
    size_of,
    take,
)

if TYPE_CHECKING:
    import numpy as np
else:
    np = Deferred("numpy")


@dataclass(frozen=True)
class View:
    """A view whose cuts follow from the image and a generator: resize, then cut as planned.

    A subclass gives :meth:`plan`, or :meth:`cut` where cuts are resized one by one.

    Attributes:
        kind: The name under which an adapter file stores it.
        draws: Whether cuts depend on the generator; where not, an image's cuts never change.
    """

    kind: ClassVar[str] = ""
    draws: ClassVar[bool] = True

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

    def cut(self, image: Picture, generator: np.random.Generator) -> Pixels:
        """Cuts an image.

        Args:
            image: (H, W, 3) uint8, or a PIL image of mode RGB.
            generator: Decides whatever is random about the view.

        Returns:
            (count, size, size, 3) uint8.
        """
        plan = self.plan(*size_of(image), generator)
        return Sheet(resize(image, plan.height, plan.width), plan).take()

    def lay_out(self, image: Picture, generator: np.random.Generator) -> Sheet:
        """What :meth:`cut` gives, as slices of one picture.

        Args:
            image: (H, W, 3) uint8, or a PIL image of mode RGB.
            generator: Decides whatever is random about the view.
        """
        return sheet_of(self.cut(image, generator))

    def cut_each(self, image: Picture, generators: Sequence[np.random.Generator]) -> Pixels:
        """Cuts an image once with each generator: the pixels of as many calls of :meth:`cut`.

        Args:
            image: (H, W, 3) uint8, or a PIL image of mode RGB.
            generators: One for each replica of the image.

        Returns:
            (generators, count, size, size, 3) uint8.
        """
        return np.stack([self.cut(image, generator) for generator in generators])

    def to_dict(self) -> dict[str, Any]:
        """The view as plain data; :func:`view_from_dict` reads it."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class PlannedView(View):
    """A view that resizes once for many cuts, for resizing takes far longer than cutting.

    Example:
        >>> from perceptmetrics.views import RandomCrops
        >>> image = np.zeros((300, 500, 3), np.uint8)
        >>> generators = [np.random.default_rng(replica) for replica in range(3)]
        >>> RandomCrops(crops=1).cut_each(image, generators).shape
        (3, 1, 224, 224, 3)
    """

    def lay_out(self, image: Picture, generator: np.random.Generator) -> Sheet:
        """What :meth:`cut` gives, as slices of the resized image unless apart they are smaller.

        Args:
            image: (H, W, 3) uint8, or a PIL image of mode RGB.
            generator: Decides whatever is random about the view.
        """
        plan = self.plan(*size_of(image), generator)
        sheet = Sheet(resize(image, plan.height, plan.width), plan)
        apart = len(plan.cuts) * plan.size**2
        return sheet if plan.height * plan.width <= apart else sheet_of(sheet.take())

    def cut_each(self, image: Picture, generators: Sequence[np.random.Generator]) -> Pixels:
        """Cuts an image once with each generator, from one resized image.

        Args:
            image: (H, W, 3) uint8, or a PIL image of mode RGB.
            generators: One for each replica of the image.

        Returns:
            (generators, count, size, size, 3) uint8.
        """
        plans = [self.plan(*size_of(image), generator) for generator in generators]
        resized = {
            size: resize(image, *size) for size in {(plan.height, plan.width) for plan in plans}
        }
        cuts = [
            take(resized[plan.height, plan.width], cut, plan.size)
            for plan in plans
            for cut in plan.cuts
        ]
        stacked = np.stack(cuts)
        return stacked.reshape(len(plans), -1, *stacked.shape[1:])
