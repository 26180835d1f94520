"""Does the score depend on what an explanation points at? The deletion and insertion games.

Petsiuk et al. 2018, RISE, section 4.3: pixels are taken away in the order of the map, and put
back in that order. With a faithful map the score falls soon and rises soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.explanation.score_function import Score, as_floats
from perceptmetrics.statistics import ConfidenceInterval, bootstrap_ci
from perceptmetrics.statistics.checks import Floats, finite

Baseline: TypeAlias = Literal["blur", "mean"]

CONTROL = "random"
"""The name of the map that knows nothing."""

BLUR = 0.05  # deviation of the Gaussian as a part of the short side: 11 of 224 pixels


@dataclass(frozen=True, eq=False)
class DeletionInsertion:
    """What a score did while pixels were taken away and put back.

    Attributes:
        fractions: (steps + 1,) from 0 to 1, the part of the pixels that was changed.
        deletion: (steps + 1,) scores, the image first, the baseline last.
        insertion: (steps + 1,) scores, the baseline first, the image last.

    Example:
        >>> half = np.array([0.0, 0.5, 1.0])
        >>> done = DeletionInsertion(half, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0]))
        >>> done.deletion_area, done.insertion_area, done.gap
        (0.25, 0.75, 0.5)
    """

    fractions: Floats
    deletion: Floats
    insertion: Floats

    @property
    def deletion_area(self) -> float:
        """Mean height of the deletion curve; lower is more faithful."""
        return _area(self.fractions, self.deletion)

    @property
    def insertion_area(self) -> float:
        """Mean height of the insertion curve; higher is more faithful."""
        return _area(self.fractions, self.insertion)

    @property
    def gap(self) -> float:
        """Insertion area minus deletion area, in the unit of the score; higher is more faithful.

        A constant added to the score does not change it, so it suits scores of any range.
        """
        return self.insertion_area - self.deletion_area


def deletion_insertion(
    score: Score,
    pixels: Tensor,
    heat: npt.ArrayLike,
    *,
    steps: int = 20,
    baseline: Baseline = "blur",
    batch_size: int = 8,
) -> DeletionInsertion:
    """Plays both games with one explanation of one image.

    Args:
        score: What was explained. To judge a map that has no sign, such as attention, where parts
            of the image lower the score, give minus the distance from the image's own score.
        pixels: (1, 3, H, W) floats in [0, 1], or uint8.
        heat: (h, w); higher is said to matter more. It is brought to (H, W) bilinearly; among
            equals the upper left goes first.
        steps: Into how many equal parts the pixels are divided.
        baseline: What stands where pixels were taken away: the image blurred, or its mean colour.
        batch_size: Images in one forward; changes memory, not results.

    Returns:
        Both curves.

    Raises:
        DataError: ``heat`` is not (h, w) finite numbers, or a score is not finite.
        OptionError: Another argument cannot be used.

    Example:
        >>> image = torch.zeros(1, 3, 8, 8)
        >>> image[..., :4] = 1
        >>> brightness = lambda images: images.mean((1, 2, 3))
        >>> heat = [[1.0, 0.0]]
        >>> done = deletion_insertion(brightness, image, heat, steps=2, baseline="mean")
        >>> done.deletion.tolist(), done.insertion.tolist()
        ([0.5, 0.25, 0.5], [0.5, 0.75, 0.5])
    """
    if steps < 1 or batch_size < 1:
        raise OptionError(f"steps is {steps}, batch_size {batch_size}, expected at least 1")
    image = as_floats(pixels)
    empty = baseline_of(image, baseline)
    rank = _ranks(heat, (int(image.shape[-2]), int(image.shape[-1]))).to(image.device)
    fractions = np.arange(steps + 1) / steps
    counts = [round(fraction * rank.numel()) for fraction in fractions]

    def changed() -> Iterator[Tensor]:
        for before, after in ((image, empty), (empty, image)):
            for count in counts:
                yield torch.where(rank < count, after, before)

    with torch.no_grad():
        scores = [score(torch.cat(batch)) for batch in _batches(changed(), batch_size)]
    curve = finite("score", torch.cat(scores).cpu().numpy())
    if curve.shape != (2 * (steps + 1),):
        raise OptionError("the score must give one number for each image")
    return DeletionInsertion(fractions, curve[: steps + 1], curve[steps + 1 :])


def baseline_of(pixels: Tensor, baseline: Baseline) -> Tensor:
    """An image without its content.

    Args:
        pixels: (1, 3, H, W) floats.
        baseline: ``blur``: a Gaussian of 5 % of the short side. ``mean``: one colour.

    Returns:
        (1, 3, H, W).

    Raises:
        OptionError: There is no such baseline.

    Example:
        >>> baseline_of(torch.ones(1, 3, 8, 8), "blur").round(decimals=3).unique().tolist()
        [1.0]
    """
    makers: dict[str, Callable[[Tensor], Tensor]] = {"blur": _blurred, "mean": _mean_colour}
    if baseline not in makers:
        raise OptionError(f"baseline is {baseline!r}, expected one of: {', '.join(makers)}")
    return makers[baseline](pixels)


@dataclass(frozen=True)
class Comparison:
    """Which of several explanations is the more faithful, over several images.

    Attributes:
        images: How many.
        deletion, insertion, gap: Name -> the mean over images, with its 95 % interval.
        over_control: Name -> mean of its gap minus the control's on the same image.
        lead: What the best one's gap has over the second's on the same image.
    """

    images: int
    deletion: Mapping[str, ConfidenceInterval]
    insertion: Mapping[str, ConfidenceInterval]
    gap: Mapping[str, ConfidenceInterval]
    over_control: Mapping[str, ConfidenceInterval]
    lead: ConfidenceInterval | None

    @property
    def ranking(self) -> tuple[str, ...]:
        """Names from the largest mean gap to the smallest, the control left out."""
        names = (name for name in self.gap if name != CONTROL)
        return tuple(sorted(names, key=lambda name: -self.gap[name].value))

    @property
    def best(self) -> str:
        """The most faithful one, sure or not; see ``lead``."""
        return self.ranking[0]

    def __str__(self) -> str:
        best = f"{self.best} is the most faithful on {self.images} images"
        known = _says("better than a random map", self.over_control[self.best])
        if self.lead is None:
            return f"{best}, {known}"
        return f"{best}, {known}, {_says(f'ahead of {self.ranking[1]}', self.lead)}"


def compare_explanations(played: Mapping[str, Sequence[DeletionInsertion]]) -> Comparison:
    """Compares explanations that played on the same images.

    Args:
        played: Name -> one result an image, all in one order of the images, at least 2 of them.
            One name is ``random`` (:data:`CONTROL`), played with :func:`random_heat`.

    Returns:
        Means and bootstrap intervals over images; differences are taken image by image.

    Raises:
        DataError: The control or everything else is missing, or numbers of images differ.

    Example:
        >>> x = np.array([0.0, 1.0])
        >>> good = [DeletionInsertion(x, np.array([h, 0.0]), np.array([0.0, h])) for h in (2, 3)]
        >>> flat = [DeletionInsertion(x, np.array([h, h]), np.array([0.0, h])) for h in (2, 3)]
        >>> print(compare_explanations({"occlusion": good, "random": flat}))
        occlusion is the most faithful on 2 images, better than a random map by 1.250 [1.000, 1.500]
    """
    if CONTROL not in played or len(played) < 2:
        raise DataError(
            f"got results of {', '.join(played) or 'nothing'}; expected those of {CONTROL!r}, the "
            "control, and of at least one explanation"
        )
    counts = {name: len(results) for name, results in played.items()}
    if len(set(counts.values())) > 1:
        raise DataError(f"all explanations must be played on the same images, got {counts}")
    gaps = {name: [result.gap for result in results] for name, results in played.items()}
    nothing = [0.0] * counts[CONTROL]
    ranking = sorted(gaps.keys() - {CONTROL}, key=lambda name: -np.mean(gaps[name]))
    return Comparison(
        images=counts[CONTROL],
        deletion={n: _mean([r.deletion_area for r in rs], nothing) for n, rs in played.items()},
        insertion={n: _mean([r.insertion_area for r in rs], nothing) for n, rs in played.items()},
        gap={name: _mean(values, nothing) for name, values in gaps.items()},
        over_control={n: _mean(v, gaps[CONTROL]) for n, v in gaps.items() if n != CONTROL},
        lead=_mean(gaps[ranking[0]], gaps[ranking[1]]) if len(ranking) > 1 else None,
    )


def random_heat(shape: tuple[int, int], seed: int) -> Floats:
    """The control: an (h, w) map of uniform noise; give each image a seed of its own.

    Example:
        >>> random_heat((14, 14), seed=0).shape
        (14, 14)
    """
    return np.random.default_rng(seed).random(shape)


def _mean(values: Sequence[float], others: Sequence[float]) -> ConfidenceInterval:
    return bootstrap_ci(lambda x, y: float(np.mean(x - y)), values, others)


def _says(what: str, difference: ConfidenceInterval) -> str:
    sure = "" if difference.low > 0 else "not surely "
    return f"{sure}{what} by {difference}"


def _area(fractions: Floats, curve: Floats) -> float:
    return float(((curve[1:] + curve[:-1]) / 2 * np.diff(fractions)).sum())


def _ranks(heat: npt.ArrayLike, size: tuple[int, int]) -> Tensor:
    """(H, W): 0 where the map is highest."""
    array = finite("heat", heat)
    if array.ndim != 2 or array.size == 0:
        raise DataError(f"heat has shape {array.shape}, expected (h, w)")
    placed = torch.from_numpy((array - array.min()) / (np.ptp(array) or 1.0))
    # Rounded, or else the error of the interpolation would decide among equals.
    large = F.interpolate(placed[None, None], size, mode="bilinear").round(decimals=9)
    order = large.flatten().argsort(descending=True, stable=True)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order))
    return ranks.view(size)


def _mean_colour(image: Tensor) -> Tensor:
    return image.mean((2, 3), keepdim=True).expand_as(image)


def _blurred(image: Tensor) -> Tensor:
    deviation = max(BLUR * min(image.shape[-2:]), 1.0)
    radius = min(round(3 * deviation), min(image.shape[-2:]) - 1)  # what reflection allows
    at = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(at**2) / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    wide = F.pad(image, (radius,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(wide, kernel, groups=3), kernel.transpose(2, 3), groups=3)


def _batches(images: Iterable[Tensor], size: int) -> Iterator[list[Tensor]]:
    batch: list[Tensor] = []
    for image in images:
        batch.append(image)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
