"""ResMem as its package has it, put into evaluation mode: it is born in training mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def load(options: Mapping[str, str]) -> Callable[[str], float]:
    """The function from a path to a score."""
    import torch
    from PIL import Image
    from resmem import ResMem, transformer

    model = ResMem(pretrained=True).to(options["device"]).eval()

    def score(path: str) -> float:
        with Image.open(path) as image, torch.inference_mode():
            pixels = transformer(image.convert("RGB")).to(options["device"])
            return float(model(pixels[None]))

    return score
