"""What the encoder sees: one or more square cuts of an image.

A view is a small frozen value. Scoring views say where they cut (:meth:`View.plan`), so that the
same geometry serves uint8 images here and differentiable tensors in ``metric.py``. Pixels are
resized by Pillow (bicubic, antialiased), which is what CLIP's own preprocessing does.

Images smaller than a view needs are enlarged: the short side is brought to the size that the
view names whatever it was before.
"""

from __future__ import annotations

from typing import Any

from perceptmetrics.errors import OptionError
from perceptmetrics.views.base import PlannedView, View
from perceptmetrics.views.crops import CentreCrop, GridCrops, RandomCrops, StretchedCrops
from perceptmetrics.views.geometry import (
    ENLARGED,
    Cut,
    Picture,
    Pixels,
    Plan,
    Sheet,
    resize,
    short_side_to,
)
from perceptmetrics.views.resized import RandomResizedCrop

__all__ = [
    "ENLARGED",
    "VIEWS",
    "CentreCrop",
    "Cut",
    "GridCrops",
    "Picture",
    "Pixels",
    "Plan",
    "PlannedView",
    "RandomCrops",
    "RandomResizedCrop",
    "Sheet",
    "StretchedCrops",
    "View",
    "resize",
    "short_side_to",
    "view_from_dict",
]

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
