"""A contestant in the built-in check: it is handed pixels, and its process is handed files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from perceptmetrics.bench.distortions import Pixels
from perceptmetrics.bench.rivals.contestant import Contestant
from perceptmetrics.bench.rivals.process import check_scores
from perceptmetrics.errors import DataError


class DistortedJudge:
    """A contestant as :func:`perceptmetrics.bench.monotony.check` asks for it.

    Args:
        contestant: Who; it is started at once.

    Raises:
        PluginError: It cannot be started, or does not load.
    """

    def __init__(self, contestant: Contestant) -> None:
        self._process = contestant.start()
        self._folder = tempfile.TemporaryDirectory()
        self._cpu_seconds = 0.0
        higher, said = contestant.higher_is_better, self._process.ready.higher_is_better
        self._higher = said if higher is None else higher

    @property
    def higher_is_better(self) -> bool | None:
        """As the rival's specification says, or else its scorer."""
        return self._higher

    @property
    def cpu_seconds(self) -> float:
        """What the scores took so far, over there."""
        return self._cpu_seconds

    def __call__(self, images: Sequence[Pixels]) -> npt.NDArray[np.float64]:
        """N images to (N,) scores.

        Raises:
            DataError: One of them has no score.
            PluginError: The process died, or gave no answer in time.
        """
        from PIL import Image

        scores = []
        for pixels in images:
            path = Path(self._folder.name) / "image.png"
            Image.fromarray(pixels).save(path, compress_level=1)
            answer = check_scores(self._process.ask(path), ("quality",))
            if answer.error:
                raise DataError(f"gave no score: {answer.error}")
            self._cpu_seconds += answer.cpu_seconds
            scores.append(answer.scores[0])
        return np.array(scores)

    def close(self) -> None:
        """Ends the process and removes its files."""
        self._process.close()
        self._folder.cleanup()
