"""From the patches of a metric's cuts back to the pixels of the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from perceptmetrics.errors import OptionError
from perceptmetrics.views import Plan, View

Maps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """Where the cuts of one image lie in it.

    Attributes:
        height, width: Of the image.
        plan: To what size it was resized, and where it was cut.
        patch_size: Of the backbone, in pixels of a cut.

    Example:
        >>> from perceptmetrics.views import CentreCrop
        >>> placed = placement_of(CentreCrop(32, 32), 40, 80, patch_size=8, seed=0)
        >>> placed.seen()
        (0, 20, 40, 60)
        >>> placed.at_image_size(np.ones((1, 4, 4))).shape
        (40, 80)
    """

    height: int
    width: int
    plan: Plan
    patch_size: int

    def at_image_size(self, grids: npt.ArrayLike) -> Maps:
        """Brings maps of patches to the size of the image.

        Values between the middles of patches are interpolated linearly. Where cuts overlap, their
        maps are averaged; mirrored cuts are mirrored back. What no patch covers is ``nan``.

        Args:
            grids: (..., cuts, rows, columns), one entry a patch, from the upper left of the cut.

        Returns:
            (..., H, W) float32.

        Raises:
            OptionError: There are not as many maps as cuts.
        """
        maps = torch.as_tensor(np.asarray(grids, dtype=np.float32))
        *leading, cuts, rows, columns = maps.shape
        plan = self.plan
        if cuts != len(plan.cuts):
            raise OptionError(f"{cuts} maps for {len(plan.cuts)} cuts; give one for each cut")
        covered = (rows * self.patch_size, columns * self.patch_size)
        enlarged = F.interpolate(maps.reshape(-1, cuts, rows, columns), covered, mode="bilinear")
        total = torch.zeros(len(enlarged), plan.height, plan.width)
        count = torch.zeros(plan.height, plan.width)
        for index, cut in enumerate(plan.cuts):
            part = torch.zeros(len(enlarged) + 1, plan.size, plan.size)
            part[:, : covered[0], : covered[1]] = torch.cat(
                [enlarged[:, index], torch.ones(1, *covered)]
            )
            part = part.flip([axis for axis, on in ((1, cut.mirror_y), (2, cut.mirror_x)) if on])
            here = np.s_[..., cut.top : cut.top + plan.size, cut.left : cut.left + plan.size]
            total[here] += part[:-1]
            count[here] += part[-1]
        known = torch.cat([total / count.clamp(min=1), (count > 0).float()[None]])
        sized = F.interpolate(known[None], (self.height, self.width), mode="bilinear")[0]
        # A pixel that lies half outside what was seen keeps the value of the half that lies inside.
        inside = sized[-1] > 0.5
        placed = torch.where(inside, sized[:-1] / sized[-1], torch.nan)
        return placed.view(*leading, self.height, self.width).numpy()

    @cached_property
    def covered(self) -> npt.NDArray[np.bool_]:
        """(H, W): which pixels of the image a patch of any cut covers."""
        side = self.plan.size // self.patch_size
        known: npt.NDArray[np.bool_] = ~np.isnan(
            self.at_image_size(np.zeros((len(self.plan.cuts), side, side)))
        )
        return known

    def seen(self) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of the least box of the image that holds all of that."""
        rows, columns = (np.flatnonzero(self.covered.any(axis)) for axis in (1, 0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def placement_of(view: View, height: int, width: int, *, patch_size: int, seed: int) -> Placement:
    """Where a view cuts an image of that size.

    Args:
        view: Of a metric.
        height: Of the image.
        width: Of the image.
        patch_size: Of the backbone.
        seed: Of the metric.

    Raises:
        OptionError: The view does not say where it cuts.
    """
    plan = view.plan(height, width, np.random.default_rng(seed))
    return Placement(height, width, plan, patch_size)
