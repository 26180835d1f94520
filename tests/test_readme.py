"""The README says what was measured."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def tables(root: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(root / "benchmarks"))
    try:
        import readme_tables

        yield readme_tables
    finally:
        sys.path.remove(str(root / "benchmarks"))


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/ablations.md",
        "docs/crops.md",
        "docs/growth.md",
        "docs/speed.md",
        "docs/training.md",
    ],
)
def test_the_tables_are_those_of_the_results(root: Path, tables: ModuleType, page: str) -> None:
    text = (root / page).read_text()
    assert "|---|" in text
    assert text == tables.with_tables(text)


def test_the_cards_say_what_the_results_say(root: Path) -> None:
    from perceptmetrics.metrics import METRICS

    measured = json.loads((root / "benchmarks" / "results" / "embedded.json").read_text())
    for name, entry in measured.items():
        card = METRICS.get(name).card
        assert card.sha256 == entry["sha256"]
        assert card.view == entry["chosen"]
        assert [figure.value for figure in card.validation] == [
            figure["value"] for figure in entry["views"][entry["chosen"]]
        ]


@pytest.mark.weights
def test_the_sample_photographs_score_as_the_readme_says(
    root: Path, tables: ModuleType, clip_base: Path
) -> None:
    kept = json.loads((root / "benchmarks" / "results" / "samples.json").read_text())["scores"]
    for photo, scores in tables.score_samples().items():
        # Another CPU's arithmetic may differ in the last digits; the README prints three.
        assert scores == pytest.approx(kept[photo], abs=2e-4)


def test_every_link_inside_the_project_leads_somewhere(root: Path) -> None:
    for page in (root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")):
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page
