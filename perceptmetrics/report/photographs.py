"""Photographs as small pictures inside a page."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

from perceptmetrics.errors import ImageError

EDGE = 160
"""Pixels of the longer side."""


def thumbnail(file: str) -> str:
    """A photograph as a data URI of a small JPEG; empty where it is gone or cannot be read.

    Example:
        >>> thumbnail("no such.jpg")
        ''
    """
    path = Path(file)
    try:
        about = path.stat()
    except OSError:
        return ""
    return _thumbnail(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=4096)
def _thumbnail(path: Path, changed: int, size: int) -> str:
    # Kept, because a bench writes its page anew after each step.
    from PIL import Image

    from perceptmetrics.images import load_image

    try:
        picture = Image.fromarray(load_image(path))
    except ImageError:
        return ""
    picture.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, format="JPEG", quality=78, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode("ascii")
