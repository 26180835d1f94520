"""Where a rival's own Python is: made under the cache on request, or one that the user has."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path

from perceptmetrics.bench.rivals.base import Rival
from perceptmetrics.errors import OptionError, PluginError
from perceptmetrics.weights.cache import cache_folder, is_offline, writable_folder

MADE_FILE = "rival.json"
PIP_SECONDS = 3600.0  # torch is some gigabytes; a network that gives nothing would hold a bench up


def environment_folder(rival: Rival) -> Path:
    """Where the environment of a rival is, or would be; other pins have another folder.

    Example:
        >>> from perceptmetrics.bench.rivals import find_rival
        >>> environment_folder(find_rival("brisque")).name[:8]
        'brisque-'
    """
    asked = [*rival.requirements, f"python {sys.version_info.major}.{sys.version_info.minor}"]
    digest = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:12]
    return cache_folder() / "rivals" / f"{rival.environment}-{digest}"


def pythons_of(given: tuple[str, ...]) -> dict[str, Path]:
    """What ``--rival-python`` was given: ``NAME=PYTHON``, any number of times.

    Raises:
        OptionError: One is not of that form.

    Example:
        >>> pythons_of(("resmem=/opt/resmem/bin/python",))["resmem"].as_posix()
        '/opt/resmem/bin/python'
    """
    found = {}
    for one in given:
        name, equals, python = one.partition("=")
        if not (name and equals and python):
            raise OptionError(f"--rival-python {one!r}: expected NAME=/path/to/python")
        found[name] = Path(python).expanduser()
    return found


def python_of(
    rival: Rival,
    given: Mapping[str, Path] | None = None,
    *,
    install: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Path:
    """The Python in which a rival runs.

    Args:
        rival: Which.
        given: Name of a rival, or of its library -> a Python that the user has.
        install: Whether an environment is made where there is none: pip then downloads.
        report: Called with a line for people.

    Raises:
        PluginError: There is none; the text says how to get one.

    Example:
        >>> from perceptmetrics.bench.rivals import find_rival
        >>> python_of(find_rival("resmem"), {"resmem": Path("/no/python")})
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.PluginError: there is no /no/python; ...
    """
    for name in (rival.name, rival.environment):
        if name in (given or {}):
            python = (given or {})[name]
            if not _is_file(python):
                raise PluginError(
                    f"there is no {python}; give --rival-python {rival.environment}=PYTHON, "
                    "the Python in which it is installed"
                )
            return python
    folder = environment_folder(rival)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if _is_file(folder / MADE_FILE) and _is_file(python):
        return python
    if not install:
        raise PluginError(
            f"it has no environment yet: --install-rivals makes one (pip install "
            f"{' '.join(rival.requirements)}), or give --rival-python {rival.environment}=PYTHON"
        )
    if is_offline():
        raise PluginError(
            "its environment cannot be made: PERCEPTMETRICS_OFFLINE or HF_HUB_OFFLINE forbids the "
            f"network; unset it, or give --rival-python {rival.environment}=PYTHON"
        )
    report(f"{rival.name}: makes {folder}; licence: {rival.licence}")
    try:
        _make(rival, folder, python)
    except OSError as error:
        raise PluginError(
            f"cannot make the environment {folder} ({error.strerror or error}); make room or mend "
            f"its rights, or give --rival-python {rival.environment}=PYTHON"
        ) from error
    return python


def _is_file(path: Path) -> bool:
    """Whether a file is there; a folder without rights is an error of its own."""
    try:
        return path.is_file()
    except OSError as error:
        raise PluginError(
            f"{path} cannot be looked at ({error.strerror or error}); mend its rights, or give "
            "--rival-python another one"
        ) from error


def _make(rival: Rival, folder: Path, python: Path) -> None:
    from filelock import FileLock

    writable_folder(folder.parent)
    with FileLock(folder.with_suffix(".lock")):
        if (folder / MADE_FILE).is_file() and python.is_file():
            return  # somebody else has made it meanwhile
        # A folder without the file was left behind halfway.
        shutil.rmtree(folder, ignore_errors=True)
        try:
            venv.create(folder, with_pip=True)
        except subprocess.CalledProcessError as error:
            raise PluginError(f"cannot make the environment {folder}: {error}") from error
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        _run(rival, [*pip, "install", "--quiet", *rival.requirements])
        installed = _run(rival, [*pip, "freeze"]).split()
        made = {"rival": rival.environment, "installed": installed}
        (folder / MADE_FILE).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def _run(rival: Rival, command: list[str]) -> str:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=environ,
            timeout=PIP_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise PluginError(
            f"pip did not end within {PIP_SECONDS:g} s and was ended; install "
            f"{' '.join(rival.requirements)} yourself and give --rival-python "
            f"{rival.environment}=PYTHON"
        ) from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise PluginError(
            f"pip cannot install {' '.join(rival.requirements)}: "
            + (errors[0] if errors else f"exit code {done.returncode}")
        )
    return done.stdout
