"""What a rival is: somebody else's metric, where it comes from, and how it is asked. A value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from perceptmetrics.errors import PluginError

SCORERS = Path(__file__).parent / "scorers"


@dataclass(frozen=True)
class Rival:
    """A metric that is not ours. It runs in a Python of its own, so that its pins bind nobody.

    Attributes:
        name: ``resmem``; ``pyiqa:musiq`` for a metric of a library of many.
        task: What it judges, a name of :data:`perceptmetrics.tasks.TASKS`.
        requirements: What pip installs for it. The first is the metric itself, with a pin; what
            it runs on (torch, Pillow, ...) is pinned only where a release is known to break it,
            because the right one hangs on the machine and its Python. Which versions ran is in
            each result.
        scorer: A Python file with a function ``load(options)`` that returns a function from the
            path of an image to a score, or to a list of scores, one for each output of the task.
            It runs over there and imports nothing of ours. ``options`` holds ``variant`` and
            ``device``. The returned object may say ``higher_is_better`` itself.
        higher_is_better: Whether a higher score means more of what the task judges; ``None``
            where the scorer says so.
        score_range: The ends of its scale, if it has ends.
        licence: Of code and weights.
        paper: Reference.
        weights: Where its weights come from.
        takes: What stands behind the colon of a library's name; empty for a single metric.
        variant: What stands there.

    Example:
        >>> from perceptmetrics.bench.rivals import find_rival
        >>> find_rival("resmem").task, find_rival("pyiqa:musiq").variant
        ('memorability', 'musiq')
    """

    name: str
    task: str
    requirements: tuple[str, ...]
    scorer: Path
    higher_is_better: bool | None
    score_range: tuple[float, float] | None
    licence: str
    paper: str
    weights: str
    takes: str = ""
    variant: str = ""

    @property
    def environment(self) -> str:
        """Name of its environment: all metrics of a library share one.

        Example:
            >>> from perceptmetrics.bench.rivals import find_rival
            >>> find_rival("pyiqa:musiq").environment
            'pyiqa'
        """
        return self.name.partition(":")[0]

    @property
    def fingerprint(self) -> str:
        """Hash of what its scores hang on, as far as this package decides it.

        Raises:
            PluginError: The scorer cannot be read.
        """
        digest = hashlib.sha256(repr((self.name, self.requirements, self.variant)).encode())
        try:
            digest.update(self.scorer.read_bytes())
        except OSError as error:
            raise PluginError(
                f"its scorer {self.scorer} cannot be read ({error.strerror or error}); update or "
                "uninstall the package that brings it"
            ) from error
        return digest.hexdigest()
