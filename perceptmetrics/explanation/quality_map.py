"""Where a picture is bad: the scores of dense crops, for metrics that judge crops, such as iqa."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from perceptmetrics.averaging import check_whole
from perceptmetrics.data.batches import to_tensor
from perceptmetrics.errors import ImageError
from perceptmetrics.explanation.requirements import check_quality_map, cut_size
from perceptmetrics.images import ImageInput, load_image
from perceptmetrics.metric import Metric
from perceptmetrics.statistics.checks import Floats
from perceptmetrics.views.geometry import Pixels, resize


@dataclass(frozen=True, eq=False)
class QualityMap:
    """Scores of windows that slide over a picture.

    Attributes:
        map: (h, w) float64 scores in the ratings' unit.
        rows: (h,) vertical centres of the windows, in pixels of ``image``.
        columns: (w,) their horizontal centres.
        window: Side of a window, in pixels of ``image``.
        stride: The largest step between two windows.
        image: (H, W, 3) uint8, the picture at the size at which the metric sees it.
    """

    map: Floats
    rows: Floats
    columns: Floats
    window: int
    stride: int
    image: Pixels

    @property
    def mean(self) -> float:
        """The score of the picture, if every window counts alike."""
        return float(self.map.mean())

    def spread(self) -> Floats:
        """(H, W): at each pixel of ``image`` the mean score of the windows that hold it.

        A window's score belongs to all of it, not to its centre: this is the map to draw.
        """
        total = np.zeros(self.image.shape[:2])
        count = np.zeros(self.image.shape[:2])
        half = self.window / 2
        for row, scores in zip(self.rows, self.map, strict=True):
            for column, score in zip(self.columns, scores, strict=True):
                top, left = int(row - half), int(column - half)
                held = np.s_[top : top + self.window, left : left + self.window]
                total[held] += score
                count[held] += 1
        return total / count


def quality_map(
    metric: Metric,
    image: ImageInput,
    *,
    window: int | None = None,
    stride: int | None = None,
    batch_size: int = 16,
    output: str | None = None,
) -> QualityMap:
    """Scores of windows at every place of a picture.

    The picture is first brought to the size at which the metric sees it (short side to 384 for the
    embedded ``iqa``). Windows reach from edge to edge, evenly, at most ``stride`` apart. A window
    of the size of the metric's own cuts is judged as in training; a smaller one says better where,
    and less surely how bad.

    Args:
        metric: One that gives scores, not classes.
        image: One picture, as :class:`~perceptmetrics.metric.Metric` takes it.
        window: Side of the square that is judged, in pixels of the resized picture; at least one
            patch of the backbone. That of the metric's own cuts when ``None``.
        stride: At most so many pixels from one window to the next; a quarter of the window when
            ``None``.
        batch_size: Windows in one forward; changes memory, not results.
        output: Which score, where the metric gives several.

    Returns:
        The map, with the windows' centres.

    Raises:
        ImageError: The picture cannot be read, or is smaller than the window.
        OptionError: An argument cannot be used, or the metric tells classes.
        UnknownNameError: The metric has no such score.

    Example:
        >>> import perceptmetrics as pm
        >>> iqa = pm.create_metric("iqa")  # doctest: +SKIP
        >>> where = quality_map(iqa, "photo.jpg", window=160, stride=32)  # doctest: +SKIP
        >>> where.map.shape, where.spread().shape  # doctest: +SKIP
        ((8, 12), (384, 512))
    """
    column = check_quality_map(metric, output)
    window = cut_size(metric) if window is None else window
    check_whole("window", window, metric.model.spec.patch_size)
    stride = max(1, window // 4) if stride is None else stride
    check_whole("stride", stride, 1)
    check_whole("batch_size", batch_size, 1)
    loaded = load_image(image)
    height, width = loaded.shape[:2]
    plan = metric.view.plan(height, width, np.random.default_rng(metric.seed))
    if min(plan.height, plan.width) < window:
        raise ImageError(
            os.fsdecode(image) if isinstance(image, str | os.PathLike) else "image",
            f"has {plan.width} by {plan.height} pixels as {metric.card.name} sees it, smaller "
            f"than the window of {window}; take a smaller window",
        )
    resized = resize(loaded, plan.height, plan.width)
    tops, lefts = _starts(plan.height, window, stride), _starts(plan.width, window, stride)
    scores = [
        _scores(metric, np.stack(batch))[:, column]
        for batch in _windows(resized, tops, lefts, window, batch_size)
    ]
    return QualityMap(
        map=np.concatenate(scores).reshape(len(tops), len(lefts)),
        rows=(tops + window / 2).astype(np.float64),
        columns=(lefts + window / 2).astype(np.float64),
        window=window,
        stride=stride,
        image=resized,
    )


def _starts(side: int, window: int, stride: int) -> npt.NDArray[np.int64]:
    slack = side - window
    starts: npt.NDArray[np.int64] = (
        np.linspace(0, slack, -(-slack // stride) + 1).round().astype(int)
    )
    return starts


def _windows(
    image: Pixels,
    tops: npt.NDArray[np.int64],
    lefts: npt.NDArray[np.int64],
    window: int,
    batch_size: int,
) -> Iterator[list[Pixels]]:
    places = [(int(top), int(left)) for top in tops for left in lefts]
    for start in range(0, len(places), batch_size):
        yield [
            image[top : top + window, left : left + window]
            for top, left in places[start : start + batch_size]
        ]


def _scores(metric: Metric, windows: Pixels) -> Floats:
    """(N, window, window, 3) -> (N, outputs)."""
    with torch.no_grad():
        raw = metric.model(to_tensor(windows).to(metric.model.device), metric.dataset).float()
        scores = metric.model.head(metric.dataset).to_rating_scale(raw)
    return np.asarray(scores.cpu(), dtype=np.float64)
