"""A no-reference metric of pyiqa, which knows its own direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Score:
    """A function from a path to a score.

    Attributes:
        higher_is_better: As pyiqa says.
    """

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self.higher_is_better = not metric.lower_better

    def __call__(self, path: str) -> float:
        """The score of the image at a path."""
        import torch

        with torch.inference_mode():
            return float(self._metric(path))


def load(options: Mapping[str, str]) -> Score:
    """The metric that the variant names."""
    import pyiqa

    return Score(pyiqa.create_metric(options["variant"], device=options["device"]))
