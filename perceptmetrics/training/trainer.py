"""The loop. It knows a model, a loss, batches and a number to raise; nothing of tasks or files.

Section 3.1: AdamW, weight decay 1e-4, early stopping with patience 12, at most 40 epochs, the
epoch with the best validation score is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from perceptmetrics.errors import OptionError, TrainingError

Schedule = Literal["constant", "one-cycle"]


@dataclass(frozen=True)
class Optimisation:
    """How to optimise; the defaults are the paper's.

    Attributes:
        epochs: At most.
        patience: Epochs without a better validation score before stopping.
        learning_rate: The paper explores 5e-5, 1e-4, 5e-4 and 1e-3.
        weight_decay: Of AdamW.
        schedule: ``constant``, or ``one-cycle`` (up, then down to zero over all epochs).
        precision: ``fp32``, or ``bf16`` for autocast where the device has it.
    """

    epochs: int = 40
    patience: int = 12
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    schedule: Schedule = "constant"
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.patience < 1 or self.learning_rate <= 0:
            raise OptionError(
                f"epochs {self.epochs}, patience {self.patience}, learning rate "
                f"{self.learning_rate}: each must be above zero"
            )


@dataclass(frozen=True)
class Epoch:
    """One line of a run's history."""

    number: int
    loss: float
    validation: float


def fit(
    model: nn.Module,
    state: Callable[[], dict[str, Tensor]],
    loss_function: Callable[[Tensor, Tensor], Tensor],
    batches: Callable[[int], Iterable[tuple[Tensor, Tensor]]],
    steps: int,
    validate: Callable[[], float],
    how: Optimisation,
    seed: int = 0,
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> tuple[list[Epoch], dict[str, Tensor]]:
    """Trains a model and returns its best state.

    Args:
        model: Called as ``model(inputs)``; parameters that require gradients train.
        state: Gives the tensors to keep of the best epoch.
        loss_function: (prediction, target) -> scalar.
        batches: The batches of an epoch, given its number from 0.
        steps: How many batches an epoch has.
        validate: The score of the model as it stands, in eval mode; higher is better.
        how: Numbers of the optimisation.
        seed: Of dropout.
        report: Called after each epoch.

    Returns:
        The history, and a copy of the state after the epoch with the best score.

    Raises:
        TrainingError: The loss or the validation score is not a finite number.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    device = parameters[0].device
    optimiser = torch.optim.AdamW(parameters, how.learning_rate, weight_decay=how.weight_decay)
    scheduler = (
        torch.optim.lr_scheduler.OneCycleLR(
            optimiser, how.learning_rate, total_steps=how.epochs * steps
        )
        if how.schedule == "one-cycle"
        else None
    )
    history: list[Epoch] = []
    best: dict[str, Tensor] = {}
    best_epoch = 0
    # Dropout has no generator of its own in torch: the global one is seeded inside a fork, and
    # is given back as it was.
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.random.manual_seed(seed)
        for number in range(how.epochs):
            model.train()
            total, count = 0.0, 0
            for inputs, targets in batches(number):
                with torch.autocast(device.type, torch.bfloat16, enabled=how.precision == "bf16"):
                    prediction = model(inputs.to(device))
                loss = loss_function(prediction.float(), targets.to(device))
                if not torch.isfinite(loss):
                    raise TrainingError(
                        f"the loss is {loss.item()} in epoch {number + 1}; try a lower learning "
                        "rate, or look for wrong ratings"
                    )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                if scheduler is not None:
                    scheduler.step()
                total += loss.item() * len(inputs)
                count += len(inputs)
            model.eval()
            with torch.no_grad():
                score = validate()
            if score != score:
                raise TrainingError(
                    f"the validation score of epoch {number + 1} is not a number: predictions or "
                    "ratings of the validation part are all equal; use more validation images"
                )
            history.append(Epoch(number + 1, total / max(count, 1), score))
            report(history[-1])
            if not best or score > history[best_epoch].validation:
                best_epoch = number
                best = {name: tensor.detach().clone() for name, tensor in state().items()}
            if number - best_epoch >= how.patience:
                break
    return history, best
