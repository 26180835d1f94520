"""A training step of both sides: forward, PLCC loss, backward, AdamW; and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from speed_models import Official, ours, place
from torch import Tensor, nn

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.backbones.base import Backbone
from perceptmetrics.losses import plcc_loss
from perceptmetrics.model import PerceptualModel
from perceptmetrics.training.engine import Engine
from perceptmetrics.training.step import gradients

Step = Callable[[Tensor, Tensor], float]


def data(name: str, batch: int) -> tuple[Tensor, Tensor]:
    """Noise, each of its own brightness, (N, 3, 224, 224) uint8, and ratings, (N, 1).

    Noise of one brightness embeds nearly alike, and the PLCC would blow up the last bits of it.
    """
    size = BACKBONES.get(name).image_size
    generator = torch.Generator().manual_seed(batch)
    cuts = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, generator=generator)
    brightness = torch.linspace(0.2, 1, batch).view(-1, 1, 1, 1)
    return (cuts * brightness).to(torch.uint8), torch.randn(batch, 1, generator=generator)


def normalised(cuts: Tensor, spec: Backbone) -> Tensor:
    """As torchvision's ToTensor and Normalize leave them."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (spec.mean, spec.std))
    return (cuts.float() / 255 - mean) / std


def official_step(model: Official) -> Step:
    """As the release trains: peft decides what of the encoder trains, the head does."""
    model.train()
    optimiser = _adamw(model)

    def step(cuts: Tensor, ratings: Tensor) -> float:
        optimiser.zero_grad()
        loss = plcc_loss(model(normalised(cuts, model.spec)), ratings)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def our_step(model: PerceptualModel) -> Step:
    """What :func:`perceptmetrics.training.trainer.fit` does in a step."""
    model.train()
    optimiser, engine = _adamw(model), Engine()

    def step(cuts: Tensor, ratings: Tensor) -> float:
        optimiser.zero_grad()
        loss = gradients(
            model.forward_parts, {"default": plcc_loss}, {"default": (cuts, ratings)}, engine=engine
        )
        optimiser.step()
        return loss

    return step


def gradient_deviations(name: str, batch: int) -> dict[str, float]:
    """How far each side's gradients are from those of the official model in float64.

    The largest difference, as a share of the largest gradient of its tensor, of which a layer has
    two: A and B of q, k and v. Dropout is off, in LoRA and in the head, as the sides draw
    differently.
    """
    spec = BACKBONES.get(name)
    official = Official(spec, dropout=0.0)
    model = ours(official, name, dropout=0.0)
    for side in (official, model):
        side.train()
        for module in side.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    cuts, ratings = data(name, batch)
    pixels = normalised(cuts, spec)

    def forward(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {dataset: model.head()(model.encoder(part)) for dataset, part in parts.items()}

    # The same pixels for all: a last bit of them moves gradients of ViT-L/14 by 4e-5.
    gradients(forward, {"default": plcc_loss}, {"default": (pixels, ratings)}, engine=Engine())
    encoder = dict(model.encoder.named_parameters())
    mine: dict[str, list[Tensor]] = {}
    for pair, _ in official.pairs():
        target, rows = place(pair, spec.width)
        mine.setdefault(target, []).append(_known(encoder[target])[rows])
    for part, parameter in model.head().layers.named_parameters():
        mine[part] = [_known(parameter)]
    plcc_loss(official(pixels), ratings).backward()
    theirs = {k: [part.clone() for part in parts] for k, parts in _gradients(official).items()}
    official.zero_grad()
    official.double()
    plcc_loss(official(pixels.double()), ratings.double()).backward()
    exact = _gradients(official)
    return {"ours": _furthest(mine, exact), "official": _furthest(theirs, exact)}


def _gradients(official: Official) -> dict[str, list[Tensor]]:
    found: dict[str, list[Tensor]] = {}
    for pair, parameter in official.pairs():
        target, _ = place(pair, official.spec.width)
        found.setdefault(target, []).append(_known(parameter))
    return found | {k: [_known(p)] for k, p in official.head.named_parameters()}


def _furthest(found: Mapping[str, list[Tensor]], exact: Mapping[str, list[Tensor]]) -> float:
    shares = [
        max(float((a - b).abs().max()) for a, b in zip(found[name], parts, strict=True))
        / max(float(part.abs().max()) for part in parts)
        for name, parts in exact.items()
        if name != "fc3.bias"  # of which the PLCC sees nothing
    ]
    return max(shares)


def _known(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise RuntimeError("a parameter that trains got no gradient")
    return parameter.grad


def _adamw(model: nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), 5e-5)
