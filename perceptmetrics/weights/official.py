"""Turn an official PerceptCLIP checkpoint into an adapter of ours and a base kept once.

Three official files of 1.23 GB each become three adapters of 11.6 MB and, where their encoders are
the same, one base, which the cache keeps under the hash of its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from perceptmetrics.card import MetricCard
from perceptmetrics.errors import OptionError, WeightsMismatchError, WeightsMissingError
from perceptmetrics.views import View
from perceptmetrics.weights import cache
from perceptmetrics.weights.adapter import Adapter, AdapterConfig, load_adapter
from perceptmetrics.weights.base import LoadedBase, keep_base
from perceptmetrics.weights.cached import CachedBase, list_cached
from perceptmetrics.weights.digest import sha256_of_file, sha256_of_tensors
from perceptmetrics.weights.files import load_tensors
from perceptmetrics.weights.official_file import HEAD, LORA, ClipTower, read_official
from perceptmetrics.weights.source import BaseWeights


def convert_official(
    path: Path,
    spec: ClipTower,
    *,
    card: MetricCard,
    view: View,
    kind: Literal["regression", "classification"],
    outputs: Sequence[str],
    groupings: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
    rescale: tuple[float, float] | None = None,
    out: Path | None = None,
) -> Adapter:
    """Turn an official checkpoint into an adapter; its base goes into the cache, once.

    The base is kept under its registered name where its hash is known to be that one's, else as
    ``<backbone>.<first 12 digits of its hash>``. Official files with the same base share it. The
    card's notes say whether it is OpenAI's, or that nobody on this machine can tell.

    Args:
        path: The official file.
        spec: The backbone ``clip-l14``.
        card: What is known of the metric; hashes, base and notes are filled in.
        view: What the encoder sees of an image when scoring.
        kind: ``regression`` or ``classification``.
        outputs: Names of the scores, or class labels in index order.
        groupings: Coarser views of the classes.
        rescale: Raw scores that are to become 0 and 1; ``None`` leaves scores as they are.
        out: Where to write the adapter file (11.6 MB at ViT-L/14); ``None`` writes none.

    Returns:
        The adapter.

    Raises:
        WeightsMissingError: There is no such file.
        WeightsMismatchError: It is not an official checkpoint of this backbone and these outputs.
        WeightsError: It is damaged, or the cache or ``out`` cannot be written.
        OptionError: ``rescale`` is no range.

    Example:
        >>> adapter = convert_official(Path("perceptCLIP_IQA.pth"), spec, ...)  # doctest: +SKIP
        >>> adapter.config.base  # doctest: +SKIP
        'clip-l14.openai'
    """
    parts = read_official(path, spec)
    if parts.outputs != len(outputs):
        raise WeightsMismatchError(
            f"{path} has {parts.outputs} outputs, expected {len(outputs)} "
            f"({', '.join(outputs)}): is it the file of another task?"
        )
    if rescale is not None:
        low, high = rescale
        if not low < high:
            raise OptionError(f"rescale is {rescale}, expected a lower and a higher raw score")
        parts.adapted["heads.default.scale"].fill_(1 / (high - low))
        parts.adapted["heads.default.shift"].fill_(-low / (high - low))
    sha256 = sha256_of_tensors(parts.base)
    origin = f"converted from {path.name}, sha256 {sha256_of_file(path)}"
    note = _compare_with_openai(spec, parts.base, sha256)
    base = _keep_once(spec, parts.base, sha256, origin)
    config = AdapterConfig(
        kind=kind,
        outputs=tuple(outputs),
        backbone=spec.name,
        base=base,
        base_sha256=sha256,
        view=view,
        lora=LORA,
        head=HEAD,
        groupings=groupings or {},
        higher_is_better=None if kind == "classification" else True,
    )
    card = replace(
        card,
        outputs=config.outputs,
        backbone=spec.name,
        base=base,
        base_sha256=sha256,
        view=str(view),
        notes=(*card.notes, origin, note),
    )
    adapter = Adapter(config, card, parts.adapted)
    return adapter if out is None else load_adapter(adapter.save(out))


def find_base_by_hash(backbone_name: str, sha256: str) -> CachedBase | None:
    """Find base weights in the cache by their content, whatever their tag.

    Args:
        backbone_name: Name of the backbone, such as ``"clip-l14"``.
        sha256: Content hash of the tensors, as recorded when they were written.

    Returns:
        The first such file, None where there is none.

    Example:
        >>> find_base_by_hash("clip-l14", "no such hash") is None
        True
    """
    for cached in list_cached():
        if cached.sha256 == sha256 and cached.name.partition(".")[0] == backbone_name:
            return cached
    return None


def load_base_by_hash(name: str, sha256: str) -> LoadedBase:
    """Load from the cache a base that no source is registered for, by its content.

    Args:
        name: Full name as in the adapter's configuration, such as ``"clip-l14.0f3e..."``.
        sha256: Content hash; a file of another name with this content serves as well.

    Returns:
        The tensors, their hash and where they came from.

    Raises:
        WeightsMissingError: It is not in the cache.
        WeightsError: The file is damaged.

    Example:
        >>> load_base_by_hash("clip-l14.ab", "ab")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMissingError: the base weights clip-l14.ab are not in ...
    """
    cached = find_base_by_hash(name.partition(".")[0], sha256)
    if cached is None:
        raise WeightsMissingError(
            f"the base weights {name} are not in {cache.base_folder()}. If they came inside an "
            "official PerceptCLIP file, run 'perceptmetrics weights convert' on it here, or copy "
            f"{name}.safetensors from the machine that did; if they are a file that was given to "
            "'train --base', give it again with --base, or base=... in create_metric. Metrics on "
            "weights that 'perceptmetrics weights list' shows as cached work without them."
        )
    return LoadedBase(load_tensors(cached.path), cached.sha256, str(cached.path))


def _openai(spec: ClipTower) -> BaseWeights | None:
    return next((weights for weights in spec.weights if weights.tag == "openai"), None)


def _compare_with_openai(spec: ClipTower, base: Mapping[str, Tensor], sha256: str) -> str:
    """Say on one line whether the encoder in the file is OpenAI's."""
    weights = _openai(spec)
    if weights is None:
        return f"its encoder cannot be compared: no OpenAI weights of {spec.name} are registered"
    name = f"{spec.name}.{weights.tag}"
    cached = next((entry for entry in list_cached() if entry.name == name), None)
    known = weights.sha256 or (cached.sha256 if cached else None)
    if known == sha256:
        return f"its encoder is OpenAI's, bit for bit ({name})"
    if known is None:
        return (
            f"whether its encoder is OpenAI's could not be checked: {name} is not in the cache; "
            f"run 'perceptmetrics weights fetch {name}' and convert again"
        )
    if cached is None or cached.sha256 != known:
        return f"its encoder is NOT OpenAI's: sha256 {sha256[:16]}..., {name} is {known[:16]}..."
    reference = load_tensors(cached.path)
    pairs = [(tensor, reference.get(key)) for key, tensor in base.items()]
    differing = [(a, b) for a, b in pairs if b is None or not torch.equal(a, b)]
    same_shape = [(a, b) for a, b in differing if b is not None and a.shape == b.shape]
    largest = max((float((a - b).abs().max()) for a, b in same_shape), default=float("inf"))
    return (
        f"its encoder is NOT OpenAI's: {len(differing)} of {len(base)} tensors differ from {name}, "
        f"by up to {largest:.2g}"
    )


def _keep_once(spec: ClipTower, base: Mapping[str, Tensor], sha256: str, origin: str) -> str:
    """The full name under which the cache holds the base, after this call if not before."""
    if cached := find_base_by_hash(spec.name, sha256):
        return cached.name
    registered = next((weights for weights in spec.weights if weights.sha256 == sha256), None)
    tag = registered.tag if registered else sha256[:12]
    licence = registered.licence if registered else "not stated by the file it came in"
    keep_base(spec.name, tag, base, {"licence": licence, "source": origin})
    return f"{spec.name}.{tag}"
