"""How the paper divides each dataset, and what it sums up over (sections 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perceptmetrics.registry import unknown_name


@dataclass(frozen=True)
class Protocol:
    """Splits of one dataset.

    Attributes:
        dataset: Its name in :data:`perceptmetrics.datasets.DATASETS`, whose readers draw the
            splits.
        splits: How many.
        training: Share of the images that train. The three sum to 1.
        validation: Share that chooses the best epoch and learning rate.
        test: Share that is judged.
        average: What a table prints: the median or the mean over splits.
        section: Where the paper says so.
        note: What the paper leaves open, or says twice.

    Example:
        >>> protocol("koniq10k").splits, protocol("koniq10k").average
        (10, 'median')
    """

    dataset: str
    splits: int
    training: float
    validation: float
    test: float
    average: Literal["median", "mean"]
    section: str
    note: str = ""


def _quality(dataset: str, note: str = "") -> Protocol:
    # 80 % training, "from the training set, 10 % is further reserved for validation".
    return Protocol(dataset, 10, 0.72, 0.08, 0.2, "median", "4.1 and 5.1", note)


PROTOCOLS = (
    _quality(
        "livec",
        "The paper counts 1,162 images in section 4.1 and 1,126 in section 5.4; the set has 1,162.",
    ),
    _quality("koniq10k"),
    _quality("spaq"),
    _quality("flive"),
    _quality("live"),
    _quality("tid2013"),
    _quality("kadid10k"),
    Protocol("lamem", 5, 0.75, 0.05, 0.2, "mean", "4.2 and 5.2"),
    Protocol(
        "things",
        5,
        0.75,
        0.05,
        0.2,
        "mean",
        "none",
        "Section 4.2 uses all of THINGS to test what was trained on LaMem, as Table A.1 does. "
        "Tables 5, A.5 and A.9 train on it, and no section says how it was divided: LaMem's shares "
        "and number of splits are taken.",
    ),
    Protocol(
        "sun",
        25,
        0.75,
        0.05,
        0.2,
        "mean",
        "Table A.2",
        "The caption gives the number of splits only; the lists of AMNet's repackaging decide.",
    ),
    Protocol("emoset", 1, 0.8, 0.05, 0.15, "mean", "4.3"),
    Protocol("emotionroi", 5, 0.75, 0.05, 0.2, "mean", "4.3"),
)


def protocol(dataset: str) -> Protocol:
    """The paper's protocol for a dataset.

    Raises:
        UnknownNameError: The paper has none for it.
    """
    for one in PROTOCOLS:
        if one.dataset == dataset:
            return one
    raise unknown_name("protocol of the paper", dataset, [one.dataset for one in PROTOCOLS])
