"""Losses equal their formulas, keep finite gradients, and refuse shapes that would broadcast."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perceptmetrics.errors import OptionError
from perceptmetrics.losses import cross_entropy_loss, mse_loss, plcc_loss

seeds = st.integers(0, 2**31)


def pair(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, *shape, generator=generator, dtype=torch.float64).to(dtype)
    return x.requires_grad_(), y


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(2, 40))
def test_plcc_loss_is_half_of_one_minus_scipys_pearson(seed: int, n: int) -> None:
    from scipy.stats import pearsonr

    x, y = pair(n, seed=seed)
    expected = 0.5 * (1 - pearsonr(x.detach().numpy(), y.numpy()).statistic)
    assert plcc_loss(x, y).item() == pytest.approx(expected, abs=1e-9)


def test_plcc_loss_is_the_formula_written_out() -> None:
    x, y = pair(9)
    x, y = x.detach(), y.detach()
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    plcc = covariance / (x.std(correction=0) * y.std(correction=0))
    torch.testing.assert_close(plcc_loss(x, y), 0.5 * (1 - plcc))
    assert plcc_loss(y, y).item() == pytest.approx(0, abs=1e-12)
    assert plcc_loss(-y, y).item() == pytest.approx(1, abs=1e-12)


def test_plcc_loss_of_several_outputs_is_the_mean_of_each() -> None:
    x, y = pair(9, 3)
    each = [plcc_loss(x[:, k], y[:, k]) for k in range(3)]
    torch.testing.assert_close(plcc_loss(x, y), torch.stack(each).mean())


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(1e-3, 1e3), st.floats(-10, 10), st.booleans())
def test_plcc_loss_ignores_scale_and_shift(
    seed: int, scale: float, shift: float, of_target: bool
) -> None:
    x, y = pair(12, seed=seed)
    moved = (x, scale * y + shift) if of_target else (scale * x + shift, y)
    assert plcc_loss(*moved).item() == pytest.approx(plcc_loss(x, y).item(), abs=1e-9)


@pytest.mark.parametrize("shape", [(2,), (7,), (5, 3)])
@pytest.mark.parametrize("loss", [plcc_loss, mse_loss])
def test_gradients_are_those_of_the_loss(
    loss: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    x, y = pair(*shape, seed=5)
    y = y.requires_grad_()
    # Two points always lie on a line: there PLCC is at its bound, and the gradient is zero.
    assert torch.autograd.gradcheck(loss, (x, y), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 6e4])
@pytest.mark.parametrize("n", [1, 2, 1000])
def test_plcc_loss_of_a_constant_batch_is_a_half_with_zero_gradient(
    n: int, constant: float, dtype: torch.dtype
) -> None:
    x = torch.full((n,), constant, dtype=dtype, requires_grad=True)
    y = torch.linspace(0, 1, n, dtype=dtype, requires_grad=True)
    for prediction, target in ((x, y), (y, x)):
        loss = plcc_loss(prediction, target)
        gradients = torch.autograd.grad(loss, (x, y))
        assert loss.item() == 0.5
        assert not any(gradient.any() for gradient in gradients)


def test_a_constant_output_does_not_stop_the_others_from_learning() -> None:
    x, y = pair(6, 2)
    x = torch.stack([x[:, 0].detach(), torch.full((6,), 0.3, dtype=x.dtype)], dim=1)
    x.requires_grad_()
    loss = plcc_loss(x, y)
    loss.backward()
    assert loss.item() == pytest.approx((plcc_loss(x[:, 0], y[:, 0]).item() + 0.5) / 2)
    assert x.grad is not None
    assert x.grad[:, 0].abs().min() > 0
    assert not x.grad[:, 1].any()


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(2, 8), st.integers(-30, 30))
def test_plcc_loss_never_gives_a_gradient_that_is_not_finite(
    seed: int, n: int, exponent: int
) -> None:
    """Of 1e-30 and 1e30 alike: float32 squares of them vanish or overflow."""
    x, y = pair(n, seed=seed, dtype=torch.float32)
    x = (x.detach() * 10.0**exponent).requires_grad_()
    loss = plcc_loss(x, y)
    loss.backward()
    assert 0 <= loss.item() <= 1
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_a_nan_is_not_hidden() -> None:
    x, y = pair(5)
    broken = x.detach().clone()
    broken[2] = float("nan")
    for loss in (plcc_loss, mse_loss):
        assert loss(broken, y).isnan()
        assert loss(y, broken).isnan()


def test_plcc_loss_can_be_learned_from() -> None:
    x, y = pair(16)
    x = x.detach().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        plcc_loss(x, y).backward()
        optimizer.step()
    assert plcc_loss(x, y).item() < 0.01


def test_mse_loss_equals_numpys() -> None:
    x, y = pair(6, 2)
    expected = np.mean((x.detach().numpy() - y.numpy()) ** 2)
    assert mse_loss(x, y).item() == pytest.approx(expected, abs=1e-12)


def test_cross_entropy_is_the_mean_of_minus_log_softmax_of_the_true_class() -> None:
    from scipy.special import log_softmax

    logits, _ = pair(5, 8)
    target = torch.tensor([0, 7, 3, 3, 1])
    picked = log_softmax(logits.detach().numpy(), axis=1)[np.arange(5), target.numpy()]
    assert cross_entropy_loss(logits, target).item() == pytest.approx(-picked.mean(), abs=1e-12)
    assert torch.autograd.gradcheck(lambda scores: cross_entropy_loss(scores, target), (logits,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    x, y = pair(8, dtype=dtype)
    logits, target = pair(4, 3, dtype=dtype)[0], torch.tensor([0, 1, 2, 0])
    for loss in (plcc_loss(x, y), mse_loss(x, y), cross_entropy_loss(logits, target)):
        assert loss.dtype == torch.float32
    double = plcc_loss(x.detach().double(), y.double()).item()
    assert plcc_loss(x, y).item() == pytest.approx(double, abs=1e-6)


@pytest.mark.parametrize("loss", [plcc_loss, mse_loss])
def test_shapes_that_would_broadcast_are_refused(
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    for x, y in (((4, 1), (4,)), ((4,), (3,)), ((0,), (0,)), ((2, 3, 4), (2, 3, 4)), ((), ())):
        with pytest.raises(OptionError, match="one shape"):
            loss(torch.zeros(x), torch.zeros(y))


def test_cross_entropy_refuses_what_is_no_class() -> None:
    logits = torch.zeros(2, 3)
    with pytest.raises(OptionError, match=r"0\.\.2, got 3; does the head"):
        cross_entropy_loss(logits, torch.tensor([0, 3]))
    with pytest.raises(OptionError, match="got -100"):  # torch's own mark for "ignore this"
        cross_entropy_loss(logits, torch.tensor([-100, 0]))
    with pytest.raises(OptionError, match="int64"):
        cross_entropy_loss(logits, torch.tensor([0.0, 1.0]))
    with pytest.raises(OptionError, match="logits"):
        cross_entropy_loss(logits, torch.tensor([0]))
    with pytest.raises(OptionError, match="logits"):
        cross_entropy_loss(torch.zeros(2), torch.tensor([0, 1]))


def test_importing_losses_does_not_load_torch() -> None:
    code = "import sys, perceptmetrics.losses; print('torch' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "False"
