"""The datasets that the paper trains together (section 3.2; Tables 5, A.4 to A.6)."""

from __future__ import annotations

from dataclasses import dataclass

from perceptmetrics.registry import unknown_name


@dataclass(frozen=True)
class Combination:
    """Datasets of one perception that share an encoder.

    Attributes:
        name: By which ``train --combination`` finds it.
        datasets: Their names, in the order of the paper.
        table: Where the paper reports it.
    """

    name: str
    datasets: tuple[str, ...]
    table: str


COMBINATIONS = (
    Combination("quality-authentic", ("livec", "koniq10k", "spaq"), "Table A.4"),
    Combination("quality-synthetic", ("kadid10k", "live", "tid2013"), "Table A.4"),
    Combination("memorability", ("lamem", "things"), "Table A.5"),
    Combination("emotion", ("emoset", "emotionroi"), "Table A.6"),
)


def combination(name: str) -> Combination:
    """A combination of the paper by name.

    Raises:
        UnknownNameError: None of that name.

    Example:
        >>> combination("memorability").datasets
        ('lamem', 'things')
    """
    for one in COMBINATIONS:
        if one.name == name:
            return one
    raise unknown_name("combination", name, [one.name for one in COMBINATIONS])
