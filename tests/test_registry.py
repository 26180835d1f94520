"""Plug-ins are found, named, and kept apart."""

from __future__ import annotations

import pytest
import tiny

from perceptmetrics.backbones import BACKBONES, find_backbone
from perceptmetrics.errors import DuplicateNameError, PluginError, UnknownNameError
from perceptmetrics.registry import Registry
from perceptmetrics.tasks import TASKS, Task


def fresh_tasks() -> Registry[Task]:
    return Registry(
        "task", Task, package="perceptmetrics.tasks.builtin", group="perceptmetrics.none"
    )


def test_every_file_in_the_folder_is_found() -> None:
    assert {"iqa", "memorability", "emotion", "emotion-6", "affect", "aesthetics"} <= set(
        TASKS.names()
    )


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'memorability'"):
        TASKS.get("memorabilty")


def test_a_name_like_no_other_lists_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match="there are aesthetics, affect"):
        TASKS.get("zzzzzzzz")


def test_a_registered_value_is_found_and_a_second_of_that_name_refused() -> None:
    tasks = fresh_tasks()
    tasks.register(tiny.TASK)
    assert tasks.get("brightness") is tiny.TASK
    with pytest.raises(DuplicateNameError, match="two task plug-ins are called 'brightness'"):
        tasks.register(tiny.TASK)


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(PluginError, match="must be a"):
        fresh_tasks().register(tiny.BACKBONE)  # type: ignore[arg-type]


def test_a_family_name_means_its_default_size() -> None:
    assert find_backbone("clip").name == "clip-b16"
    assert find_backbone("dinov2").name == "dinov2-s14"
    assert find_backbone("mae").name == "mae-b16"


def test_each_family_has_one_default() -> None:
    families = [b.family for b in BACKBONES if b.default_of_family]
    assert sorted(families) == sorted({b.family for b in BACKBONES})
