"""From images to a model's mean output over the cuts of a view, batch by batch (section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perceptmetrics.data.batches import to_tensor
from perceptmetrics.model import PerceptualModel
from perceptmetrics.views import Pixels, View

DEFAULT_SEED = 3407  # LoDa's; draws crops where a view is random
DEFAULT_BATCH_SIZE = 32


@dataclass(frozen=True, eq=False)
class CutJudge:
    """What a model says of single cuts.

    Attributes:
        model: In eval mode.
        classification: Probabilities rather than scores.
        dataset: Which head.
    """

    model: PerceptualModel
    classification: bool = False
    dataset: str | None = None

    @property
    def outputs(self) -> int:
        """K, the number of scores or classes."""
        return self.model.head(self.dataset).scale.numel()

    def __call__(self, cuts: Tensor) -> Tensor:
        """Judges a batch in one forward.

        Args:
            cuts: (N, 3, size, size) uint8, on the model's device.

        Returns:
            (N, K) float32: scores in the ratings' unit, or probabilities.
        """
        raw = self.model(cuts, self.dataset).float()
        if self.classification:
            return raw.softmax(-1)  # type: ignore[no-any-return]
        return self.model.head(self.dataset).to_rating_scale(raw).float()


class CutStream:
    """Takes images one at a time and cuts each once; several judges see the same cuts.

    Every image's cuts are drawn by a generator of its own with the same seed, so neither the
    order of the images nor their company changes a score. Cuts of several images share a batch,
    and what waits is at most one batch more than one image's cuts.

    Args:
        judges: On one device.
        view: What is cut.
        seed: Of the view.
        batch_size: Cuts in one forward.
    """

    def __init__(
        self,
        judges: Sequence[CutJudge],
        view: View,
        *,
        seed: int = DEFAULT_SEED,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        self.judges = judges
        self.view = view
        self.seed = seed
        self.batch_size = batch_size
        self._waiting: list[Pixels] = []
        self._means: list[list[Tensor]] = [[] for _ in judges]

    def add(self, image: Pixels) -> None:
        """Cuts an image, (H, W, 3) uint8, and judges what waits once it fills a batch."""
        self._waiting.append(self.view.cut(image, np.random.default_rng(self.seed)))
        if len(self._waiting) * self.view.count >= self.batch_size:
            self._flush()

    def finish(self) -> list[Tensor]:
        """(N, K) float32 on the CPU for each judge: means over each image's cuts."""
        if self._waiting:
            self._flush()
        return [
            torch.cat(means) if means else torch.empty(0, judge.outputs)
            for judge, means in zip(self.judges, self._means, strict=True)
        ]

    def _flush(self) -> None:
        images, self._waiting = self._waiting, []
        cuts = to_tensor(np.concatenate(images)).to(self.judges[0].model.device)
        for judge, means in zip(self.judges, self._means, strict=True):
            out = torch.cat([judge(batch) for batch in cuts.split(self.batch_size)])
            means.append(out.view(len(images), self.view.count, -1).mean(1).cpu())


def mean_over_cuts(
    model: PerceptualModel,
    images: Iterable[Pixels],
    view: View,
    *,
    classification: bool = False,
    dataset: str | None = None,
    seed: int = DEFAULT_SEED,
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> Tensor:
    """A model's output for each image: the mean over the cuts of its view (section 4.1).

    Args:
        model: In eval mode.
        images: (H, W, 3) uint8 arrays of any sizes.
        view: What is cut.
        classification: Average probabilities rather than standardised scores.
        dataset: Which head.
        seed: Of the views.
        batch_size: Cuts in one forward.

    Returns:
        (N, K) float32 on the CPU: scores in the ratings' unit, or probabilities.
    """
    judge = CutJudge(model, classification, dataset)
    stream = CutStream([judge], view, seed=seed, batch_size=batch_size)
    for image in images:
        stream.add(image)
    return stream.finish()[0]
