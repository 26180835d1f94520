"""How ``perceptmetrics evaluate`` writes what it found."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from perceptmetrics.cli.text import columns
from perceptmetrics.errors import OptionError

if TYPE_CHECKING:
    from perceptmetrics.card import MetricCard
    from perceptmetrics.evaluation.error_analysis import ErrorAnalysis
    from perceptmetrics.evaluation.evaluate import Evaluation

Form: TypeAlias = "Callable[[Evaluation, ErrorAnalysis | None, MetricCard], str]"
FORMATS = ("text", "markdown", "csv", "json", "html")
PAGE = ".html"


def as_text(evaluation: Evaluation, errors: ErrorAnalysis | None = None) -> str:
    """The report with aligned columns, and the error analysis after it.

    Example:
        >>> import numpy as np
        >>> from perceptmetrics.evaluation.evaluate import Evaluation
        >>> from perceptmetrics.evaluation.figures import Figure
        >>> srcc = Figure("quality", "SRCC", 0.92, 0.9, 0.94, 1)
        >>> found = Evaluation("iqa", "mine", (srcc,), (), ("a",), np.zeros((1, 1)), np.zeros(1))
        >>> print(as_text(found).splitlines()[-1])
        quality  SRCC             0.920  0.900 to 0.940  1
    """
    from perceptmetrics.evaluation.error_tables import error_tables
    from perceptmetrics.evaluation.report import HEADER, caution, confusion_rows, figure_rows, title

    parts = [title(evaluation), columns([HEADER, *figure_rows(evaluation.figures)])]
    parts += [f"{c.output}\n{columns(confusion_rows(c))}" for c in evaluation.confusions]
    for table in () if errors is None else error_tables(errors):
        note = f"\n{table.note}" if table.note else ""
        parts.append(f"{table.caption}\n{columns(table.rows)}{note}")
    parts += [caution(evaluation)] * bool(evaluation.trained_on)
    return "\n\n".join(parts) + "\n"


def as_page(evaluation: Evaluation, errors: ErrorAnalysis | None, card: MetricCard) -> str:
    """One HTML page that needs nothing beside it, with charts and pictures of failures.

    Raises:
        OptionError: Jinja is not installed.
    """
    from perceptmetrics.report.evaluation_page import evaluation_page, judgements_in
    from perceptmetrics.report.photographs import thumbnail
    from perceptmetrics.report.provenance import evaluation_facts
    from perceptmetrics.report.rendering import to_html

    asked = click.get_current_context()
    facts = evaluation_facts(
        card,
        command=asked.meta["perceptmetrics.command_line"],
        finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        device=asked.params.get("device", "cpu"),
    )
    judged = judgements_in(evaluation)
    return to_html(evaluation_page(evaluation, errors, judged, thumbnail, facts=facts))


def is_page(output: Path | None, name: str | None) -> bool:
    """Whether a page is to be written; it shows the errors, asked for or not.

    Example:
        >>> is_page(Path("errors.HTML"), None), is_page(Path("errors.html"), "json")
        (True, False)
    """
    return name == "html" or (name is None and output is not None and output.suffix.lower() == PAGE)


def form_of(output: Path | None, name: str | None, errors: bool) -> Form:
    """How to write it; what would stop the writing is found before anything is scored.

    Args:
        output: Where to; ``None``: standard output.
        name: One of :data:`FORMATS`; ``None``: what the file's suffix says, or text.
        errors: Whether an error analysis is to be written too.

    Raises:
        OptionError: It cannot be written there, or so.
    """
    from perceptmetrics.evaluation.report import to_csv, to_json, to_markdown
    from perceptmetrics.report.rendering import why_no_page

    forms: Mapping[str, tuple[str, Form]] = {
        "text": (".txt", _without_card(as_text)),
        "markdown": (".md", _without_card(to_markdown)),
        "csv": (".csv", _without_card(to_csv)),
        "json": (".json", _without_card(to_json)),
        "html": (PAGE, as_page),
    }
    if output is not None:
        if not output.parent.is_dir():
            raise OptionError(f"cannot write {output}: there is no folder {output.parent}; make it")
        if not os.access(output if output.exists() else output.parent, os.W_OK):
            raise OptionError(f"cannot write {output}: permission denied; name another place")
    if name is None:
        name = "text"
        if output is not None:
            suffixes = {suffix: format_name for format_name, (suffix, _) in forms.items()}
            name = suffixes.get(output.suffix.lower(), "")
            if not name:
                raise OptionError(
                    f"{output}: the suffix {output.suffix!r} does not say how to write it; call it "
                    f".txt, .md, .csv, .json or .html, or say --format {'|'.join(forms)}"
                )
    if name == "csv" and errors:
        raise OptionError(
            "CSV holds the figures only; with --errors, --by or --against write text, Markdown or "
            "JSON"
        )
    if name == "html" and (missing := why_no_page()):
        raise OptionError(missing)
    return forms[name][1]


def _without_card(form: Callable[[Evaluation, ErrorAnalysis | None], str]) -> Form:
    return lambda evaluation, errors, card: form(evaluation, errors)


def write(text: str, output: Path | None) -> None:
    """Writes the report to a file, or to standard output.

    Raises:
        OptionError: It cannot be written.
    """
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise OptionError(f"cannot write {output}: {error.strerror}; name another place") from error
