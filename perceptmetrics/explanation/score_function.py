"""What a method explains: a function from images to one number each, checked where it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from perceptmetrics.errors import OptionError

Score: TypeAlias = Callable[[Tensor], Tensor]
"""(N, 3, H, W) floats in [0, 1] -> (N,)."""


def as_floats(pixels: Tensor) -> Tensor:
    """One image as floats in [0, 1], detached.

    Args:
        pixels: (1, 3, H, W) uint8, or floats.

    Raises:
        OptionError: It has another shape.

    Example:
        >>> import torch
        >>> float(as_floats(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)).max())
        1.0
    """
    if pixels.dim() != 4 or pixels.shape[:2] != (1, 3) or 0 in pixels.shape:
        raise OptionError(f"pixels have shape {tuple(pixels.shape)}, expected (1, 3, H, W)")
    return pixels.detach().clone() if pixels.is_floating_point() else pixels.float() / 255


def one_each(score: Score) -> Score:
    """The score, checked to be one number an image.

    Raises:
        OptionError: When it is called, if it is not.

    Example:
        >>> import torch
        >>> one_each(lambda images: images.mean((1, 2, 3)))(torch.ones(2, 3, 4, 4)).tolist()
        [1.0, 1.0]
    """

    def checked(images: Tensor) -> Tensor:
        values = score(images)
        if values.shape != (len(images),):
            raise OptionError(
                f"the score of {len(images)} images has shape {tuple(values.shape)}, expected "
                f"({len(images)},): one number for each image"
            )
        return values

    return checked


def with_gradient(score: Score) -> Score:
    """The score, checked to be one number an image that knows its gradient.

    Raises:
        OptionError: When it is called, if it is not.

    Example:
        >>> import torch
        >>> images = torch.ones(1, 3, 4, 4, requires_grad=True)
        >>> with_gradient(lambda images: images.mean((1, 2, 3)))(images).requires_grad
        True
    """

    def checked(images: Tensor) -> Tensor:
        values = one_each(score)(images)
        if not values.requires_grad:
            raise OptionError(
                "the score has no gradient: compute it without torch.no_grad, from the floats "
                "that it is given"
            )
        return values

    return checked
