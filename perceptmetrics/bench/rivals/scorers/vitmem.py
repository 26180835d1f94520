"""ViTMem as its package has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def load(options: Mapping[str, str]) -> Callable[[str], float]:
    """The function from a path to a score; the package takes a GPU where there is one."""
    import torch
    from vitmem import ViTMem

    if options["device"] == "cpu":
        # It asks nobody where to run.
        torch.cuda.is_available = lambda: False
    model = ViTMem()

    def score(path: str) -> float:
        return float(model(path))

    return score
