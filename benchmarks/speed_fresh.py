"""One side in a process of its own: ``python speed_fresh.py first-score ours FOLDER``.

Prints one JSON line: what it did, its peak of resident memory in MB, CPU seconds since it began.
Nothing is imported before the side's own imports begin: their time is part of what is measured.
"""

import json
import sys
import time


def official_score(folder: str) -> float:
    """With the libraries' own loaders."""
    import peft
    import torch
    import transformers
    from PIL import Image
    from safetensors.torch import load_file
    from torch import nn
    from torchvision import transforms

    base = transformers.CLIPVisionModelWithProjection.from_pretrained(f"{folder}/official/base")
    encoder = peft.PeftModel.from_pretrained(base, f"{folder}/official/lora").eval()
    head = nn.Sequential()
    for index, (fan_in, fan_out) in enumerate(
        ((base.config.projection_dim, 512), (512, 256), (256, 1)), 1
    ):
        head.add_module(f"fc{index}", nn.Linear(fan_in, fan_out))
        if index < 3:
            head.add_module(f"relu{index}", nn.ReLU())
            head.add_module(f"dropout{index}", nn.Dropout(0.5))
    head.load_state_dict(load_file(f"{folder}/official/head.safetensors"))
    head.eval()
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    view = transforms.Compose(
        [
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )
    pixels = view(Image.open(f"{folder}/photo.jpg").convert("RGB"))[None]
    with torch.no_grad():
        return float(head(encoder(pixel_values=pixels).image_embeds))


def our_score(folder: str, *, fast: bool = False) -> float:
    """As a user does."""
    import perceptmetrics as pm

    metric = pm.create_metric(f"{folder}/adapter.safetensors", precision="fast" if fast else "full")
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
        folder, fast = rest[0], "fast" in rest
        value = official_score(folder) if side == "official" else our_score(folder, fast=fast)
    else:
        value = (official_step if side == "official" else our_step)(rest[0], int(rest[1]))
    print(json.dumps({"value": value, "peak_mb": peak_mb(), "cpu_seconds": time.process_time()}))


if __name__ == "__main__":
    main()
