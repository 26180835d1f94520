"""How an encoder is adapted to a task, as plain values: no torch here.

``lora.py`` does what these say. They stand apart so that a card or an adapter's header can be
read without loading torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perceptmetrics.errors import OptionError

Strategy = Literal["lora", "frozen", "full"]
"""The three arms of Table 6: low-rank pairs train, or nothing of the encoder, or all of it."""

STRATEGIES: tuple[Strategy, ...] = ("lora", "frozen", "full")


@dataclass(frozen=True)
class LoRAConfig:
    """Rank, scaling factor and dropout; the defaults are the paper's (section 3.1).

    The update is ``alpha / rank * B @ A``.

    Attributes:
        rank: Of each of the pairs of q, k and v. At most the encoder's width has a meaning; that
            is looked at where an encoder is known.
        alpha: Scales the update: above 0, at most 1e6.
        dropout: On the update's input, in training only.

    Raises:
        OptionError: A rank below 1, an alpha outside (0, 1e6], or a dropout outside [0, 1).

    Example:
        >>> LoRAConfig(rank=4)
        LoRAConfig(rank=4, alpha=8, dropout=0.1)
    """

    rank: int = 16
    alpha: float = 8
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.rank < 1 or not 0 < self.alpha <= 1e6 or not 0 <= self.dropout < 1:
            raise OptionError(
                f"LoRA with rank {self.rank}, alpha {self.alpha}, dropout {self.dropout}: "
                "expected rank >= 1, 0 < alpha <= 1e6 and 0 <= dropout < 1"
            )
