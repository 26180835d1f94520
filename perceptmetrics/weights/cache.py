"""The folder where weights are kept between runs, and whether the network may be used."""

from __future__ import annotations

import os
from pathlib import Path

from perceptmetrics.errors import WeightsError

_FALSE = frozenset({"", "0", "false", "no", "off"})


def cache_folder() -> Path:
    """Say where weights are kept; nothing is created.

    ``$PERCEPTMETRICS_HOME``, else ``$XDG_CACHE_HOME/perceptmetrics``, else
    ``~/.cache/perceptmetrics``.

    Returns:
        An absolute path that may not exist yet.

    Raises:
        WeightsError: No variable is set and the user has no home folder.

    Example:
        >>> os.environ["PERCEPTMETRICS_HOME"] = "/data/percept"  # doctest: +SKIP
        >>> cache_folder()  # doctest: +SKIP
        PosixPath('/data/percept')
    """
    try:
        if own := os.environ.get("PERCEPTMETRICS_HOME"):
            return Path(own).expanduser().absolute()
        shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
        # The XDG rules say that a relative path is to be ignored.
        root = shared if shared.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise WeightsError(
            "this user has no home folder for a cache; set PERCEPTMETRICS_HOME to a folder"
        ) from error
    return root / "perceptmetrics"


def base_folder() -> Path:
    """Say where converted base weights are kept.

    Example:
        >>> base_folder().name
        'base'
    """
    return cache_folder() / "base"


def base_path(backbone: str, tag: str) -> Path:
    """Say which file holds one set of base weights.

    Args:
        backbone: Name of the backbone, such as ``"clip-b16"``.
        tag: Tag of its weights, such as ``"openai"``.

    Returns:
        A path that may not exist yet.

    Example:
        >>> base_path("clip-b16", "openai").name
        'clip-b16.openai.safetensors'
    """
    return base_folder() / f"{backbone}.{tag}.safetensors"


def adapter_path(metric: str) -> Path:
    """Say which file holds the converted official checkpoint of a metric.

    Args:
        metric: Its name, such as ``"perceptclip-iqa"``.

    Returns:
        A path that may not exist yet.

    Example:
        >>> adapter_path("perceptclip-iqa").name
        'perceptclip-iqa.safetensors'
    """
    return cache_folder() / "adapters" / f"{metric}.safetensors"


def wheels_folder() -> Path:
    """Say where a user without network may lay a wheel to be converted.

    Example:
        >>> wheels_folder().name
        'wheels'
    """
    return cache_folder() / "wheels"


def writable_folder(folder: Path) -> Path:
    """Create a folder of the cache, and make sure of writing to it before a long download.

    Args:
        folder: The folder; parents are created too.

    Returns:
        The same folder.

    Raises:
        WeightsError: It cannot be created or written to.

    Example:
        >>> import tempfile
        >>> writable_folder(Path(tempfile.mkdtemp()) / "base").is_dir()
        True
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"cannot create the cache folder {folder}: {error.strerror or error}; "
            "set PERCEPTMETRICS_HOME to a folder that can be written to"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WeightsError(
            f"cannot write to the cache folder {folder}; "
            "set PERCEPTMETRICS_HOME to a folder that can be written to"
        )
    return folder


def is_offline() -> bool:
    """Say whether the user forbids the network: PERCEPTMETRICS_OFFLINE or HF_HUB_OFFLINE.

    Any value but an empty one, ``0``, ``false``, ``no`` and ``off`` means yes.

    Example:
        >>> isinstance(is_offline(), bool)
        True
    """
    names = ("PERCEPTMETRICS_OFFLINE", "HF_HUB_OFFLINE")
    return any(os.environ.get(name, "").strip().lower() not in _FALSE for name in names)
