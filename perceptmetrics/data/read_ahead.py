"""Work on items that are about to be needed, in threads, at a memory that does not grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    *,
    here: Callable[[Item], bool] = lambda item: False,
) -> Iterator[Result]:
    """A function of each item, in their order, computed while the consumer does something else.

    Items are taken from their iterable by the consumer's own thread. At most ``2 * threads``
    results wait to be taken; where the consumer stops, nothing more is begun.

    Args:
        function: Of one item; it may run in any thread. What it raises is raised in the item's
            turn, but for items that are ``here``.
        items: Taken lazily.
        threads: 0 for none: ``map``.
        here: Which items are for the consumer's thread itself, as soon as they are taken: whoever
            gives them may change them before the next one.

    Yields:
        What the function gave.

    Example:
        >>> list(read_ahead(abs, [-1, 2, -3], threads=2))
        [1, 2, 3]
    """
    if not threads:
        yield from map(function, items)
        return
    waiting: deque[Callable[[], Result]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            if here(item):
                waiting.append(partial(_given, function(item)))
            else:
                waiting.append(pool.submit(function, item).result)
            if len(waiting) > 2 * threads:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()
    finally:
        # Also where the consumer stops early, an item fails or the user presses Ctrl-C.
        pool.shutdown(cancel_futures=True)


def _given(result: Result) -> Result:
    return result
