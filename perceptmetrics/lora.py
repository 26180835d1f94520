"""LoRA on the fused qkv matrix (Hu et al. 2021; section 3.1 of the paper), and what trains.

The layer is loralib's ``MergedLinear`` with q, k and v each their own rank-r pair: its
parameters, its ``lora_state_dict``. Three things are ours. Its training path builds a dense delta
at every step, where two thin matrix products do. Its merge writes that delta four times on its
way, where one product adds it. And its unmerge subtracts what the merge added, which leaves
rounding behind: here the pretrained matrix is kept aside, so that unmerging gives back its very
bits.
"""

from __future__ import annotations

import math
from typing import Any

import loralib
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptmetrics.adaptation import STRATEGIES, LoRAConfig, Strategy
from perceptmetrics.errors import OptionError

__all__ = [
    "STRATEGIES",
    "LoRAConfig",
    "LoRALinear",
    "SharedLoRALinear",
    "Strategy",
    "apply_strategy",
    "fold",
    "inject",
    "load_lora",
    "lora_state",
    "parameter_count",
    "share",
]


def merged(weight: Tensor, a: Tensor, b: Tensor, scaling: float) -> Tensor:
    """W + scaling * B A for each of q, k and v, in the dtype of W.

    Args:
        weight: (3 D, D).
        a: (3 r, D).
        b: (3 D, r).
        scaling: alpha / r.

    Returns:
        (3 D, D).
    """
    parts = (3, -1, weight.shape[1])
    return torch.baddbmm(
        weight.view(parts),
        b.to(weight.dtype).view(3, -1, b.shape[1]),
        a.to(weight.dtype).view(parts),
        alpha=scaling,
    ).view_as(weight)


class LoRALinear(loralib.MergedLinear):  # type: ignore[misc] # loralib has no types
    """A fused qkv layer with one low-rank pair for each of q, k and v.

    In training mode the update runs beside the frozen matrix; in eval mode it is merged into it.

    Args:
        linear: The pretrained layer, (3 D, D) with bias; its tensors are taken over, not copied.
        config: Rank, alpha, dropout.
        generator: Draws A (Kaiming uniform, as loralib and peft do). B starts at zero.
    """

    lora_A: nn.Parameter  # noqa: N815 - the letters of the formula, as in loralib
    lora_B: nn.Parameter  # noqa: N815
    merged: bool
    _pretrained: Tensor | None

    def __init__(self, linear: nn.Linear, config: LoRAConfig, generator: torch.Generator) -> None:
        # Of rank 0 and on the meta device: nothing is allocated, no random number is drawn. (With
        # a rank, loralib's indexing there imports sympy, which takes 0.4 s.)
        super().__init__(
            linear.in_features, linear.out_features, enable_lora=[True, True, True], device="meta"
        )
        self.r, self.lora_alpha = config.rank, config.alpha
        self.scaling = config.alpha / config.rank
        self.lora_ind = torch.ones(linear.out_features, dtype=torch.bool)
        self.lora_dropout = nn.Dropout(config.dropout)
        self.weight = nn.Parameter(linear.weight.detach(), requires_grad=False)
        self.bias = nn.Parameter(linear.bias.detach(), requires_grad=False)
        # Drawn on the CPU, so that a seed means the same matrices on every device.
        bound = 1 / math.sqrt(linear.in_features)
        drawn = torch.empty(3 * config.rank, linear.in_features)
        drawn.uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(drawn.to(linear.weight))
        self.lora_B = nn.Parameter(linear.weight.new_zeros(linear.out_features, config.rank))
        self.register_buffer("_pretrained", None, persistent=False)
        self.train(linear.training)

    def merge(self) -> None:
        """Adds the update to the matrix; what was there is kept for :meth:`unmerge`."""
        if not self.merged:
            with torch.no_grad():
                self._pretrained = self.weight.data
                self.weight.data = merged(self._pretrained, self.lora_A, self.lora_B, self.scaling)
            self.merged = True

    def unmerge(self) -> None:
        """Puts the pretrained matrix back, bit for bit."""
        if self._pretrained is not None:
            self.weight.data = self._pretrained
            self._pretrained = None
            self.merged = False

    def train(self, mode: bool = True) -> LoRALinear:
        """Merged in eval, apart in training."""
        nn.Module.train(self, mode)
        if hasattr(self, "_pretrained"):
            (self.unmerge if mode else self.merge)()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., 3 D)."""
        base = F.linear(x, self.weight, self.bias)
        if self.merged:
            return base
        low = F.linear(self.lora_dropout(x), self.lora_A)
        up = torch.block_diag(*self.lora_B.view(3, -1, self.r))
        # Onto the product itself: a sum of two would write the widest tensor once more.
        rows, low = base.view(-1, base.shape[-1]), low.view(-1, low.shape[-1])
        return torch.addmm(rows, low, up.t(), alpha=self.scaling).view_as(base)

    # A state dict always holds the pretrained matrix and the pairs apart. With the merged matrix
    # in it, loading it would add the update a second time.
    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self._pretrained is not None:
            destination[f"{prefix}weight"] = self._pretrained

    def _load_from_state_dict(self, *args: Any) -> None:
        merged = self.merged
        self.unmerge()
        super()._load_from_state_dict(*args)
        if merged:
            self.merge()

    def folded(self) -> nn.Linear:
        """A plain layer that holds the merged matrix and nothing else."""
        self.merge()
        plain = nn.Linear(self.in_features, self.out_features, device="meta")
        plain.weight, plain.bias = self.weight, self.bias
        return plain.train(self.training)


class SharedLoRALinear(nn.Module):
    """A LoRA layer for scoring that leaves the pretrained matrix whole, so that others share it.

    Each pass merges into a matrix of its own, which is gone after it. That is one product of the
    thin pair whatever the size of the batch; the pair beside the matrix would cost every token.
    Nothing is kept between passes, so a pass that fails leaves nothing half merged, and threads
    do not meet.

    Args:
        layer: What it takes its tensors from; none is copied.
    """

    def __init__(self, layer: LoRALinear) -> None:
        super().__init__()
        layer.unmerge()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.scaling = layer.scaling
        self.pretrained, self.bias = layer.weight, layer.bias
        self.lora_A, self.lora_B = layer.lora_A, layer.lora_B
        self.train(layer.training)

    @property
    def weight(self) -> Tensor:
        """The merged matrix, (3 D, D): computed anew at every look."""
        return merged(self.pretrained, self.lora_A, self.lora_B, self.scaling)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., 3 D)."""
        return F.linear(x, self.weight, self.bias)


def inject(encoder: nn.Module, config: LoRAConfig, seed: int = 0) -> None:
    """Replaces every layer called ``qkv`` by a :class:`LoRALinear`, in place.

    Raises:
        OptionError: The encoder has no fused qkv layer, or has LoRA already, or is narrower than
            the rank.
    """
    generator = torch.Generator().manual_seed(seed)
    found = False
    for module in list(encoder.modules()):
        layer = getattr(module, "qkv", None)
        if isinstance(layer, LoRALinear):
            raise OptionError("this encoder has LoRA already; inject into a plain one")
        if isinstance(layer, nn.Linear):
            if config.rank > layer.in_features:
                raise OptionError(
                    f"rank {config.rank}: expected at most {layer.in_features}, the encoder's width"
                )
            module.qkv = LoRALinear(layer, config, generator)
            found = True
    if not found:
        raise OptionError("this encoder has no layer called 'qkv' that LoRA could go on")


def fold(encoder: nn.Module) -> None:
    """Replaces every LoRA layer by a plain one with the merged matrix: for scoring only."""
    for module in list(encoder.modules()):
        layer = getattr(module, "qkv", None)
        if isinstance(layer, LoRALinear):
            module.qkv = layer.folded()


def share(encoder: nn.Module) -> None:
    """Replaces every LoRA layer by one that leaves the pretrained matrix as it is: for scoring.

    Encoders that were built on one dictionary of pretrained tensors then hold them once, all of
    them, and each its own low-rank pairs.
    """
    for module in list(encoder.modules()):
        layer = getattr(module, "qkv", None)
        if isinstance(layer, LoRALinear):
            module.qkv = SharedLoRALinear(layer)


def folded_state(encoder: nn.Module) -> dict[str, Tensor]:
    """The encoder's tensors as :func:`fold` would leave them: all that decides an embedding.

    Encoders that agree here see alike: a plain one, and one whose LoRA is still zero.
    """
    pairs = lora_state(encoder)
    state = {name: tensor for name, tensor in encoder.state_dict().items() if name not in pairs}
    for name, layer in encoder.named_modules():
        if isinstance(layer, SharedLoRALinear):
            state[f"{name}.weight"] = layer.weight.detach()
            del state[f"{name}.pretrained"]
        elif isinstance(layer, LoRALinear):
            was_merged = layer.merged
            layer.merge()
            state[f"{name}.weight"] = layer.weight.detach()
            if not was_merged:
                layer.unmerge()
    return state


def lora_state(encoder: nn.Module) -> dict[str, Tensor]:
    """The low-rank pairs by name, as ``loralib.lora_state_dict`` names them."""
    return dict(loralib.lora_state_dict(encoder))


def load_lora(encoder: nn.Module, state: dict[str, Tensor]) -> None:
    """Copies low-rank pairs into an encoder that LoRA was injected into.

    Merged layers are merged anew, so the copy takes effect in eval mode too.

    Raises:
        OptionError: Names or shapes differ from the encoder's.
    """
    own = lora_state(encoder)
    if own.keys() != state.keys():
        differing = sorted(own.keys() ^ state.keys())[0]
        raise OptionError(f"LoRA tensors do not fit the encoder: {differing} is on one side only")
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:  # copy_ would broadcast some of them
            raise OptionError(
                f"LoRA tensors do not fit the encoder: {name} is {tuple(state[name].shape)}, "
                f"expected {tuple(tensor.shape)}"
            )
    layers = [module for module in encoder.modules() if isinstance(module, LoRALinear)]
    merged = [layer for layer in layers if layer.merged]
    for layer in merged:
        layer.unmerge()
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])
    for layer in merged:
        layer.merge()


def apply_strategy(
    encoder: nn.Module, strategy: Strategy, config: LoRAConfig, seed: int = 0
) -> None:
    """Makes the encoder train as one of the three arms of Table 6, in place.

    Args:
        encoder: A plain encoder.
        strategy: ``lora`` (low-rank pairs only), ``frozen`` (nothing) or ``full`` (everything).
        config: For ``lora``.
        seed: Draws LoRA's A.

    Raises:
        OptionError: No such strategy.
    """
    if strategy not in STRATEGIES:
        raise OptionError(f"strategy {strategy!r}: expected one of {', '.join(STRATEGIES)}")
    encoder.requires_grad_(strategy == "full")
    if strategy == "lora":
        inject(encoder, config, seed)
        loralib.mark_only_lora_as_trainable(encoder)


def parameter_count(module: nn.Module, *, trainable: bool = True) -> int:
    """How many numbers train (or, with ``trainable=False``, how many there are).

    Example:
        >>> parameter_count(nn.Linear(3, 2))
        8
    """
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)
