"""The metric object: images in, human judgements out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from perceptmetrics.averaging import DEFAULT_BATCH_SIZE as DEFAULT_BATCH_SIZE
from perceptmetrics.averaging import DEFAULT_SEED as DEFAULT_SEED
from perceptmetrics.averaging import (
    CutJudge,
    CutStream,
    check_whole,
    cuts_in,
    judge_images,
    readers_of,
)
from perceptmetrics.averaging import mean_over_cuts as mean_over_cuts
from perceptmetrics.card import MetricCard
from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.images import ImageInput, check_ratio, iterate_images
from perceptmetrics.lora import fold
from perceptmetrics.model import PerceptualModel
from perceptmetrics.pixels import check_float_range
from perceptmetrics.registry import unknown_name
from perceptmetrics.views import GridCrops, RandomCrops, View
from perceptmetrics.weights.adapter import AdapterConfig


class Metric(nn.Module):
    """Judges images. Made by :func:`perceptmetrics.create_metric`.

    In eval mode from birth: ``train()`` changes nothing, because a score must not depend on it.
    LoRA is merged into the encoder for good, so scoring costs what the plain encoder costs.

    Args:
        model: The trained model; it is taken over.
        config: What its outputs mean and what it sees.
        card: Its provenance.
        dataset: Which head, where there are several.
        crops: How many crops to average, for views that crop; the view's own when ``None``.
        seed: Draws the crops, for views that draw.
        batch_size: Cuts in one forward; changes memory and speed, not scores.

    Attributes:
        card: Provenance, range, direction.
        view: What the encoder sees.
        labels: Class names of a classification metric, or names of the scores.
        kind: ``regression`` or ``classification``.
        higher_is_better: Whether more is better; ``None`` where neither is.
        is_differentiable: Always ``True``; see ``grad`` of :meth:`forward`.

    Example:
        >>> import numpy as np, perceptmetrics as pm
        >>> metric = pm.create_metric("memorability")  # doctest: +SKIP
        >>> metric([np.zeros((300, 400, 3), np.uint8)]).shape  # doctest: +SKIP
        torch.Size([1])
    """

    is_differentiable = True

    def __init__(
        self,
        model: PerceptualModel,
        config: AdapterConfig,
        card: MetricCard,
        *,
        dataset: str | None = None,
        crops: int | None = None,
        seed: int = DEFAULT_SEED,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        super().__init__()
        check_whole("batch_size", batch_size, 1)
        check_whole("seed", seed, 0)
        model.head(dataset)  # refuses an unknown one now, not at the first image
        self.model = model
        self.config = config
        self.card = card
        self.dataset = dataset
        self.view = _with_crops(card.name, config.view, crops)
        if self.view != config.view:
            note = f"the figures are those of the default view: {config.view}"
            self.card = replace(card, view=str(self.view), notes=(*card.notes, note))
        self.seed = seed
        self.batch_size = batch_size
        fold(model.encoder)
        self.requires_grad_(False)
        self.eval()

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in index order, or names of the scores."""
        return self.config.outputs

    @property
    def kind(self) -> str:
        """``regression`` or ``classification``."""
        return self.config.kind

    @property
    def higher_is_better(self) -> bool | None:
        """Whether more is better; ``None`` where neither is."""
        return self.config.higher_is_better

    def train(self, mode: bool = True) -> Metric:
        """Does nothing: a metric has no training mode."""
        return super().train(False)

    def forward(
        self,
        images: ImageInput | Iterable[ImageInput],
        *,
        grad: bool = False,
        readers: int | None = None,
    ) -> Tensor:
        """Judges one image or many.

        Args:
            images: A path, bytes, file object, PIL image, array or tensor, or an iterable of any
                of these, in mixed sizes; a tensor may be a batch (N, 3, H, W).
            grad: Keep gradients with respect to ``images``, which must then be a float tensor
                (3, H, W) or (N, 3, H, W) in [0, 1]. The image is resized by torch, not by
                Pillow, and is not rounded to 256 levels: scores differ a little from the usual
                path, so optimise with this one and report the other. All images go through the
                encoder at once, whatever ``batch_size`` and ``readers`` say.
            readers: Threads that read and resize image files while the model computes; none on a
                CPU and for a generator, up to 8 for a list and a GPU, when ``None``. They change no
                score, where paths that a generator gave stay as they are.

        Returns:
            float32 on the CPU (on the metric's device with ``grad``): (N,) for one score,
            (N, outputs) for several, (N, classes) probabilities for a classification.

        Raises:
            ImageError: An image cannot be used; the text names it.
            OptionError: ``grad`` with something else than a float tensor.
        """
        if grad:
            scores = self._differentiable(images)
        else:
            stream = CutStream(
                [self.judge()], self.view, seed=self.seed, batch_size=self.batch_size
            )
            for wrong in judge_images(
                [stream], iterate_images(images), readers_of(images, readers)
            ):
                if wrong is not None:
                    raise wrong
            (scores,) = stream.finish()
        return scores[:, 0] if len(self.labels) == 1 else scores

    def judge(self) -> CutJudge:
        """What judges single cuts, (N, 3, size, size) uint8 on the metric's device."""
        return CutJudge(self.model, self.kind == "classification", self.dataset)

    def grouped(self, probabilities: Tensor, grouping: str = "polarity") -> dict[str, Tensor]:
        """A coarser view of class probabilities: sums over groups of classes (section 4.3).

        Args:
            probabilities: (N, classes), as a call gave them.
            grouping: For emotions ``polarity``: positive and negative.

        Returns:
            Group name to (N,) probabilities.

        Raises:
            UnknownNameError: This metric has no such grouping.
        """
        if grouping not in self.config.groupings:
            raise unknown_name(f"grouping of {self.card.name}", grouping, self.config.groupings)
        return {
            group: sum(
                (probabilities[:, self.labels.index(label)] for label in labels),
                start=probabilities.new_zeros(len(probabilities)),
            )
            for group, labels in self.config.groupings[grouping].items()
        }

    def _differentiable(self, images: Any) -> Tensor:
        if not isinstance(images, Tensor) or not images.is_floating_point():
            raise OptionError(
                "grad=True needs a float tensor (3, H, W) or (N, 3, H, W) in [0, 1], "
                f"got {getattr(images, 'dtype', type(images).__name__)}"
            )
        batch = images[None] if images.dim() == 3 else images
        if batch.dim() != 4 or batch.shape[1] != 3:
            raise ImageError(
                "images", f"shape {tuple(images.shape)}, expected (3, H, W) or (N, 3, H, W)"
            )
        if batch.numel() == 0:
            raise ImageError("images", "there are none in it; give at least one image")
        low, high = (float(v) for v in batch.detach().aminmax())
        check_float_range(low, high, "images")
        height, width = batch.shape[-2:]
        check_ratio(height, width, "images")
        plan = self.view.plan(height, width, np.random.default_rng(self.seed))
        resized = F.interpolate(
            batch.to(self.model.device),
            size=(plan.height, plan.width),
            mode="bicubic",
            antialias=True,
        ).clamp(0, 1)
        total: Tensor | float = 0.0
        for part in cuts_in(resized, plan):
            raw = self.model(part, self.dataset).float()
            if self.config.kind == "classification":
                total = total + raw.softmax(-1)
            else:
                total = total + self.model.head(self.dataset).to_rating_scale(raw)
        return total / len(plan.cuts)  # type: ignore[return-value]

    def extra_repr(self) -> str:
        """Name, outputs and view in torch's printout."""
        return f"{self.card.name!r}, outputs={self.labels}, view={self.view}"


def _with_crops(name: str, view: View, crops: int | None) -> View:
    if crops is None:
        return view
    if not isinstance(view, (RandomCrops, GridCrops)):
        raise OptionError(f"crops={crops}: {name} sees {view}, which does not average crops")
    check_whole("crops", crops, 1)
    return replace(view, crops=crops)
