"""The folder that a command writes to: usable before the work, gone if nothing came into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from perceptmetrics.errors import OptionError


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Makes a folder and its parents, and takes back what it made and what stayed empty.

    Args:
        folder: May be there already; that it can be written to is tried.

    Raises:
        OptionError: It cannot be made, or not be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as scratch:
        ...     with output_folder(Path(scratch, "a", "b")):
        ...         pass
        ...     print(list(Path(scratch).iterdir()))
        []
    """
    made: list[Path] = []
    try:
        made += [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        # Permissions do not tell of a disk that is mounted to be read alone; a file does.
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        _take_back(made)
        what = "write to" if folder.is_dir() else "make"
        raise OptionError(
            f"cannot {what} the folder {folder}: {error.strerror}; name another place"
        ) from error
    try:
        yield
    finally:
        _take_back(made)


def _take_back(made: Sequence[Path]) -> None:
    for one in made:
        try:
            one.rmdir()
        except OSError:  # something is in it, and so in all above it
            break
