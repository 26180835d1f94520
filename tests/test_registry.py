"""Plug-ins are found, named, and kept apart."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

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


def test_capitals_are_no_obstacle_to_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'affect'"):
        TASKS.get("AFFECT")


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


# Packages and installed plug-ins made for one test.

Make = Callable[..., Registry[Task]]

GREY = "from dataclasses import replace\nimport tiny\nGREY = replace(tiny.TASK, name='grey')\n"
BLUE = GREY.replace("GREY", "BLUE").replace("grey", "blue")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes a registry over a package with these files and these installed plug-ins."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(files: dict[str, str], installed: dict[str, str] | None = None) -> Registry[Task]:
        package = tmp_path / "paints"
        package.mkdir()
        for name, code in {"__init__": "", **files}.items():
            (package / f"{name}.py").write_text(code)
        for name, code in (installed or {}).items():
            (tmp_path / f"paints_{name}.py").write_text(code)
            info = tmp_path / f"paints_{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: paints-{name}\n")
            point = f"[perceptmetrics.paints]\n{name} = paints_{name}:FOUND\n"
            (info / "entry_points.txt").write_text(point)
        return Registry("paint", Task, package="paints", group="perceptmetrics.paints")

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0].startswith("paints")]:
        del sys.modules[name]


def test_one_file_may_import_anothers_value(registry: Make) -> None:
    paints = registry({"a": GREY, "b": "from paints.a import GREY\n" + BLUE})
    assert paints.names() == ["blue", "grey"]


def test_two_files_of_ours_with_one_name_are_an_error_at_every_look_up(registry: Make) -> None:
    paints = registry({"a": GREY, "b": GREY})
    for look_up in (paints.names, paints.values, lambda: paints.get("blue")):
        with pytest.raises(
            DuplicateNameError, match=r"'grey': one from paints\.a, one from paints"
        ):
            look_up()


def test_an_import_that_failed_is_tried_again(registry: Make, tmp_path: Path) -> None:
    paints = registry({"a": GREY, "b": "raise RuntimeError('not today')"})
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not today"):
            paints.get("grey")
    (tmp_path / "paints" / "b.py").write_text(BLUE + "# of another length than before\n")
    assert paints.names() == ["blue", "grey"]


@pytest.mark.parametrize("installed", [1, 2])
def test_a_name_that_an_installed_plug_in_takes_again_is_nobodys(
    installed: int, registry: Make
) -> None:
    """Asking for it names both origins; what the same plug-in brings beside it works."""
    both = "import tiny\nfrom dataclasses import replace\n" + (
        "FOUND = [replace(tiny.TASK, name='grey'), replace(tiny.TASK, name='{}')]\n"
    )
    plugins = {f"shop{i}": both.format(f"red{i}") for i in range(installed)}
    paints = registry({"a": GREY, "b": BLUE}, plugins)
    assert paints.names() == ["blue", *(f"red{i}" for i in range(installed))]
    assert paints.get("blue").name == "blue"
    assert "grey" not in paints
    assert list(paints.broken) == ["grey"]
    expected = r"'grey': one from paints\.a, one from the entry point 'shop\d' .*paints-shop\d"
    with pytest.raises(DuplicateNameError, match=expected):
        paints.get("grey")
    with pytest.raises(DuplicateNameError, match="'grey'"):
        paints.register(replace(tiny.TASK, name="grey"))


def test_an_entry_point_may_name_what_is_there_already(registry: Make) -> None:
    paints = registry({"a": GREY}, {"shop": "from paints.a import GREY as FOUND\n"})
    assert paints.names() == ["grey"]
    assert not paints.broken


def test_a_broken_plug_in_is_raised_under_its_entry_points_name(registry: Make) -> None:
    broken = {"shop": "raise RuntimeError('closed')", "odd": "FOUND = 3\n"}
    paints = registry({"a": GREY}, broken)
    assert paints.names() == ["grey"]
    with pytest.raises(
        PluginError, match=r"paints-shop could not be loaded \(RuntimeError: closed"
    ):
        paints.get("shop")
    with pytest.raises(PluginError, match="gives a int, but a paint plug-in must be a"):
        paints.get("odd")


def test_threads_that_ask_at_once_all_see_everything(registry: Make) -> None:
    slow = "import time\ntime.sleep(0.2)\n"
    paints = registry({"a": slow + GREY, "b": slow + BLUE})
    seen: list[list[str]] = []
    threads = [threading.Thread(target=lambda: seen.append(paints.names())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [["blue", "grey"]] * 8


def test_reading_while_others_register_never_fails() -> None:
    tasks = fresh_tasks()
    before = len(tasks.names())
    failed: list[BaseException] = []

    def register(start: int) -> None:
        for index in range(start, 400, 2):
            tasks.register(replace(tiny.TASK, name=f"task{index}"))

    def read() -> None:
        try:
            while len(tasks.values()) < before + 400:
                assert tasks.get("iqa").name == "iqa"
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=register, args=(start,)) for start in (0, 1)]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed
    assert len(tasks.names()) == before + 400
