"""An evaluation of one metric as a page: figures, charts, failures as pictures, errors."""

from __future__ import annotations

from collections.abc import Mapping

from perceptmetrics.bench.evidence import HASHED
from perceptmetrics.evaluation import report as words
from perceptmetrics.evaluation.error_analysis import ErrorAnalysis
from perceptmetrics.evaluation.error_tables import error_tables, interval
from perceptmetrics.evaluation.evaluate import Evaluation
from perceptmetrics.evaluation.figures import Figure
from perceptmetrics.evaluation.judgements import Judgements
from perceptmetrics.report import charts
from perceptmetrics.report.errors_part import (
    Photograph,
    error_charts,
    failures,
)
from perceptmetrics.report.errors_part import error_tables as shown_tables
from perceptmetrics.report.view import Page, Part, Section, table

MEASURES = ("SRCC", "accuracy")
"""What the answer names, of each output."""


def evaluation_page(
    evaluation: Evaluation,
    analysis: ErrorAnalysis | None,
    judged: Judgements | None,
    photograph: Photograph,
    *,
    facts: Mapping[str, str] | None = None,
) -> Page:
    """What an evaluation found, as a page.

    Args:
        evaluation: Of one metric on some images.
        analysis: Where it errs; ``None`` where that was not asked for.
        judged: The images one by one, for charts and pictures.
        photograph: Makes small pictures of failures.
        facts: Where it comes from: command, machine, versions.

    Example:
        >>> import numpy as np
        >>> srcc = Figure("quality", "SRCC", 0.92, 0.9, 0.94, 1)
        >>> found = Evaluation("iqa", "mine", (srcc,), (), ("a",), np.zeros((1, 1)), np.zeros(1))
        >>> evaluation_page(found, None, None, lambda file: "").answer
        ('Quality: SRCC 0.920 [0.900, 0.940] on 1 image.',)
    """
    sections = [
        Section(
            "figures",
            "Figures",
            tables=(
                table(
                    "Each measure with its 95 % bootstrap interval.",
                    words.HEADER,
                    words.figure_rows(evaluation.figures),
                ),
            ),
        )
    ]
    if analysis is not None:
        sections += _errors(analysis, judged, photograph)
    if evaluation.unreadable:
        rows = [tuple(one) for one in evaluation.unreadable]
        sections.append(
            Section(
                "not-judged",
                "Not judged",
                tables=(table("Images without a score.", ("image", "reason"), rows),),
            )
        )
    where = {"data sha256": evaluation.data_sha256, **(facts or {})}
    sections.append(
        Section(
            "provenance",
            "Where every number comes from",
            (HASHED,) * bool(evaluation.data_sha256),
            facts=tuple((name, value) for name, value in where.items() if value),
        )
    )
    return Page(
        "perceptmetrics evaluate",
        f"{evaluation.metric} on {evaluation.data}",
        (facts or {}).get("finished", ""),
        (
            *(_said(one) for one in evaluation.figures if one.measure in MEASURES),
            *[f"{words.caution(evaluation)}."] * bool(evaluation.trained_on),
        ),
        tuple(sections),
    )


def judgements_in(evaluation: Evaluation) -> Judgements | None:
    """An evaluation's images one by one; ``None`` where it does not know their files.

    Example:
        >>> import numpy as np
        >>> judgements_in(Evaluation("iqa", "mine", (), (), ("a",), np.zeros((1, 1)), np.zeros(1)))
    """
    if len(evaluation.files) != len(evaluation.names):
        return None
    classes = evaluation.target.ndim == 1
    outputs = tuple(dict.fromkeys(figure.output for figure in evaluation.figures))
    return Judgements(
        kind="classification" if classes else "regression",
        labels=evaluation.confusions[0].labels if classes else outputs,
        names=evaluation.names,
        files=evaluation.files,
        groups=evaluation.names,
        prediction=evaluation.prediction,
        target=evaluation.target,
        data_sha256=evaluation.data_sha256,
    )


def _said(figure: Figure) -> str:
    images = f"{figure.images} image{'s' * (figure.images != 1)}"
    value = interval(figure.value, figure.low, figure.high)
    why = f" ({figure.note})" if figure.note else ""
    output = figure.output[:1].upper() + figure.output[1:]
    return f"{output}: {figure.measure} {value} on {images}{why}."


def _errors(
    analysis: ErrorAnalysis, judged: Judgements | None, photograph: Photograph
) -> list[Section]:
    said = []
    if missing := charts.why_no_charts():
        said.append(f"There are {missing}.")
    if analysis.ratings:
        said.append(
            "Errors are z-scored: the prediction's distance from the mean of all predictions, less "
            "the rating's from the mean of all ratings, in standard deviations."
        )
    part = Part(
        "errors-shown",
        f"{analysis.images} images",
        charts=error_charts(analysis, judged),
        failures=failures(analysis, judged, photograph),
        tables=shown_tables(analysis),
    )
    sections = [Section("errors", "Where it errs", tuple(said), parts=(part,))]
    if analysis.comparisons:
        # Of the tables of an analysis the last is the one of comparisons.
        compared = error_tables(analysis)[-1]
        header, *rows = compared.rows
        first, second = analysis.comparisons[0].first, analysis.comparisons[0].second
        sections.append(
            Section(
                "against",
                f"{first} against {second}",
                tuple(filter(None, (compared.note,))),
                tables=(table(compared.caption, header, rows),),
            )
        )
    return sections
