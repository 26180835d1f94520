"""Several metrics on the same images: one decoding, one cutting, one base in memory."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, cast

import torch
from torch import Tensor, nn

from perceptmetrics.averaging import CutStream, check_whole, judge_images, readers_of
from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.images import ImageInput, iterate_images
from perceptmetrics.metric import Metric
from perceptmetrics.registry import unknown_name
from perceptmetrics.views import View


class MetricGroup(nn.Module):
    """Metrics by name, that judge together. Made by :func:`perceptmetrics.create_metrics`.

    It reads like a dictionary: ``group["iqa"]``, ``group.items()``, ``len(group)``. Each metric is
    an ordinary one and can be used alone.

    What is shared: each image is decoded once; it is resized and cut once for all metrics of one
    view and seed; and metrics on one base hold its tensors once, each beside its own low-rank
    pairs and head. The encoder runs once for each metric: LoRA changes its first layer, and so all
    that follows.

    ``to()``, ``half()`` and ``cuda()`` of the group move what is shared once, and pickles and deep
    copies of the group hold it once. ``to()`` of one metric gives that one a copy of its own and
    leaves the others as they are.

    Args:
        metrics: By name.

    Raises:
        OptionError: There is none.

    Example:
        >>> import perceptmetrics as pm
        >>> group = pm.create_metrics(["memorability", "affect"])  # doctest: +SKIP
        >>> {name: scores.shape for name, scores in group(["a.jpg"]).items()}  # doctest: +SKIP
        {'memorability': torch.Size([1]), 'affect': torch.Size([1, 2])}
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        super().__init__()
        if not metrics:
            raise OptionError("a group of no metrics: give at least one")
        # Not a ModuleDict, whose keys may hold no dot: a metric may be called by a path.
        self._names = tuple(metrics)
        self._metrics = nn.ModuleList(metrics.values())
        self.eval()

    def __getitem__(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            UnknownNameError: The group has none; the text suggests the nearest.
        """
        if name not in self:
            raise unknown_name("metric of this group", str(name), self._names)
        return self._by_name()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def keys(self) -> KeysView[str]:
        """Names, in the order in which they were asked for."""
        return self._by_name().keys()

    def values(self) -> ValuesView[Metric]:
        """The metrics."""
        return self._by_name().values()

    def items(self) -> ItemsView[str, Metric]:
        """Names and metrics."""
        return self._by_name().items()

    def forward(
        self, images: ImageInput | Iterable[ImageInput], *, readers: int | None = None
    ) -> dict[str, Tensor]:
        """Judges one image or many by every metric; images are taken one at a time.

        Args:
            images: As for a :class:`~perceptmetrics.Metric`.
            readers: Threads that read and resize image files while the models compute; none on a
                CPU and for a generator, up to 8 for a list and a GPU, when ``None``. They change no
                score, where paths that a generator gave stay as they are.

        Returns:
            Name to what that metric alone would give, within rounding.

        Raises:
            ImageError: An image cannot be used; the text names it.
        """
        streams = self._streams()
        for wrong in judge_images([*streams], iterate_images(images), readers_of(images, readers)):
            if wrong is not None:
                raise wrong
        return self._finish(streams)

    def in_chunks(
        self,
        images: Iterable[str | ImageError],
        chunk: int = 32,
        *,
        readers: int | None = None,
    ) -> Iterator[tuple[list[ImageError | None], dict[str, Tensor]]]:
        """Judges many files; one that cannot be used costs only itself.

        Args:
            images: Paths, or what is already known to be wrong with one. They are taken lazily,
                and memory does not grow with their number.
            chunk: Images between two yields.
            readers: As for a call.

        Yields:
            For each image of a chunk ``None`` or what is wrong with it; what a call gives for the
            others.

        Raises:
            OptionError: ``images`` is one path, or ``chunk`` or ``readers`` is no such number.
        """
        if isinstance(images, str | bytes | os.PathLike):
            raise OptionError(f"images {images!r}: expected a list or an iterator of paths")
        check_whole("chunk", chunk, 1)
        streams = self._streams()
        named = ((str(image), image) for image in images)
        wrong: list[ImageError | None] = []
        for error in judge_images([*streams], named, readers):
            wrong.append(error)
            if len(wrong) == chunk:
                yield wrong, self._finish(streams)
                wrong = []
        if wrong:
            yield wrong, self._finish(streams)

    def _streams(self) -> dict[CutStream, dict[str, Metric]]:
        """A stream for metrics that see the same cuts, and those metrics."""
        return {
            CutStream(
                [metric.judge() for metric in metrics.values()],
                view,
                seed=seed,
                batch_size=batch_size,
            ): metrics
            for (view, seed, batch_size, _), metrics in self._alike().items()
        }

    def _finish(self, streams: Mapping[CutStream, Mapping[str, Metric]]) -> dict[str, Tensor]:
        found = {
            name: scores[:, 0] if len(metric.labels) == 1 else scores
            for stream, metrics in streams.items()
            for (name, metric), scores in zip(metrics.items(), stream.finish(), strict=True)
        }
        return {name: found[name] for name in self}

    def _alike(self) -> dict[tuple[View, int, int, torch.device], dict[str, Metric]]:
        """Metrics that see the same cuts, together."""
        alike: dict[tuple[View, int, int, torch.device], dict[str, Metric]] = {}
        for name, metric in self.items():
            seen = metric.view, metric.seed, metric.batch_size, metric.model.device
            alike.setdefault(seen, {})[name] = metric
        return alike

    def _by_name(self) -> dict[str, Metric]:
        metrics = (cast(Metric, metric) for metric in self._metrics)
        return dict(zip(self._names, metrics, strict=True))

    def train(self, mode: bool = True) -> MetricGroup:
        """Does nothing: metrics have no training mode."""
        return super().train(False)

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> MetricGroup:
        # Each tensor is moved once, and what shared it before shares it after. The old ones are
        # kept until the end, lest a new tensor lie where an old one lay and be taken for it.
        moved: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}

        def once(tensor: Tensor) -> Tensor:
            place = tensor.untyped_storage().data_ptr(), tensor.storage_offset()
            key = (*place, tensor.shape, tensor.stride(), tensor.dtype)
            if key not in moved:
                moved[key] = tensor, function(tensor)
            return moved[key][1]

        super()._apply(once, recurse)  # type: ignore[no-untyped-call]
        return self

    def __reduce__(self) -> tuple[Callable[[bytes], MetricGroup], tuple[bytes]]:
        # A plain pickle writes a tensor that two modules share twice; torch's writes it once.
        stream = io.BytesIO()
        torch.save(self._by_name(), stream)
        return _loaded, (stream.getvalue(),)


def _loaded(pickled: bytes) -> MetricGroup:
    # Inside a pickle already, which runs what it holds: torch's own guard would guard nothing.
    return MetricGroup(torch.load(io.BytesIO(pickled), weights_only=False))
