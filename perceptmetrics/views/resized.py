"""A random part of an image, resized after it is cut: nothing to share between replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from perceptmetrics.deferred import Deferred
from perceptmetrics.views.base import View
from perceptmetrics.views.geometry import Picture, Pixels, resize, size_of

if TYPE_CHECKING:
    import numpy as np
else:
    np = Deferred("numpy")


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

    def cut(self, image: Picture, generator: np.random.Generator) -> Pixels:
        """(H, W, 3) uint8, or PIL -> (1, size, size, 3) uint8."""
        height, width = size_of(image)
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
        part = np.asarray(image)[top : top + h, left : left + w]
        part = resize(np.ascontiguousarray(part), self.size, self.size)
        if self.flip_x and generator.random() < 0.5:
            part = part[:, ::-1]
        return part[None]
