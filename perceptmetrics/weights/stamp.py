"""Whether a file is still the one whose bytes were hashed: its size and time, noted beside it.

To hash a base takes longer than to map it. A file that was copied, cut or written to since has
another time, and is hashed again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def stamp(file: Path) -> None:
    """Notes that the file's bytes are what they should be. In a folder of others', nothing is.

    Example:
        >>> stamp(Path("no/such/file"))
    """
    with suppress(OSError):
        _beside(file).write_text(_state(file), encoding="ascii")


def is_stamped(file: Path) -> bool:
    """Whether the file is as it was when it was stamped.

    Example:
        >>> is_stamped(Path("no/such/file"))
        False
    """
    try:
        return _beside(file).read_text(encoding="ascii") == _state(file)
    except (OSError, UnicodeDecodeError):
        return False


def _beside(file: Path) -> Path:
    return file.with_name(f".{file.name}.stamp")


def _state(file: Path) -> str:
    found = file.stat()
    return f"{found.st_size} bytes, {found.st_mtime_ns} ns\n"
