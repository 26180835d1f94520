"""Which commit of this package runs, where that can be known."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def revision() -> str:
    """The commit, for the record of what is measured.

    Returns:
        40 digits, followed by ``with changes`` where files of the package differ from it; of the
        checkout that the package lies in, or of the repository that it was installed from. Empty
        for a release.

    Example:
        >>> revision() == "" or len(revision().split()[0]) >= 40
        True
    """
    return _of_checkout(_PACKAGE) or _of_installation()


def _of_checkout(package: Path) -> str:
    # The package may lie inside somebody else's repository, in a virtual environment there.
    if not _git(package, "ls-files", "--", "__init__.py"):
        return ""
    commit = _git(package, "rev-parse", "HEAD")
    changed = _git(package, "status", "--porcelain", "--", ".")
    return f"{commit} with changes" if commit and changed else commit


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""  # no git here, or no repository of this user's
    return done.stdout.strip()


def _of_installation() -> str:
    """What pip noted of an installation from a repository (PEP 610)."""
    try:
        noted = distribution("perceptmetrics").read_text("direct_url.json")
        found = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id", "")
    except (PackageNotFoundError, ValueError, AttributeError):
        return ""
    return str(found)
