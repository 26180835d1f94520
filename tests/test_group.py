"""Several metrics over one base: each says what it says alone, and the base is there once."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from torch import Tensor, nn

import perceptmetrics as pm
from perceptmetrics import create, locate
from perceptmetrics.backbones import BACKBONES, Backbone
from perceptmetrics.backbones.counts import count_parameters
from perceptmetrics.backbones.vit import Block
from perceptmetrics.card import MetricCard
from perceptmetrics.explanation.masking import masked_embeddings
from perceptmetrics.heads import HeadSpec
from perceptmetrics.lora import LoRAConfig, SharedLoRALinear, folded_state
from perceptmetrics.registry import Registry
from perceptmetrics.scoring.rows import score_images
from perceptmetrics.views import RandomCrops, View
from perceptmetrics.weights.adapter import Adapter, AdapterConfig
from perceptmetrics.weights.files import save_tensors

IMAGES = [tiny.photograph(h, w, h) for h, w in ((40, 60), (64, 32), (33, 33), (90, 50), (8, 9))]
NEAR: dict[str, Any] = {"rtol": 0, "atol": 1e-5}


@dataclass(frozen=True)
class Lab:
    """Three adapters on one base, and a fourth, whose encoder all trained."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base.safetensors"

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def alone(self, name: str, **more: Any) -> pm.Metric:
        return pm.create_metric(self.path(name), base=self.base, **more)

    def together(self, *names: str, **more: Any) -> pm.MetricGroup:
        return pm.create_metrics([self.path(name) for name in names], base=self.base, **more)


NAMES = ("one", "crops", "classes")


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = Lab(tmp_path_factory.mktemp("adapters"))
    save_tensors(tiny.base().tensors, lab.base)
    write(lab, "one", ("brightness",), seed=1)
    write(lab, "crops", ("valence", "arousal"), seed=2, view=RandomCrops(32, 48, 5))
    write(lab, "classes", ("joy", "fear", "anger"), seed=3, kind="classification")
    write(lab, "full", ("brightness",), seed=4, strategy="full")
    return lab


@pytest.fixture
def lab(adapters: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The same, where the tiny backbone is known."""
    known = Registry("backbone", Backbone, package="perceptmetrics.backbones.families", group="no")
    known.register(tiny.BACKBONE)
    for module in (create, locate):
        monkeypatch.setattr(module, "BACKBONES", known)
    return adapters


def write(
    lab: Lab,
    name: str,
    outputs: tuple[str, ...],
    *,
    seed: int,
    view: View = tiny.VIEW,
    kind: Any = "regression",
    strategy: Any = "lora",
) -> None:
    config = AdapterConfig(
        kind=kind,
        outputs=outputs,
        backbone=tiny.BACKBONE.name,
        base="tiny-vit.random",
        base_sha256=tiny.base().sha256,
        view=view,
        strategy=strategy,
        lora=LoRAConfig(rank=4),
        head=HeadSpec(hidden=(16,)),
    )
    card = MetricCard(name=name, task="brightness", outputs=outputs)
    state = tiny.model(len(outputs), strategy, seed).adapted_state()
    Adapter(config, card, state).save(lab.path(name))


COLOURS = 3 * 2 * 3 * 4
"""Bytes of the mean and deviation of three channels, in float32, in each of three metrics."""


def held(modules: Iterable[nn.Module]) -> int:
    """Bytes of all storages, each counted once."""
    tensors = [t for m in modules for t in (*m.parameters(), *m.buffers())]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def size(tensors: Iterable[Tensor]) -> int:
    return sum(t.numel() * t.itemsize for t in tensors)


def test_each_says_what_it_says_alone(lab: Lab) -> None:
    group = lab.together(*NAMES, batch_size=7)
    found = group(IMAGES)
    assert list(found) == list(group) == list(NAMES)
    for name in NAMES:
        alone = lab.alone(name)(IMAGES)
        torch.testing.assert_close(found[name], alone, **NEAR)
        torch.testing.assert_close(group[name](IMAGES), alone, **NEAR)


def test_the_base_is_held_once_and_each_keeps_its_pairs_and_head(lab: Lab) -> None:
    group = lab.together(*NAMES)
    base = size(tiny.base().tensors.values())
    adapted = [tiny.model(k).adapted_state().values() for k in (1, 2, 3)]
    assert held([group]) == base + sum(size(tensors) for tensors in adapted) + COLOURS
    apart = held([lab.alone(name) for name in NAMES])  # each with a base and no pairs
    assert apart == 3 * base + COLOURS + sum(
        size(t for n, t in tiny.model(k).adapted_state().items() if "lora" not in n)
        for k in (1, 2, 3)
    )


def test_three_tasks_at_l14_take_a_third_of_three_official_models() -> None:
    """An official model holds encoder, LoRA and head, all in float32: DESIGN, section 2."""
    counts = count_parameters(BACKBONES.get("clip-l14"))
    official = 3 * counts.all
    ours = counts.encoder + 3 * (counts.lora + counts.head)
    merged_at_once = 3 * 1024 * 1024  # the matrix of one layer, while it is in use
    assert (ours + merged_at_once) / official < 0.35


def test_to_moves_what_is_shared_once(lab: Lab) -> None:
    before = held([lab.together(*NAMES)])
    group = lab.together(*NAMES)
    full = group(IMAGES)
    for dtype, factor, near in (
        (torch.float64, 2.0, 1e-5),
        (torch.float16, 0.5, 0.02),
        (torch.bfloat16, 0.5, 0.1),
    ):
        moved = lab.together(*NAMES, dtype=dtype)
        kept = 4 * 2 * 6 + COLOURS  # scale and shift of six outputs stay float32
        assert held([moved]) == factor * (before - kept) + kept
        for name, scores in moved(IMAGES).items():
            assert scores.dtype == torch.float32
            torch.testing.assert_close(scores, full[name], rtol=0, atol=near)
    assert held([group.to(torch.float64)]) > before
    assert held([group.float()]) == before


def test_to_of_one_leaves_the_others_as_they_are(lab: Lab) -> None:
    group = lab.together(*NAMES)
    before = group(IMAGES)
    group["one"].double()
    after = group(IMAGES)
    assert group["one"].model.encoder.pos_embed.dtype == torch.float64
    assert group["crops"].model.encoder.pos_embed.dtype == torch.float32
    assert torch.equal(after["crops"], before["crops"])
    assert torch.equal(after["classes"], before["classes"])
    torch.testing.assert_close(after["one"], before["one"], **NEAR)


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_copies_hold_the_base_once_and_say_the_same(lab: Lab, way: str) -> None:
    group = lab.together(*NAMES)
    twin = pickle.loads(pickle.dumps(group)) if way == "pickle" else copy.deepcopy(group)
    assert held([twin]) == held([group])
    assert held([twin, group]) == 2 * held([group])
    for name, scores in twin(IMAGES).items():
        assert torch.equal(scores, group(IMAGES)[name])
    assert twin["one"].card == group["one"].card


def test_one_that_fails_leaves_the_others_and_itself_as_they_were(lab: Lab) -> None:
    group = lab.together(*NAMES)
    before = group(IMAGES)

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory, say")

    hook = group["one"].model.encoder.blocks[1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        group(IMAGES)
    assert torch.equal(group["crops"](IMAGES), before["crops"])
    hook.remove()
    for name, scores in group(IMAGES).items():
        assert torch.equal(scores, before[name])


def test_one_that_gives_no_number_leaves_the_scores_of_the_others(lab: Lab, tmp_path: Path) -> None:
    group = lab.together("one", "crops")
    with torch.no_grad():
        group["one"].model.head().shift.fill_(float("nan"))
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    ((row,),) = score_images(
        dict(group.items()), [str(tmp_path / "a.png")], together=group.in_chunks
    )
    assert row.values[0] is None
    np.testing.assert_allclose(
        np.asarray(row.values[1:], np.float32), lab.alone("crops")(IMAGES[0])[0], atol=1e-5
    )
    assert row.error == "its score by one is not a finite number"


def test_one_alone_on_its_base_is_merged_as_ever(lab: Lab) -> None:
    group = lab.together("one", "full")
    assert isinstance(first_qkv(group["one"]), SharedLoRALinear)
    assert type(first_qkv(group["full"])) is nn.Linear
    assert type(first_qkv(lab.together("one")["one"])) is nn.Linear
    torch.testing.assert_close(group(IMAGES)["full"], lab.alone("full")(IMAGES), **NEAR)


def first_qkv(metric: pm.Metric) -> nn.Module:
    return cast(Block, metric.model.encoder.blocks[0]).attn.qkv


def test_the_matrix_that_others_read_is_the_merged_one(lab: Lab) -> None:
    """Head importance takes q, k and v out of it by hand."""
    shared, merged = lab.together(*NAMES)["one"], lab.alone("one")
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for ours, theirs in zip(
        masked_embeddings(shared.model.encoder, pixels),
        masked_embeddings(merged.model.encoder, pixels),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, **NEAR)
    folded, plain = folded_state(shared.model.encoder), folded_state(merged.model.encoder)
    assert folded.keys() == plain.keys()
    for name, tensor in folded.items():
        torch.testing.assert_close(tensor, plain[name], rtol=0, atol=1e-6)


def test_gradients_reach_the_image(lab: Lab) -> None:
    image = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = []
    for metric in (lab.together(*NAMES)["one"], lab.alone("one")):
        (gradient,) = torch.autograd.grad(metric(image, grad=True).sum(), image)
        found.append(gradient)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


def test_arguments_reach_every_metric(lab: Lab) -> None:
    group = lab.together("one", "classes", batch_size=3, seed=5)
    assert {metric.batch_size for metric in group.values()} == {3}
    assert {metric.seed for metric in group.values()} == {5}
    with pytest.raises(pm.OptionError, match="does not average crops"):
        lab.together("one", "crops", crops=2)
    with pytest.raises(pm.OptionError, match="device 'nonsense' cannot be used"):
        lab.together("one", "crops", device="nonsense")


def test_names_that_cannot_be_used_are_told(lab: Lab) -> None:
    with pytest.raises(pm.OptionError, match="expected a list of one name or more"):
        pm.create_metrics([])
    with pytest.raises(pm.OptionError, match="expected a list of one name or more"):
        pm.create_metrics("iqa")
    with pytest.raises(pm.OptionError, match="expected a list of one name or more"):
        pm.create_metrics(5)  # type: ignore[arg-type]
    with pytest.raises(pm.OptionError, match="give at least one"):
        pm.MetricGroup({})
    with pytest.raises(pm.OptionError, match=r"one\.safetensors' is named twice"):
        lab.together("one", "one")
    with pytest.raises(pm.OptionError, match="'iqa' and 'runs/iqa' are both called 'iqa'"):
        pm.create_metrics(["iqa", "runs/iqa"])
    with pytest.raises(pm.UnknownNameError, match="did you mean 'one'"):
        lab.together("one", "crops")["onne"]
    with pytest.raises(pm.UnknownNameError, match="memorability"):
        pm.create_metrics([lab.path("one"), "memorabilty"], base=lab.base)


def test_no_images_and_bad_images_are_errors_that_name_them(lab: Lab) -> None:
    group = lab.together(*NAMES)
    with pytest.raises(pm.ImageError, match="at least one image"):
        group([])
    with pytest.raises(pm.OptionError, match="expected a list or an iterator of paths"):
        next(group.in_chunks("a.jpg"))
    with pytest.raises(pm.OptionError, match="chunk is 0, expected a whole number"):
        next(group.in_chunks(["a.jpg"], 0))
    with pytest.raises(pm.ImageError, match=r"images\[1\]"):
        group([IMAGES[0], np.full((4, 4, 3), 255.0)])


@pytest.mark.weights
def test_real_metrics_say_what_they_say_alone(
    sample_photos: tuple[Path, Path], clip_base: Path
) -> None:
    names = ["memorability", "affect", "aesthetics"]
    group = pm.create_metrics(names)
    for name, scores in group(list(sample_photos)).items():
        torch.testing.assert_close(scores, pm.create_metric(name)(list(sample_photos)), **NEAR)
