"""Attention rollout: how much of each patch reaches each token when attention is followed down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError
from perceptmetrics.statistics.checks import Floats, finite


def attention_rollout(attention: Sequence[npt.ArrayLike]) -> Floats:
    """Abnar & Zuidema 2020, Quantifying Attention Flow in Transformers, section 3.

    Heads are averaged, the residual connection counts for as much as attention, and the layers
    are multiplied: ``A~_n ... A~_1`` with ``A~ = (mean of heads + I) / 2``, rows brought to one.

    Args:
        attention: One (heads, L, L) array a layer, from the first layer to the last. Row q of a
            head says how the token q spreads its attention; entries are at least 0.

    Returns:
        (L, L) float64, rows sum to one. Row 0 is what the class token is made of; the map of an
        image is that row without the tokens that are not patches.

    Raises:
        DataError: There is no layer, or a layer is not (heads, L, L), has entries below 0, or
            has a row without any attention.

    Example:
        >>> half = np.full((1, 2, 2), 0.5)
        >>> attention_rollout([half, half]).tolist()
        [[0.625, 0.375], [0.375, 0.625]]
    """
    if not len(attention):
        raise DataError("attention rollout needs the attention of at least one layer, got none")
    layers = [_layer(index, weights) for index, weights in enumerate(attention)]
    length = layers[0].shape[-1]
    rollout = np.eye(length)
    for index, weights in enumerate(layers):
        if weights.shape[-1] != length:
            raise DataError(
                f"attention[{index}] is over {weights.shape[-1]} tokens, attention[0] over "
                f"{length}; give all layers of one image"
            )
        mixed = 0.5 * weights.mean(axis=0) + 0.5 * np.eye(length)
        rollout = (mixed / mixed.sum(axis=-1, keepdims=True)) @ rollout
    return rollout


def _layer(index: int, weights: npt.ArrayLike) -> Floats:
    name = f"attention[{index}]"
    array = finite(name, weights)
    if array.ndim != 3 or array.shape[-1] != array.shape[-2] or 0 in array.shape:
        raise DataError(f"{name} has shape {array.shape}, expected (heads, L, L)")
    if (array < 0).any() or not array.sum(axis=-1).all():
        raise DataError(f"{name} is no attention: rows must be at least 0 and not all zero")
    return array
