"""What base weights lie in the cache, by the headers of the files: no tensor is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perceptmetrics.errors import WeightsError
from perceptmetrics.weights import cache
from perceptmetrics.weights.files import read_metadata

FORMAT = "perceptmetrics-base-1"
"""Marks files of ours, whose names are canonical and whose metadata can be believed."""


@dataclass(frozen=True)
class CachedBase:
    """One file of base weights in the cache.

    Attributes:
        name: Full name, such as ``"clip-b16.openai"``.
        path: The file.
        sha256: Content hash recorded when it was written.
        size: Bytes on disk.

    Example:
        >>> CachedBase("clip-b16.openai", Path("a"), "ab" * 32, 7).size
        7
    """

    name: str
    path: Path
    sha256: str
    size: int


def list_cached() -> list[CachedBase]:
    """List the base weights in the cache, by name.

    Returns:
        One entry a file; files that are not ours are left out, those that cannot be read are in
        :func:`list_damaged`.

    Example:
        >>> all(base.size > 0 for base in list_cached())
        True
    """
    return [entry for _, entry in _entries() if isinstance(entry, CachedBase)]


def list_damaged() -> dict[str, WeightsError]:
    """List the files among the cached base weights that cannot be read, such as one cut short.

    Returns:
        What is wrong with each, by name.

    Example:
        >>> all("safetensors" in str(error) for error in list_damaged().values())
        True
    """
    return {name: entry for name, entry in _entries() if isinstance(entry, WeightsError)}


def _entries() -> Iterator[tuple[str, CachedBase | WeightsError]]:
    for path in sorted(cache.base_folder().glob("[!.]*.safetensors")):
        name = path.name.removesuffix(".safetensors")
        try:
            metadata = read_metadata(path)
        except WeightsError as error:
            yield name, error
            continue
        if metadata.get("format") == FORMAT and "sha256" in metadata:
            yield name, CachedBase(name, path, metadata["sha256"], path.stat().st_size)
