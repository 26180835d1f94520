"""A step gives the gradient of the whole batch, however the batch is cut into pieces."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from perceptmetrics.losses import mse_loss, plcc_loss
from perceptmetrics.training.engine import Engine
from perceptmetrics.training.step import Forward, Parts, gradients


def model_of(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1)).double()


def forward_of(model: nn.Module) -> Forward:
    def forward(parts: Parts) -> Parts:
        return {name: model(part) for name, part in parts.items()}

    return forward


def batch_of(*counts: int) -> dict[str, tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return {
        f"set{index}": (
            torch.randn(count, 3, generator=generator, dtype=torch.float64),
            torch.randn(count, 1, generator=generator, dtype=torch.float64),
        )
        for index, count in enumerate(counts)
    }


def gradients_of(model: nn.Module) -> list[Tensor]:
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 20))
def test_pieces_give_the_gradient_of_the_whole_batch(first: int, second: int, rows: int) -> None:
    """For the PLCC loss too, whose mean over pieces is another number."""
    model, batch = model_of(), batch_of(first, second)
    losses = {"set0": plcc_loss, "set1": mse_loss}
    predictions = {name: model(inputs) for name, (inputs, _) in batch.items()}
    expected = torch.stack(
        [losses[name](predictions[name].float(), batch[name][1]) for name in batch]
    ).mean()
    expected.backward()
    wanted = gradients_of(model)
    value = gradients(forward_of(model), losses, batch, engine=Engine(), rows=rows)
    assert value == pytest.approx(float(expected), rel=1e-6)
    for ours, theirs in zip(gradients_of(model), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_dataset_without_a_row_here_is_no_obstacle() -> None:
    """In one of many processes, with the batch in pieces: the others have its rows."""
    model, whole = model_of(), batch_of(5, 3)
    few = {"set0": whole["set0"], "set1": tuple(part[:0] for part in whole["set1"])}
    seen: list[list[str]] = []

    def forward(parts: Parts) -> Parts:
        seen.append(sorted(parts))
        return {name: model(part) for name, part in parts.items()}

    class WithTheRest(Engine):
        """Stands for the processes that hold the rows of set1."""

        def gather(self, rows: Tensor) -> list[Tensor]:
            return [rows] if len(rows) else [rows, torch.ones(3, *rows.shape[1:])]

    losses = {"set0": mse_loss, "set1": mse_loss}
    gradients(forward, losses, few, engine=WithTheRest(), rows=2)  # type: ignore[arg-type]
    assert seen[0] == ["set0", "set1"]
    assert all(torch.isfinite(found).all() for found in gradients_of(model))


def test_the_two_passes_over_a_piece_draw_the_same_dropout() -> None:
    """Else the gradient would be that of predictions which were never compared."""
    model, batch = model_of(dropout=0.5), batch_of(8)
    seen: list[Tensor] = []

    def forward(parts: Parts) -> Parts:
        seen.append(model(parts["set0"]))
        return {"set0": seen[-1]}

    gradients(forward, {"set0": mse_loss}, batch, engine=Engine(), seed=(3, 1), rows=4)
    assert len(seen) == 4
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])


def test_a_seed_draws_the_same_and_another_seed_another() -> None:
    model, batch = model_of(dropout=0.5), batch_of(6)
    found = []
    for seed in ((0, 1), (0, 1), (0, 2)):
        gradients(forward_of(model), {"set0": mse_loss}, batch, engine=Engine(), seed=seed)
        found.append(gradients_of(model))
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(found[0], found[2], strict=True))
