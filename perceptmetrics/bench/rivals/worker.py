"""Runs in a rival's own Python: asks it for one image after the other, and measures what it takes.

    python worker.py SCORER.py '{"variant": "", "device": "cpu", "packages": "resmem,torch"}'
    python worker.py --installed    # only says what is installed there, as a JSON list

It imports nothing of perceptmetrics. Standard input: a path a line, as JSON. Standard output: one
JSON object a line, first ``{"ready": ...}`` or ``{"failed": reason}``, then for each path
``{"scores": [...]}`` or ``{"error": reason}``, each with ``seconds``, ``cpu_seconds`` and
``peak_bytes``. Whatever a rival itself prints goes to standard error.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import socket
import sys
import time
from typing import Any


def answer_stream() -> Any:
    """Where answers go; what anybody else prints goes to standard error from now on."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream


def forbid_network() -> None:
    """Lets every look-up of a host fail at once."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("the network is not used unasked: --install-rivals lets it fetch its weights")

    socket.getaddrinfo = refuse


def peak_bytes() -> int:
    """The most memory that this process held so far; 0 where it cannot be known.

    Example:
        >>> peak_bytes() >= 0
        True
    """
    try:
        # Not getrusage: on Linux that begins with what the parent held when it forked.
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            lines = dict(line.split(":", 1) for line in status if ":" in line)
        return int(lines["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


def reason_of(error: BaseException) -> str:
    """What went wrong, in one line.

    Example:
        >>> reason_of(KeyError("a"))
        "KeyError: 'a'"
    """
    said = " ".join(str(error).split())
    said = said if len(said) <= 300 else said[:300] + " ..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def load(scorer: str, options: dict[str, str]) -> Any:
    """Runs a scorer's file and calls its ``load``."""
    spec = importlib.util.spec_from_file_location("rival_scorer", scorer)
    if spec is None or spec.loader is None:
        raise ImportError(f"{scorer} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load(options)


def scores_of(given: Any) -> list[float]:
    """One score or several, all finite.

    Example:
        >>> scores_of(0.5)
        [0.5]
    """
    scores = [float(one) for one in (given if isinstance(given, (list, tuple)) else [given])]
    if not scores or not all(map(math.isfinite, scores)):
        raise ValueError(f"gave {scores}, expected finite scores")
    return scores


def versions(packages: str) -> dict[str, str]:
    """What is installed of some packages.

    Example:
        >>> versions("no-such-package")
        {}
    """
    found = {}
    for name in filter(None, packages.split(",")):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def installed() -> list[str]:
    """All that is installed here, with versions.

    Example:
        >>> all(" " in one for one in installed())
        True
    """
    found = {(one.metadata["Name"], one.version) for one in importlib.metadata.distributions()}
    return sorted(f"{name} {version}" for name, version in found)


def main(scorer: str, options: dict[str, str]) -> int:
    """Answers until standard input ends."""
    stream = answer_stream()

    def answer(said: dict[str, Any], began: tuple[float, float]) -> None:
        said["seconds"] = time.perf_counter() - began[0]
        said["cpu_seconds"] = time.process_time() - began[1]
        said["peak_bytes"] = peak_bytes()
        stream.write(json.dumps(said) + "\n")
        stream.flush()

    if options.pop("network", "") != "yes":
        forbid_network()
    packages = options.pop("packages", "")
    began = time.perf_counter(), time.process_time()
    try:
        score = load(scorer, options)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a rival may raise anything
        answer({"failed": reason_of(error)}, began)
        return 1
    ready = {
        "ready": True,
        "python": platform.python_version(),
        "versions": versions(packages),
        "higher_is_better": getattr(score, "higher_is_better", None),
    }
    answer(ready, began)
    for line in sys.stdin:
        path = json.loads(line)
        began = time.perf_counter(), time.process_time()
        said: dict[str, Any]
        try:
            said = {"scores": scores_of(score(path))}
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
            said = {"error": reason_of(error)}
        answer(said, began)
    return 0


if __name__ == "__main__":
    # Else the folder of this file is searched first, and its names hide the rivals' packages.
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != here]  # noqa: PTH100
    if sys.argv[1] == "--installed":
        sys.stdout.write(json.dumps([platform.python_version(), *installed()]) + "\n")
    else:
        sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
