"""NIQE as scikit-video has it, which was written for a numpy and a scipy of 2018."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def load(options: Mapping[str, str]) -> Callable[[str], float]:
    """The function from a path to a score; it runs on the CPU only."""
    import numpy as np
    import scipy.linalg
    import scipy.misc
    from PIL import Image

    def imresize(pixels: Any, share: float, interp: str, mode: str) -> Any:
        # scipy.misc.imresize, as it was until scipy 1.3: Pillow's resize of a float image.
        height, width = pixels.shape
        image = Image.fromarray(np.asarray(pixels, np.float32))
        size = (int(width * share), int(height * share))
        return np.asarray(image.resize(size, Image.Resampling.BICUBIC))

    # Names that scikit-video uses and that are gone since numpy 1.24 and scipy 1.3.
    for module, name, value in (
        (np, "int", int),
        (np, "float", float),
        (np, "bool", bool),
        (scipy.misc, "imresize", imresize),
    ):
        if name not in vars(module):
            setattr(module, name, value)
    from skvideo.measure import niqe

    def score(path: str) -> float:
        with Image.open(path) as image:
            luminance = np.asarray(image.convert("L"))
        if min(luminance.shape) < 194:
            raise ValueError(f"{luminance.shape} pixels; NIQE needs at least 194 a side")
        return float(niqe(luminance)[0])

    return score
