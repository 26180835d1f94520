"""What a backbone is: numbers, constants and where its weights come from. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perceptmetrics.errors import UnknownNameError
from perceptmetrics.registry import unknown_name
from perceptmetrics.weights.source import BaseWeights

Activation = Literal["gelu", "gelu_tanh", "quick_gelu"]
Pool = Literal["class_token", "attention"]
Interpolation = Literal["bicubic", "bicubic_antialias"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """One vision transformer: family, architecture, input normalisation, weights.

    Attributes:
        name: ``family-size``, as in ``clip-b16``.
        family: ``clip``, ``dinov2``, ``mae``, ``tulip``, or a plug-in's own.
        width, depth, heads, mlp_width: Of the transformer.
        patch_size, image_size: In pixels; ``image_size`` is that of the stored position table.
        activation: In the MLP of each block.
        norm_eps: Of every LayerNorm.
        pre_norm: A LayerNorm before the first block (CLIP).
        patch_bias, layer_scale, class_token, registers: What the family has.
        class_position: Whether the class token has a row in the position table.
        pool: What the image's embedding is: the class token after the last LayerNorm, or an
            attention pooling head (SigLIP, TULIP).
        projection: Width of CLIP's bias-free visual projection after the pool; 0 for none.
        interpolation: How this family's own code resizes the position table.
        interpolation_offset: Added to the grid size before the scale is computed (DINOv2's 0.1).
        mean, std: Of RGB in [0, 1].
        weights: The named weights of this backbone; the first is the default.
        default_of_family: Whether the family's name alone means this backbone.
        paper: Reference.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> BACKBONES.get("clip-l14").embedding_width
        768
    """

    name: str
    family: str
    width: int
    depth: int
    heads: int
    patch_size: int
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: tuple[BaseWeights, ...]
    paper: str
    mlp_width: int = 0
    activation: Activation = "gelu"
    norm_eps: float = 1e-6
    pre_norm: bool = False
    patch_bias: bool = True
    layer_scale: bool = False
    class_token: bool = True
    class_position: bool = True
    registers: int = 0
    pool: Pool = "class_token"
    projection: int = 0
    interpolation: Interpolation = "bicubic"
    interpolation_offset: float = 0.0
    default_of_family: bool = False

    @property
    def hidden_width(self) -> int:
        """Width inside each block's MLP: ``mlp_width``, or four times ``width``."""
        return self.mlp_width or 4 * self.width

    @property
    def embedding_width(self) -> int:
        """Length of the embedding that a head reads."""
        return self.projection or self.width

    @property
    def grid_size(self) -> int:
        """Side of the stored position table, in patches."""
        return self.image_size // self.patch_size

    def weights_of(self, tag: str | None = None) -> BaseWeights:
        """The weights of that tag; the default ones without a tag.

        Raises:
            UnknownNameError: This backbone has no weights of that tag.
        """
        if not self.weights:
            raise UnknownNameError(
                f"backbone {self.name!r} has no weights registered; give the path of a file"
            )
        if tag is None:
            return self.weights[0]
        for weights in self.weights:
            if weights.tag == tag:
                return weights
        raise unknown_name(f"{self.name} weights tag", tag, [w.tag for w in self.weights])
