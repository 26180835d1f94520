"""The official release's way and ours, with the same random weights of full size.

The official way (DESIGN, the paper's code): transformers' CLIP vision model, peft's LoRA of rank
16 and alpha 8 on q, k and v, unmerged, and an MLP of 512 and 256 behind the projection. Speed
does not depend on what the weights are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from perceptmetrics.adaptation import LoRAConfig
from perceptmetrics.backbones import BACKBONES
from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.weight_maps import from_transformers
from perceptmetrics.card import MetricCard
from perceptmetrics.heads import MLP_HEAD
from perceptmetrics.metric import Metric
from perceptmetrics.model import PerceptualModel, build_model
from perceptmetrics.views import CentreCrop
from perceptmetrics.weights.adapter import Adapter, AdapterConfig
from perceptmetrics.weights.base import keep_base
from perceptmetrics.weights.digest import sha256_of_tensors

LORA = LoRAConfig(rank=16, alpha=8, dropout=0.1)
TARGETS = ("q_proj", "k_proj", "v_proj")


class Official(nn.Module):
    """What the release does: normalised pixels (N, 3, 224, 224) -> scores (N, 1)."""

    def __init__(self, spec: Backbone, dropout: float = LORA.dropout, seed: int = 0) -> None:
        super().__init__()
        import peft

        self.spec = spec
        self.encoder = peft.get_peft_model(
            _vision_model(spec, seed),
            peft.LoraConfig(
                r=LORA.rank,
                lora_alpha=int(LORA.alpha),
                target_modules=list(TARGETS),
                lora_dropout=dropout,
                bias="none",
            ),
        )
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for _, pair in self.pairs():
                pair.normal_(std=pair.shape[1] ** -0.5 / 4, generator=generator)
        self.head = MLP_HEAD.build(spec.projection, 1, seed)

    def pairs(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The low-rank matrices by peft's names."""
        return ((n, p) for n, p in self.encoder.named_parameters() if "lora_" in n)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1)."""
        return self.head(self.encoder(pixel_values=pixels).image_embeds)  # type: ignore[no-any-return]


def _vision_model(spec: Backbone, seed: int) -> Any:
    """The encoder of transformers, random as ``random_encoder`` of ``vit.py`` is."""
    import transformers

    config = transformers.CLIPVisionConfig(
        hidden_size=spec.width,
        intermediate_size=spec.hidden_width,
        num_hidden_layers=spec.depth,
        num_attention_heads=spec.heads,
        image_size=spec.image_size,
        patch_size=spec.patch_size,
        projection_dim=spec.projection,
    )
    # transformers' own initialisation of ViT-L/14 takes ten seconds.
    with torch.device("meta"):
        model = transformers.CLIPVisionModelWithProjection(config)
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 and name.endswith("weight"):
                parameter.fill_(1)
            elif parameter.dim() == 1:
                parameter.normal_(std=0.02, generator=generator)
            else:
                fan_in = parameter[0].numel() if "position" not in name else 2500
                parameter.normal_(std=fan_in**-0.5, generator=generator)
        for name, buffer in model.named_buffers():
            if not name.endswith("position_ids"):
                raise RuntimeError(f"transformers has a new buffer: {name}")
            buffer.copy_(torch.arange(buffer.shape[-1]).expand_as(buffer))
    model.train(False)
    return model


def place(name: str, width: int) -> tuple[str, slice]:
    """Which rows of which parameter of our encoder a pair of peft's is."""
    parts = name.split(".")
    layer = parts[parts.index("layers") + 1]
    which = next("qkv".index(part[0]) for part in parts if part in TARGETS)
    letter, rows = ("lora_A", LORA.rank) if "lora_A" in parts else ("lora_B", width)
    return f"blocks.{layer}.attn.qkv.{letter}", slice(which * rows, (which + 1) * rows)


def ours(official: Official, name: str, dropout: float = LORA.dropout) -> PerceptualModel:
    """Our model with the official one's numbers, ready to train."""
    spec = BACKBONES.get(name)
    base = from_transformers(_base_state(official))
    lora = LoRAConfig(LORA.rank, LORA.alpha, dropout)
    model = build_model(spec, base, outputs=1, head=MLP_HEAD, strategy="lora", lora=lora)
    own = dict(model.encoder.named_parameters())
    with torch.no_grad():
        for pair, parameter in official.pairs():
            target, rows = place(pair, spec.width)
            own[target][rows] = parameter
        model.head().layers.load_state_dict(official.head.state_dict())
    return model


def _base_state(official: Official) -> dict[str, Tensor]:
    """The pretrained tensors by transformers' names."""
    return {
        name.removeprefix("base_model.model.").replace(".base_layer.", "."): tensor
        for name, tensor in official.encoder.state_dict().items()
        if "lora_" not in name
    }


def as_metric(model: PerceptualModel, name: str, batch_size: int = 32) -> Metric:
    """A metric of it; LoRA is merged, so the model is spent."""
    config = _config(model, name, "")
    card = MetricCard(name=name, task="speed", outputs=config.outputs)
    return Metric(model, config, card, batch_size=batch_size)


def _config(model: PerceptualModel, name: str, base_sha256: str) -> AdapterConfig:
    return AdapterConfig(
        kind="regression",
        outputs=("score",),
        backbone=name,
        base=f"{name}.speed",
        base_sha256=base_sha256,
        view=CentreCrop(),
        lora=LORA,
        head=MLP_HEAD,
    )


def write(folder: Path, name: str) -> None:
    """Every side as files, as a user has them on disk.

    ``release/`` holds what the release has: all of CLIP, and a .pth of the whole model;
    ``official/`` what transformers and peft write of what is needed; ``home/`` and
    ``adapter.safetensors`` what this package does, whose cache must be at ``home``
    (``PERCEPTMETRICS_HOME``).
    """
    from safetensors.torch import save_file

    official = Official(BACKBONES.get(name))
    model = ours(official, name)
    base = from_transformers(_base_state(official))
    keep_base(name, "speed", base, {"source": "random"})
    config = _config(model, name, sha256_of_tensors(base))
    card = MetricCard(name="speed", task="memorability", outputs=("score",))
    Adapter(config, card, model.adapted_state()).save(folder / "adapter.safetensors")
    _write_release(folder / "release", official)
    target = folder / "official"
    official.encoder.save_pretrained(str(target / "lora"))
    bare: Any = official.encoder.unload()
    bare.save_pretrained(str(target / "base"))
    save_file(official.head.state_dict(), str(target / "head.safetensors"))


def _write_release(folder: Path, official: Official) -> None:
    """CLIP with a text half of ViT-L/14's size, and the release's checkpoint by its names."""
    import transformers

    vision: Any = official.encoder.base_model.model
    config = transformers.CLIPConfig(
        vision_config=vision.config.to_dict(),
        text_config={"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
        projection_dim=official.spec.projection,
    )
    with torch.device("meta"):
        clip: Any = transformers.CLIPModel(config)
    clip.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in clip.state_dict().values():
            tensor.zero_()
    clip.load_state_dict(_base_state(official), strict=False)
    clip.save_pretrained(str(folder / "clip"))
    whole = {
        f"model.{name.replace('.vision_model.', '.')}"
        if "visual_projection" not in name
        else "proj.weight": tensor
        for name, tensor in official.encoder.state_dict().items()
    }
    whole |= {f"mlp.{name}": tensor for name, tensor in official.head.state_dict().items()}
    torch.save(whole, folder / "perceptclip.pth")
