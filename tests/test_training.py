"""Training: it learns, it repeats, it stops, and what it writes loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn

from perceptmetrics.data.batches import training_batches
from perceptmetrics.data.manifest import Manifest, read_manifest
from perceptmetrics.data.split import Split
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.errors import DataError, ImageError, OptionError, TrainingError
from perceptmetrics.heads import HeadSpec
from perceptmetrics.lora import STRATEGIES, LoRAConfig, Strategy
from perceptmetrics.losses import plcc_loss
from perceptmetrics.tasks import TASKS, Task
from perceptmetrics.training.checkpoint import Checkpoints
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.run import Run, train
from perceptmetrics.training.source import source_of
from perceptmetrics.training.trainer import Epoch, Optimisation, fit
from perceptmetrics.views import ENLARGED, RandomCrops
from perceptmetrics.weights.adapter import load_adapter

RECIPE = Recipe(
    lora=LoRAConfig(rank=4),
    head=HeadSpec(hidden=(16,), dropout=0.1),
    optimisation=Optimisation(epochs=6, learning_rate=3e-3),
    batch_size=6,
)


def run_tiny(folder: Path, out: str, recipe: Recipe = RECIPE, task: Task = tiny.TASK) -> Run:
    csv = folder / "ratings.csv"
    if not csv.exists():
        tiny.rated_folder(folder)
    data = read_manifest(csv, task)
    return train(
        [source_of(task, data, validation_fraction=0.25, seed=recipe.seed)],
        folder / out,
        backbone=tiny.BACKBONE,
        base=tiny.base(),
        base_name="tiny-vit.random",
        recipe=recipe,
        command="a test",
    )


def test_it_learns_what_the_ratings_say(tmp_path: Path) -> None:
    run = run_tiny(tmp_path, "run")
    assert run.figures["default"]["SRCC"] > 0.8
    assert run.history[-1].loss < run.history[0].loss


def test_the_same_run_gives_the_same_bits_whatever_the_global_generator(tmp_path: Path) -> None:
    first = run_tiny(tmp_path, "a")
    torch.rand(3)
    state = torch.get_rng_state()
    second = run_tiny(tmp_path, "b")
    assert torch.equal(torch.get_rng_state(), state)
    assert (tmp_path / "a" / "adapter.safetensors").read_bytes() == (
        tmp_path / "b" / "adapter.safetensors"
    ).read_bytes()
    other = run_tiny(tmp_path, "c", replace(RECIPE, seed=1))
    assert first.history == second.history != other.history


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_saved_adapter_gives_the_scores_that_were_recorded(
    tmp_path: Path, strategy: Strategy
) -> None:
    from perceptmetrics.metric import Metric
    from perceptmetrics.model import build_model

    run_tiny(tmp_path, "run", replace(RECIPE, strategy=strategy, half=True))
    adapter = load_adapter(tmp_path / "run" / "adapter.safetensors")
    model = build_model(
        tiny.BACKBONE,
        tiny.base().tensors,
        outputs=1,
        head=adapter.config.head,
        strategy=adapter.config.strategy,
        lora=adapter.config.lora,
    )
    model.load_adapted_state(adapter.tensors)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record = record["datasets"]["default"]
    images = [tmp_path / name for name in record["validation_images"]]
    scores = Metric(model, adapter.config, adapter.card)(images)
    np.testing.assert_allclose(
        scores.numpy(), np.ravel(record["validation_prediction"]), rtol=0, atol=1e-5
    )


def test_plcc_training_ends_in_the_unit_of_the_ratings(tmp_path: Path) -> None:
    task = replace(tiny.TASK, loss=plcc_loss, scale_free=True)
    run = run_tiny(tmp_path, "run", task=task)
    record = json.loads((run.folder / "run.json").read_text())["datasets"]["default"]
    error = np.ravel(record["validation_prediction"]) - np.ravel(record["validation_target"])
    assert np.abs(error).mean() < 0.25
    assert error.mean() == pytest.approx(0, abs=1e-6)  # a least-squares line leaves none


def test_classes_are_learned(tmp_path: Path) -> None:
    csv = tiny.rated_folder(tmp_path)
    rows = [line.split(",") for line in csv.read_text().splitlines()[1:]]
    labels = [f"{image},{'light' if float(score) > 0.5 else 'dark'}" for image, score in rows]
    csv.write_text("\n".join(["image,label", *labels]))
    from perceptmetrics.losses import cross_entropy_loss
    from perceptmetrics.statistics import accuracy

    task = replace(tiny.CLASSES, loss=cross_entropy_loss, measures={"accuracy": accuracy})
    run = run_tiny(tmp_path, "run", task=task)
    assert run.figures["default"]["accuracy"] >= 0.8
    assert run.adapter.card.validation[0].measure == "accuracy"


def test_a_run_folder_says_how_to_repeat_it(tmp_path: Path) -> None:
    run = run_tiny(tmp_path, "run")
    record = json.loads((run.folder / "run.json").read_text())
    assert record["recipe"]["lora"] == {"rank": 4, "alpha": 8, "dropout": 0.1}
    data = record["datasets"]["default"]
    assert data["views"]["train"] == tiny.VIEW.to_dict()
    assert record["base"]["sha256"] == tiny.base().sha256
    assert len(data["sha256"]) == 64
    assert len(record["history"]) == len(run.history)
    assert {"python", "perceptmetrics", "torch", "scipy"} <= set(record["versions"])
    assert record["backbone"] == tiny.BACKBONE.name
    assert record["machine"]["threads"] >= 1
    card = run.adapter.card
    assert card.seen == "ratings from 0 to 1"
    assert ENLARGED in card.notes
    assert card.base_sha256 == tiny.base().sha256
    assert card.validation[0].measure == "SRCC"
    assert card.validation[0].low <= card.validation[0].value <= card.validation[0].high


def test_the_defaults_are_the_papers() -> None:
    how = Optimisation()
    assert (how.epochs, how.patience, how.weight_decay) == (40, 12, 1e-4)
    recipe = Recipe()
    assert (recipe.batch_size, recipe.strategy, recipe.second_stage) == (32, "lora", False)
    assert recipe.lora == LoRAConfig(rank=16, alpha=8, dropout=0.1)


@pytest.mark.parametrize("how", [{"precision": "bf16"}, {"schedule": "one-cycle"}])
def test_precision_and_schedule_are_options(tmp_path: Path, how: dict[str, Any]) -> None:
    optimisation = replace(RECIPE.optimisation, **how)
    run = run_tiny(tmp_path, "run", replace(RECIPE, optimisation=optimisation))
    assert run.history[-1].loss < run.history[0].loss


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 1}, "batch_size is 1, expected at least 2"),
        ({"replicas": 0}, "replicas is 0"),
        ({"seed": 2**64}, r"seed is 18446744073709551616, expected from 0 to 2\*\*63 - 1"),
        ({"train_view": RandomCrops(32, 40, 3)}, "gives 3 cuts"),
    ],
)
def test_a_recipe_that_cannot_train_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        replace(RECIPE, **wrong)


def test_too_few_groups_are_found_before_training(tmp_path: Path) -> None:
    csv = tiny.rated_folder(tmp_path)
    data = read_manifest(csv, tiny.TASK)
    lumped = replace(data, groups=tuple(f"ref{i % 4}" for i in range(len(data))))
    with pytest.raises(DataError, match="raise --validation-fraction"):
        source_of(tiny.TASK, lumped, validation_fraction=0.25)
    with pytest.raises(
        DataError, match=r"^the split of photos leaves 18 training images and 1 val"
    ):
        source_of(tiny.TASK, lumped, name="photos", validation_fraction=0.25)


def test_a_split_that_leaves_too_little_is_named_without_an_option_that_does_nothing(
    tmp_path: Path,
) -> None:
    data = read_manifest(tiny.rated_folder(tmp_path), tiny.TASK)
    split = Split("koniq10k", "loda-2", data.names[:20], data.names[20:21], data.names[21:])
    with pytest.raises(DataError, match=r"^split 'loda-2' of koniq10k leaves 20 .* and 1 ") as told:
        source_of(tiny.TASK, data, name="koniq10k", split=split)
    assert "--validation-fraction" not in str(told.value)
    assert "give another split, or more images" in str(told.value)


def test_ratings_on_another_scale_are_not_said_to_be_on_the_tasks(tmp_path: Path) -> None:
    csv = tiny.rated_folder(tmp_path)
    rows = [line.split(",") for line in csv.read_text().splitlines()[1:]]
    scaled = [f"{image},{100 * float(score)}" for image, score in rows]
    csv.write_text("\n".join(["image,score", *scaled]))
    card = run_tiny(tmp_path, "run").adapter.card
    assert card.score_range is None
    assert card.seen == "ratings from 0 to 100"


def test_a_finished_run_is_not_overwritten(tmp_path: Path) -> None:
    run_tiny(tmp_path, "run", replace(RECIPE, optimisation=Optimisation(epochs=1)))
    with pytest.raises(TrainingError, match="finished run already"):
        run_tiny(tmp_path, "run")


def test_constant_ratings_are_refused(tmp_path: Path) -> None:
    csv = tiny.rated_folder(tmp_path)
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join([lines[0], *(line.split(",")[0] + ",0.5" for line in lines[1:])]))
    with pytest.raises(DataError, match="ratings of an output are equal"):
        run_tiny(tmp_path, "run")


def scripted(scores: list[float], how: Optimisation) -> tuple[list[Epoch], dict[str, Tensor]]:
    model = nn.Linear(1, 1, bias=False)
    given = iter(scores)
    return fit(
        model,
        forward=lambda parts: {name: model(part) for name, part in parts.items()},
        losses={"a": lambda prediction, target: (prediction - target).square().mean()},
        batches=lambda epoch, start: [{"a": (torch.ones(2, 1), torch.full((2, 1), 5.0))}],
        steps=1,
        validate=lambda: next(given),
        state=lambda: dict(model.state_dict()),
        load=model.load_state_dict,
        how=how,
    )


def test_training_stops_when_patience_is_at_its_end() -> None:
    history, _ = scripted([0.1, 0.5, 0.4, 0.5, 0.3, 0.9], Optimisation(patience=3))
    assert [epoch.number for epoch in history] == [1, 2, 3, 4, 5]


def test_the_best_epoch_is_kept_not_the_last() -> None:
    torch.manual_seed(0)
    _, one = scripted([1.0], Optimisation(epochs=1))
    torch.manual_seed(0)
    _, best = scripted([1.0, 0.2, 0.3], Optimisation(epochs=3))
    assert torch.equal(best["weight"], one["weight"])


def test_a_loss_that_is_not_a_number_stops_the_run() -> None:
    model = nn.Linear(1, 1)
    with pytest.raises(TrainingError, match="loss is nan in step 1 of epoch 1"):
        fit(
            model,
            forward=lambda parts: {name: model(part) for name, part in parts.items()},
            losses={"a": lambda prediction, target: prediction.mean() * float("nan")},
            batches=lambda epoch, start: [{"a": (torch.ones(2, 1), torch.ones(2, 1))}],
            steps=1,
            validate=lambda: 0.0,
            state=dict,
            load=lambda state: None,
            how=Optimisation(),
        )


def test_a_validation_score_that_is_not_a_number_stops_the_run() -> None:
    with pytest.raises(TrainingError, match="not a number"):
        scripted([float("nan")], Optimisation())


def one_weight(
    folder: Path, loss: Callable[[Tensor, Tensor], Tensor], steps: int
) -> tuple[list[Epoch], dict[str, Tensor]]:
    """Fits one weight, with checkpoints at the end of epochs only."""
    model = nn.Linear(1, 1, bias=False)
    batch = {"a": (torch.ones(2, 1), torch.full((2, 1), 5.0))}
    return fit(
        model,
        forward=lambda parts: {name: model(part) for name, part in parts.items()},
        losses={"a": loss},
        batches=lambda epoch, start: [batch] * (steps - start),
        steps=steps,
        validate=lambda: 0.5,
        state=lambda: dict(model.state_dict()),
        load=model.load_state_dict,
        how=Optimisation(),
        checkpoints=Checkpoints(folder, "a run"),
    )


def test_a_loss_that_is_not_a_number_leaves_the_last_checkpoint_as_it_was(tmp_path: Path) -> None:
    """The weights may be ruined by then; going on from the last one comes to the same."""
    seen = 0

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        nonlocal seen
        seen += 1
        return (prediction - target).square().mean() * (float("nan") if seen % 5 == 0 else 1)

    with pytest.raises(TrainingError, match=r"loss is nan in step 2 of epoch 2.*another --out"):
        one_weight(tmp_path, loss, steps=3)
    kept = Checkpoints(tmp_path, "a run").state
    assert kept is not None
    assert (kept["epoch"], kept["step"]) == (1, 0)
    seen = 3
    with pytest.raises(TrainingError, match="loss is nan in step 2 of epoch 2"):
        one_weight(tmp_path, loss, steps=3)


def test_weights_that_a_step_ruined_are_not_kept(tmp_path: Path) -> None:
    """The root of nothing is 0, its slope is infinite, and no further loss of the epoch tells."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - prediction.detach()).abs().sqrt().mean()

    with pytest.raises(TrainingError, match="weights are not finite after step 1 of epoch 1"):
        one_weight(tmp_path, loss, steps=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "must be above zero"),
        ({"learning_rate": float("nan")}, "learning rate nan: expected above zero and at most 1"),
        ({"learning_rate": 3e38}, "at most 1, as in 1e-4"),
        ({"weight_decay": float("nan")}, "weight decay nan at learning rate 0.0001"),
        ({"weight_decay": -0.1}, "expected from 0 to 10000"),
        ({"weight_decay": 1e300}, "expected from 0 to 10000"),
    ],
    ids=str,
)
def test_impossible_numbers_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Optimisation(**wrong)


def manifest(tmp_path: Path) -> Manifest:
    return read_manifest(tiny.rated_folder(tmp_path), tiny.TASK)


def test_threads_do_not_change_a_batch_and_every_replica_is_cut_anew(tmp_path: Path) -> None:
    data = manifest(tmp_path)
    targets = torch.arange(len(data)).float()[:, None]
    view = RandomCrops(32, 40, 1, flip_x=True)

    def epoch(number: int, threads: int) -> list[tuple[Tensor, Tensor]]:
        return list(
            training_batches(
                data, targets, view, batch_size=7, replicas=2, seed=3, epoch=number, threads=threads
            )
        )

    one, four = epoch(0, 1), epoch(0, 4)
    for (cuts, wanted), (same_cuts, same_wanted) in zip(one, four, strict=True):
        assert torch.equal(cuts, same_cuts)
        assert torch.equal(wanted, same_wanted)
    seen = torch.cat([target[:, 0] for _, target in one]).long()
    assert torch.bincount(seen).tolist() == [2] * len(data)
    cuts = torch.cat([cut for cut, _ in one])
    first, second = (cuts[i] for i in torch.nonzero(seen == 5)[:, 0])
    assert not torch.equal(first, second)
    assert not torch.equal(epoch(1, 1)[0][0], one[0][0])


def test_a_split_keeps_groups_whole_and_ignores_the_order_of_rows() -> None:
    groups = [f"ref{i % 7}" for i in range(70)]
    first, second = split_by_group(groups, 0.3, seed=0)
    assert {groups[i] for i in first}.isdisjoint(groups[i] for i in second)
    assert len({groups[i] for i in second}) == 2
    shuffled = sorted(groups)
    _, again = split_by_group(shuffled, 0.3, seed=0)
    assert {groups[i] for i in second} == {shuffled[i] for i in again}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("file_of,score\na.png,1", "has no image column"),
        ("image,value\n00.png,1", "has no target column: looked for brightness or score"),
        ("image,score\nnone.png,1", "line 2: there is no image"),
        ("image,score\n00.png,high", "line 2: score is 'high', expected a finite number"),
        ("image,score\n00.png,nan", "expected a finite number"),
        ("image,score\n00.png,1e300", "line 2: score is '1e300', expected a finite number of at"),
        ("image,score\n00.png", "line 2: expected 2 columns"),
    ],
)
def test_a_bad_manifest_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    tiny.rated_folder(tmp_path)
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "bad.csv", tiny.TASK)


def test_a_label_outside_the_task_is_named(tmp_path: Path) -> None:
    tiny.rated_folder(tmp_path)
    (tmp_path / "emotions.csv").write_text("image,label\n00.png,awe\n01.png,7\n02.png,hunger")
    with pytest.raises(DataError, match="line 4: label 'hunger' is none of task 'emotion'"):
        read_manifest(tmp_path / "emotions.csv", TASKS.get("emotion"))


def test_semicolons_and_other_column_names_are_read(tmp_path: Path) -> None:
    tiny.rated_folder(tmp_path)
    (tmp_path / "b.csv").write_text("photo;ref;how much\n00.png;r;1.5\n01.png;r;2")
    data = read_manifest(
        tmp_path / "b.csv",
        tiny.TASK,
        image_column="photo",
        target_columns=["how much"],
        group_column="ref",
    )
    assert data.targets.tolist() == [[1.5], [2.0]]
    assert data.groups == ("r", "r")


def test_blank_lines_and_spaces_in_the_header_do_not_mislead(tmp_path: Path) -> None:
    tiny.rated_folder(tmp_path)
    (tmp_path / "c.csv").write_text("image, score\n00.png,1\n\n01.png,high\n")
    with pytest.raises(DataError, match="line 4: score is 'high'"):
        read_manifest(tmp_path / "c.csv", tiny.TASK)


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    csv = tiny.rated_folder(tmp_path)
    (tmp_path / "07.png").write_bytes(b"broken")
    with pytest.raises(ImageError, match=r"07\.png"):
        run_tiny(tmp_path, "run")
    assert csv.exists()
