"""CLIP-IQA as torchmetrics has it, with the paper's first pair of prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def load(options: Mapping[str, str]) -> Callable[[str], float]:
    """The function from a path to a score."""
    import numpy as np
    import torch
    from PIL import Image
    from torchmetrics.multimodal import CLIPImageQualityAssessment

    metric = CLIPImageQualityAssessment("clip_iqa", data_range=255.0, prompts=("quality",))
    metric = metric.to(options["device"]).eval()

    def score(path: str) -> float:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"))
        batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().to(options["device"])
        with torch.inference_mode():
            found = float(metric(batch))
        metric.reset()  # it keeps every score, and would sum them up
        return found

    return score
