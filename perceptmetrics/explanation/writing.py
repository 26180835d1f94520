"""Pictures and text onto a disk: what went wrong there is said as it was."""

from __future__ import annotations

import csv
import errno
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from PIL import Image

from perceptmetrics.errors import OptionError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def not_written(path: Path, error: OSError, more: str = "") -> OptionError:
    """The error of ours that says why a file could not be written, and what to do.

    Args:
        path: The file.
        error: What the system said.
        more: Said at the end.

    Example:
        >>> not_written(Path("a.png"), OSError(errno.ENOSPC, "No space left on device"))
        OptionError('cannot write a.png: No space left on device; make room')
    """
    advice = "make room" if error.errno in _FULL else "name another place"
    return OptionError(f"cannot write {path}: {error.strerror or error}; {advice}{more}")


def write_picture(picture: Image.Image, path: Path) -> None:
    """Writes a PNG, whole or not at all.

    Raises:
        OptionError: It cannot be written.
    """
    _whole(path, lambda unfinished: picture.save(unfinished, format="PNG"))


def write_json(data: Mapping[str, Any], path: Path) -> None:
    """Writes plain data; NaN is not JSON, and must be ``None``.

    Raises:
        OptionError: It cannot be written.
    """
    _write(json.dumps(data, indent=1, allow_nan=False) + "\n", path)


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes rows of the same columns, at least one.

    Raises:
        OptionError: They cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write(text.getvalue(), path)


def _write(text: str, path: Path) -> None:
    content = text.encode("utf-8", errors="surrogateescape")
    _whole(path, lambda unfinished: unfinished.write_bytes(content))


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    unfinished = path.with_name(f".{token_hex(4)}.unfinished")  # short, as names have an end
    try:
        write(unfinished)
        unfinished.replace(path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
