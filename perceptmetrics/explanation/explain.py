"""``perceptmetrics.explain``: a metric and images in, arrays that say why out (section 6)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from perceptmetrics.adaptation import Strategy
from perceptmetrics.backbones.vit import VisionTransformer
from perceptmetrics.create import create_metric
from perceptmetrics.errors import OptionError
from perceptmetrics.explanation.attention import front_tokens, pooled_attention
from perceptmetrics.explanation.effects import (
    HeadEffects,
    cuts_of,
    explained_output,
    head_effects,
    model_input,
)
from perceptmetrics.explanation.placement import Maps, Placement, placement_of
from perceptmetrics.explanation.pretrained import pretrained_encoder
from perceptmetrics.explanation.ranking import HeadImportance, head_importance, strongest_images
from perceptmetrics.explanation.requirements import check_metric
from perceptmetrics.images import ImageInput, iterate_images, load_image
from perceptmetrics.metric import Metric
from perceptmetrics.statistics.checks import Floats
from perceptmetrics.views import Pixels


@dataclass(frozen=True, eq=False)
class AttentionShift:
    """Where one head looks in one image, after training and before (Figures 4, A.1, A.2).

    Attributes:
        adapted: (H, W) float32, the metric's attention, in shares of all attention that a patch
            gets; ``nan`` where the metric does not look, outside of its cuts.
        pretrained: (H, W) float32, the same of the pretrained encoder.
    """

    adapted: Maps
    pretrained: Maps

    @property
    def difference(self) -> Maps:
        """(H, W): above zero where training drew attention to, below where it drew it off."""
        return self.adapted - self.pretrained


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a metric judges N images as it does.

    Layers and heads are counted from 0. A backbone without a class token (TULIP) has one layer
    here: its pooling head.

    Attributes:
        metric: Name of the metric.
        strategy: How its encoder was trained: ``lora``, ``full``, or ``frozen``, where it was not
            and attention is as before.
        names: N names of images, as errors call them.
        outputs: N names of what is explained: the score, or the predicted class.
        scores: (N,) float64, what the metric says: the score in the ratings' unit, or the
            probability of that class.
        changes: (N, layers, heads) float64, by how much that changes when the pooled token's
            attention in this head is made uniform.
        attention: (N, cuts, layers, heads, L) float32, what the pooled token looks at: each row
            sums to one. The class token and registers come first (``front`` of them), then the
            patches of the cut, row by row.
        pretrained: The same of the pretrained encoder, or ``None`` if it was not asked for.
        placements: N times where the cuts lie in the image.
        front: Number of tokens that are not patches.
    """

    metric: str
    strategy: Strategy
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    scores: Floats
    changes: Floats
    attention: npt.NDArray[np.float32]
    pretrained: npt.NDArray[np.float32] | None
    placements: tuple[Placement, ...]
    front: int

    def importance(self, *, level: float = 0.95, samples: int = 1000) -> HeadImportance:
        """The heads over these images, with intervals from two images on."""
        return head_importance(self.changes, level=level, samples=samples)

    def strongest_heads(self, image: int, count: int = 5) -> list[tuple[int, int]]:
        """(layer, head) of the largest changes in one image, largest first."""
        return head_importance(self.changes[image][None]).top(count)

    def strongest_images(self, layer: int, head: int, count: int = 4) -> list[int]:
        """Indices of the images on which that head changes most, most first (Figure 4)."""
        return strongest_images(self.changes, layer, head, count)

    def shift(self, image: int, layer: int, head: int) -> AttentionShift:
        """One head's maps of one image, at the image's size.

        Raises:
            OptionError: The pretrained encoder's attention was not asked for.
        """
        if self.pretrained is None:
            raise OptionError("there is no pretrained attention here: explain with shift=True")
        return AttentionShift(
            self._map(self.attention, image, layer, head),
            self._map(self.pretrained, image, layer, head),
        )

    def attention_map(self, image: int, layer: int, head: int) -> Maps:
        """(H, W) float32: where the metric's head looks; ``nan`` outside of the cuts."""
        return self._map(self.attention, image, layer, head)

    def patches(self, image: int, layer: int, head: int) -> npt.NDArray[np.float32]:
        """(cuts, rows, columns): the same by patches of each cut."""
        return self._patches(self.attention, image, layer, head)

    def _map(self, rows: npt.NDArray[np.float32], image: int, layer: int, head: int) -> Maps:
        return self.placements[image].at_image_size(self._patches(rows, image, layer, head))

    def _patches(
        self, rows: npt.NDArray[np.float32], image: int, layer: int, head: int
    ) -> npt.NDArray[np.float32]:
        patches = rows[image, :, layer, head, self.front :]
        side = round(patches.shape[-1] ** 0.5)  # cuts are square
        return patches.reshape(-1, side, side)


def explain(
    metric: Metric | str | os.PathLike[str],
    images: ImageInput | Iterable[ImageInput],
    *,
    output: str | None = None,
    shift: bool = True,
    pretrained: VisionTransformer | None = None,
) -> Explanation:
    """Which heads a judgement rests on, and where they look.

    Each head of each layer has its attention made uniform in turn, as section 6 of the paper has
    it: on a ViT-B/16 that costs about 57 forward passes an image, on a ViT-L/14 about 171, and as
    many times more as the metric averages cuts (``create_metric(..., crops=...)`` sets how many).

    Args:
        metric: What judges: a metric, or what :func:`~perceptmetrics.create_metric` makes one of,
            a name, a run folder or an adapter file, which is then loaded anew in each call.
        images: One image or many, as the metric takes them. Many at a time cost memory for their
            attention (L/14: 400 kB a cut); to rank heads over thousands, use
            :func:`perceptmetrics.explanation.folder.rank_heads`.
        output: The score or class to explain. By default the only score, or the class that is
            predicted for each image.
        shift: Also read the attention of the pretrained encoder, whose weights are then loaded.
        pretrained: That encoder, of the metric's own backbone, if it is at hand already.

    Returns:
        Arrays, and methods that bring maps to the size of the images.

    Raises:
        ImageError: An image cannot be used; the text names it.
        OptionError: ``metric`` is none, or gives several scores and ``output`` names none, its
            backbone does not expose its attention, or its view does not say where it cuts; or
            ``pretrained`` is of another backbone.
        UnknownNameError: There is no metric of that name, or it has no such output.
        WeightsError: The pretrained weights are not on this machine.

    Example:
        >>> import perceptmetrics as pm
        >>> metric = pm.create_metric("memorability")  # doctest: +SKIP
        >>> why = pm.explain(metric, "photo.jpg")  # doctest: +SKIP
        >>> why.changes.shape, why.attention.shape  # doctest: +SKIP
        ((1, 12, 12), (1, 1, 12, 12, 101))
        >>> layer, head = why.strongest_heads(image=0, count=1)[0]  # doctest: +SKIP
        >>> why.shift(0, layer, head).difference.shape  # doctest: +SKIP
        (427, 640)
    """
    if isinstance(metric, str | os.PathLike):
        metric = create_metric(metric)
    check_metric(metric, output)
    if shift and pretrained is None:
        pretrained = pretrained_encoder(metric)
    if pretrained is not None and pretrained.spec != metric.model.spec:
        raise OptionError(
            f"pretrained is a {pretrained.spec.name}, and {metric.card.name} stands on "
            f"{metric.model.spec.name}; give pretrained_encoder(metric)"
        )
    pictures = ((name, load_image(item, name=name)) for name, item in iterate_images(images))
    judge = metric
    measured = ((name, image, head_effects(judge, image)) for name, image in pictures)
    return explain_measured(
        judge, measured, output=output, pretrained=pretrained if shift else None
    )


def explain_measured(
    metric: Metric,
    measured: Iterable[tuple[str, Pixels, HeadEffects]],
    *,
    output: str | None = None,
    pretrained: VisionTransformer | None = None,
) -> Explanation:
    """:func:`explain` of images whose heads were measured before.

    Args:
        metric: What judged.
        measured: (name, (H, W, 3) uint8 image, what its heads do), at least one.
        output: As in :func:`explain`.
        pretrained: The encoder to compare attention with; none is compared when ``None``.

    Raises:
        OptionError: As in :func:`explain`.
        UnknownNameError: The metric has no such output.
    """
    names, outputs, scores, changes, placements = [], [], [], [], []
    adapted_rows, pretrained_rows = [], []
    for name, image, effects in measured:
        chosen = explained_output(metric, effects.baseline, output)
        placements.append(placement_in(metric, image))
        adapted_rows.append(attention_of(metric, metric.model.encoder, image))
        if pretrained is not None:
            pretrained_rows.append(attention_of(metric, pretrained, image))
        names.append(name)
        outputs.append(metric.labels[chosen])
        scores.append(effects.baseline[chosen])
        changes.append(effects.change(chosen))
    return Explanation(
        metric=metric.card.name,
        strategy=metric.model.strategy,
        names=tuple(names),
        outputs=tuple(outputs),
        scores=np.array(scores),
        changes=np.stack(changes),
        attention=np.stack(adapted_rows),
        pretrained=np.stack(pretrained_rows) if pretrained_rows else None,
        placements=tuple(placements),
        front=front_tokens(metric.model.spec),
    )


def placement_in(metric: Metric, image: Pixels) -> Placement:
    """Where a metric's cuts lie in an image, (H, W, 3) uint8.

    Raises:
        OptionError: The metric's view does not say where it cuts.
    """
    patch = metric.model.spec.patch_size
    return placement_of(metric.view, *image.shape[:2], patch_size=patch, seed=metric.seed)


@torch.no_grad()
def attention_of(
    metric: Metric, encoder: VisionTransformer, image: Pixels
) -> npt.NDArray[np.float32]:
    """What an encoder's pooled token looks at in the cuts that a metric takes of an image.

    Args:
        metric: Says what is cut.
        encoder: The metric's own, or the pretrained one.
        image: (H, W, 3) uint8.

    Returns:
        (cuts, layers, heads, L) float32.
    """
    pixels = model_input(metric, cuts_of(metric, image))
    rows = [pooled_attention(encoder, cuts) for cuts in pixels.split(metric.batch_size)]
    return torch.cat(rows).float().cpu().numpy()
