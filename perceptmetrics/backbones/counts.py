"""How many numbers a model has, and how many of them train: from its specification alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from perceptmetrics.adaptation import LoRAConfig, Strategy
from perceptmetrics.backbones.base import Backbone
from perceptmetrics.heads import MLP_HEAD, HeadSpec


@dataclass(frozen=True)
class ParameterCounts:
    """Numbers in each part of a model, and how many of them train.

    Attributes:
        encoder: The pretrained encoder.
        lora: Low-rank pairs beside it.
        head: The head.
        trained: What a training run changes.
    """

    encoder: int
    lora: int
    head: int
    trained: int

    @property
    def all(self) -> int:
        """Encoder, LoRA and heads."""
        return self.encoder + self.lora + self.head


def count_parameters(
    spec: Backbone,
    *,
    outputs: int = 1,
    head: HeadSpec = MLP_HEAD,
    strategy: Strategy = "lora",
    lora: LoRAConfig | None = None,
) -> ParameterCounts:
    """Counts a model that ``build_model`` would make, without making it.

    Args:
        spec: The backbone.
        outputs: Of each head.
        head: What each head is.
        strategy: What trains of the encoder.
        lora: For the strategy ``lora``; the paper's numbers when ``None``.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> counts = count_parameters(BACKBONES.get("clip-l14"))
        >>> counts.lora, counts.trained  # section 3.1: "less than 3M"
        (2359296, 2884609)
    """
    encoder = encoder_parameters(spec)
    rank = (lora or LoRAConfig()).rank if strategy == "lora" else 0
    pairs = lora_parameters(spec, rank)
    on_top = head_parameters(head, spec.embedding_width, outputs)
    trained = on_top + pairs + (encoder if strategy == "full" else 0)
    return ParameterCounts(encoder, pairs, on_top, trained)


def lora_parameters(spec: Backbone, rank: int) -> int:
    """A rank-r pair for each of q, k and v of every block.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> lora_parameters(BACKBONES.get("clip-b16"), 16)
        884736
    """
    return spec.depth * 3 * 2 * rank * spec.width


def head_parameters(head: HeadSpec, inputs: int, outputs: int) -> int:
    """Matrices and biases of a head.

    Example:
        >>> head_parameters(MLP_HEAD, 768, 1)
        525313
    """
    widths = [inputs, *head.hidden, outputs]
    return sum(_linear(rows, columns) for rows, columns in itertools.pairwise(widths))


def encoder_parameters(spec: Backbone) -> int:
    """Everything in the pretrained encoder, its projection or attention pool included.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> encoder_parameters(BACKBONES.get("clip-b16"))
        86192640
    """
    width, hidden = spec.width, spec.hidden_width
    norm = 2 * width
    mlp = _linear(width, hidden) + _linear(hidden, width)
    scales = 2 * width if spec.layer_scale else 0
    block = 2 * norm + _linear(width, 3 * width) + _linear(width, width) + mlp + scales
    patches = 3 * spec.patch_size**2 * width + (width if spec.patch_bias else 0)
    rows = spec.grid_size**2 + (spec.class_token and spec.class_position)
    tokens = (rows + spec.class_token + spec.registers) * width
    norms = norm * (2 if spec.pre_norm else 1)
    pool = 0
    if spec.pool == "attention":
        # Its query, one linear each for q and the output, one for k and v, a norm and an MLP.
        pool = width + 2 * _linear(width, width) + _linear(width, 2 * width) + norm + mlp
    return patches + tokens + spec.depth * block + norms + pool + width * spec.projection


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs
