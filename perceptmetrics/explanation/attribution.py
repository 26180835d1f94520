"""What in an image a score rests on, pixel by pixel, by captum: for comparison.

Each takes a ``score`` of one cut and gives a map of its patches. A positive entry raises the
score. What the score is, is the caller's: a rating, the probability of a class, minus either.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perceptmetrics.errors import OptionError
from perceptmetrics.explanation.score_function import Score, as_floats, one_each, with_gradient
from perceptmetrics.statistics.checks import Floats


def occlusion_map(
    score: Score, pixels: Tensor, *, patch: int, baseline: Tensor | None = None, batch_size: int = 8
) -> Floats:
    """By how much the score falls when a patch is covered (Zeiler & Fergus 2014), by captum.

    Args:
        score: What is explained.
        pixels: (1, 3, H, W) floats in [0, 1], or uint8.
        patch: Side of the square that is covered; the squares lie side by side.
        baseline: What covers it, of the shape of ``pixels``; the image's mean colour when
            ``None``.
        batch_size: Covered images in one forward; changes memory, not results.

    Returns:
        (ceil(H / patch), ceil(W / patch)) float64: the image's score minus the covered one's.

    Raises:
        OptionError: ``pixels``, ``patch`` or ``score`` cannot be used, or captum is not installed.

    Example:
        >>> brightness = lambda images: images.mean((1, 2, 3))
        >>> image = torch.zeros(1, 3, 4, 6)
        >>> image[..., :2] = 1
        >>> occlusion_map(brightness, image, patch=2, baseline=image * 0).round(3).tolist()
        [[0.167, 0.0, 0.0], [0.167, 0.0, 0.0]]
    """
    image = as_floats(pixels)
    height, width = image.shape[-2:]
    if not 1 <= patch <= min(height, width):
        raise OptionError(f"patch is {patch}, expected 1 to {min(height, width)}, the short side")
    _require_captum("occlusion_map")
    from captum.attr import Occlusion

    cover = image.mean((2, 3), keepdim=True).expand_as(image) if baseline is None else baseline
    effect = Occlusion(one_each(score)).attribute(
        image,
        sliding_window_shapes=(3, patch, patch),
        strides=(3, patch, patch),
        baselines=as_floats(cover),
        perturbations_per_eval=batch_size,
    )
    # The squares do not overlap, so that one pixel of each says it all.
    return _numpy(effect[0, 0, ::patch, ::patch])


def integrated_gradients_map(
    score: Score,
    pixels: Tensor,
    *,
    patch: int,
    steps: int = 16,
    baseline: Tensor | None = None,
    batch_size: int = 8,
) -> Floats:
    """Integrated gradients of the pixels, summed over each patch (Sundararajan 2017), by captum.

    Args:
        score: What is explained; it must let gradients through.
        pixels: (1, 3, H, W) floats in [0, 1], or uint8.
        patch: Side of the squares over which pixels are summed.
        steps: Points between baseline and image at which the gradient is taken, at least 2.
        baseline: What has nothing to say; the image's mean colour when ``None``.
        batch_size: Points in one forward and backward; changes memory, not results.

    Returns:
        (ceil(H / patch), ceil(W / patch)) float64. The entries sum, up to the error of the
        ``steps``, to the score of the image minus that of the baseline.

    Raises:
        OptionError: An argument cannot be used, captum is not installed, or the score has no
            gradient.

    Example:
        >>> brightness = lambda images: images.mean((1, 2, 3))
        >>> image = torch.zeros(1, 3, 4, 6)
        >>> image[..., :2] = 1
        >>> where = integrated_gradients_map(brightness, image, patch=2, baseline=image * 0)
        >>> where.round(3).tolist()
        [[0.167, 0.0, 0.0], [0.167, 0.0, 0.0]]
    """
    image = as_floats(pixels)
    height, width = image.shape[-2:]
    if patch < 1 or steps < 2:
        raise OptionError(f"patch is {patch}, steps {steps}, expected at least 1 and 2")
    _require_captum("integrated_gradients_map")
    from captum.attr import IntegratedGradients

    start = image.mean((2, 3), keepdim=True).expand_as(image) if baseline is None else baseline
    with torch.enable_grad():
        effect = IntegratedGradients(with_gradient(score)).attribute(
            image,
            baselines=as_floats(start),
            n_steps=steps,
            method="riemann_middle",
            internal_batch_size=batch_size,
        )
    rows, columns = -(-height // patch), -(-width // patch)
    padded = F.pad(effect[0].sum(0), (0, columns * patch - width, 0, rows * patch - height))
    return _numpy(padded.view(rows, patch, columns, patch).sum((1, 3)))


def _numpy(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().cpu(), dtype=np.float64)


def _require_captum(who: str) -> None:
    if find_spec("captum") is None:
        raise OptionError(f"{who} needs captum: pip install 'perceptmetrics[explain]'")
