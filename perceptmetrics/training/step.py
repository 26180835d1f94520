"""One training step: gradients of a loss over a batch, however the batch is cut into pieces.

The loss is taken over the whole batch, also where the batch is spread over processes or is too
big for the memory. Predictions come first, then the loss's gradient with respect to them, then
the gradient of each piece. That is the gradient of the whole batch, not an average over pieces,
which for the PLCC loss would be another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

from perceptmetrics.training.engine import Engine

Parts = Mapping[str, Tensor]
Forward = Callable[[Parts], Parts]
Loss = Callable[[Tensor, Tensor], Tensor]
Batch = Mapping[str, tuple[Tensor, Tensor]]
"""Dataset -> inputs (N, ...) and targets, the rows of this process."""


def gradients(
    forward: Forward,
    losses: Mapping[str, Loss],
    batch: Batch,
    *,
    engine: Engine,
    seed: tuple[int, ...] = (0,),
    rows: int | None = None,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    scale: Callable[[Tensor], Tensor] = lambda gradient: gradient,
) -> float:
    """Adds a batch's gradients to the parameters behind ``forward``.

    Args:
        forward: Inputs of each dataset -> predictions (N, K) of each.
        losses: Dataset -> (prediction, target) -> scalar. The step's loss is their mean over the
            datasets in the batch (section 3.2).
        batch: The rows of this process.
        engine: Knows the rows of the others.
        seed: Of dropout; the same seed draws the same.
        rows: How many go through ``forward`` at once; each is then encoded twice. All at once
            when ``None``.
        autocast: Context of the forward pass.
        scale: Applied to the gradient of the predictions: of a gradient scaler.

    Returns:
        The loss over the batch of all processes.
    """
    inputs = {name: part[0].to(engine.device) for name, part in batch.items()}
    pieces = list(_pieces(inputs, rows))

    def predict(number: int) -> Parts:
        _seed_dropout((*seed, number, engine.rank))
        with autocast():
            return forward(pieces[number])

    if len(pieces) == 1:
        kept = predict(0)
        predictions = {name: tensor.detach() for name, tensor in kept.items()}
    else:
        with torch.no_grad():
            parts = [predict(number) for number in range(len(pieces))]
        predictions = {name: torch.cat([p[name] for p in parts if name in p]) for name in inputs}
    total, wanted = _loss_gradient(losses, batch, predictions, engine)
    start = dict.fromkeys(wanted, 0)
    for number, piece in enumerate(pieces):
        outputs = kept if len(pieces) == 1 else predict(number)
        ends = {name: start[name] + len(piece[name]) for name in piece}
        cut = {name: wanted[name][start[name] : ends[name]] for name in piece}
        start.update(ends)
        tensors = [outputs[name] for name in piece if outputs[name].requires_grad]
        # Scaled in float32, before half precision could lose a small one.
        flows = [
            scale(cut[name]).to(outputs[name].dtype)
            for name in piece
            if outputs[name].requires_grad
        ]
        if tensors:
            torch.autograd.backward(tensors, flows)
    return total


def _loss_gradient(
    losses: Mapping[str, Loss], batch: Batch, predictions: Parts, engine: Engine
) -> tuple[float, dict[str, Tensor]]:
    """The mean loss over datasets, and its gradient for the predictions of this process."""
    everyone, own, values = {}, {}, []
    with torch.enable_grad():
        for name, prediction in predictions.items():
            gathered = engine.gather(prediction.float())
            before = sum(len(part) for part in gathered[: engine.rank])
            own[name] = slice(before, before + len(prediction))
            everyone[name] = torch.cat(gathered).requires_grad_()
            targets = torch.cat(engine.gather(batch[name][1].to(engine.device)))
            values.append(losses[name](everyone[name], targets))
        loss = torch.stack(values).mean()
        found = torch.autograd.grad(loss, list(everyone.values()))
    return loss.item(), {
        name: gradient[own[name]] for name, gradient in zip(everyone, found, strict=True)
    }


def _pieces(inputs: Parts, rows: int | None) -> Iterator[Parts]:
    """The inputs in pieces of at most ``rows`` rows, datasets one after the other."""
    if rows is None or sum(map(len, inputs.values())) <= rows:
        yield inputs
        return
    # The first piece names every dataset, also one of which this process has no row.
    piece = {name: tensor[:0] for name, tensor in inputs.items()}
    room = rows
    for name, tensor in inputs.items():
        start = 0
        while start < len(tensor):
            piece[name] = tensor[start : start + room]
            start += len(piece[name])
            room -= len(piece[name])
            if not room:
                yield piece
                piece, room = {}, rows
    if piece:
        yield piece


def _seed_dropout(seed: tuple[int, ...]) -> None:
    # Dropout has no generator of its own in torch. The caller holds a fork of the global one,
    # and seeds every piece of every step, so that a resumed run draws what an unbroken one drew.
    torch.random.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]))
