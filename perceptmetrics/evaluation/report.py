"""An evaluation as a table: Markdown to read, CSV and JSON to work with. Pure functions."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from perceptmetrics.evaluation.error_analysis import ErrorAnalysis
from perceptmetrics.evaluation.error_record import to_record
from perceptmetrics.evaluation.error_tables import cell, error_tables
from perceptmetrics.evaluation.evaluate import Evaluation
from perceptmetrics.evaluation.figures import Confusion, Figure

HEADER = ("output", "measure", "scores", "value", "95 % interval", "images", "note")
CSV_HEADER = ("output", "measure", "scale", "value", "low", "high", "images", "reason")


def title(evaluation: Evaluation) -> str:
    """What was judged, in a line.

    Example:
        >>> import numpy as np
        >>> title(Evaluation("iqa", "koniq10k", (), (), ("a.jpg",), np.zeros((1, 1)), np.zeros(1)))
        'iqa on koniq10k: 1 image'
    """
    count = len(evaluation.names)
    line = f"{evaluation.metric} on {evaluation.data}: {count} image{'s' * (count != 1)}"
    if evaluation.unreadable:
        line += f"; {len(evaluation.unreadable)} could not be judged"
    return line


def caution(evaluation: Evaluation) -> str:
    """What to mind of the figures: the metric may have seen the images. Empty where unknown.

    Example:
        >>> import numpy as np
        >>> one = np.zeros((1, 1))
        >>> found = Evaluation("mine", "b", (), (), ("a",), one, one, trained_on="LNSIM")
        >>> caution(found)
        'mine was trained on LNSIM: if these images are among them, the figures flatter'
    """
    if not evaluation.trained_on:
        return ""
    trained = evaluation.trained_on
    return (
        f"{evaluation.metric} was trained on {trained}: if these images are among them, the "
        "figures flatter"
    )


def figure_rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Cells for people, under :data:`HEADER`.

    Example:
        >>> figure_rows([Figure("quality", "SRCC", 0.92, 0.9, 0.94, 380)])[0][3:5]
        ('0.920', '0.900 to 0.940')
    """
    return [
        (
            figure.output,
            figure.measure,
            figure.scale,
            cell(figure.value),
            "-" if math.isnan(figure.low) else f"{cell(figure.low)} to {cell(figure.high)}",
            str(figure.images),
            figure.note,
        )
        for figure in figures
    ]


def confusion_rows(confusion: Confusion) -> list[tuple[str, ...]]:
    """Cells of a confusion matrix with its header: rows are true, columns predicted.

    Example:
        >>> confusion_rows(Confusion("all classes", ("sad", "glad"), ((3, 1), (0, 2))))[1]
        ('sad', '3', '1')
    """
    counts = zip(confusion.labels, confusion.counts, strict=True)
    return [
        ("true \\ predicted", *confusion.labels),
        *((label, *map(str, row)) for label, row in counts),
    ]


def to_markdown(evaluation: Evaluation, errors: ErrorAnalysis | None = None) -> str:
    """The whole report as Markdown tables, and the error analysis after it.

    Example:
        >>> import numpy as np
        >>> srcc = Figure("quality", "SRCC", 0.92, 0.9, 0.94, 1)
        >>> found = Evaluation("iqa", "mine", (srcc,), (), ("a",), np.zeros((1, 1)), np.zeros(1))
        >>> print(to_markdown(found))
        iqa on mine: 1 image
        <BLANKLINE>
        | output | measure | scores | value | 95 % interval | images | note |
        |---|---|---|---|---|---|---|
        | quality | SRCC |  | 0.920 | 0.900 to 0.940 | 1 |  |
        <BLANKLINE>
    """
    tables = [markdown_table([HEADER, *figure_rows(evaluation.figures)])]
    tables += [
        f"{confusion.output}:\n\n{markdown_table(confusion_rows(confusion))}"
        for confusion in evaluation.confusions
    ]
    if evaluation.unreadable:
        rows = [("image", "reason"), *evaluation.unreadable]
        tables.append(f"Not judged:\n\n{markdown_table(rows)}")
    for table in () if errors is None else error_tables(errors):
        tables.append(f"{table.caption}:\n\n{markdown_table(table.rows)}")
        tables += [table.note] * bool(table.note)
    tables += [caution(evaluation)] * bool(evaluation.trained_on)
    return "\n\n".join([title(evaluation), *tables]) + "\n"


def to_csv(evaluation: Evaluation, errors: ErrorAnalysis | None = None) -> str:
    """The figures as CSV, in full precision; what does not exist is empty. Errors do not fit in.

    Example:
        >>> import numpy as np
        >>> srcc = Figure("quality", "SRCC", 0.92, 0.9, 0.94, 1)
        >>> found = Evaluation("iqa", "mine", (srcc,), (), ("a",), np.zeros((1, 1)), np.zeros(1))
        >>> to_csv(found).splitlines()[1]
        'quality,SRCC,,0.92,0.9,0.94,1,'
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for figure in evaluation.figures:
        record = {**_record(figure), "reason": figure.note}
        writer.writerow(["" if record[key] is None else record[key] for key in CSV_HEADER])
    return stream.getvalue()


def to_json(evaluation: Evaluation, errors: ErrorAnalysis | None = None) -> str:
    """All of it as JSON, in full precision; what does not exist is null.

    Example:
        >>> import numpy as np
        >>> none = Figure("quality", "SRCC", math.nan, math.nan, math.nan, 2, "", "constant")
        >>> found = Evaluation("iqa", "mine", (none,), (), ("a", "b"), np.ones((2, 1)), np.ones(2))
        >>> json.loads(to_json(found))["figures"][0]["value"] is None
        True
    """
    record = {
        "metric": evaluation.metric,
        "trained_on": evaluation.trained_on,
        "data": evaluation.data,
        "data_sha256": evaluation.data_sha256,
        "images": len(evaluation.names),
        "figures": [_record(figure) for figure in evaluation.figures],
        "confusions": [asdict(confusion) for confusion in evaluation.confusions],
        "unreadable": [
            {"image": image, "reason": reason} for image, reason in evaluation.unreadable
        ],
        "predictions": [
            {"image": name, "prediction": prediction, "target": target}
            for name, prediction, target in zip(
                evaluation.names,
                evaluation.prediction.tolist(),
                evaluation.target.tolist(),
                strict=True,
            )
        ],
    }
    if errors is not None:
        record["errors"] = to_record(errors)
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _record(figure: Figure) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in asdict(figure).items()
    }


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    r"""Rows of cells as a Markdown table; the first is the header.

    Example:
        >>> print(markdown_table([("a", "b"), ("1", "2|3")]))
        | a | b |
        |---|---|
        | 1 | 2\|3 |
    """

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    header, *body = rows
    return "\n".join([line(header), "|" + "---|" * len(header), *map(line, body)])
