"""Which heads matter, how sure that is, and how many images it takes: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.statistics import ConfidenceInterval, bootstrap_ci, bootstrap_cis, srcc
from perceptmetrics.statistics.checks import Floats, Indices, finite


@dataclass(frozen=True, eq=False)
class HeadImportance:
    """The heads of a model, by what making them uniform does to its judgements.

    Attributes:
        images: N, over how many images.
        level: Confidence of the intervals.
        mean: (layers, heads) mean change; below zero where the judgement falls without the head.
        mean_low, mean_high: (layers, heads) ends of its interval; ``nan`` for one image.
        absolute: (layers, heads) mean of the change's size, whatever its sign: the importance.
        absolute_low, absolute_high: (layers, heads) ends of its interval.
    """

    images: int
    level: float
    mean: Floats
    mean_low: Floats
    mean_high: Floats
    absolute: Floats
    absolute_low: Floats
    absolute_high: Floats

    def top(self, count: int) -> list[tuple[int, int]]:
        """(layer, head) of the most important ones, most important first, counted from 0.

        Example:
            >>> head_importance([[[0.0, -0.5], [0.25, 0.0]]]).top(2)
            [(0, 1), (1, 0)]
        """
        order = np.argsort(-self.absolute, axis=None, kind="stable")[:count]
        layers, heads = np.unravel_index(order, self.absolute.shape)
        return [(int(layer), int(head)) for layer, head in zip(layers, heads, strict=True)]


def head_importance(
    changes: npt.ArrayLike, *, level: float = 0.95, samples: int = 1000, seed: int = 0
) -> HeadImportance:
    """Averages over images (section 6), with percentile bootstrap intervals.

    The paper averages "prediction differences". A head that lifts half of the images and lowers
    the others has a mean of zero and matters all the same, so heads are ranked by the mean of the
    difference's size; the signed mean stands beside it.

    Args:
        changes: (N, layers, heads), of each image's judgement.
        level: Confidence in (0, 1).
        samples: Bootstrap draws of N images.
        seed: Of a local generator.

    Raises:
        DataError: No image, or entries that are not finite.
        OptionError: ``level`` or ``samples`` cannot be used.

    Example:
        >>> found = head_importance([[[0.5, 0.0]], [[-0.5, 0.0]]])
        >>> found.mean.tolist(), found.absolute.tolist()
        ([[0.0, 0.0]], [[0.5, 0.0]])
    """
    table = _table(changes)
    images, *shape = table.shape
    flat = table.reshape(images, -1)
    none = np.full(shape, np.nan)
    if images == 1:
        return HeadImportance(
            1, level, table[0], none, none, np.abs(table[0]), none.copy(), none.copy()
        )
    width = flat.shape[1]

    def means(rows: Floats, sizes: Floats) -> dict[int, float]:
        return dict(enumerate([*rows.mean(0), *sizes.mean(0)]))

    # One draw serves all heads and both means.
    found = bootstrap_cis(means, flat, np.abs(flat), samples=samples, level=level, seed=seed)
    ends = np.array([[found[i].value, found[i].low, found[i].high] for i in range(2 * width)])
    mean, absolute = (part.T.reshape(3, *shape) for part in (ends[:width], ends[width:]))
    return HeadImportance(images, level, *mean, *absolute)


@dataclass(frozen=True, eq=False)
class RankingStability:
    """How far two rankings agree that rest on different images.

    Attributes:
        images: (S,) how many images each of the two rests on, ascending.
        agreement: (S,) SRCC between the importance of all heads in the one and in the other, mean
            over draws; ``nan`` where heads do not differ.
        agreement_low, agreement_high: (S,) the 5th and 95th percentile of the draws.
        top: How many leading heads ``overlap`` counts.
        overlap: (S,) part of the ``top`` heads of the one that are among those of the other.
    """

    images: Indices
    agreement: Floats
    agreement_low: Floats
    agreement_high: Floats
    top: int
    overlap: Floats

    def enough(self, agreement: float = 0.9) -> int | None:
        """From how many images on two rankings agree that well on average.

        Both rankings rest on few images, so that either is nearer to the ranking of very many
        images than to the other one: the answer is on the safe side.

        Args:
            agreement: SRCC above 0, at most 1.

        Returns:
            The least of ``images`` at which, and at all larger ones, agreement is that high;
            ``None`` where the largest falls short: more images are needed.

        Raises:
            OptionError: ``agreement`` is no such SRCC.

        Example:
            >>> steady = [[[3.0, 2.0], [1.0, 0.0]]] * 8
            >>> ranking_stability(steady).enough()
            1
        """
        if not 0 < agreement <= 1:
            raise OptionError(f"agreement is {agreement}, expected an SRCC above 0, at most 1")
        # Equal rankings agree by 1 less rounding; nan is no agreement.
        short = np.flatnonzero(~(self.agreement >= agreement - 1e-12))
        first = int(short[-1]) + 1 if len(short) else 0
        return int(self.images[first]) if first < len(self.images) else None


def ranking_stability(
    changes: npt.ArrayLike,
    *,
    sizes: Sequence[int] | None = None,
    top: int = 10,
    draws: int = 50,
    seed: int = 0,
) -> RankingStability:
    """Ranks heads on two sets of images that share none, again and again, and compares.

    It says how many images are enough: with that many, another such set gives the same ranking.

    Args:
        changes: (N, layers, heads), N at least 2.
        sizes: Numbers of images in each set, at most N // 2; powers of two and N // 2 when
            ``None``.
        top: Leading heads whose overlap is told; at most as many as there are heads.
        draws: Pairs of sets for each size.
        seed: Of a local generator.

    Raises:
        DataError: Fewer than two images, or entries that are not finite.
        OptionError: A size, ``top`` or ``draws`` cannot be used.

    Example:
        >>> steady = [[[3.0, 2.0], [1.0, 0.0]]] * 8
        >>> found = ranking_stability(steady, top=2)
        >>> found.images.tolist(), found.agreement.tolist(), found.overlap.tolist()
        ([1, 2, 4], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    """
    table = np.abs(_table(changes))
    flat = table.reshape(len(table), -1)
    half = len(flat) // 2
    if half < 1:
        raise DataError("the stability of a ranking needs at least 2 images, got 1")
    if sizes is None:
        sizes = sorted({*(2**k for k in range(half.bit_length())), half})
    sizes = sorted(set(sizes))
    if not sizes or any(not 1 <= size <= half for size in sizes):
        raise OptionError(f"sizes {list(sizes)}: expected 1 to {half}, half of the images")
    if draws < 1 or top < 1:
        raise OptionError(f"draws is {draws} and top {top}, expected at least 1")
    top = min(top, flat.shape[1])
    rng = np.random.default_rng(seed)
    agreed, shared = np.empty((len(sizes), draws)), np.empty((len(sizes), draws))
    for row, size in enumerate(sizes):
        for draw in range(draws):
            chosen = rng.permutation(len(flat))[: 2 * size]
            one, other = flat[chosen[:size]].mean(0), flat[chosen[size:]].mean(0)
            agreed[row, draw] = srcc(one, other)
            shared[row, draw] = len(_leading(one, top) & _leading(other, top)) / top
    low, high = np.quantile(agreed, [0.05, 0.95], axis=1)
    return RankingStability(
        np.asarray(sizes, dtype=np.intp), agreed.mean(1), low, high, top, shared.mean(1)
    )


@dataclass(frozen=True)
class HeldOutAdvantage:
    """What the top head does on images that did not choose it.

    Attributes:
        heads: (layer, head) that each half of the images chose, for the other half to judge.
        times: How many times the effect of a random head theirs is, with its interval.
    """

    heads: tuple[tuple[int, int], tuple[int, int]]
    times: ConfidenceInterval


def held_out_advantage(
    changes: npt.ArrayLike, *, level: float = 0.95, samples: int = 1000, seed: int = 0
) -> HeldOutAdvantage:
    """How many times the top head's effect exceeds a random head's, on images apart.

    A head that is chosen on the images that it is judged on looks better than it is. So each half
    of the images chooses the top head for the other half, which tells: the size of its effect over
    that of a head drawn at random (the mean over all heads), with a bootstrap interval over images.
    An interval above 1 says that the top head matters more than a random one. It is over the images
    that judge, not over the choice: with few images another split may choose other heads. Where
    heads differ by noise alone, 3 % of 95 % intervals lay above 1 (docs/explain.md).

    Args:
        changes: (N, layers, heads), N at least 4.
        level: Confidence in (0, 1).
        samples: Bootstrap draws.
        seed: Draws the halves and the bootstrap.

    Returns:
        The two heads, and how much they exceed; ``nan`` where no head does anything.

    Raises:
        DataError: Fewer than four images, or entries that are not finite.
        OptionError: ``level`` or ``samples`` cannot be used.

    Example:
        >>> found = held_out_advantage([[[1.0, 3.0], [0.0, 0.0]]] * 6)
        >>> print(found.times, found.heads)
        3.000 [3.000, 3.000] ((0, 1), (0, 1))
    """
    table = np.abs(_table(changes))
    if len(table) < 4:
        raise DataError(f"halves of at least 2 images are needed, got {len(table)} images")
    flat = table.reshape(len(table), -1)
    order = np.random.default_rng(seed).permutation(len(flat))
    effect = np.empty(len(flat))
    heads = []
    for choosing, judging in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        top = int(flat[choosing].mean(0).argmax())
        effect[judging] = flat[judging, top]
        heads.append(divmod(top, table.shape[2]))

    def times(top: Floats, any_head: Floats) -> float:
        usual = float(any_head.mean())
        return float(top.mean()) / usual if usual > 0 else float("nan")

    found = bootstrap_ci(times, effect, flat.mean(1), level=level, samples=samples, seed=seed)
    return HeldOutAdvantage((heads[0], heads[1]), found)


def strongest_images(changes: Floats, layer: int, head: int, count: int) -> list[int]:
    """Indices of the images on which a head changes most, whatever the sign, most first (Figure 4).

    Example:
        >>> strongest_images(np.array([[[0.1]], [[-0.3]], [[0.2]]]), 0, 0, count=2)
        [1, 2]
    """
    changed = np.abs(changes[:, layer, head])
    return [int(index) for index in np.argsort(-changed, kind="stable")[:count]]


def _table(changes: npt.ArrayLike) -> Floats:
    table = finite("changes", changes)
    if table.ndim != 3 or 0 in table.shape:
        raise DataError(f"changes have shape {table.shape}, expected (images, layers, heads)")
    return table


def _leading(importance: Floats, count: int) -> set[int]:
    return set(np.argsort(-importance, kind="stable")[:count].tolist())
