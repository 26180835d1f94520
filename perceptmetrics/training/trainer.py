"""The loop. It knows a model, losses, batches and a number to raise; nothing of tasks or files.

Section 3.1: AdamW, weight decay 1e-4, early stopping with patience 12, at most 40 epochs, the
epoch with the best validation score is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from perceptmetrics.errors import OptionError, PerceptError, TrainingError
from perceptmetrics.training.checkpoint import Checkpoints
from perceptmetrics.training.engine import Engine
from perceptmetrics.training.step import Batch, Forward, Loss, gradients

Schedule = Literal["constant", "one-cycle"]
Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Optimisation:
    """How to optimise; the defaults are the paper's.

    Attributes:
        epochs: At most.
        patience: Epochs without a better validation score before stopping.
        learning_rate: About how far AdamW moves each weight in a step: above 0, at most 1. The
            paper explores 5e-5, 1e-4, 5e-4 and 1e-3.
        weight_decay: Of AdamW, which takes ``learning_rate * weight_decay`` of each weight off it
            in a step: that is from 0 to 1.
        schedule: ``constant``, or ``one-cycle`` (up, then down to zero over all epochs).
        precision: ``fp32``, or ``bf16`` or ``fp16`` for autocast where the device has it.
        rows: Cuts that are encoded at once, where a batch does not fit the memory; the gradient
            is still that of the whole batch, and each cut is encoded twice.

    Raises:
        OptionError: A number outside of these ranges, or that is none.

    Example:
        >>> Optimisation(learning_rate=5e-4).weight_decay
        0.0001
    """

    epochs: int = 40
    patience: int = 12
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    schedule: Schedule = "constant"
    precision: Precision = "fp32"
    rows: int | None = None

    def __post_init__(self) -> None:
        # NaN is in no range.
        if self.epochs < 1 or self.patience < 1:
            raise OptionError(
                f"epochs {self.epochs}, patience {self.patience}: each must be above zero"
            )
        if not 0 < self.learning_rate <= 1:
            raise OptionError(
                f"learning rate {self.learning_rate}: expected above zero and at most 1, as in 1e-4"
            )
        if not 0 <= self.learning_rate * self.weight_decay <= 1:
            raise OptionError(
                f"weight decay {self.weight_decay} at learning rate {self.learning_rate:g}: "
                f"expected from 0 to {1 / self.learning_rate:g}, at which a step takes whole "
                "weights away; 1e-4 is usual"
            )
        if self.rows is not None and self.rows < 1:
            raise OptionError(f"rows is {self.rows}, expected at least 1")


@dataclass(frozen=True)
class Epoch:
    """One line of a run's history."""

    number: int
    loss: float
    validation: float


def _unwrapped(batches: Iterator[Batch], done: int, steps: int) -> Iterator[Batch]:
    return batches


@dataclass(frozen=True)
class Watch:
    """What is told to whoever looks on.

    Attributes:
        epoch: Called after each epoch with the history up to it.
        step: Called after each step with its number from 1 over the whole run, and its loss.
        progress: Wraps an epoch's batches, given how many are done and how many there are.
        features: Wraps the images whose features are computed before the first epoch, given how
            many there are.
    """

    epoch: Callable[[Sequence[Epoch]], None] = lambda history: None
    step: Callable[[int, float], None] = lambda number, loss: None
    progress: Callable[[Iterator[Batch], int, int], Iterator[Batch]] = _unwrapped
    features: Callable[[Iterator[Path], int], Iterator[Path]] = lambda images, count: images


@dataclass(frozen=True)
class Stage:
    """A part of a run that trains by itself.

    Attributes:
        name: Of its files; empty where all trains together.
        dataset: Whose figure is shown.
        how: Its optimisation.
    """

    name: str
    dataset: str
    how: Optimisation


WatchOf = Callable[[Stage], Watch]
"""A stage -> who looks on."""


def nobody_watches(stage: Stage) -> Watch:
    """Nobody looks on."""
    return Watch()


class _Progress:
    """Where a run stands: all that a checkpoint holds beside the tensors."""

    def __init__(self) -> None:
        self.epoch = 0
        self.step = 0  # done in this epoch
        self.loss_sum = 0.0
        self.rows = 0
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0

    def over(self, how: Optimisation) -> bool:
        """Whether all epochs are done, or patience is."""
        tired = bool(self.history) and len(self.history) - 1 - self.best_epoch >= how.patience
        return self.epoch >= how.epochs or tired


def fit(
    model: nn.Module,
    *,
    forward: Forward,
    losses: Mapping[str, Loss],
    batches: Callable[[int, int], Iterable[Batch]],
    steps: int,
    validate: Callable[[], float],
    state: Callable[[], dict[str, Tensor]],
    load: Callable[[Mapping[str, Tensor]], None],
    how: Optimisation,
    seed: int = 0,
    engine: Engine | None = None,
    checkpoints: Checkpoints | None = None,
    watch: Watch | None = None,
) -> tuple[list[Epoch], dict[str, Tensor]]:
    """Trains a model and returns its best state.

    Args:
        model: Its parameters that require gradients train.
        forward: Inputs of each dataset -> predictions of each.
        losses: One for each dataset.
        batches: (epoch from 0, steps to skip) -> the rest of that epoch's batches, the rows of
            this process.
        steps: How many batches an epoch has.
        validate: The score of the model as it stands, in eval mode; higher is better, and the same
            in every process.
        state: Gives the tensors to keep of the best epoch: at least all that train.
        load: Takes what ``state`` gave.
        how: Numbers of the optimisation.
        seed: Of dropout.
        engine: One process when ``None``.
        checkpoints: Where the run goes on from, and what it leaves behind.
        watch: Who looks on.

    Returns:
        The history, and a copy of the state after the epoch with the best score.

    Raises:
        TrainingError: The loss, a weight or the validation score is not a finite number, or a
            checkpoint cannot be written; the last one stays as it was.
    """
    engine, watch = engine or Engine(), watch or Watch()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, how.learning_rate, weight_decay=how.weight_decay)
    scheduler = (
        torch.optim.lr_scheduler.OneCycleLR(
            optimiser, how.learning_rate, total_steps=how.epochs * steps
        )
        if how.schedule == "one-cycle"
        else None
    )
    kind = engine.device.type
    scaler = torch.amp.GradScaler(kind, enabled=how.precision == "fp16")

    def autocast() -> torch.autocast:
        return torch.autocast(
            kind, DTYPES.get(how.precision, torch.bfloat16), enabled=how.precision in DTYPES
        )

    at = _Progress()
    if checkpoints is not None and checkpoints.state is not None:
        _restore(checkpoints.state, at, load, optimiser, scheduler, scaler)

    def save() -> None:
        if checkpoints is not None:
            # The last step may have ruined the weights, which only the next loss would tell.
            if not torch.stack([p.detach().isfinite().all() for p in parameters]).all():
                raise _diverged(f"weights are not finite after step {at.step}", at)
            checkpoints.save(_snapshot(at, state(), optimiser, scheduler, scaler))

    devices = [engine.device] if kind == "cuda" else []
    with torch.random.fork_rng(devices):
        while not at.over(how):
            model.train()
            left = iter(batches(at.epoch, at.step))
            for batch in _until_error(watch.progress(left, at.step, steps), save):
                optimiser.zero_grad()
                loss = gradients(
                    forward,
                    losses,
                    batch,
                    engine=engine,
                    seed=(seed, at.epoch, at.step),
                    rows=how.rows,
                    autocast=autocast,
                    scale=scaler.scale,
                )
                if loss != loss or loss in (float("inf"), float("-inf")):
                    raise _diverged(f"the loss is {loss} in step {at.step + 1}", at)
                engine.sum_gradients(parameters)
                scaler.step(optimiser)
                scaler.update()
                if scheduler is not None:
                    scheduler.step()
                count = sum(len(targets) for _, targets in batch.values())
                at.loss_sum += loss * count
                at.rows += count
                at.step += 1
                watch.step(at.epoch * steps + at.step, loss)
                if checkpoints is not None and checkpoints.due:
                    save()
            save()  # an unreadable validation image must not cost the epoch
            _close_epoch(model, validate, at, state)
            save()
            watch.epoch(at.history)
    return at.history, at.best


def _diverged(what: str, at: _Progress) -> TrainingError:
    return TrainingError(
        f"{what} of epoch {at.epoch + 1}; try a lower learning rate or look for wrong ratings, "
        "and give another --out: from the last checkpoint, this run would come here again"
    )


def _close_epoch(
    model: nn.Module,
    validate: Callable[[], float],
    at: _Progress,
    state: Callable[[], dict[str, Tensor]],
) -> None:
    model.eval()
    with torch.no_grad():
        score = validate()
    if score != score:
        raise TrainingError(
            f"the validation score of epoch {at.epoch + 1} is not a number: predictions or "
            "ratings of the validation part are all equal; use more validation images"
        )
    at.history.append(Epoch(at.epoch + 1, at.loss_sum / max(at.rows, 1), score))
    if not at.best or score > at.history[at.best_epoch].validation:
        at.best_epoch = at.epoch
        at.best = {name: tensor.detach().clone() for name, tensor in state().items()}
    at.epoch, at.step, at.loss_sum, at.rows = at.epoch + 1, 0, 0.0, 0


def _until_error(batches: Iterator[Batch], save: Callable[[], None]) -> Iterator[Batch]:
    """The batches; where one cannot be had (an unreadable image), the run is kept up to it."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except PerceptError:
            save()
            raise
        yield batch


def _snapshot(at: _Progress, state: dict[str, Tensor], *parts: Any) -> dict[str, Any]:
    optimiser, scheduler, scaler = parts
    return {
        "epoch": at.epoch,
        "step": at.step,
        "loss_sum": at.loss_sum,
        "rows": at.rows,
        "history": [asdict(epoch) for epoch in at.history],
        "best": at.best,
        "best_epoch": at.best_epoch,
        "model": state,
        "optimiser": optimiser.state_dict(),
        "scheduler": scheduler.state_dict() if scheduler is not None else None,
        "scaler": scaler.state_dict(),
    }


def _restore(
    found: dict[str, Any], at: _Progress, load: Callable[[Mapping[str, Tensor]], None], *parts: Any
) -> None:
    optimiser, scheduler, scaler = parts
    at.epoch, at.step = found["epoch"], found["step"]
    at.loss_sum, at.rows = found["loss_sum"], found["rows"]
    at.history = [Epoch(**epoch) for epoch in found["history"]]
    at.best, at.best_epoch = found["best"], found["best_epoch"]
    load(found["model"])
    optimiser.load_state_dict(found["optimiser"])
    if scheduler is not None:
        scheduler.load_state_dict(found["scheduler"])
    scaler.load_state_dict(found["scaler"])
