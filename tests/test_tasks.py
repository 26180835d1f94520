"""What the shipped tasks are: the paper's, by sections 4 and A.1, and two of our own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perceptmetrics.errors import OptionError
from perceptmetrics.heads import MLP_HEAD
from perceptmetrics.losses import cross_entropy_loss, mse_loss, plcc_loss
from perceptmetrics.metrics import METRICS, OfficialCheckpoint
from perceptmetrics.tasks import TASKS
from perceptmetrics.views import CentreCrop, RandomCrops, RandomResizedCrop


def test_quality_trains_by_plcc_on_flipped_crops_and_scores_fifteen() -> None:
    task = TASKS.get("iqa")
    assert task.loss is plcc_loss
    assert task.scale_free
    assert task.train_view == RandomCrops(224, 384, 1, flip_x=True, flip_y=True)
    assert task.eval_view == RandomCrops(224, 384, 15)
    assert 3 <= task.replicas <= 10


def test_the_papers_quality_metric_draws_its_fifteen_crops() -> None:
    source = METRICS.get("perceptclip-iqa").adapter
    assert isinstance(source, OfficialCheckpoint)
    assert source.view == RandomCrops(224, 384, 15)


def test_memorability_trains_by_mse_on_the_centre() -> None:
    task = TASKS.get("memorability")
    assert task.loss is mse_loss
    assert task.train_view == task.eval_view == CentreCrop(224, 224)


def test_emotion_trains_by_cross_entropy_on_random_resized_crops() -> None:
    task = TASKS.get("emotion")
    assert task.loss is cross_entropy_loss
    assert task.train_view == RandomResizedCrop(224)
    assert task.eval_view == CentreCrop(224, 224)
    # DESIGN section 2: the index order of the official release
    assert task.outputs == (
        "amusement",
        "awe",
        "contentment",
        "excitement",
        "anger",
        "disgust",
        "fear",
        "sadness",
    )


def test_both_sets_of_emotions_have_a_binary_view() -> None:
    # section 4.3
    assert TASKS.get("emotion").groupings["polarity"] == {
        "positive": ("amusement", "awe", "contentment", "excitement"),
        "negative": ("anger", "disgust", "fear", "sadness"),
    }
    assert TASKS.get("emotion-6").groupings["polarity"] == {
        "positive": ("joy", "surprise"),
        "negative": ("anger", "disgust", "fear", "sadness"),
    }


def test_affect_and_aesthetics_are_plain_regressions() -> None:
    assert TASKS.get("affect").outputs == ("valence", "arousal")
    assert TASKS.get("affect").higher_is_better is None
    assert TASKS.get("aesthetics").outputs == ("beauty",)
    assert TASKS.get("aesthetics").higher_is_better is True


def test_every_task_stands_on_the_papers_head() -> None:
    assert {task.head for task in TASKS} == {MLP_HEAD}


def test_a_grouping_that_forgets_a_class_is_refused() -> None:
    with pytest.raises(OptionError, match="must hold every class once"):
        replace(TASKS.get("emotion"), groupings={"polarity": {"positive": ("awe",)}})


def test_a_task_without_outputs_or_measures_is_refused() -> None:
    with pytest.raises(OptionError, match="has 0 outputs"):
        replace(TASKS.get("iqa"), outputs=())
    with pytest.raises(OptionError, match="no measure"):
        replace(TASKS.get("iqa"), measures={})
