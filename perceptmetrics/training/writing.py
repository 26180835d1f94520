"""Text files beside runs, whole or not at all: a full disk or a kill leaves no half of one."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.errors import RunFolderError


def write_text(file: Path, text: str) -> None:
    """Writes beside the file and renames.

    A command line in the text may hold file names that are no UTF-8; their bytes are kept.

    Raises:
        RunFolderError: It cannot be written; what was there is kept.

    Example:
        >>> write_text(Path("no/such/folder/sweep.md"), "a table")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.RunFolderError: no/such/folder/sweep.md cannot be written (No such ...
    """
    unfinished = file.with_name(f"{file.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8", errors="surrogateescape")
        unfinished.replace(file)
    except OSError as error:
        raise RunFolderError(
            f"{file} cannot be written ({error.strerror or error}); make room or mend its rights, "
            "and the same command goes on"
        ) from error
