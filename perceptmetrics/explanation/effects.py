"""What each head does to a metric's judgement of one image (section 6)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from perceptmetrics.data.batches import to_tensor
from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.explanation.attention import layers_and_heads, readable_encoder
from perceptmetrics.explanation.masking import masked_embeddings
from perceptmetrics.metric import Metric
from perceptmetrics.registry import unknown_name
from perceptmetrics.statistics.checks import Floats, finite
from perceptmetrics.views import Pixels

Watch: TypeAlias = Callable[[str], None]
"""Told what is being done, for a progress bar: an image may take minutes."""


def nobody_watches(doing: str) -> None:
    """Looks away."""


@dataclass(frozen=True, eq=False)
class HeadEffects:
    """One image's judgement, as it is and with each head's attention made uniform.

    Attributes:
        baseline: (K,) float64: scores in the ratings' unit, or probabilities of the classes.
        masked: (layers, heads, K) float64: the same, with that head made uniform.

    Raises:
        DataError: Shapes do not fit, or a number is not finite.
    """

    baseline: Floats
    masked: Floats

    def __post_init__(self) -> None:
        """Refuses what no model gave, or a model whose arithmetic broke."""
        baseline, masked = finite("baseline", self.baseline), finite("masked", self.masked)
        if baseline.ndim != 1 or masked.ndim != 3 or masked.shape[-1:] != baseline.shape:
            raise DataError(
                f"baseline has shape {baseline.shape} and masked {masked.shape}, expected (K,) and "
                "(layers, heads, K)"
            )

    def change(self, output: int) -> Floats:
        """(layers, heads) of one output: what it becomes, less what it is.

        Example:
            >>> effects = HeadEffects(np.array([0.5]), np.array([[[0.25], [0.5]]]))
            >>> effects.change(0).tolist()
            [[-0.25, 0.0]]
        """
        changes: Floats = self.masked[..., output] - self.baseline[output]
        return changes


def head_effects(
    metric: Metric,
    image: Pixels,
    layers: Collection[int] | None = None,
    *,
    watch: Watch = nobody_watches,
) -> HeadEffects:
    """Judges an image once as it is, and once with each head's attention made uniform.

    Where the metric averages several cuts of an image, a head is made uniform in all of them, and
    scores (or probabilities) are averaged as always: the change is that of the image's judgement.

    Args:
        metric: What judges.
        image: (H, W, 3) uint8.
        layers: Only these, counted from 0, in ascending order; all when ``None``.
        watch: Told how far it is.

    Returns:
        Baseline and masked judgements.

    Raises:
        OptionError: The metric's backbone does not expose its attention, or has no such layer.
        DataError: A judgement is no finite number, as half precision may give.

    Example:
        >>> import perceptmetrics as pm
        >>> metric = pm.create_metric("memorability")  # doctest: +SKIP
        >>> photo = np.zeros((300, 400, 3), np.uint8)
        >>> head_effects(metric, photo).masked.shape  # doctest: +SKIP
        (12, 12, 1)
    """
    encoder = readable_encoder(metric.model.encoder)
    _, heads = layers_and_heads(encoder.spec)
    baseline: Floats | float = 0.0
    masked: Floats | float = 0.0
    pixels = model_input(metric, cuts_of(metric, image))
    # As many variants at once as the metric takes cuts.
    count, done = len(pixels), 0
    for cuts in pixels.split(max(1, metric.batch_size // heads)):

        def layer_done(layer: int, depth: int, until: int = done + len(cuts)) -> None:
            watch(f"heads: {layer} of {depth} layers, cut {until} of {count}")

        plain, changed = masked_embeddings(encoder, cuts, layers, watch=layer_done)
        done += len(cuts)
        baseline = baseline + judged(metric, plain).sum(0)
        masked = masked + judged(metric, changed).sum(0)
    return HeadEffects(np.asarray(baseline / count), np.asarray(masked / count))


def cuts_of(metric: Metric, image: Pixels) -> Pixels:
    """What the metric sees of an image: (H, W, 3) -> (cuts, size, size, 3), as when it scores."""
    return metric.view.cut(image, np.random.default_rng(metric.seed))


def model_input(metric: Metric, cuts: Pixels) -> Tensor:
    """(cuts, size, size, 3) uint8 -> (cuts, 3, size, size) normalised, where the model is."""
    return metric.model.normalise(to_tensor(cuts).to(metric.model.device))


@torch.no_grad()
def judged(metric: Metric, embedding: Tensor) -> Floats:
    """(..., E) -> (..., K) float64: scores in the ratings' unit, or probabilities."""
    head = metric.model.head(metric.dataset)
    raw = head(embedding).float()
    out = raw.softmax(-1) if metric.kind == "classification" else head.to_rating_scale(raw)
    judgement: Floats = out.cpu().numpy().astype(np.float64)
    return judgement


def cut_score(metric: Metric, output: int) -> Callable[[Tensor], Tensor]:
    """What the metric says of single cuts, for methods that change pixels; it lets gradients pass.

    Args:
        metric: What judges.
        output: Which score or class.

    Returns:
        A function from (N, 3, H, W) floats in [0, 1] to (N,): a score in the ratings' unit, or a
        probability.
    """
    head = metric.model.head(metric.dataset)

    def score(pixels: Tensor) -> Tensor:
        raw = metric.model(pixels.to(metric.model.device), metric.dataset).float()
        out = raw.softmax(-1) if metric.kind == "classification" else head.to_rating_scale(raw)
        column: Tensor = out[:, output]
        return column

    return score


def explained_output(metric: Metric, baseline: npt.NDArray[np.floating], output: str | None) -> int:
    """Which output is explained: the one that was named, the only score, the predicted class.

    Args:
        metric: What judged.
        baseline: (K,), what it said.
        output: The name of a score or a class.

    Raises:
        OptionError: The metric gives several scores, and none was named.
        UnknownNameError: It gives none of that name.
    """
    if output is not None:
        if output not in metric.labels:
            raise unknown_name(f"output of {metric.card.name}", output, metric.labels)
        return metric.labels.index(output)
    if metric.kind == "classification":
        return int(np.argmax(baseline))
    if len(metric.labels) > 1:
        raise OptionError(
            f"{metric.card.name} gives several scores: say which to explain (output=, or "
            f"--score at the command line), one of {', '.join(metric.labels)}"
        )
    return 0
