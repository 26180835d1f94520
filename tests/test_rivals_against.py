"""Ours against rivals: which differences are chance, and on which images that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perceptmetrics.bench.result import RivalResult
from perceptmetrics.bench.rivals.against import Judged, against_ours
from perceptmetrics.bench.rivals.table import HEADER, rival_rows
from perceptmetrics.data.manifest import Manifest
from perceptmetrics.evaluation.figures import Figure
from perceptmetrics.statistics import srcc
from perceptmetrics.statistics.paired import PairedPart, paired_difference


def line_of(
    name: str,
    part: Manifest,
    scores: np.ndarray,
    *,
    ours: bool = False,
    lacks: tuple[int, ...] = (),
) -> Judged:
    there = {
        image: (float(score),)
        for index, (image, score) in enumerate(zip(part.names, scores, strict=True))
        if index not in lacks
    }
    return Judged(RivalResult(name, ours, "n", len(part)), ((part, there),))


def part_of(truth: np.ndarray, groups: tuple[str, ...] | None = None) -> Manifest:
    names = tuple(f"{index}.png" for index in range(len(truth)))
    return Manifest(tuple(map(Path, names)), names, truth[:, None], groups or names, "")


def test_ours_against_a_rival_is_the_paired_bootstrap_on_images_that_both_have() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=40)
    good, bad = truth + 0.3 * rng.normal(size=40), truth + 2 * rng.normal(size=40)
    part = part_of(truth, tuple(str(index // 2) for index in range(40)))
    lines = [
        line_of("bad", part, bad, lacks=(0,)),
        line_of("as good", part, good),
        line_of("ours", part, good, ours=True, lacks=(39,)),
    ]
    found = against_ours(lines, ("q",), "mean", samples=200)
    assert found[2].against == ()
    ((first,), (second,)) = (found[0].against, found[1].against)
    both = slice(1, 39)
    expected = paired_difference(
        srcc,
        [PairedPart(good[both], bad[both], truth[both], part.groups[both])],
        samples=200,
    )
    assert (first.ours, first.output, first.images, first.folds) == ("ours", "q", 38, 1)
    assert (first.value, first.low, first.high, first.p) == (
        *(expected.value, expected.low, expected.high, expected.p),
    )
    assert first.value > 0.1
    assert first.low > 0
    assert first.p_holm == pytest.approx(2 * first.p)  # of two comparisons the smaller one
    assert (second.value, second.p_holm, second.images) == (0.0, 1.0, 39)
    (cell,) = [
        cell
        for name, cell in zip(HEADER, rival_rows(filled(found))[0], strict=True)
        if name == "ours minus it, SRCC"
    ]
    assert cell.endswith(", 38 images")


def filled(results: tuple[RivalResult, ...]) -> list[RivalResult]:
    """With a figure each, else they are no rows."""
    return [replace(one, figures=(Figure("q", "SRCC", 0.5, 0.4, 0.6, 8),)) for one in results]


def test_folds_that_only_one_of_ours_has_done_are_not_in_its_comparison() -> None:
    truth = np.arange(12.0)
    whole = part_of(truth)
    halves = [whole.take(range(6)), whole.take(range(6, 12))]
    rival = Judged(
        RivalResult("rival", False, "n"),
        tuple((half, {name: (-1.0 * i,) for i, name in enumerate(half.names)}) for half in halves),
    )
    ours = line_of("one fold", halves[0], truth[:6], ours=True)
    more = Judged(
        RivalResult("two folds", True, "n"),
        tuple((half, {name: (1.0 * i,) for i, name in enumerate(half.names)}) for half in halves),
    )
    (result, *_) = against_ours([rival, ours, more], ("q",), "median", samples=20)
    assert [(one.ours, one.images, one.folds, one.value) for one in result.against] == [
        ("one fold", 6, 1, 2.0),
        ("two folds", 12, 2, 2.0),
    ]


def test_images_of_one_group_only_give_a_reason_and_no_number() -> None:
    truth = np.arange(6.0)
    part = part_of(truth, ("a photograph",) * 6)
    lines = [line_of("rival", part, truth), line_of("ours", part, truth, ours=True)]
    (one,) = against_ours(lines, ("q",), "mean", samples=20)[0].against
    assert np.isnan(one.value)
    assert one.reason == "all are of one group"
    apart = line_of("ours", part, truth, ours=True, lacks=(0, 1, 2, 3, 4))
    (one,) = against_ours([lines[0], apart], ("q",), "mean", samples=20)[0].against
    assert one.reason == "too few images have a score of both"
