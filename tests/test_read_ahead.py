"""Threads that read ahead: the order, the bound, and that they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptmetrics.data.read_ahead import read_ahead


def here(item: int) -> bool:
    return item % 3 == 0


@given(st.lists(st.integers(), max_size=30), st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_results_come_in_the_order_of_the_items(items: list[int], threads: int) -> None:
    assert list(read_ahead(str, items, threads, here=here)) == [str(item) for item in items]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_begun_than_twice_the_threads(threads: int) -> None:
    begun: list[int] = []

    def begin(item: int) -> int:
        begun.append(item)
        return item

    results = read_ahead(begin, range(100), threads)
    for taken in range(5):
        assert next(results) == taken
        assert len(begun) <= taken + 1 + 2 * threads
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 5 + 2 * threads


def test_items_that_are_for_this_thread_stay_in_it() -> None:
    used = read_ahead(lambda _: threading.current_thread(), range(9), 2, here=here)
    this = threading.current_thread()
    assert [thread is this for thread in used] == [here(item) for item in range(9)]


@pytest.mark.parametrize("item", [7, 8])
def test_a_failure_is_raised_in_its_turn(item: int) -> None:
    results = read_ahead(lambda x: 1 / (x - item), range(20), 2, here=here)
    assert [next(results) for _ in range(item)] == [1 / (x - item) for x in range(item)]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_thread_is_left_after_an_interrupt() -> None:
    def interrupted() -> Iterator[int]:
        yield from range(10)
        raise KeyboardInterrupt  # where the signal finds the consumer's thread

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        list(read_ahead(abs, interrupted(), 2))
    assert threading.active_count() == before
