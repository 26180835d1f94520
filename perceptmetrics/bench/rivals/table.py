"""Rivals beside ours for people: rows of cells and lines. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perceptmetrics.bench.report import FALLS, number
from perceptmetrics.bench.result import RivalDifference, RivalResult
from perceptmetrics.evaluation.figures import Figure

HEADER = (
    *("metric", "dataset", "images", "SRCC", "95 % interval", "PLCC", "PLCC, logistic"),
    *("ours minus it, SRCC", "load", "an image", "CPU an image", "memory"),
)
LEGEND = (
    "Rivals are used as they are published; ours, marked *, were trained here. Rivals are judged "
    "on the test images of every fold that any of ours has done, each of ours on those of its own "
    "folds; an image without a score is left out. The column of ours minus it knows only images "
    "that both have scores of, and says how many: a paired bootstrap, its 95 % interval, and a "
    "two-sided p after Holm's correction for all comparisons on the dataset. All are measured in "
    "the same way: one process each, one image after the other, reading included. Load is imports "
    "and weights, memory is the peak."
)


def rival_rows(results: Sequence[RivalResult]) -> list[tuple[str, ...]]:
    """One row for each output of each one that has figures, dataset by dataset.

    Example:
        >>> srcc = Figure("quality", "SRCC", 0.61, 0.5, 0.7, 100)
        >>> rival_rows([RivalResult("brisque", False, "tid2013", 100, (srcc,), 1)])[0][:5]
        ('brisque', 'tid2013', '100', '0.610', '0.500 to 0.700')
    """
    there = [one for one in results if one.figures]
    datasets = list(dict.fromkeys(one.dataset for one in there))
    there.sort(key=lambda one: datasets.index(one.dataset))
    return [
        _row(one, output)
        for one in there
        for output in dict.fromkeys(figure.output for figure in one.figures)
    ]


def provenance(results: Sequence[RivalResult]) -> list[str]:
    """From where each rival is, one line each.

    Example:
        >>> result = RivalResult("brisque", False, "", versions={"brisque": "0.2.0"}, licence="MIT")
        >>> provenance([result])
        ['brisque: brisque 0.2.0; licence: MIT; weights: ']
    """
    lines = {}
    for one in results:
        if not one.ours and one.versions:
            versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
            lines[one.name] = (
                f"{one.name}: {versions}; licence: {one.licence}; weights: {one.weights}"
            )
    return list(lines.values())


def _row(one: RivalResult, output: str) -> tuple[str, ...]:
    figures = {(f.measure, f.scale): f for f in one.figures if f.output == output}
    srcc = figures.get(("SRCC", ""))
    outputs = {figure.output for figure in one.figures}
    scored = one.images - len(one.unreadable)
    return (
        one.name + (" *" if one.ours else "") + (f", {output}" if len(outputs) > 1 else ""),
        one.dataset,
        f"{one.images}" if scored == one.images else f"{scored} of {one.images}",
        _value(srcc),
        _interval(srcc),
        _value(figures.get(("PLCC", ""))),
        _value(figures.get(("PLCC", "logistic"))),
        _against(one, output),
        seconds(one.load_seconds),
        seconds(one.seconds_per_image),
        seconds(one.cpu_seconds_per_image),
        f"{one.peak_bytes / 1e6:,.0f} MB" if one.peak_bytes else "-",
    )


def _interval(one: Figure | RivalDifference | None) -> str:
    if one is None or math.isnan(one.low):
        return "-"
    return f"{number(one.low)} to {number(one.high)}"


def difference(one: RivalDifference) -> str:
    """Ours minus a rival, and how sure that is.

    Example:
        >>> difference(RivalDifference("ours", "quality", 0.12, 0.05, 0.2, 0.002, 0.004, 80, 1))
        '0.120 (0.05 to 0.200), p 0.004, 80 images'
        >>> difference(RivalDifference("ours", "quality", reason="all are of one group"))
        '-: all are of one group'
    """
    if math.isnan(one.value):
        return f"-: {one.reason}" if one.reason else "-"
    return f"{number(one.value)} ({_interval(one)}), p {number(one.p_holm)}, {one.images} images"


def _against(one: RivalResult, output: str) -> str:
    """Each of ours; by name where there are several."""
    there = [other for other in one.against if other.output == output]
    if len(there) == 1:
        return difference(there[0])
    return "; ".join(f"{other.ours}: {difference(other)}" for other in there) or "-"


def _value(figure: Figure | None) -> str:
    return "-" if figure is None else number(figure.value) + f" ({FALLS})" * figure.falls


def seconds(value: float) -> str:
    """A short time.

    Example:
        >>> seconds(0.0803), seconds(12.34), seconds(0.00213), seconds(float("nan"))
        ('80 ms', '12.3 s', '2.1 ms', '-')
    """
    if math.isnan(value):
        return "-"
    if value >= 1:
        return f"{value:.1f} s"
    return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.2g} ms"
