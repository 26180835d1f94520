"""Where a metric errs, as a part of a page: charts, failures as pictures, tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from perceptmetrics.bench.report import number
from perceptmetrics.evaluation.error_analysis import (
    Breakdown,
    ClassErrors,
    ClassMiss,
    ErrorAnalysis,
    RatingCalibration,
    RatingErrors,
    RatingMiss,
)
from perceptmetrics.evaluation.figures import Figure
from perceptmetrics.evaluation.judgements import Judgements
from perceptmetrics.report import charts
from perceptmetrics.report.view import Cell, Chart, Miss, MissGroup, Table, table

Photograph = Callable[[str], str]
"""From the path of an image to a data URI; empty where it is gone."""

GONE = "The photograph is not there any more."
AS_SCORED = "as scored"


def error_charts(analysis: ErrorAnalysis, judged: Judgements | None) -> tuple[Chart, ...]:
    """Scatter with the logistic fit, spread and calibration, for each output.

    Args:
        analysis: The errors.
        judged: The same images one by one; without them there is no scatter.
    """
    if charts.why_no_charts():
        return ()
    found: list[Chart] = []
    what = f"{analysis.metric}, on {analysis.data}"
    calibrated = {one.output: one for one in analysis.rating_calibrations if one.scale == AS_SCORED}
    for errors in analysis.ratings:
        if judged is not None:
            found.append(_scatter(errors, judged, what))
        found.append(_spread(errors, what))
        if errors.output in calibrated and calibrated[errors.output].bins:
            found.append(_calibrated(calibrated[errors.output], what))
    for sure in analysis.class_calibrations:
        caption = (
            f"{_first(sure.output)}: how often it is right, by how sure it is. Expected "
            f"calibration error {number(sure.expected_error)} over {sure.bin_count} bins, "
            f"Brier score {number(sure.brier)}."
        )
        points = [(one.predicted, one.true) for one in sure.bins]
        found.append(_agreement(points, ("confidence", "share right"), caption, what))
    return tuple(found)


def _scatter(errors: RatingErrors, judged: Judgements, what: str) -> Chart:
    prediction, rating = (tuple(one.tolist()) for one in judged.of_output(errors.output))
    fit = charts.logistic_curve(prediction, rating)
    caption = f"{_first(errors.output)}: rated over predicted, a point an image"
    drawn = len(charts.sampled(len(prediction)))
    if drawn < len(prediction):
        caption += f" ({drawn} of {len(prediction)} are drawn)"
    caption += "; the line is the logistic of equation 1." if fit else "; no logistic fits."
    label = f"{caption} {what}"
    return Chart(charts.scatter(prediction, rating, fit, label), caption)


def _spread(errors: RatingErrors, what: str) -> Chart:
    found = errors.histogram
    caption = (
        f"{_first(errors.output)}: how predictions and ratings are spread. Predicted "
        f"{number(found.predicted_mean)} ± {number(found.predicted_sd)}, rated "
        f"{number(found.true_mean)} ± {number(found.true_sd)}."
    )
    return Chart(
        charts.histogram(found.edges, found.predicted, found.true, f"{caption} {what}"), caption
    )


def _calibrated(found: RatingCalibration, what: str) -> Chart:
    line = found.reason or f"Slope {number(found.slope)}, intercept {number(found.intercept)}."
    caption = f"{_first(found.output)}: calibration, a tenth of the images a point. {line}"
    points = [(one.predicted, one.true) for one in found.bins]
    return _agreement(points, ("mean prediction", "mean rating"), caption, what)


def _agreement(
    points: Sequence[tuple[float, float]], axes: tuple[str, str], caption: str, what: str
) -> Chart:
    predicted, true = (tuple(values) for values in zip(*points, strict=True))
    return Chart(charts.calibration(predicted, true, axes, f"{caption} {what}"), caption)


def failures(
    analysis: ErrorAnalysis, judged: Judgements | None, photograph: Photograph
) -> tuple[MissGroup, ...]:
    """The images with the largest errors at both ends, or of which it was surest and wrong.

    Args:
        analysis: The errors.
        judged: Knows where the images lie; without it there are none to show.
        photograph: Makes a small picture.
    """
    places = dict(zip(judged.names, judged.files, strict=True)) if judged is not None else {}

    def shown(image: str, said: str, alt: str) -> Miss:
        picture = photograph(places[image]) if image in places else ""
        return Miss(image, said, alt, picture, "" if picture else GONE)

    groups: list[MissGroup] = []
    for errors in analysis.ratings:
        for title, misses in (
            (f"{_first(errors.output)}: overrated most", errors.overrated),
            (f"{_first(errors.output)}: underrated most", errors.underrated),
        ):
            if misses:
                groups.append(MissGroup(title, tuple(shown(*_rating_miss(one)) for one in misses)))
    for wrong in analysis.classes:
        if wrong.misses:
            title = f"{_first(wrong.output)}: wrong, and surest"
            groups.append(MissGroup(title, tuple(shown(*_class_miss(one)) for one in wrong.misses)))
    return tuple(groups)


def _rating_miss(miss: RatingMiss) -> tuple[str, str, str]:
    said = f"{miss.error:+.2f} z: predicted {number(miss.prediction)}, rated {number(miss.rating)}"
    return miss.image, said, f"{miss.image}, off by {miss.error:+.2f} standard deviations"


def _class_miss(miss: ClassMiss) -> tuple[str, str, str]:
    said = (
        f"{miss.true}, taken for {miss.predicted} by {miss.probability:.0%} "
        f"({miss.probability_of_true:.0%} for {miss.true})"
    )
    return miss.image, said, f"{miss.image}, {miss.true} taken for {miss.predicted}"


def error_tables(analysis: ErrorAnalysis) -> tuple[Table, ...]:
    """Human ceilings, confusion, classes, and the breakdown by each column."""
    return (
        *_ceilings(analysis),
        *(_confusion(one) for one in analysis.classes),
        *(_classes(one) for one in analysis.classes),
        *(_broken_down(one) for one in analysis.breakdowns),
    )


def _ceilings(analysis: ErrorAnalysis) -> Iterator[Table]:
    if analysis.ceilings:
        yield table(
            "How much of what could be predicted is: a perfect predictor of what all people would "
            "say reaches the ceiling, for the ratings are of some people.",
            ("output", "measure", "reached", "ceiling", "share", "from", "note"),
            [
                (
                    one.output,
                    one.measure,
                    number(one.reached),
                    number(one.ceiling),
                    "-" if math.isnan(one.share) else f"{one.share:.0%}",
                    one.basis,
                    one.note,
                )
                for one in analysis.ceilings
            ],
        )


def _confusion(found: ClassErrors) -> Table:
    rows: list[list[str | Cell]] = []
    for label, counts, shares in zip(found.labels, found.counts, found.shares, strict=True):
        known = [0.0 if math.isnan(share) else share for share in shares]
        cells = [Cell(f"{n}", share=share) for n, share in zip(counts, known, strict=True)]
        rows.append([label, *cells])
    caption = (
        f"{_first(found.output)}: which class was taken for which. A row is the true class, a "
        "column the predicted one; the darker, the larger the share of the row."
    )
    return table(caption, ("true \\ predicted", *found.labels), rows)


def _classes(found: ClassErrors) -> Table:
    return table(
        f"{_first(found.output)}: each class against the rest.",
        ("class", "images", "taken for it", "precision", "recall", "F1"),
        [
            (
                one.label,
                str(one.images),
                str(one.predicted),
                *(number(value) for value in (one.precision, one.recall, one.f1)),
            )
            for one in found.scores
        ],
    )


def _broken_down(found: Breakdown) -> Table:
    names = [figure.name for figure in found.groups[0].figures] if found.groups else []
    caption = f"{_first(found.output)} by {found.column}, with 95 % intervals"
    caption += f"; bias and MAE after {found.scale}." if found.scale else "."
    if any(one.images < found.least for one in found.groups):
        caption += f" Groups of fewer than {found.least} images have no figures."
    return table(
        caption,
        (found.column, "images", *names),
        [
            (one.value or "(none)", str(one.images), *map(_with_interval, one.figures))
            for one in found.groups
        ],
    )


def _with_interval(figure: Figure) -> Cell:
    after = ""
    if not math.isnan(figure.low):
        after = f"{number(figure.low)} to {number(figure.high)}"
    return Cell(number(figure.value), after=after)


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
