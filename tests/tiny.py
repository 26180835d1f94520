"""A whole metric in a few kilobytes, so that promises can be tested in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from perceptmetrics.backbones.base import Backbone
from perceptmetrics.backbones.vit import random_encoder
from perceptmetrics.card import MetricCard
from perceptmetrics.heads import HeadSpec
from perceptmetrics.lora import LoRAConfig, Strategy
from perceptmetrics.losses import mse_loss
from perceptmetrics.metric import Metric
from perceptmetrics.model import PerceptualModel, build_model
from perceptmetrics.statistics import plcc, srcc
from perceptmetrics.tasks import Task
from perceptmetrics.views import CentreCrop, View
from perceptmetrics.weights.adapter import AdapterConfig
from perceptmetrics.weights.base import LoadedBase
from perceptmetrics.weights.digest import sha256_of_tensors

BACKBONE = Backbone(
    name="tiny-vit",
    family="tiny",
    width=32,
    depth=2,
    heads=2,
    patch_size=8,
    image_size=32,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    weights=(),
    paper="none",
    pre_norm=True,
    activation="quick_gelu",
    projection=16,
)
VIEW = CentreCrop(size=32, resize_to=32)
TASK = Task(
    name="brightness",
    kind="regression",
    outputs=("brightness",),
    loss=mse_loss,
    train_view=VIEW,
    eval_view=VIEW,
    measures={"SRCC": srcc, "PLCC": plcc},
    score_range=(0.0, 1.0),
)


def base(seed: int = 0) -> LoadedBase:
    """Random pretrained weights."""
    tensors = dict(random_encoder(BACKBONE, seed).state_dict())
    return LoadedBase(tensors, sha256_of_tensors(tensors), "memory")


def model(outputs: int = 1, strategy: Strategy = "lora", seed: int = 1) -> PerceptualModel:
    """A model whose LoRA does something."""
    import torch

    built = build_model(
        BACKBONE,
        base().tensors,
        outputs=outputs,
        head=HeadSpec(hidden=(16,)),
        strategy=strategy,
        lora=LoRAConfig(rank=4),
        seed=seed,
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=generator)
    return built


def metric(
    outputs: tuple[str, ...] = ("brightness",),
    kind: Literal["regression", "classification"] = "regression",
    view: View = VIEW,
    *,
    crops: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
) -> Metric:
    """A metric with random weights."""
    config = AdapterConfig(
        kind=kind,
        outputs=outputs,
        backbone=BACKBONE.name,
        base="tiny-vit.random",
        base_sha256=base().sha256,
        view=view,
        lora=LoRAConfig(rank=4),
        head=HeadSpec(hidden=(16,)),
        groupings={"halves": {"first": outputs[:1], "rest": outputs[1:]}} if outputs[1:] else {},
    )
    card = MetricCard(name="tiny", task="brightness", outputs=outputs)
    return Metric(model(len(outputs)), config, card, crops=crops, seed=seed, batch_size=batch_size)


def photograph(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A smooth random image."""
    rough = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    enlarged = Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(enlarged)


def rated_folder(folder: Path, count: int = 24) -> Path:
    """Images whose rating is their brightness, and the CSV that says so."""
    lines = ["image,score"]
    for index in range(count):
        level = index / (count - 1)
        pixels = photograph(40, 48, index).astype(float) * 0.3 + 178 * level
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index:02}.png")
        lines.append(f"{index:02}.png,{level:.4f}")
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    return folder / "ratings.csv"


CLASSES = replace(TASK, name="shade", kind="classification", outputs=("dark", "light"))
