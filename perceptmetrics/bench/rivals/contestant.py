"""What is judged side by side: a rival in its own Python, or a metric of ours in this one."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perceptmetrics.bench.rivals.base import SCORERS, Rival
from perceptmetrics.bench.rivals.process import (
    PATIENCE,
    RivalProcess,
    environ_of,
    installed_in,
    own_environ,
)
from perceptmetrics.errors import PluginError


@dataclass(frozen=True)
class Contestant:
    """Something that scores images as a process of its own; nothing is started yet.

    Attributes:
        name: In reports.
        ours: Whether it is a metric of perceptmetrics.
        python: The interpreter that it runs in.
        scorer: The file with ``load``.
        options: For ``load``, and what the worker itself takes: ``packages``, ``network``.
        higher_is_better: As :attr:`Rival.higher_is_better`.
        fingerprint: Of what its scores hang on.
        patience: Seconds without an answer after which it is ended.
        licence, weights: Of a rival.
    """

    name: str
    ours: bool
    python: Path
    scorer: Path
    options: Mapping[str, str] = field(default_factory=dict)
    higher_is_better: bool | None = True
    fingerprint: str = ""
    patience: float = PATIENCE
    licence: str = ""
    weights: str = ""

    def start(self) -> RivalProcess:
        """Starts it.

        Raises:
            PluginError: It cannot be started, or does not load.
        """
        try:
            return RivalProcess(
                self.python,
                self.scorer,
                self.options,
                environ=self._environ(),
                patience=self.patience,
            )
        except PluginError as error:
            # What a library says of a download seldom names what was to be downloaded.
            weights = f" (its weights: {self.weights})" if self.weights else ""
            raise PluginError(f"{error}{weights}") from error

    def installed(self) -> tuple[str, ...]:
        """All that is installed where it runs.

        Raises:
            PluginError: Its Python cannot be asked.
        """
        return installed_in(self.python, self._environ(), patience=self.patience)

    def _environ(self) -> dict[str, str]:
        network = self.options.get("network") == "yes"
        return own_environ() if self.ours else environ_of(network=network)


def rival_contestant(
    rival: Rival,
    python: Path,
    *,
    device: str = "cpu",
    network: bool = False,
    patience: float = PATIENCE,
) -> Contestant:
    """A rival in a Python.

    Args:
        rival: Which.
        python: See :func:`~perceptmetrics.bench.rivals.environment.python_of`.
        device: Where it runs, if it can choose.
        network: Whether it may fetch its weights.
        patience: Seconds without an answer after which it is ended.

    Example:
        >>> from perceptmetrics.bench.rivals import find_rival
        >>> found = rival_contestant(find_rival("brisque"), Path("/opt/brisque/bin/python"))
        >>> found.options["packages"]
        'brisque,numpy,scipy,pillow'
    """
    # brisque[opencv-python-headless]==0.2.0 -> brisque
    packages = [re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in rival.requirements]
    options = {
        "variant": rival.variant,
        "device": device,
        "packages": ",".join(packages),
        "network": "yes" if network else "no",
    }
    return Contestant(
        rival.name,
        False,
        python,
        rival.scorer,
        options,
        rival.higher_is_better,
        _hash(rival.fingerprint, str(python), device),
        patience,
        rival.licence,
        rival.weights,
    )


def own_contestant(
    name: str,
    metric: str,
    *,
    device: str = "cpu",
    base: Path | None = None,
    dataset: str | None = None,
    higher_is_better: bool | None = True,
    fingerprint: str = "",
    patience: float = PATIENCE,
) -> Contestant:
    """A metric of ours, measured in the same way.

    Args:
        name: In reports.
        metric: A name or a run folder, as :func:`perceptmetrics.create_metric` takes it.
        device: Where it runs.
        base: A file of base weights, in place of the cache.
        dataset: Which head, where there are several.
        higher_is_better: Ours are trained on the ratings themselves: ``True`` but for rare cases.
        fingerprint: Of the run.
        patience: Seconds without an answer after which it is ended.

    Example:
        >>> own_contestant("ours", "iqa").options["metric"]
        'iqa'
    """
    options = {
        "metric": metric,
        "device": device,
        "packages": "perceptmetrics,torch,numpy,pillow",
        "network": "yes",  # what create_metric may fetch is decided there
    }
    if base is not None:
        options["base"] = str(base)
    if dataset is not None:
        options["dataset"] = dataset
    kept = _hash(name, metric, device, str(base), str(dataset), fingerprint)
    return Contestant(
        name,
        True,
        Path(sys.executable),
        SCORERS / "own.py",
        options,
        higher_is_better,
        kept,
        patience,
    )


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
