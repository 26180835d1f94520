"""An error analysis as tables of text, for Markdown and for a terminal. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from perceptmetrics.evaluation.error_analysis import (
    Breakdown,
    CalibrationBin,
    ClassErrors,
    ErrorAnalysis,
    HumanCeiling,
    RatingCalibration,
    RatingErrors,
    RatingMiss,
)
from perceptmetrics.evaluation.paired_comparison import PairedComparison

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        caption: What it shows.
        rows: The first is the header.
        note: To be said below it.
    """

    caption: str
    rows: Rows
    note: str = ""


def error_tables(analysis: ErrorAnalysis) -> tuple[Table, ...]:
    """All that there is in an analysis, one table each.

    Example:
        >>> error_tables(ErrorAnalysis("iqa", "mine", 380))
        ()
    """
    tables: list[Table] = []
    for one in analysis.ratings:
        tables += _of_ratings(one)
    if analysis.rating_calibrations:
        tables.append(_lines(analysis.rating_calibrations))
        # After the other two maps, the bins lie on the line by construction.
        tables += [
            Table(
                f"{one.output}: calibration, {one.scale}", _bins(one.bins, "prediction", "rating")
            )
            for one in analysis.rating_calibrations
            if one.scale == "as scored"
        ]
    for found in analysis.classes:
        tables += _of_classes(found)
    for sure in analysis.class_calibrations:
        tables.append(
            Table(
                f"{sure.output}: calibration",
                _bins(sure.bins, "confidence", "right"),
                f"Expected calibration error {cell(sure.expected_error)} over {sure.bin_count} "
                f"bins of equal width; Brier score {cell(sure.brier)}.",
            )
        )
    tables += [_of_breakdown(one) for one in analysis.breakdowns]
    if analysis.ceilings:
        tables.append(_ceilings(analysis.ceilings))
    if analysis.comparisons:
        tables.append(_comparisons(analysis.comparisons))
    return tuple(tables)


def cell(value: float) -> str:
    """A number for people.

    Example:
        >>> cell(0.92345), cell(0.0069), cell(-1e-15), cell(float("nan"))
        ('0.923', '0.0069', '0.000', '-')
    """
    if math.isnan(value):
        return "-"
    # What rounding leaves of a zero.
    if abs(value) < 1e-12:
        return "0.000"
    # A squared error of 0.0069 needs its digits; a correlation has three.
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


def chance(p: float) -> str:
    """A p-value.

    Example:
        >>> chance(0.04213), chance(1.5e-15), chance(float("nan"))
        ('0.0421', '< 0.0001', '-')
    """
    if math.isnan(p):
        return "-"
    return "< 0.0001" if p < 1e-4 else f"{p:.3g}"


def interval(value: float, low: float, high: float) -> str:
    """A number with its interval.

    Example:
        >>> interval(0.9, 0.8, 0.95), interval(0.9, float("nan"), float("nan"))
        ('0.900 [0.800, 0.950]', '0.900')
    """
    return cell(value) if math.isnan(low) else f"{cell(value)} [{cell(low)}, {cell(high)}]"


def _of_ratings(found: RatingErrors) -> Iterator[Table]:
    spread = found.histogram
    ends = zip(spread.edges, spread.edges[1:], strict=False)
    rows = zip(ends, spread.predicted, spread.true, strict=True)
    narrower = spread.predicted_sd < spread.true_sd
    yield Table(
        f"{found.output}: how many images are given each score, and have each rating",
        (
            ("from", "to", "predicted", "true"),
            *((cell(a), cell(b), str(said), str(rated)) for (a, b), said, rated in rows),
        ),
        f"Predicted {cell(spread.predicted_mean)} with a standard deviation of "
        f"{cell(spread.predicted_sd)}, true {cell(spread.true_mean)} with {cell(spread.true_sd)}"
        + (": predictions are closer to the mean." if narrower else "."),
    )
    header = ("image", "prediction", "rating", "z of prediction", "z of rating", "error")
    for word, misses in (("overrated", found.overrated), ("underrated", found.underrated)):
        if misses:
            yield Table(f"{found.output}: most {word}", (header, *map(_miss, misses)))
    if found.reason:
        yield Table(f"{found.output}: largest errors", (("none",), (found.reason,)))


def _miss(one: RatingMiss) -> tuple[str, ...]:
    values = (one.prediction, one.rating, one.z_prediction, one.z_rating, one.error)
    return (one.image, *map(cell, values))


def _lines(calibrations: tuple[RatingCalibration, ...]) -> Table:
    header = ("output", "scores", "slope", "intercept", "note")
    rows = (
        (one.output, one.scale, cell(one.slope), cell(one.intercept), one.reason)
        for one in calibrations
    )
    return Table(
        "Calibration: rating = slope * score + intercept",
        (header, *rows),
        "A slope above 1: scores are too close to the mean. By rank statistics it is about PLCC, "
        "by the logistic about 1, whatever the metric.",
    )


def _bins(bins: tuple[CalibrationBin, ...], said: str, true: str) -> Rows:
    return (
        ("from", "to", "images", f"mean {said}", f"mean {true}" if said != "confidence" else true),
        *(
            (cell(one.low), cell(one.high), str(one.images), cell(one.predicted), cell(one.true))
            for one in bins
        ),
    )


def _of_classes(found: ClassErrors) -> Iterator[Table]:
    rows = zip(found.labels, found.shares, strict=True)
    yield Table(
        f"{found.output}: share of each true class that is taken for each class",
        (
            ("true \\ predicted", *found.labels),
            *((label, *("-" if math.isnan(s) else f"{s:.2f}" for s in own)) for label, own in rows),
        ),
    )
    yield Table(
        f"{found.output}: each class against the rest",
        (
            ("class", "images", "predicted", "precision", "recall", "F1"),
            *(
                (
                    *(one.label, str(one.images), str(one.predicted)),
                    *map(cell, (one.precision, one.recall, one.f1)),
                )
                for one in found.scores
            ),
        ),
    )
    if found.misses:
        yield Table(
            f"{found.output}: wrong, and surest",
            (
                ("image", "true", "predicted", "probability", "of the true class"),
                *(
                    (
                        *(one.image, one.true, one.predicted),
                        *map(cell, (one.probability, one.probability_of_true)),
                    )
                    for one in found.misses
                ),
            ),
        )


def _of_breakdown(found: Breakdown) -> Table:
    measures = [figure.measure for figure in found.groups[0].figures]
    rows = []
    for group in found.groups:
        cells = [interval(one.value, one.low, one.high) for one in group.figures]
        why = "; ".join(dict.fromkeys(one.reason for one in group.figures if one.reason))
        rows.append((group.value or "(empty)", str(group.images), *cells, why))
    scale = f"Bias and MAE: {found.scale}; a positive bias is overrated." if found.scale else ""
    return Table(
        f"{found.output} by {found.column}",
        ((found.column, "images", *measures, "note"), *rows),
        scale,
    )


def _ceilings(ceilings: tuple[HumanCeiling, ...]) -> Table:
    header = ("output", "measure", "reached", "ceiling", "share", "reliability", "from", "note")
    rows = (
        (
            *(one.output, one.measure, cell(one.reached), cell(one.ceiling)),
            "-" if math.isnan(one.share) else f"{100 * one.share:.1f} %",
            *(cell(one.reliability), one.basis, one.note),
        )
        for one in ceilings
    )
    return Table("What a perfect predictor could reach on these ratings", (header, *rows))


def _comparisons(comparisons: tuple[PairedComparison, ...]) -> Table:
    first, second = comparisons[0].first, comparisons[0].second
    header = ("output", "measure", first, second, "difference", "test", "p", "p (Holm)", "note")
    rows = (
        (
            *(one.output, one.measure, cell(one.first_value), cell(one.second_value)),
            *(interval(one.difference, one.low, one.high), one.test),
            *(chance(one.p), chance(one.p_holm), one.reason),
        )
        for one in comparisons
    )
    images, groups = comparisons[0].images, comparisons[0].groups
    note = f"On {images} images"
    note += f" in {groups} groups, which are drawn whole" if groups < images else ""
    return Table("Two metrics on the same images", (header, *rows), f"{note}.")
