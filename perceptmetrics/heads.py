"""Heads: from an embedding to a task's outputs (section 3.1; Table 7 compares the two)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from perceptmetrics.errors import OptionError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class HeadSpec:
    """A head by its hidden widths; none of them is a linear head.

    The default is the paper's MLP: D -> 512 -> 256 -> K, each hidden layer followed by ReLU and
    dropout 0.5. Layers are called ``fc1``, ``fc2``, ..., as in the official release.

    Raises:
        OptionError: A hidden width below 1, or a dropout outside [0, 1).

    Example:
        >>> HeadSpec().build(in_features=768, outputs=8).fc3.out_features
        8
    """

    hidden: tuple[int, ...] = (512, 256)
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden) or not 0 <= self.dropout < 1:
            raise OptionError(
                f"head with hidden widths {self.hidden} and dropout {self.dropout}: expected "
                "widths >= 1 and 0 <= dropout < 1"
            )

    def build(self, in_features: int, outputs: int, seed: int = 0) -> nn.Module:
        """A head with torch's usual initialisation, drawn by a local generator.

        Args:
            in_features: Length D of the embedding.
            outputs: K, the number of scores or classes.
            seed: Of the generator.

        Returns:
            A module (N, D) -> (N, K).
        """
        import torch
        from torch import nn

        generator = torch.Generator().manual_seed(seed)
        head = nn.Sequential()
        widths = [in_features, *self.hidden, outputs]
        for index, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
            # Not to_empty, nor skip_init: on the meta device they import sympy, which takes 0.4 s.
            layer = nn.Linear(fan_in, fan_out, device="meta")
            bound = fan_in**-0.5  # what nn.Linear's own initialisation comes to
            for name, parameter in list(layer.named_parameters()):
                drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
                setattr(layer, name, nn.Parameter(drawn))
            head.add_module(f"fc{index}", layer)
            if index <= len(self.hidden):
                head.add_module(f"relu{index}", nn.ReLU())
                head.add_module(f"dropout{index}", nn.Dropout(self.dropout))
        return head


MLP_HEAD = HeadSpec()
LINEAR_HEAD = HeadSpec(hidden=())


def head_named(name: str) -> HeadSpec:
    """The paper's two heads by name, for command lines.

    Raises:
        OptionError: Neither ``mlp`` nor ``linear``.
    """
    heads = {"mlp": MLP_HEAD, "linear": LINEAR_HEAD}
    if name not in heads:
        raise OptionError(f"head {name!r}: expected mlp or linear")
    return heads[name]
