"""The model of the paper: one encoder with LoRA, a head for each dataset (sections 3.1, 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from perceptmetrics.adaptation import LoRAConfig, Strategy
from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.vit import VisionTransformer
from perceptmetrics.errors import OptionError, WeightsMismatchError
from perceptmetrics.heads import HeadSpec
from perceptmetrics.lora import apply_strategy, load_lora, lora_state
from perceptmetrics.registry import unknown_name
from perceptmetrics.weights.adapter import DEFAULT_DATASET


class OutputHead(nn.Module):
    """A head, and the line that brings what it says to the scale of the ratings.

    ``scale`` and ``shift`` are not trained by gradient: they hold the ratings' deviation and mean
    (or, for the scale-free PLCC loss, a fit afterwards), so that a head learns standardised
    ratings while a user reads scores in the ratings' own unit.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, layers: nn.Module, outputs: int) -> None:
        super().__init__()
        self.layers = layers
        self.register_buffer("scale", torch.ones(outputs))
        self.register_buffer("shift", torch.zeros(outputs))

    def forward(self, embedding: Tensor) -> Tensor:
        """(N, D) -> (N, K), standardised scores or logits."""
        return self.layers(embedding)  # type: ignore[no-any-return]

    def to_rating_scale(self, raw: Tensor) -> Tensor:
        """(N, K) standardised, in float32 or wider -> (N, K) in the unit of the ratings."""
        return raw * self.scale + self.shift

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> OutputHead:
        # `.half()` must not round the two numbers that bring every score to its unit: they move
        # with the module but stay float32.
        kept = self.scale, self.shift
        super()._apply(function, recurse)  # type: ignore[no-untyped-call]
        self.scale, self.shift = (
            old.to(new.device) for old, new in zip(kept, (self.scale, self.shift), strict=True)
        )
        return self


class PerceptualModel(nn.Module):
    """Encoder and heads.

    Args:
        spec: The backbone.
        encoder: Its network, with the strategy applied.
        heads: One head for each dataset.
        strategy: How the encoder trains; says what an adapter must hold.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(
        self,
        spec: Backbone,
        encoder: VisionTransformer,
        heads: Mapping[str, OutputHead],
        strategy: Strategy,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.strategy: Strategy = strategy
        self.encoder = encoder
        self.heads = nn.ModuleDict(heads)
        # Where the encoder is, lest each forward wait for their way to a GPU.
        self.register_buffer("_mean", torch.tensor(spec.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(spec.std).view(3, 1, 1), persistent=False)

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> PerceptualModel:
        # As in a head: they move with the module but stay float32.
        kept = self._mean, self._std
        super()._apply(function, recurse)  # type: ignore[no-untyped-call]
        self._mean, self._std = (
            old.to(new.device) for old, new in zip(kept, (self._mean, self._std), strict=True)
        )
        return self

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""
        return self.encoder.pos_embed.device

    @property
    def precision(self) -> str:
        """``float32``, ``float16``, ...; ``fast`` where matrices are narrower than all else."""
        around, inside = (
            str(part.dtype).removeprefix("torch.")
            for part in (self.encoder.pos_embed, self.encoder.patch_embed.proj.weight)
        )
        return around if inside == around else "fast"

    def normalise(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) uint8, or floats in [0, 1], to what the encoder was pretrained on.

        The arithmetic is in float32 (or the pixels' own float64); the result has the encoder's
        dtype.
        """
        wide = torch.promote_types(pixels.dtype, torch.float32)
        mean, std = self._mean.to(wide), self._std.to(wide)
        if pixels.is_floating_point():
            normalised = (pixels.to(wide) - mean) / std
        else:
            # In the memory of the one copy that is made: new tensors would take far longer.
            normalised = pixels.to(wide).sub_(255 * mean).mul_(1 / (255 * std))
        return normalised.to(self.encoder.pos_embed.dtype)

    def head(self, dataset: str | None = None) -> OutputHead:
        """The head of a dataset; without a name, the only one there is.

        Raises:
            OptionError: Several heads and no name.
            UnknownNameError: No head of that name.
        """
        if dataset is None and len(self.heads) > 1:
            raise OptionError(
                f"this model has heads for {', '.join(self.heads)}: say which by dataset=..."
            )
        name = next(iter(self.heads)) if dataset is None else dataset
        if name not in self.heads:
            raise unknown_name("head", name, self.heads)
        return cast(OutputHead, self.heads[name])

    def forward(self, pixels: Tensor, dataset: str | None = None) -> Tensor:
        """Standardised scores or logits.

        Args:
            pixels: (N, 3, H, W), uint8 or floats in [0, 1].
            dataset: Which head.

        Returns:
            (N, K).
        """
        return self.head(dataset)(self.encoder(self.normalise(pixels)))  # type: ignore[no-any-return]

    def forward_parts(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One pass of the encoder over the rows of several datasets, then each one's head.

        Args:
            parts: Dataset -> pixels (N, 3, H, W), of one size.

        Returns:
            Dataset -> (N, K).
        """
        pixels = self.normalise(torch.cat(list(parts.values())))
        # A process may have no row of a small last batch.
        embedded = (
            self.encoder(pixels) if len(pixels) else pixels.new_zeros(0, self.spec.embedding_width)
        )
        rows = embedded.split([len(pixels) for pixels in parts.values()])
        return {name: self.head(name)(part) for name, part in zip(parts, rows, strict=True)}

    def adapted_state(self) -> dict[str, Tensor]:
        """What an adapter holds: LoRA pairs (or the whole encoder, if all of it trained), heads."""
        encoder: dict[str, Tensor] = {}
        if self.strategy == "lora":
            encoder = lora_state(self.encoder)
        elif self.strategy == "full":
            encoder = self.encoder.state_dict()
        state = {f"encoder.{name}": tensor for name, tensor in encoder.items()}
        return {**state, **{f"heads.{n}": t for n, t in self.heads.state_dict().items()}}

    def load_adapted_state(self, state: Mapping[str, Tensor]) -> None:
        """Copies what :meth:`adapted_state` gave, in any float dtype, into this model.

        Raises:
            WeightsMismatchError: A tensor is missing, unknown or of another shape.
        """
        own = self.adapted_state()
        for name in sorted(own.keys() | state.keys()):
            if name not in state or name not in own or own[name].shape != state[name].shape:
                there = tuple(state[name].shape) if name in state else "nothing"
                here = tuple(own[name].shape) if name in own else "nothing"
                raise WeightsMismatchError(
                    f"the adapter does not fit the model: {name} is {there}, expected {here}"
                )
        encoder = {n[8:]: t for n, t in state.items() if n.startswith("encoder.")}
        if self.strategy == "lora":
            load_lora(self.encoder, encoder)
        elif self.strategy == "full":
            self.encoder.load_state_dict(encoder)
        self.heads.load_state_dict({n[6:]: t for n, t in state.items() if n.startswith("heads.")})


def build_model(
    spec: Backbone,
    base: Mapping[str, Tensor],
    *,
    outputs: int | Mapping[str, int],
    head: HeadSpec,
    strategy: Strategy = "lora",
    lora: LoRAConfig | None = None,
    datasets: Iterable[str] = (DEFAULT_DATASET,),
    seed: int = 0,
) -> PerceptualModel:
    """A model ready to train, or to load an adapter into.

    Args:
        spec: The backbone.
        base: Its pretrained tensors under canonical names. They are used in place, not copied,
            unless all of the encoder trains.
        outputs: K of every head, or of each by dataset.
        head: What each head is.
        strategy: ``lora``, ``frozen`` or ``full``.
        lora: For the strategy ``lora``; the paper's numbers when ``None``.
        datasets: One head for each.
        seed: Draws LoRA and heads.

    Raises:
        WeightsMismatchError: The tensors are not those of this backbone.
    """
    with torch.device("meta"):
        encoder = VisionTransformer(spec)
    expected = encoder.state_dict()
    for name in sorted(expected.keys() | base.keys()):
        there = tuple(base[name].shape) if name in base else "nothing"
        here = tuple(expected[name].shape) if name in expected else "nothing"
        if there != here:
            raise WeightsMismatchError(
                f"these are not weights of {spec.name}: {name} is {there}, expected {here}"
            )
    copied = {n: t.clone() if strategy == "full" else t for n, t in base.items()}
    encoder.load_state_dict(copied, assign=True)
    apply_strategy(encoder, strategy, lora or LoRAConfig(), seed)
    counts = outputs if isinstance(outputs, Mapping) else dict.fromkeys(datasets, outputs)
    heads = {
        name: OutputHead(head.build(spec.embedding_width, count, seed + index), count)
        for index, (name, count) in enumerate(counts.items())
    }
    return PerceptualModel(spec, encoder, heads, strategy)
