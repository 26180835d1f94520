"""What a run trains on: cuts of images, or the features of cuts that never change.

Both give batches, say how a batch becomes predictions, and judge the validation part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from perceptmetrics.data.batches import batch_bounds, epoch_order, training_batches
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.proportional import cycles, proportional_shares
from perceptmetrics.images import load_image
from perceptmetrics.metric import DEFAULT_SEED, mean_over_cuts
from perceptmetrics.model import PerceptualModel
from perceptmetrics.training.engine import Engine
from perceptmetrics.training.features import Features
from perceptmetrics.training.source import Source
from perceptmetrics.training.step import Batch, Parts
from perceptmetrics.views import View

Predictions = npt.NDArray[np.float64]


class Inputs(Protocol):
    """What a stage of a run trains on."""

    steps: int

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """The batches of an epoch from the ``start``-th, the rows of this process."""

    def forward(self, parts: Parts) -> Parts:
        """Inputs of each dataset -> predictions of each."""

    def predict(self, source: Source) -> Predictions:
        """(N, K) scores in the ratings' unit, or probabilities, of the validation part."""


class Shares:
    """Whose rows stand in which batch: alike for cuts and for features.

    Args:
        sizes: Training images and replicas of each dataset.
        batch_size: Rows of a batch, over all datasets and processes.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], batch_size: int) -> None:
        self.cuts = [images * replicas for images, replicas in sizes]
        if len(sizes) == 1:
            self.rows: tuple[int, ...] = (batch_size,)
            self.steps = len(batch_bounds(self.cuts[0], batch_size))
        else:
            self.rows = proportional_shares(self.cuts, batch_size)
            self.steps = max(1, sum(self.cuts) // batch_size)


def _together(
    names: Sequence[str], streams: Sequence[Iterator[tuple[Tensor, Tensor]]]
) -> Iterator[Batch]:
    """One batch of all datasets after the other."""
    for parts in zip(*streams, strict=True):
        yield dict(zip(names, parts, strict=True))


class CutInputs:
    """Cuts of images, encoded anew in every epoch.

    Args:
        model: All of it is used.
        sources: The datasets.
        targets: Of the training images of each: what its loss is given.
        train_views, eval_views: Of each dataset.
        batch_size: Cuts in a step.
        seed: Of the run.
        engine: Says which rows are ours.
    """

    def __init__(
        self,
        model: PerceptualModel,
        sources: Sequence[Source],
        targets: Sequence[Tensor],
        replicas: Sequence[int],
        train_views: Sequence[View],
        eval_views: Sequence[View],
        *,
        batch_size: int,
        seed: int,
        engine: Engine,
    ) -> None:
        self._model, self._sources, self._targets = model, sources, targets
        self._replicas, self._train_views = replicas, train_views
        self._eval_views = {s.name: view for s, view in zip(sources, eval_views, strict=True)}
        self._seed, self._engine = seed, engine
        sizes = [(len(s.training), r) for s, r in zip(sources, replicas, strict=True)]
        self._shares = Shares(sizes, batch_size)
        self.steps = self._shares.steps

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """See :class:`Inputs`."""
        streams = [self._stream(number, epoch, start) for number in range(len(self._sources))]
        return _together([source.name for source in self._sources], streams)

    def _stream(self, number: int, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One dataset's rows of every batch."""
        share = self._shares.rows[number]
        found = cycles(self._shares.cuts[number], share, self.steps, epoch, start)
        return chain.from_iterable(
            islice(
                training_batches(
                    self._sources[number].training,
                    self._targets[number],
                    self._train_views[number],
                    batch_size=share,
                    replicas=self._replicas[number],
                    seed=self._seed,
                    epoch=cycle.number,
                    start=cycle.start,
                    shard=(self._engine.rank, self._engine.world),
                ),
                cycle.count,
            )
            for cycle in found
        )

    def forward(self, parts: Parts) -> Parts:
        """See :class:`Inputs`."""
        return self._model.forward_parts(parts)

    def predict(self, source: Source) -> Predictions:
        """See :class:`Inputs`."""
        return predict(
            self._model, source, source.validation, self._eval_views[source.name], self._engine
        )


def predict(
    model: PerceptualModel, source: Source, part: Manifest, view: View, engine: Engine
) -> Predictions:
    """What the model says of a part of the data; every process judges a share of it.

    Returns:
        (N, K) scores in the ratings' unit, or probabilities, the same in every process.
    """
    mine = np.array_split(np.arange(len(part)), engine.world)[engine.rank]
    images = (load_image(part.images[index]) for index in mine)
    with torch.no_grad():
        scores = mean_over_cuts(
            model,
            images,
            view,
            classification=source.task.kind == "classification",
            dataset=source.name,
            seed=DEFAULT_SEED,
        )
    everyone = torch.cat(engine.gather(scores.to(engine.device)))
    return np.asarray(everyone.cpu(), dtype=np.float64)


class FeatureInputs:
    """Features of datasets whose images never change: only the heads are used.

    The order of the rows is that of :class:`CutInputs`, so that a run on features is the run on
    cuts, but for the rounding of another batch size in the encoder.

    Args:
        model: Its heads are used.
        sources: The datasets.
        targets: What the loss of each is given.
        replicas: As in the run on cuts.
        training: (N, 1, D) features of the training images of each.
        validation: (M, cuts, D) features of the validation images of each.
        batch_size: Rows in a step.
        seed: Of the run.
        engine: Says which rows are ours.
    """

    def __init__(
        self,
        model: PerceptualModel,
        sources: Sequence[Source],
        targets: Sequence[Tensor],
        replicas: Sequence[int],
        training: Sequence[Features],
        validation: Sequence[Features],
        *,
        batch_size: int,
        seed: int,
        engine: Engine,
    ) -> None:
        self._heads = {source.name: model.head(source.name) for source in sources}
        self._targets, self._replicas, self._training = targets, replicas, training
        self._validation = dict(zip(self._heads, validation, strict=True))
        self._seed, self._engine = seed, engine
        sizes = [(len(rows), r) for rows, r in zip(training, replicas, strict=True)]
        self._shares = Shares(sizes, batch_size)
        self.steps = self._shares.steps

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """See :class:`Inputs`."""
        streams = [self._stream(number, epoch, start) for number in range(len(self._training))]
        return _together(list(self._heads), streams)

    def _stream(self, number: int, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One dataset's rows of every batch."""
        features, targets = self._training[number], self._targets[number]
        cuts, share = self._shares.cuts[number], self._shares.rows[number]
        bounds = batch_bounds(cuts, share)
        for cycle in cycles(cuts, share, self.steps, epoch, start):
            order = epoch_order(
                len(features), self._replicas[number], seed=self._seed, epoch=cycle.number
            )
            for first, last in bounds[cycle.start : cycle.start + cycle.count]:
                rows = np.array_split(order[first:last, 0], self._engine.world)[self._engine.rank]
                yield torch.from_numpy(features[rows, 0]), targets[torch.from_numpy(rows)]

    def forward(self, parts: Parts) -> Parts:
        """See :class:`Inputs`."""
        return {name: self._heads[name](features) for name, features in parts.items()}

    def predict(self, source: Source) -> Predictions:
        """See :class:`Inputs`."""
        head = self._heads[source.name]
        with torch.no_grad():
            kept = np.array(self._validation[source.name])
            features = torch.from_numpy(kept).to(self._engine.device)
            raw = head(features.flatten(0, 1)).float()
            classes = source.task.kind == "classification"
            out = raw.softmax(-1) if classes else head.to_rating_scale(raw)
            means = out.view(*features.shape[:2], -1).mean(1)
        return np.asarray(means.cpu(), dtype=np.float64)
