"""Where an exported file goes: checked before the work, and replaced only by what is whole.

Nothing here imports torch: a command refuses a place in milliseconds, before it loads a metric.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from perceptmetrics.errors import OptionError

NEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    ".onnx": ("export", ("onnxscript",)),
    ".xml": ("openvino", ("onnxscript", "openvino")),
}
"""By suffix: the extra of ours, and the packages that it brings."""


def ready(path: str | os.PathLike[str], suffix: str) -> Path:
    """Checks all that can be checked before a metric is there.

    Args:
        path: Where the export is to go.
        suffix: ``.onnx``, or ``.xml`` for OpenVINO.

    Returns:
        The path.

    Raises:
        OptionError: The path has another suffix or cannot be written, or a package is missing.

    Example:
        >>> ready("metric.pt", ".onnx")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: metric.pt: expected a file name that ends in .onnx
    """
    if not isinstance(path, (str, os.PathLike)):
        raise OptionError(f"path {path!r}: expected the name of a file that ends in {suffix}")
    target = Path(path)
    if target.suffix.lower() != suffix:
        raise OptionError(f"{target}: expected a file name that ends in {suffix}")
    extra, packages = NEEDS[suffix]
    _check_place(target)
    for package in packages:
        if find_spec(package) is None:
            raise OptionError(
                f"this export needs the package {package}: run pip install "
                f"'perceptmetrics[{extra}]'"
            )
    return target


def files_of(target: Path) -> tuple[Path, ...]:
    """All that an export to a path writes: OpenVINO's weights lie beside its graph.

    Example:
        >>> [file.name for file in files_of(Path("metric.xml"))]
        ['metric.bin', 'metric.xml']
    """
    if target.suffix.lower() == ".xml":
        return target.with_suffix(".bin"), target
    return (target,)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Gives another name to write to, and then moves what was written to the target.

    Args:
        target: A path that :func:`ready` gave.

    Yields:
        A path of the same suffix in a folder of its own beside the target, which is gone
        afterwards.

    Raises:
        OptionError: The disk refused.
    """
    try:
        # Beside the target, as only a move within one disk is done at once. The name is short
        # whatever the target's is. What cannot be cleaned up must not hide why it was left.
        with TemporaryDirectory(
            prefix=".perceptmetrics-", dir=target.parent, ignore_cleanup_errors=True
        ) as folder:
            written = Path(folder) / f"metric{target.suffix.lower()}"
            yield written
            # OpenVINO's weights first. Who is interrupted between the two moves is left with new
            # weights beside the old graph, whose description then tells of the old metric; the
            # same export once more mends it.
            for new, old in zip(files_of(written), files_of(target), strict=True):
                new.replace(old)
    except OSError as error:
        raise unwritable(target, error.strerror or str(error)) from error


def unwritable(target: Path, reason: str, advice: str = "name another place") -> OptionError:
    """The one line about a place that cannot be used."""
    return OptionError(f"cannot write {target}: {reason}; {advice}")


def _check_place(target: Path) -> None:
    if not _is_folder(target.parent, target):
        reason = f"there is no folder {target.parent}"
        raise unwritable(target, reason, "make it or name another place")
    for file in files_of(target):
        if _is_folder(file, target):
            raise unwritable(target, f"{file} is a folder", "move it or name another place")
    try:
        # Permissions do not tell of a disk that is mounted to be read alone; a file does.
        with TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise unwritable(target, error.strerror or str(error)) from error


def _is_folder(path: Path, target: Path) -> bool:
    # Not Path.is_dir: by Python's version it hides or raises that a name is too long.
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unwritable(target, error.strerror or str(error)) from error
    except ValueError as error:  # a name with a null character
        raise unwritable(target, str(error)) from error
