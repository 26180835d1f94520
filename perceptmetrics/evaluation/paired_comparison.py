"""What a comparison of two metrics gave, as a plain value; ``comparing.py`` makes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PairedComparison:
    """Two metrics on the same images: is one better?

    Attributes:
        output: ``quality``, ``all classes``, ...
        measure: ``SRCC``, ``PLCC`` or ``accuracy``.
        first, second: Names of the metrics.
        first_value, second_value: Their figures.
        difference: First minus second, with its 95 % interval of a paired bootstrap.
        low, high: Ends of that interval; ``nan`` where there is none.
        p: Two-sided, of :attr:`test`.
        test: ``bootstrap``, ``permutation``, ``Williams`` or ``McNemar``.
        images: That both judged.
        groups: Which were drawn as a whole; as many as images where each is its own.
        p_holm: ``p`` after Holm's correction over the comparisons of the same test.
        reason: Why something is missing.
    """

    output: str
    measure: str
    first: str
    second: str
    first_value: float
    second_value: float
    difference: float
    low: float
    high: float
    p: float
    test: str
    images: int
    groups: int
    p_holm: float = float("nan")
    reason: str = ""
