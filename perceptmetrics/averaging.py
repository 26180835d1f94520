"""From images to a model's mean output over the cuts of a view, batch by batch (section 4.1)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from perceptmetrics.data.batches import to_tensor
from perceptmetrics.data.read_ahead import read_ahead
from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.images import ImageInput, load_picture
from perceptmetrics.model import PerceptualModel
from perceptmetrics.views import Picture, Plan, View

LaidOut: TypeAlias = tuple[Tensor, Plan]
"""(3, H, W) uint8 on the CPU, and the cuts that are slices of it."""

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
    an image's may lie in two, and every batch but the last is full. What waits is at most one
    batch and one image's cuts.

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
        self._waiting: list[LaidOut] = []
        self._rest = torch.empty(0)  # cuts that fill no batch yet
        self._rows: list[list[Tensor]] = [[] for _ in judges]

    def lay_out(self, image: Picture) -> LaidOut:
        """What :meth:`add` is given of an image; any thread may ask.

        Args:
            image: (H, W, 3) uint8, or a PIL image of mode RGB.
        """
        sheet = self.view.lay_out(image, np.random.default_rng(self.seed))
        return to_tensor(sheet.pixels[None])[0], sheet.plan

    def add(self, image: LaidOut) -> None:
        """Takes one image, and judges what waits once it fills a batch."""
        self._waiting.append(image)
        if len(self._rest) + len(self._waiting) * self.view.count >= self.batch_size:
            cuts = self._cut()
            whole = len(cuts) // self.batch_size * self.batch_size
            self._judge(cuts[:whole])
            self._rest = cuts[whole:].clone()  # not a view, which would hold all of them

    def finish(self) -> list[Tensor]:
        """(N, K) float32 on the CPU for each judge: means over the cuts of each image since last.

        Only here a GPU is waited for.
        """
        if self._waiting or len(self._rest):
            self._judge(self._cut())
            self._rest = torch.empty(0)
        rows, self._rows = self._rows, [[] for _ in self.judges]
        return [
            torch.cat(said).unflatten(0, (-1, self.view.count)).mean(1).cpu()
            if said
            else torch.empty(0, judge.outputs)
            for judge, said in zip(self.judges, rows, strict=True)
        ]

    def _cut(self) -> Tensor:
        """All cuts that wait, (N, 3, size, size) uint8 on the judges' device."""
        images, self._waiting = self._waiting, []
        device = self.judges[0].model.device
        sheets = [(_sent(pixels, device), plan) for pixels, plan in images]
        cuts = [cut for pixels, plan in sheets for cut in cuts_in(pixels, plan)]
        return torch.stack([*self._rest, *cuts])

    def _judge(self, cuts: Tensor) -> None:
        with torch.no_grad():
            for judge, said in zip(self.judges, self._rows, strict=True):
                said.extend(judge(batch) for batch in cuts.split(self.batch_size))


def cuts_in(pixels: Tensor, plan: Plan) -> Iterator[Tensor]:
    """The cuts of a picture.

    Args:
        pixels: (..., plan.height, plan.width), on any device.
        plan: Where they lie.

    Yields:
        (..., size, size), copied only where it is mirrored.

    Example:
        >>> from perceptmetrics.views import CentreCrop
        >>> plan = CentreCrop(32, 40).plan(60, 90, np.random.default_rng(0))
        >>> [cut.shape for cut in cuts_in(torch.zeros(3, 40, 60), plan)]
        [torch.Size([3, 32, 32])]
    """
    for cut in plan.cuts:
        part = pixels[..., cut.top : cut.top + plan.size, cut.left : cut.left + plan.size]
        mirrored = [axis for axis, on in ((-1, cut.mirror_x), (-2, cut.mirror_y)) if on]
        yield part.flip(mirrored) if mirrored else part


def _sent(pixels: Tensor, device: torch.device) -> Tensor:
    """Pixels on the model's device; to a GPU they go while the CPU works on."""
    if device.type == "cuda":
        pixels = pixels.pin_memory()
    return pixels.to(device, non_blocking=True)


def judge_images(
    streams: Sequence[CutStream],
    images: Iterable[tuple[str, ImageInput | ImageError]],
    readers: int | None = None,
) -> Iterator[ImageError | None]:
    """Reads each image once and adds it to each stream.

    Args:
        streams: At least one.
        images: Names and items, as :func:`perceptmetrics.images.iterate_images` gives them; what
            is already known to be wrong with one may stand for it.
        readers: Threads that read and resize files while the model computes, which changes no
            score; :func:`default_readers` when ``None``. Other items are read in this thread, as
            soon as they are taken.

    Yields:
        For each image, in turn: ``None``, or what is wrong with it.

    Raises:
        OptionError: ``readers`` is no whole number of at least 0.
    """
    if readers is None:
        readers = max(default_readers(stream.judges[0].model.device) for stream in streams)
    check_whole("readers", readers, 0)

    def lay_out(named: tuple[str, ImageInput | ImageError]) -> list[LaidOut] | ImageError:
        name, item = named
        try:
            if isinstance(item, ImageError):
                return item
            picture = load_picture(item, name=name)
        except ImageError as error:
            return error
        return [stream.lay_out(picture) for stream in streams]

    # A PIL image or a file object may be in the list twice, and is then no matter for two threads.
    for sheets in read_ahead(lay_out, images, readers, here=lambda named: not _is_file(named[1])):
        if isinstance(sheets, ImageError):
            yield sheets
            continue
        for stream, sheet in zip(streams, sheets, strict=True):
            stream.add(sheet)
        yield None


def default_readers(device: torch.device) -> int:
    """Threads that read while the model computes: none beside a CPU's own, up to 8 for a GPU."""
    return 0 if device.type == "cpu" else min(8, os.cpu_count() or 1)


def readers_of(images: object, readers: int | None) -> int | None:
    """None for a generator, unless they were asked for: it may change what it gave before.

    Example:
        >>> readers_of(iter(["a.jpg"]), None), readers_of(["a.jpg"], None), readers_of("a.jpg", 2)
        (0, None, 2)
    """
    return 0 if readers is None and not isinstance(images, list | tuple) else readers


def check_whole(option: str, value: object, least: int) -> None:
    """Refuses what is no whole number of at least ``least``.

    Raises:
        OptionError: It is none.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator] # no number comes as far
        raise OptionError(f"{option} is {value!r}, expected a whole number of at least {least}")


def _is_file(item: object) -> bool:
    return isinstance(item, str | os.PathLike | bytes)


def mean_over_cuts(
    model: PerceptualModel,
    images: Iterable[Picture],
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
        images: (H, W, 3) uint8 arrays or PIL images of mode RGB, of any sizes.
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
        stream.add(stream.lay_out(image))
    return stream.finish()[0]
