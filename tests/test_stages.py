"""Several datasets, two stages: one encoder, a head for each, and nothing leaks between them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from distributed_run import batch_loss
from test_training import RECIPE

from perceptmetrics.adaptation import Strategy
from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.errors import DataError, OptionError, UnknownNameError
from perceptmetrics.heads import HeadSpec
from perceptmetrics.lora import LoRAConfig
from perceptmetrics.losses import cross_entropy_loss
from perceptmetrics.metric import Metric
from perceptmetrics.model import build_model
from perceptmetrics.statistics import accuracy
from perceptmetrics.tasks import Task
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.run import Run, train
from perceptmetrics.training.source import Source, source_of
from perceptmetrics.weights.adapter import load_adapter

STILL = replace(
    RECIPE,
    lora=LoRAConfig(rank=4, dropout=0),
    head=HeadSpec((16,), dropout=0),
    optimisation=replace(RECIPE.optimisation, epochs=3),
)
SHADE = replace(tiny.CLASSES, loss=cross_entropy_loss, measures={"accuracy": accuracy})


def sources(folder: Path) -> list[Source]:
    """A regression with the PLCC loss on 24 images, and a classification on 8 of them."""
    csv = folder / "ratings.csv"
    if not csv.exists():
        tiny.rated_folder(folder)
    rated = read_manifest(csv, tiny.TASK)
    classes = replace(rated, targets=(rated.targets[:, 0] > 0.5).astype(np.int64))
    return [
        source_of(
            replace(tiny.TASK, loss=batch_loss), rated, name="levels", validation_fraction=0.25
        ),
        source_of(SHADE, classes.take(range(0, 24, 3)), name="shades", validation_fraction=0.3),
    ]


def run(folder: Path, out: str, recipe: Recipe = STILL, chosen: slice = slice(None)) -> Run:
    return train(
        sources(folder)[chosen],
        folder / out,
        backbone=tiny.BACKBONE,
        base=tiny.base(),
        base_name="tiny-vit.random",
        recipe=recipe,
    )


def test_one_file_holds_all_heads_and_each_can_be_picked(tmp_path: Path) -> None:
    """Heads may have other outputs and another kind: 8 and 6 emotions share an encoder too."""
    ran = run(tmp_path, "run")
    adapter = load_adapter(ran.folder / "adapter.safetensors")
    record = json.loads((ran.folder / "run.json").read_text())
    for name, kind, outputs in (
        ("levels", "regression", ("brightness",)),
        ("shades", "classification", ("dark", "light")),
    ):
        picked = adapter.pick(name)
        assert (picked.config.kind, picked.config.outputs) == (kind, outputs)
        assert picked.card.outputs == outputs
        model = build_model(
            tiny.BACKBONE,
            tiny.base().tensors,
            outputs=len(outputs),
            head=picked.config.head,
            lora=picked.config.lora,
            datasets=picked.config.datasets,
        )
        model.load_adapted_state(picked.tensors)
        kept = record["datasets"][name]
        images = [tmp_path / image for image in kept["validation_images"]]
        scores = Metric(model, picked.config, picked.card)(images).numpy()
        expected = np.asarray(kept["validation_prediction"])
        np.testing.assert_allclose(scores.reshape(expected.shape), expected, rtol=0, atol=1e-5)
    with pytest.raises(OptionError, match="heads for levels, shades: say which"):
        adapter.pick(None)
    with pytest.raises(UnknownNameError, match="did you mean 'shades'"):
        adapter.pick("shade")


def test_the_second_stage_trains_heads_and_leaves_the_encoder_alone(tmp_path: Path) -> None:
    one = run(tmp_path, "one")
    two = run(tmp_path, "two", replace(STILL, second_stage=True))
    assert set(two.second_stage) == {"levels", "shades"}
    moved = {
        n for n, t in one.adapter.tensors.items() if not torch.equal(t, two.adapter.tensors[n])
    }
    assert {name.split(".")[0] for name in moved} <= {"heads"}
    for name, history in two.second_stage.items():
        measure = next(iter(one.figures[name]))
        assert two.figures[name][measure] >= one.figures[name][measure] - 1e-9
        assert len(history) == 3


@pytest.mark.parametrize("strategy", ["lora", "full"])
def test_heads_that_train_first_leave_the_encoder_as_it_was_pretrained(
    tmp_path: Path, strategy: Strategy
) -> None:
    """An encoder that then takes no step to speak of is the pretrained one under trained heads."""
    still = replace(STILL.optimisation, epochs=1, learning_rate=1e-12)
    recipe = replace(STILL, strategy=strategy, optimisation=still)
    bare = run(tmp_path, "bare", recipe)
    first = run(tmp_path, "first", replace(recipe, head_first=STILL.optimisation))
    assert {name: len(history) for name, history in first.head_first.items()} == {
        "levels": 3,
        "shades": 3,
    }
    assert json.loads((first.folder / "run.json").read_text())["head_first"]["levels"]
    for name, tensor in first.adapter.tensors.items():
        alike = torch.allclose(tensor, bare.adapter.tensors[name], atol=1e-9)
        assert alike or name.startswith("heads."), name
    assert first.history[0].validation > bare.history[0].validation


def test_a_head_that_goes_first_is_kept_though_its_random_start_scored_as_well(
    tmp_path: Path,
) -> None:
    """On a few validation images a random head may well order all of them."""
    level = replace(tiny.TASK, measures={"SRCC": lambda said, rated: 1.0})
    rated = read_manifest(tiny.rated_folder(tmp_path), tiny.TASK)
    source = source_of(level, rated, validation_fraction=0.25)
    still = replace(STILL.optimisation, epochs=1, learning_rate=1e-12)

    def head(out: str, recipe: Recipe) -> torch.Tensor:
        trained = train(
            [source],
            tmp_path / out,
            backbone=tiny.BACKBONE,
            base=tiny.base(),
            base_name="tiny-vit.random",
            recipe=recipe,
        )
        return next(
            t for n, t in trained.adapter.tensors.items() if n.startswith("head") and t.dim() > 1
        )

    bare = head("bare", replace(STILL, optimisation=still))
    first = head("first", replace(STILL, optimisation=still, head_first=STILL.optimisation))
    assert (bare - first).abs().max() > 1e-4


def test_the_encoder_trains_after_the_heads_that_went_first(tmp_path: Path) -> None:
    still = replace(STILL, head_first=STILL.optimisation)
    stays = replace(still, optimisation=replace(STILL.optimisation, learning_rate=1e-12))
    one, first = run(tmp_path, "one", stays), run(tmp_path, "first", still)
    moved = {
        n for n, t in one.adapter.tensors.items() if not torch.equal(t, first.adapter.tensors[n])
    }
    assert any("lora" in name for name in moved)


def test_one_dataset_in_two_phases_is_the_papers_control(tmp_path: Path) -> None:
    """Table A.9, second row."""
    ran = run(tmp_path, "run", replace(STILL, second_stage=True), slice(1))
    assert set(ran.second_stage) == {"levels"}
    assert ran.adapter.config.datasets == ("levels",)


def test_a_model_takes_no_rows_at_all() -> None:
    """Where a last batch has fewer rows than there are processes."""
    found = tiny.model().forward_parts({"default": torch.zeros(0, 3, 32, 32, dtype=torch.uint8)})
    assert found["default"].shape == (0, 1)
    assert found["default"].requires_grad


def test_a_rounded_file_says_so_on_the_card_of_every_head(tmp_path: Path) -> None:
    ran = run(tmp_path, "run", replace(STILL, half=True))
    adapter = load_adapter(ran.folder / "adapter.safetensors")
    for name in ("levels", "shades"):
        assert any("float16" in note for note in adapter.pick(name).card.notes)
        assert adapter.pick(name).pick(name).config == adapter.pick(name).config


@pytest.mark.parametrize("task", [SHADE, replace(tiny.TASK, outputs=("a", "b"))])
def test_targets_of_another_task_are_refused(tmp_path: Path, task: Task) -> None:
    rated = read_manifest(tiny.rated_folder(tmp_path), tiny.TASK)
    with pytest.raises(DataError, match="the data has targets of shape"):
        source_of(task, rated)


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = [sources(tmp_path)[0]] * 2
    with pytest.raises(OptionError, match="each with a name of its own"):
        train(
            twice,
            tmp_path / "run",
            backbone=tiny.BACKBONE,
            base=tiny.base(),
            base_name="tiny-vit.random",
            recipe=STILL,
        )


@pytest.mark.parametrize("change", ["recompute", "rows"])
def test_what_saves_memory_does_not_change_the_result(tmp_path: Path, change: str) -> None:
    plain = run(tmp_path, "plain")
    thrifty = (
        replace(STILL, recompute=True)
        if change == "recompute"
        else replace(STILL, optimisation=replace(STILL.optimisation, rows=2))
    )
    saved = run(tmp_path, "saved", thrifty)
    for name, tensor in plain.adapter.tensors.items():
        torch.testing.assert_close(saved.adapter.tensors[name], tensor, rtol=1e-3, atol=1e-4)
