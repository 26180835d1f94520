"""docs/errors.md says what was measured, and its example runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def errors(root: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(root / "benchmarks"))
    try:
        import errors

        yield errors
    finally:
        sys.path.remove(str(root / "benchmarks"))


def test_the_tables_of_the_page_are_those_of_the_results(root: Path, errors: ModuleType) -> None:
    text = (root / "docs" / "errors.md").read_text()
    assert text.count("\n|---|") == text.count(":begin -->\n|") == len(errors.OF_ONE) + 2
    assert text == errors.with_tables(text)


def test_the_results_reach_what_the_cards_say(errors: ModuleType) -> None:
    from perceptmetrics.metrics import METRICS

    found = errors.analyses()
    for name in errors.RUNS:
        figures = METRICS.get(name).card.validation
        assert [one.output for one in found[name].ratings] == [one.output for one in figures]
        assert {one.images for one in found[name].ratings} == {figures[0].images}
        for ceiling in found[name].ceilings:
            if ceiling.measure == "SRCC":
                (card,) = (one for one in figures if one.output == ceiling.output)
                assert ceiling.reached == pytest.approx(card.value, abs=1e-3)


def test_only_images_that_no_embedded_metric_was_trained_on_are_named(errors: ModuleType) -> None:
    kept = json.loads(errors.RESULTS.read_text())["analyses"]
    for name in errors.RUNS:
        held_out = {one.rpartition("/")[2] for one in errors.recorded(name)["validation_images"]}
        for rated in kept[name]["ratings"]:
            for miss in (*rated["overrated"], *rated["underrated"]):
                assert miss["image"].rpartition("/")[2] in held_out


def test_the_example_of_the_page_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (root / "docs" / "errors.md").read_text()
    exec(page.split("```python\n")[1].split("```")[0], {})
    assert len(capsys.readouterr().out.splitlines()) == 5
