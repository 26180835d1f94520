"""Which files are meant: paths, folders, globs and lists of paths, taken one at a time."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from perceptmetrics.errors import ImageError, OptionError

# Pillow opens these, but not as pictures: stubs that need another program's decoder, a video
# header that it only recognises, and PostScript, which images.py refuses.
_NO_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
# Photographs of today's telephones, which Pillow alone does not read: to be named, not skipped.
_UNREAD = frozenset({".heic", ".heif", ".hif", ".jxl"})
_BLOCK = 1 << 16
_PNG = b"\x89PNG"  # its first line; that of a JPEG has a NUL


def image_suffixes() -> frozenset[str]:
    """Suffixes, in lower case, of the files in a folder that count as images.

    They are those of every format that the installed Pillow reads as a picture.

    Example:
        >>> {".jpg", ".png", ".webp", ".tif"} <= image_suffixes(), ".eps" in image_suffixes()
        (True, False)
    """
    from PIL import Image

    return frozenset(
        suffix.lower()
        for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in _NO_PICTURES
    )


def find_images(arguments: Iterable[str], *, globs: bool = True) -> Iterator[str | ImageError]:
    """The images that the arguments mean, lazily and in a fixed order.

    A folder means every image in it and in its folders: files whose suffix is one of
    :func:`image_suffixes`, or of HEIC or JPEG XL, sorted by name, folder by folder. A pipe or a
    device in it is an error that names it. Names that begin with a dot do not
    count, and links to folders are not followed. Every other path is taken as it is, whatever its
    suffix and whether it exists or not: reading it tells. What exists under its exact name is
    never taken for a glob; what a glob matches is treated as if it had been typed, sorted (but a
    glob with ``**`` reaches the files in folders itself, so it means files only).

    Args:
        arguments: Paths, folders and globs (``*``, ``?``, ``[...]`` and ``**``).
        globs: Whether to expand globs; a list of paths has none.

    Yields:
        Paths; an error for a folder without images and for a glob without matches.

    Example:
        >>> list(find_images(["no such.jpg"]))
        ['no such.jpg']
    """
    suffixes = image_suffixes()
    for argument in arguments:
        if globs and glob.has_magic(argument) and not os.path.lexists(argument):
            yield from _in_glob(argument, suffixes)
        else:
            yield from _in_path(argument, suffixes)


def read_paths(stream: IO[bytes], *, null: bool = False) -> Iterator[str]:
    r"""Paths from a stream, one a line, as they come; empty lines are skipped.

    Args:
        stream: Binary, such as ``sys.stdin.buffer``.
        null: Paths are separated by NUL, as ``find -print0`` writes them.

    Raises:
        OptionError: The first line shows that paths end with NUL, or that an image came.

    Example:
        >>> import io
        >>> list(read_paths(io.BytesIO(b"a.jpg\r\n\nb c.png")))
        ['a.jpg', 'b c.png']
    """
    for number, entry in enumerate(_until_null(stream) if null else stream):
        path = entry if null else entry.rstrip(b"\r\n")
        if not number and (b"\0" in path or path.startswith(_PNG)):  # no path has a NUL
            raise OptionError(
                "standard input does not begin with a path: give --null if paths end with NUL; "
                "of an image, give the path"
            )
        if path:
            yield os.fsdecode(path)


def _until_null(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(_BLOCK):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    yield rest


def _in_glob(pattern: str, suffixes: frozenset[str]) -> Iterator[str | ImageError]:
    # Not Path.glob, which knows no absolute patterns.
    matches = sorted(glob.iglob(pattern, recursive=True))  # noqa: PTH207
    if "**" in pattern:
        matches = [match for match in matches if Path(match).is_file()]
    if not matches:
        yield ImageError(pattern, "matches no file; check the path and the pattern")
    for match in matches:
        yield from _in_path(match, suffixes)


def _in_path(path: str, suffixes: frozenset[str]) -> Iterator[str | ImageError]:
    # `isdir` and strings, not Path: Path("./a") forgets how the user wrote it.
    if not os.path.isdir(path):  # noqa: PTH112
        yield path
        return
    empty = True
    for file in _walk(path, suffixes):
        empty = False
        yield file
    if empty:
        yield ImageError(
            path, "holds no image; files count whose suffix Pillow reads, such as .jpg or .png"
        )


def _walk(folder: str, suffixes: frozenset[str]) -> Iterator[str | ImageError]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield ImageError(folder, f"the folder cannot be listed ({error.strerror})")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, suffixes)
            continue
        if Path(entry.name).suffix.lower() not in suffixes | _UNREAD or entry.is_dir():
            continue
        if Path(entry.path).exists() and not entry.is_file():
            yield ImageError(entry.path, "is a pipe, a socket or a device, which may never end")
        else:
            yield entry.path
