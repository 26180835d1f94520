"""Several datasets in one batch: shares in proportion, none left out, none read twice too soon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptmetrics.data.batches import batch_bounds
from perceptmetrics.data.proportional import LEAST_SHARE, cycles, proportional_shares
from perceptmetrics.errors import DataError

SIZES = st.lists(st.integers(1, 100_000), min_size=2, max_size=6)


@given(SIZES, st.integers(12, 256))
def test_shares_fill_the_batch_and_leave_nobody_out(sizes: list[int], batch: int) -> None:
    shares = proportional_shares(sizes, batch)
    assert sum(shares) == batch
    assert min(shares) >= LEAST_SHARE


@given(SIZES, st.integers(64, 256))
def test_shares_are_proportional_where_no_dataset_is_too_small(
    sizes: list[int], batch: int
) -> None:
    exact = np.asarray(sizes) * batch / sum(sizes)
    shares = np.asarray(proportional_shares(sizes, batch))
    if exact.min() >= LEAST_SHARE:
        assert np.abs(shares - exact).max() < 1


def test_a_batch_too_small_for_all_is_refused() -> None:
    with pytest.raises(DataError, match="raise the batch size to at least 6"):
        proportional_shares([10, 10, 10], 5)


@given(st.integers(2, 60), st.integers(2, 16), st.integers(1, 40), st.integers(0, 3))
def test_an_epoch_has_every_step_and_a_tail_is_the_tail(
    size: int, share: int, steps: int, epoch: int
) -> None:
    each = len(batch_bounds(size, share))
    if not each:
        return

    def taken(skip: int) -> list[tuple[int, int]]:
        found = cycles(size, share, steps, epoch, skip)
        return [(c.number, c.start + n) for c in found for n in range(c.count)]

    whole = taken(0)
    assert len(whole) == steps
    assert len(set(whole)) == steps  # no batch of a pass twice
    for skip in range(steps + 1):
        assert taken(skip) == whole[skip:]


def test_two_epochs_never_share_a_pass() -> None:
    first = {c.number for c in cycles(10, 4, 7, epoch=0)}
    second = {c.number for c in cycles(10, 4, 7, epoch=1)}
    assert not first & second
