"""One side in a process of its own: ``python speed_fresh.py first-score ours FOLDER``.

Prints one JSON line: what it did, its peak of resident memory in MB, CPU seconds since it began.
Nothing is imported before the side's own imports begin: their time is part of what is measured.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn


def release_score(folder: str) -> float:
    """As the release does: all of CLIP, peft around its vision model, the .pth over both."""
    import peft
    import torch
    import transformers
    from torch import nn

    clip: Any = transformers.CLIPModel.from_pretrained(f"{folder}/release/clip")
    lora = peft.LoraConfig(
        r=16,
        lora_alpha=8,
        target_modules=["q_proj", "k_proj", "v_proj"],
        lora_dropout=0.1,
        bias="none",
    )
    model: Any = nn.Module()
    model.model = peft.get_peft_model(clip.vision_model, lora)
    model.proj = clip.visual_projection
    model.mlp = _mlp(clip.config.projection_dim)
    del clip
    model.load_state_dict(torch.load(f"{folder}/release/perceptclip.pth", map_location="cpu"))
    model.eval()
    with torch.no_grad():
        pooled = model.model(pixel_values=_pixels(folder)).pooler_output
        return float(model.mlp(model.proj(pooled)))


def official_score(folder: str) -> float:
    """The least that transformers and peft can do: the vision half, an adapter file, mapped."""
    import peft
    import torch
    import transformers
    from safetensors.torch import load_file

    base: Any = transformers.CLIPVisionModelWithProjection.from_pretrained(
        f"{folder}/official/base"
    )
    encoder = peft.PeftModel.from_pretrained(base, f"{folder}/official/lora").eval()
    head = _mlp(base.config.projection_dim)
    head.load_state_dict(load_file(f"{folder}/official/head.safetensors"))
    head.eval()
    with torch.no_grad():
        return float(head(encoder(pixel_values=_pixels(folder)).image_embeds))


def _mlp(width: int) -> nn.Sequential:
    from torch import nn

    head = nn.Sequential()
    for index, (fan_in, fan_out) in enumerate(((width, 512), (512, 256), (256, 1)), 1):
        head.add_module(f"fc{index}", nn.Linear(fan_in, fan_out))
        if index < 3:
            head.add_module(f"relu{index}", nn.ReLU())
            head.add_module(f"dropout{index}", nn.Dropout(0.5))
    return head


def _pixels(folder: str) -> Tensor:
    from PIL import Image
    from torchvision import transforms

    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    view = transforms.Compose(
        [
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )
    pixels: Tensor = view(Image.open(f"{folder}/photo.jpg").convert("RGB"))
    return pixels[None]


def our_score(folder: str, precision: Literal["full", "fast"] = "full") -> float:
    """As a user does."""
    import perceptmetrics as pm

    metric = pm.create_metric(f"{folder}/adapter.safetensors", precision=precision)
    return float(metric(f"{folder}/photo.jpg"))


def official_step(name: str, batch: int) -> float:
    """Two training steps; the second one has the optimiser's state."""
    from speed_models import Official
    from speed_training import data, official_step

    from perceptmetrics.backbones import BACKBONES

    step = official_step(Official(BACKBONES.get(name)))
    return [step(*data(name, batch)) for _ in range(2)][-1]


def our_step(name: str, batch: int) -> float:
    """The same of ours."""
    from speed_models import Official, ours
    from speed_training import data, our_step

    from perceptmetrics.backbones import BACKBONES

    official = Official(BACKBONES.get(name))
    model = ours(official, name)
    del official
    step = our_step(model)
    return [step(*data(name, batch)) for _ in range(2)][-1]


def peak_mb() -> float:
    """Of this program alone: ru_maxrss would begin with that of the process that started it."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - see above
        (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Runs one side."""
    what, side, *rest = sys.argv[1:]
    if what == "first-score":
        sides: dict[str, Callable[[str], float]] = {
            "release": release_score,
            "official": official_score,
            "ours": our_score,
            "ours, fast": partial(our_score, precision="fast"),
        }
        value = sides[side](rest[0])
    else:
        value = (official_step if side == "official" else our_step)(rest[0], int(rest[1]))
    print(json.dumps({"value": value, "peak_mb": peak_mb(), "cpu_seconds": time.process_time()}))


if __name__ == "__main__":
    main()
