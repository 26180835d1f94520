"""Splits that keep groups whole: a reference image is never on two sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perceptmetrics.data.alike import stated_groups
from perceptmetrics.errors import DataError

Indices = npt.NDArray[np.int64]


def split_by_group(groups: Sequence[str], fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Two parts, the second with about ``fraction`` of the groups.

    Args:
        groups: The group of each item; all different for a plain split. One that was joined of
            several (:class:`~perceptmetrics.data.alike.JoinedGroup`) is drawn by any of their
            names, and counts as so many.
        fraction: Share of the groups in the second part, above 0 and below 1.
        seed: Of a local generator. The result depends on the set of groups, not on their order.

    Returns:
        Indices of the first and the second part, ascending.

    Raises:
        DataError: Fewer than two groups, or a fraction outside (0, 1).

    Example:
        >>> first, second = split_by_group(["a", "a", "b", "c", "d"], 0.25, seed=0)
        >>> len({0, 1} & set(second.tolist())) in (0, 2)
        True
    """
    whole = set(groups)
    if len(whole) < 2 or not 0 < fraction < 1:
        raise DataError(
            f"cannot split {len(whole)} groups at {fraction}: expected at least 2 groups and a "
            "fraction between 0 and 1"
        )
    holder = {name: group for group in whole for name in stated_groups(group)}
    names = sorted(holder)
    left = min(len(names) - 1, max(1, round(fraction * len(names))))
    chosen: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(names)):
        group = holder[names[index]]
        if left < 1 or len(chosen) == len(whole) - 1:
            break
        if group not in chosen:
            chosen.add(group)
            left -= len(stated_groups(group))
    second = np.array([group in chosen for group in groups])
    return np.flatnonzero(~second), np.flatnonzero(second)
