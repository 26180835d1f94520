"""Rivals beside ours for people: rows of cells and lines. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perceptmetrics.bench.report import number
from perceptmetrics.bench.result import RivalResult
from perceptmetrics.evaluation.figures import Figure

HEADER = (
    *("metric", "dataset", "images", "SRCC", "95 % interval", "PLCC", "PLCC, logistic"),
    *("load", "an image", "CPU an image", "memory"),
)
LEGEND = (
    "Rivals are used as they are published; ours, marked *, were trained on this dataset. All are "
    "judged on the same test images, and measured in the same way: one process each, one image "
    "after the other, reading included. Load is imports and weights, memory is the peak."
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
        "-"
        if srcc is None or math.isnan(srcc.low)
        else f"{number(srcc.low)} to {number(srcc.high)}",
        _value(figures.get(("PLCC", ""))),
        _value(figures.get(("PLCC", "logistic"))),
        seconds(one.load_seconds),
        seconds(one.seconds_per_image),
        seconds(one.cpu_seconds_per_image),
        f"{one.peak_bytes / 1e6:,.0f} MB" if one.peak_bytes else "-",
    )


def _interval(figure: Figure | None) -> str:
    if figure is None or math.isnan(figure.low):
        return "-"
    return f"{number(figure.low)} to {number(figure.high)}"


def _value(figure: Figure | None) -> str:
    return "-" if figure is None else number(figure.value)


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
