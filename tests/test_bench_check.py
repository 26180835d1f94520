"""The built-in check: what it says of an ordering, of a metric that fails, of a bad photograph."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import tiny_bench
import tiny_plugin
from PIL import Image

from perceptmetrics.bench.candidates import optional, read_photographs, registered
from perceptmetrics.bench.monotony import Judge, check, ordering
from perceptmetrics.bench.record import read_result
from perceptmetrics.cli.main import main
from perceptmetrics.create import create_metric
from perceptmetrics.errors import DataError
from perceptmetrics.metric import DEFAULT_SEED
from perceptmetrics.weights.digest import sha256_of_file

Pixels = npt.NDArray[np.uint8]


class Judged:
    """A metric that is a formula."""

    def __init__(self, formula: Callable[[Pixels], float], higher: bool | None = True) -> None:
        self._formula = formula
        self.higher_is_better = higher

    def __call__(self, images: Sequence[Pixels]) -> npt.NDArray[np.float64]:
        return np.array([self._formula(image) for image in images])


def light(image: Pixels) -> float:
    return float(image.mean())


PHOTOGRAPHS = {"a.png": tiny.photograph(24, 32, 1), "b.png": tiny.photograph(24, 32, 2)}


def test_scores_that_fall_are_in_order_and_scores_that_rise_are_not() -> None:
    falling = ordering("m", "p", "d", [6, 5, 4, 3, 2, 1])
    assert (falling.srcc, falling.in_order) == (1.0, 5)
    rising = ordering("m", "p", "d", [1, 2, 3, 4, 5, 6])
    assert (rising.srcc, rising.in_order) == (-1.0, 0)
    turned = ordering("m", "p", "d", [1, 2, 3, 4, 5, 6], higher_is_better=False)
    assert (turned.srcc, turned.in_order) == (1.0, 5)


def test_equal_neighbours_are_not_in_order_and_equal_scores_have_no_correlation() -> None:
    assert ordering("m", "p", "d", [5, 5, 4, 3, 2, 1]).in_order == 4
    same = ordering("m", "p", "d", [1] * 6)
    assert math.isnan(same.srcc)
    assert same.in_order == 0


def test_a_metric_of_light_sees_darkening_and_one_that_is_turned_takes_it_for_better() -> None:
    load = {"light": lambda: Judged(light), "turned": lambda: Judged(light, higher=False)}
    found = check(load, PHOTOGRAPHS)
    assert found.summary("light", "brightness") == (1.0, 1.0)
    assert found.summary("turned", "brightness") == (-1.0, 0.0)
    assert len(found.of("light")) == 2 * 6
    assert found.speeds[0].images == 2 * (1 + 6 * 5)
    with pytest.raises(DataError, match="has nothing of 'dark'"):
        found.summary("dark")


def test_a_metric_that_cannot_load_or_that_raises_costs_only_itself() -> None:
    def absent() -> Judge:
        raise DataError("it is not here")

    def breaks(image: Pixels) -> float:
        raise KeyError("weights")

    found = check(
        {
            "absent": absent,
            "breaks": lambda: Judged(breaks),
            "nan": lambda: Judged(lambda image: math.nan),
            "light": lambda: Judged(light),
        },
        PHOTOGRAPHS,
    )
    assert {one.metric for one in found.orderings} == {"light"}
    reasons = dict(found.failures)
    assert reasons["absent"] == "it is not here"
    assert reasons["breaks"] == "KeyError: 'weights'"
    assert "not finite" in reasons["nan"]


def test_no_photograph_is_an_error() -> None:
    with pytest.raises(DataError, match="--photographs"):
        check({}, {})


def test_a_photograph_that_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    Image.fromarray(PHOTOGRAPHS["a.png"]).save(tmp_path / "inside" / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    found, failed = read_photographs(tmp_path)
    assert list(found) == ["inside/a.png"]
    assert [Path(name).name for name, _ in failed] == ["b.jpg"]


def test_every_metric_of_image_quality_is_asked() -> None:
    assert {"iqa", "perceptclip-iqa"} <= set(registered())
    assert "iqa" not in optional()
    assert "perceptclip-iqa" in optional()


# The command.


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bench.write_plugin(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def trained(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; its base lies beside it and in nobody's cache."""
    folder = tmp_path_factory.mktemp("trained")
    base = tiny_plugin.write_base(plugin, folder / "base.safetensors")
    data = tiny.rated_folder(folder)
    return tiny_plugin.train_run(plugin, base, data, folder / "run")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name, image in PHOTOGRAPHS.items():
        Image.fromarray(image).save(folder / name)
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_without_a_dataset_the_check_runs_says_what_it_is_not_and_is_kept(
    plugin: Path,
    trained: Path,
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    offline: Path,
) -> None:
    tiny_bench.plug_in(plugin, monkeypatch)
    monkeypatch.delenv("PERCEPTMETRICS_DATA", raising=False)
    out = tmp_path / "out"
    code = run(
        *("bench", "--photographs", photographs, "--out", out, "--backbone", "clip"),
        *("--metric", trained, "--metric", "iqa"),
        *("--base", tiny_plugin.BACKBONE, trained.parent / "base.safetensors"),
    )
    said = capsys.readouterr()
    assert "the built-in check runs; what is to be trained has no bearing on it" in said.err
    assert "not a check against human judgement" in said.out
    assert "cannot load: iqa: the base weights clip-b16.openai-int8 are not" in said.out
    assert code == 1  # iqa was asked for by name
    kept = read_result(out / "bench.json")
    assert kept.check is not None
    assert len(kept.check.of(str(trained))) == 12
    (known,) = kept.check.metrics
    card = create_metric(trained, base=trained.parent / "base.safetensors").card
    assert known.adapter_sha256 == sha256_of_file(trained / "adapter.safetensors")
    assert (known.base, known.base_sha256) == (card.base, card.base_sha256)
    assert (known.metric, known.view) == (str(trained), card.view)
    assert (known.crops, known.seed) == (1, DEFAULT_SEED)
    files = {one.name: sha256_of_file(one) for one in photographs.iterdir()}
    assert kept.check.photograph_sha256 == files
    table = (out / "bench.md").read_text()
    assert "| level 1 | level 2 |" in table
    assert json.loads((out / "bench.json").read_text())["check"]["photographs"] == [
        "a.png",
        "b.png",
    ]


def test_what_only_a_hub_has_is_a_line_and_no_failure(
    plugin: Path,
    trained: Path,
    photographs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    offline: Path,
) -> None:
    tiny_bench.plug_in(plugin, monkeypatch)
    base = trained.parent / "base.safetensors"
    names = ("perceptclip-iqa", str(trained))
    monkeypatch.setattr("perceptmetrics.bench.candidates.registered", lambda: names)
    code = run("bench", "--photographs", photographs, "--base", tiny_plugin.BACKBONE, base)
    said = capsys.readouterr()
    assert "cannot load: perceptclip-iqa: its weights are not on this machine" in said.out
    assert code == 0
    assert run("bench", "--photographs", photographs, "--metric", "perceptclip-iqa") == 2


def test_the_plan_of_the_check_runs_nothing(
    photographs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PERCEPTMETRICS_DATA", raising=False)
    assert run("bench", "--plan", "--photographs", photographs) == 0
    said = capsys.readouterr().out
    assert "62 images, judged by iqa; " in said
    assert "rough: half the speed of a matrix product" in said
    assert "not here: metric perceptclip-iqa: its weights are not on this machine" in said
    assert f"the photographs of {photographs} under 6 distortions in 5 levels" in said
    assert "not human judgement" in said
