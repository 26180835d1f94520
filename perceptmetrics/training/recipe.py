"""Everything that decides what a run gives, beside data and base weights, as one value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from perceptmetrics.adaptation import LoRAConfig, Strategy
from perceptmetrics.errors import OptionError
from perceptmetrics.heads import HeadSpec
from perceptmetrics.training.trainer import Optimisation
from perceptmetrics.views import View

HEAD_FIRST = Optimisation(learning_rate=5e-4)
"""Chosen on OASIS (``benchmarks/choose_recipe.py``)."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run gives, beside data and base weights.

    Views, head and replicas are the task's own where they are ``None``.

    Attributes:
        augment: Train on the training view; else on what scoring sees, which must be one cut.
        head_first: How to train each head on the pretrained encoder before all else; ``None`` for
            the paper's way, in which heads start from random numbers.
        second_stage: Train each head alone afterwards, with the encoder frozen (section 3.2).
        recompute: Gradient checkpointing: less memory, about a third more time.
        validation_view: What is seen when an epoch is judged; fewer crops than when scoring save
            time. The figures on the card are computed with ``eval_view``.
        seed: Of LoRA, heads, dropout and the order of images: from 0 to 2**63 - 1.
        half: Store the adapter's matrices as float16.

    Raises:
        OptionError: What does not go together, or a number outside of its range.
    """

    strategy: Strategy = "lora"
    lora: LoRAConfig = field(default_factory=LoRAConfig)
    head: HeadSpec | None = None
    optimisation: Optimisation = field(default_factory=Optimisation)
    batch_size: int = 32
    replicas: int | None = None
    train_view: View | None = None
    eval_view: View | None = None
    validation_view: View | None = None
    augment: bool = True
    head_first: Optimisation | None = None
    second_stage: bool = False
    recompute: bool = False
    seed: int = 0
    half: bool = False

    def __post_init__(self) -> None:
        if self.head_first is not None and self.strategy == "frozen":
            raise OptionError(
                "a head that goes first before an encoder that stays frozen would train twice; "
                "leave head_first out, or take the strategy lora or full"
            )
        if self.batch_size < 2:
            raise OptionError(f"batch_size is {self.batch_size}, expected at least 2")
        if not 0 <= self.seed < 2**63:
            raise OptionError(f"seed is {self.seed}, expected from 0 to 2**63 - 1")
        if self.replicas is not None and self.replicas < 1:
            raise OptionError(f"replicas is {self.replicas}, expected at least 1")
        if self.train_view is not None and self.train_view.count != 1:
            raise OptionError(
                f"the training view gives {self.train_view.count} cuts ({self.train_view}), "
                "expected one; use replicas for more cuts of an image"
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain data for ``run.json``."""
        views = {
            name: view.to_dict() if view else None
            for name, view in (
                ("train_view", self.train_view),
                ("eval_view", self.eval_view),
                ("validation_view", self.validation_view),
            )
        }
        bare = replace(self, train_view=None, eval_view=None, validation_view=None)
        return {**asdict(bare), **views}
