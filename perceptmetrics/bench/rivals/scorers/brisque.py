"""BRISQUE as the package ``brisque`` has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def load(options: Mapping[str, str]) -> Callable[[str], float]:
    """The function from a path to a score; it runs on the CPU only."""
    import numpy as np
    from brisque import BRISQUE
    from PIL import Image

    model = BRISQUE(url=False)

    def score(path: str) -> float:
        with Image.open(path) as image:
            return float(model.score(np.asarray(image.convert("RGB"))))

    return score
