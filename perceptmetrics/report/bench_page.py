"""A bench as a page: the answer first, then tables, trainings, the check, and where it comes from.

Every number is one of the bench's result, which is what ``bench.json`` holds. Judgements of single
images, which lie beside the runs, are drawn and not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from perceptmetrics.bench import evidence
from perceptmetrics.bench import report as words
from perceptmetrics.bench.analysing import Analysed
from perceptmetrics.bench.result import BenchResult, CellResult, TableResult, TrainingResult
from perceptmetrics.bench.rivals import table as rival_table
from perceptmetrics.evaluation.judgements import Judgements
from perceptmetrics.report import charts
from perceptmetrics.report.answer import answer_lines
from perceptmetrics.report.check_part import check_section
from perceptmetrics.report.errors_part import Photograph, error_charts, error_tables, failures
from perceptmetrics.report.provenance import provenance_section
from perceptmetrics.report.view import (
    Cell,
    Chart,
    Page,
    Part,
    Row,
    Section,
    Table,
    table,
    whisker,
)

OWN = "own"  # the table of one's own, which no paper prints
Judged = Mapping[tuple[str, str], Judgements]
"""(training, dataset) -> judgements of the fold that is analysed; what is not kept is not in it."""


def bench_page(result: BenchResult, judged: Judged, photograph: Photograph) -> Page:
    """What a bench gave, as a page.

    Args:
        result: All of it.
        judged: What is drawn image by image.
        photograph: Makes small pictures of failures.

    Example:
        >>> result = BenchResult("perceptmetrics bench", "2025-01-01T00:00:00+00:00", {})
        >>> bench_page(result, {}, lambda file: "").title
        'What the bench found'
    """
    chapters = [
        *(_table(index, one) for index, one in enumerate(result.tables)),
        *_rivals(result),
        *_trainings(result, judged, photograph),
        *check_section(result),
        *_lists(result),
        provenance_section(result),
    ]
    on = result.machine.get("name", "")
    when = result.finished.replace("T", " ").replace("+00:00", " UTC")
    made = f"{when}{f', on {on}' if on else ''}"
    return Page(
        "perceptmetrics bench",
        "What the bench found",
        made,
        answer_lines(result),
        tuple(chapters),
    )


def _table(index: int, found: TableResult) -> Section:
    shown = [_as_printed(found), *_beside(found), *_compared(found)]
    said = []
    if found.section:
        said.append(f"Section {found.section} of the paper.")
    if about := words.about_measures(found):
        said.append(about)
    notes = words.notes(BenchResult("", "", {}, (found,)))
    heading = words.title(found)
    return Section(
        f"table-{index + 1}",
        heading,
        tuple(said),
        tables=tuple(shown),
        notes=tuple(note.removeprefix(f"{heading}: ") for note in notes),
        notes_title="To mind" if notes else "",
    )


def _as_printed(found: TableResult) -> Table:
    rows = []
    for name in found.rows:
        cells = found.row(name)
        ours = any(cell.ours_is_asked for cell in cells)
        rows.append(Row((Cell(name), *map(_printed, cells)), ours))
    caption = "As the paper prints it; ours stand in bold, the printed figure behind them."
    if found.name == OWN:
        caption = "Ours; where the paper prints a figure of the same training, it stands behind."
    return Table(
        caption,
        ("", *found.columns),
        tuple(rows),
    )


def _printed(cell: CellResult) -> Cell:
    if not cell.ours_is_asked:
        return Cell(cell.published)
    after = f"({cell.published})" if cell.published_in else ""
    if cell.ours is None:
        return Cell("-", after=after)
    falls = words.FALLS * cell.ours.falls
    return Cell(words.number(cell.ours.value), " ".join(filter(None, (falls, after))), strong=True)


def _figure(cell: CellResult) -> Cell:
    if cell.ours is None:
        return Cell("-")
    return Cell(words.number(cell.ours.value), after=words.FALLS * cell.ours.falls)


def _beside(found: TableResult) -> Iterator[Table]:
    asked = [cell for cell in found.cells if cell.ours_is_asked and cell.ours is not None]
    if not asked:
        return
    offs = [cell.difference for cell in asked if cell.difference is not None]
    ends = [abs(end) for off in offs for end in (off.value, off.low, off.high)]
    reach = max((end for end in ends if not math.isnan(end)), default=0.0)
    details = {row[:2]: row for row in words.detail_rows(found)}
    rows: list[list[str | Cell]] = []
    for cell in asked:
        row, column, _, *texts, off, rival = details[cell.row, cell.column]
        ours = _figure(cell)
        drawn = Cell(off)
        if cell.difference is not None:
            one = cell.difference
            drawn = Cell(off, whisker=whisker(one.value, one.low, one.high, reach))
        by_fold = ", ".join(map(words.number, cell.by_fold))
        rows.append([row, column, ours, *texts, by_fold, off, drawn, rival])
    header = [*words.DETAILS[:-2], "by fold", "difference", "on an axis around 0", "best rival"]
    if not offs:
        header[6:8] = []
        rows = [[*row[:6], *row[8:]] for row in rows]
    caption = "Ours with their 95 % intervals, beside the published figures."
    if offs:
        caption += f" The axis goes from {-reach:.2g} to {reach:.2g}."
    yield table(caption, header, rows)


def _compared(found: TableResult) -> Iterator[Table]:
    if found.comparisons:
        yield table(
            "Our own methods on the same images: the best of each column against each other one, "
            "by a paired bootstrap over images, or over the photographs that they are made of "
            "(units), on the folds that both have. p is two-sided; Holm's is corrected for all "
            "comparisons of the column. The best was picked by the same images, so these "
            "differences are rather too large. A row whose fitted logistic falls is never the "
            "best, and is not compared. They know which images were drawn, not another "
            "seed.",
            evidence.COMPARISONS,
            evidence.comparison_rows(found),
        )


def _rivals(result: BenchResult) -> Iterator[Section]:
    rows = rival_table.rival_rows(result.rivals)
    if rows:
        yield Section(
            "rivals",
            "Rivals on the same images",
            tables=(table(rival_table.LEGEND, rival_table.HEADER, rows),),
            notes=tuple(rival_table.provenance(result.rivals)),
        )


def _trainings(result: BenchResult, judged: Judged, photograph: Photograph) -> Iterator[Section]:
    trained = [one for one in result.trainings if one.folds]
    if not trained:
        return
    said = ["Learning curves are of the chosen run of each fold; the dot is the epoch it kept."]
    if any(one.analyses for one in trained):
        said.append(
            "Errors are those of one fold, named below. They are z-scored: the prediction's "
            "distance from the mean of all predictions, less the rating's from the mean of all "
            "ratings, in standard deviations."
        )
    if missing := charts.why_no_charts():
        said.append(f"There are {missing}.")
    parts = [
        part
        for index, one in enumerate(trained)
        for part in _training(index, one, judged, photograph)
    ]
    yield Section("trainings", "Trainings, one by one", tuple(said), parts=tuple(parts))


def _training(
    index: int, one: TrainingResult, judged: Judged, photograph: Photograph
) -> Iterator[Part]:
    done = f"{one.folds} of {one.protocol_folds} folds are judged."
    curves = tuple(_curves(one))
    if not one.analyses:
        yield Part(f"training-{index + 1}", one.name, (done,), curves)
    for place, found in enumerate(one.analyses):
        name = one.name if len(one.analyses) == 1 else f"{one.name}, on {found.dataset}"
        first = place == 0
        yield _errors(
            f"training-{index + 1}-{place + 1}",
            name,
            (done,) if first else (),
            curves if first else (),
            found,
            judged.get((one.name, found.dataset)),
            photograph,
        )


def _errors(
    anchor: str,
    title: str,
    said: tuple[str, ...],
    curves: tuple[Chart, ...],
    found: Analysed,
    judged: Judgements | None,
    photograph: Photograph,
) -> Part:
    if found.analysis is None:
        lines = (*said, f"No error analysis on {found.dataset}: {found.reason}.")
        return Part(anchor, title, lines, curves)
    images = found.analysis.images
    lines = (*said, f"Errors on {found.dataset}: fold {found.fold}, {images} images.")
    if judged is None:
        lines = (*lines, "Its judgements of single images are gone: no scatter and no pictures.")
    return Part(
        anchor,
        title,
        lines,
        (*curves, *error_charts(found.analysis, judged)),
        failures(found.analysis, judged, photograph),
        error_tables(found.analysis),
    )


def _curves(one: TrainingResult) -> Iterator[Chart]:
    runs = [run for run in one.runs if run.scores]
    if not runs or charts.why_no_charts():
        return
    measures = dict.fromkeys(data.measure for run in runs for data in run.data)
    measure = f"validation {', '.join(measures)}"
    caption = f"Training loss and {measure} by epoch, a line a fold."
    yield Chart(
        charts.curves(
            tuple(run.losses for run in runs),
            tuple(run.scores for run in runs),
            measure,
            f"{caption} {one.name}",
        ),
        caption,
    )


def _lists(result: BenchResult) -> Iterator[Section]:
    for anchor, title, lines in (
        ("left-out", "Left out by the budget", words.left_out(result)),
        ("not-done", "Not done", words.problems(result)),
    ):
        if lines:
            yield Section(anchor, title, notes=tuple(lines))
