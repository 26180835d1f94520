"""Where every number of a bench comes from, as the last chapter of its page."""

from __future__ import annotations

from collections.abc import Iterator

from perceptmetrics.bench import evidence
from perceptmetrics.bench.monotony import CheckResult
from perceptmetrics.bench.report import Rows, number
from perceptmetrics.bench.result import BenchResult
from perceptmetrics.bench.tabulating import machine
from perceptmetrics.card import MetricCard
from perceptmetrics.report.view import Cell, Section, Table, table


def provenance_section(result: BenchResult) -> Section:
    """Command, machine and versions; each chosen run with its commit, weights and data.

    Example:
        >>> result = BenchResult("perceptmetrics bench", "2025-01-01", {"python": "3.11.2"})
        >>> provenance_section(result).facts
        (('command', 'perceptmetrics bench'), ('finished', '2025-01-01'), ('python', '3.11.2'))
    """
    facts = [("command", result.command), ("finished", result.finished), *result.machine.items()]
    said = (
        "The page is made again from bench.json and the run folders, without training, by "
        "perceptmetrics bench --report --out FOLDER."
    )
    shown: list[Table] = []
    runs = evidence.run_rows(result)
    if runs:
        shown.append(
            table(
                "The chosen run of each fold. Of each hash these are the first "
                f"{evidence.HASH_DIGITS} digits; bench.json has it whole. {evidence.HASHED}",
                evidence.RUNS,
                _with_hashes(runs),
            )
        )
    if result.trainings:
        shown.append(
            table(
                "The command that makes each training again.",
                ("training", "seconds in this call", "command"),
                [
                    (one.name, number(one.seconds), Cell(one.command, code=True))
                    for one in result.trainings
                ],
            )
        )
    if result.check is not None:
        shown += _of_check(result.check)
    return Section(
        "provenance",
        "Where every number comes from",
        (said,),
        tables=tuple(shown),
        facts=tuple((str(name), str(value)) for name, value in facts),
    )


def _of_check(check: CheckResult) -> Iterator[Table]:
    if check.metrics:
        yield table(
            "What the built-in check asked: of a drawn view the seed draws the crops.",
            evidence.CHECKED,
            _with_hashes(evidence.checked_rows(check)),
        )
    if check.photograph_sha256:
        yield table(
            "The files that it spoiled.",
            evidence.PHOTOGRAPHS,
            _with_hashes(evidence.photograph_rows(check)),
        )


def _with_hashes(rows: Rows) -> list[list[str | Cell]]:
    return [[row[0], *(Cell(one, code=_is_hash(one)) for one in row[1:])] for row in rows]


def evaluation_facts(
    card: MetricCard, *, command: str, finished: str, device: str
) -> dict[str, str]:
    """Where the figures of one metric come from.

    Args:
        card: Of the metric.
        command: What was typed.
        finished: When.
        device: Where it ran.

    Example:
        >>> card = MetricCard(name="mine", task="iqa", outputs=("quality",))
        >>> list(evaluation_facts(card, command="c", finished="2025-01-01", device="cpu"))[:3]
        ['command', 'finished', 'backbone']
    """
    return {
        "command": command,
        "finished": finished,
        "backbone": card.backbone,
        "base weights": card.base,
        "base sha256": card.base_sha256,
        "adapter sha256": card.sha256,
        "trained on": card.training_data,
        **machine(device),
    }


def _is_hash(text: str) -> bool:
    return len(text) == evidence.HASH_DIGITS and all(one in "0123456789abcdef" for one in text)
