"""The page of a bench folder: reads what lies there, writes ``bench.html`` whole or not at all."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.bench.analysing import Analysed
from perceptmetrics.bench.markdown import to_markdown
from perceptmetrics.bench.record import RESULT_FILE, read_result
from perceptmetrics.bench.result import BenchResult, TrainingResult
from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.judgements import Judgements
from perceptmetrics.report.bench_page import bench_page
from perceptmetrics.report.photographs import thumbnail
from perceptmetrics.report.rendering import to_html
from perceptmetrics.training.kept_judgements import judgements_file, kept_judgements
from perceptmetrics.training.writing import write_text

REPORT_FILE = "bench.html"
MARKDOWN_FILE = "bench.md"


def write_report(result: BenchResult, folder: Path) -> Path:
    """Writes the page beside ``bench.json``.

    Args:
        result: What the bench gave.
        folder: The bench folder, with the folders of its trainings.

    Returns:
        The file.

    Raises:
        OptionError: Jinja is not installed.
        RunFolderError: It cannot be written.
    """
    page = bench_page(result, judged_in(result, folder), thumbnail)
    file = folder / REPORT_FILE
    write_text(file, to_html(page))
    return file


def remake_report(folder: Path) -> Path:
    """Makes ``bench.html`` and ``bench.md`` again from ``bench.json``; nothing is trained.

    The same ``bench.json``, judgements and photographs give the same bytes.

    Args:
        folder: A bench folder; it may have been moved since.

    Returns:
        The page.

    Raises:
        DataError: There is no ``bench.json``, or it is none.
        OptionError: Jinja is not installed.
        RunFolderError: The files cannot be written.

    Example:
        >>> remake_report(Path("no/bench"))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.DataError: no/bench/bench.json cannot be read: ...
    """
    result = read_result(folder / RESULT_FILE)
    write_text(folder / MARKDOWN_FILE, to_markdown(result))
    return write_report(result, folder)


def judged_in(result: BenchResult, folder: Path) -> dict[tuple[str, str], Judgements]:
    """The judgements of single images that the page draws, as far as they are there.

    Args:
        result: Names trainings, folds and datasets.
        folder: The bench folder.
    """
    found: dict[tuple[str, str], Judgements] = {}
    for training in result.trainings:
        for one in training.analyses:
            judged = _judged(training, one, folder)
            if judged is not None:
                found[training.name, one.dataset] = judged
    return found


def _judged(training: TrainingResult, one: Analysed, folder: Path) -> Judgements | None:
    runs = [run.folder for run in training.runs if run.fold == one.fold]
    if not runs or one.analysis is None:
        return None
    run = _training_folder(training, folder) / runs[0]
    for whole in (False, True):
        try:
            judged = kept_judgements(judgements_file(run, one.dataset, whole=whole))
        except DataError:
            continue  # gone, or of the other kind: the page says so
        if len(judged) == one.analysis.images:
            return judged
    return None


def _training_folder(training: TrainingResult, folder: Path) -> Path:
    """Where it lies now: the bench folder may have been moved since, with all that is in it."""
    parts = Path(training.folder).parts
    inside = (folder.joinpath(*parts[start:]) for start in range(1, len(parts)))
    return next((one for one in inside if one.is_dir()), Path(training.folder))
