"""benchmarks/speed.py compares like with like, in turn, and says what was not measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch

from perceptmetrics.backbones import Backbone
from perceptmetrics.registry import Registry

SPEC = replace(tiny.BACKBONE, patch_bias=False, norm_eps=1e-5)  # as CLIP's
RATIO = {"times": 1.234, "quartiles": [1.2, 1.3], "pairs": 5, "official": 2.0, "ours": 1.6}


@pytest.fixture(autouse=True)
def program(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The benchmark's modules, for which the tiny backbone is one like any other."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import speed_models
    import speed_training

    known = Registry("backbone", Backbone, package="perceptmetrics.backbones.families", group="no")
    known.register(SPEC)
    for module in (speed_models, speed_training):
        monkeypatch.setattr(module, "BACKBONES", known)
    yield
    for name in [name for name in sys.modules if name.startswith("speed_")]:
        del sys.modules[name]


def test_both_sides_say_the_same_and_ours_does_less_for_it() -> None:
    import speed_models as models
    from speed_measure import flops
    from speed_training import data, normalised

    official = models.Official(SPEC).eval()
    metric = models.as_metric(models.ours(official, SPEC.name), SPEC.name)
    cuts, _ = data(SPEC.name, 3)
    pixels = normalised(cuts, SPEC)
    with torch.no_grad():
        theirs, ours = official(pixels), metric.model.head()(metric.model.encoder(pixels))
        assert float(theirs.std()) > 1e-3
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
        torch.testing.assert_close(metric.model(cuts), theirs, rtol=0, atol=1e-5)
        assert flops(lambda: metric.model(cuts)) < flops(lambda: official(pixels))


def test_lora_of_the_official_side_changes_its_scores() -> None:
    import speed_models as models
    from speed_training import data, normalised

    official = models.Official(SPEC).eval()
    pixels = normalised(data(SPEC.name, 3)[0], SPEC)
    with torch.no_grad():
        adapted = official(pixels)
        with official.encoder.disable_adapter():
            assert (official(pixels) - adapted).abs().max() > 1e-3


def test_both_sides_have_the_same_gradients_and_take_steps() -> None:
    import speed_models as models
    from speed_training import data, gradient_deviations, official_step, our_step

    assert gradient_deviations(SPEC.name, 8)["ours"] < 1e-5
    official = models.Official(SPEC, dropout=0.0)
    steps = our_step(models.ours(official, SPEC.name, dropout=0.0)), official_step(official)
    for step in steps:
        losses = [step(*data(SPEC.name, 8)) for _ in range(3)]
        assert all(0 <= loss <= 1 for loss in losses)
        assert len(set(losses)) == 3  # something was learned, or dropped out


def test_two_ways_run_in_turn_and_the_first_run_of_each_is_not_counted() -> None:
    from speed_measure import in_turn

    ran: list[str] = []

    def clock(work: object) -> float:
        assert callable(work)
        work()
        return float(len(ran))

    took = in_turn({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, clock, 4)
    assert "".join(ran) == "ab" + "baabbaab"
    assert {name: len(times) for name, times in took.items()} == {"a": 4, "b": 4}


def test_a_ratio_is_the_median_over_pairs_with_its_quartiles() -> None:
    from speed_measure import compared

    found = compared([2.0, 4.0, 6.0], [1.0, 1.0, 2.0])
    assert found == {
        "times": 3.0,
        "quartiles": [2.5, 3.5],
        "pairs": 3,
        "official": 4.0,
        "ours": 1.0,
    }


def test_the_table_says_what_was_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import speed_tables

    shares = {"official, share of the peak": 0.8, "ours, share of the peak": 0.95}
    forward = {
        "batch": 32,
        "CPU, one thread": {**RATIO, **shares},
        "fast, one thread": "not measured: this CPU has neither",
    }
    (tmp_path / "speed.json").write_text(json.dumps({"forward": {"clip-b32": forward}}))
    monkeypatch.setattr(speed_tables, "RESULTS", tmp_path)
    lines = speed_tables.speed_table().splitlines()
    none = "not measured"
    row = "| forward, ViT-B/32 | 32 | 1.23× [1.20, 1.30] | not measured | 0.80 → 0.95 |  |"
    assert lines[2:] == [row, f"| forward, ViT-B/32, fast | 32 | {none} | {none} |  |  |"]
    assert speed_tables.precision_table() == "*Not measured yet.*"


def test_every_result_says_where_it_was_measured_and_how(root: Path) -> None:
    kept = root / "benchmarks" / "results" / "speed.json"
    if not kept.is_file():
        pytest.skip("benchmarks/speed.py was not run yet")
    for name, found in json.loads(kept.read_text()).items():
        measured = found["measured"]
        assert measured["command"].startswith(f"python benchmarks/speed.py {name}")
        assert {"processor", "cores", "torch", "transformers", "peft"} <= measured["machine"].keys()
