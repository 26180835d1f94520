"""Training losses: pure functions of a prediction and a target, one scalar out.

A task names its loss, and must be readable without torch: torch is imported on the first call.

An input that cannot be compared (another shape, another number of images) is an ``OptionError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perceptmetrics.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["cross_entropy_loss", "mse_loss", "plcc_loss"]

# A batch whose spread is below this share of its size is rounding noise: it counts as constant.
# 16 units in the last place: the mean of many equal floats is off by a few.
_ULPS = 16.0


def plcc_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Half of one minus Pearson's linear correlation over the batch (paper, section 4.1).

    The loss does not change when either input is shifted, or scaled by a positive factor. With
    several outputs it is the mean of the losses of each.

    A batch without spread has no correlation. PLCC is then taken as 0: the loss is 0.5 and its
    gradient is zero, so the step does nothing. This holds for a single image, for a constant
    prediction and for a constant target, and for one output of several.

    Args:
        prediction: (N,) or (N, K), any floating dtype and any range. Half precision is computed
            in float32.
        target: The ratings, of the same shape.

    Returns:
        A scalar in [0, 1]: 0 for a perfect line, 0.5 for no relation, 1 for an inverse line.
        NaN only where an input holds a NaN or an infinity.

    Raises:
        OptionError: If the shapes differ, are not (N,) or (N, K), or hold no image.

    Example:
        >>> import torch
        >>> rising = plcc_loss(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([10.0, 20.0, 30.0]))
        >>> round(rising.item(), 6)
        0.0
        >>> plcc_loss(torch.tensor([4.0, 4.0]), torch.tensor([1.0, 2.0])).item()
        0.5
    """
    prediction, target = _comparable("plcc_loss", prediction, target)
    x, x_varies = _unit_deviations(prediction)
    y, y_varies = _unit_deviations(target)
    plcc = (x * y).sum(dim=0).clamp(-1.0, 1.0) * (x_varies & y_varies)
    return (0.5 * (1.0 - plcc)).mean()


def mse_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over images and outputs (paper, section 4.2).

    Args:
        prediction: (N,) or (N, K), any floating dtype. Half precision is computed in float32.
        target: The ratings, of the same shape.

    Returns:
        A scalar, at least 0.

    Raises:
        OptionError: If the shapes differ, are not (N,) or (N, K), or hold no image.

    Example:
        >>> import torch
        >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])).item()
        2.0
    """
    from torch.nn.functional import mse_loss as torch_mse_loss

    prediction, target = _comparable("mse_loss", prediction, target)
    return torch_mse_loss(prediction, target)


def cross_entropy_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the classes, in nats, mean over images (paper, section 4.3).

    Args:
        logits: (N, C) scores before the softmax, any floating dtype. Half precision is computed
            in float32.
        target: (N,) int64 indices of the true classes, in [0, C).

    Returns:
        A scalar, at least 0; log C when all classes are equally likely.

    Raises:
        OptionError: If the shapes or dtypes are others, there is no image, or an index is not in
            [0, C).

    Example:
        >>> import torch
        >>> logits = torch.zeros(2, 8)
        >>> round(cross_entropy_loss(logits, torch.tensor([0, 7])).item(), 4)  # log 8
        2.0794
    """
    from torch.nn.functional import cross_entropy

    if logits.ndim != 2 or 0 in logits.shape or target.shape != logits.shape[:1]:
        raise OptionError(
            "cross_entropy_loss: expected logits (N, C) and target (N,) with N and C at least 1, "
            f"got {tuple(logits.shape)} and {tuple(target.shape)}"
        )
    if target.is_floating_point() or not logits.is_floating_point():
        raise OptionError(
            "cross_entropy_loss: expected floating point logits and int64 class indices, "
            f"got {logits.dtype} and {target.dtype}"
        )
    classes = logits.shape[1]
    target = target.long()
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= classes:
        raise OptionError(
            f"cross_entropy_loss: class indices must be in 0..{classes - 1}, "
            f"got {low if low < 0 else high}; does the head have one output for each label?"
        )
    return cross_entropy(_at_least_float32(logits), target)


def _comparable(name: str, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as floating point tensors of one shape, or an error."""
    shape = tuple(prediction.shape)
    # (N, 1) against (N,) would broadcast to (N, N) and train on nonsense.
    if shape != tuple(target.shape) or len(shape) not in (1, 2) or 0 in shape:
        raise OptionError(
            f"{name}: expected prediction and target of one shape, (N,) or (N, K) with at least "
            f"one image, got {shape} and {tuple(target.shape)}"
        )
    return _at_least_float32(prediction), _at_least_float32(target)


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor if tensor.element_size() == 8 and tensor.is_floating_point() else tensor.float()


def _unit_deviations(values: Tensor) -> tuple[Tensor, Tensor]:
    """Deviations from the mean over the batch, of length 1, and which outputs vary at all.

    Where an output is constant the deviations are zero, with zero gradient.
    """
    from torch import finfo

    # Shift and scale are taken as constants. Correlation does not depend on them, so its gradient
    # does not either; they keep squares of 1e30 or 1e-30 from overflowing or vanishing.
    size = values.detach().abs().amax(dim=0)
    deviations = values - values.mean(dim=0)
    spread = deviations.detach().abs().amax(dim=0)
    varies = ~(spread <= _ULPS * finfo(values.dtype).eps * size)  # ~(<=), so that NaN stays NaN
    scaled = deviations / spread.where(varies, spread.new_ones(()))
    # where() before sqrt: the gradient of sqrt at 0 is infinite, and 0 * inf is NaN.
    squares = scaled.square().sum(dim=0).where(varies, spread.new_ones(()))
    return (scaled / squares.sqrt()).where(varies, spread.new_zeros(())), varies
