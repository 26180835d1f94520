"""Turn an official PerceptCLIP checkpoint into an adapter of ours and a base kept once.

The file is the state dict of transformers' CLIP image tower, wrapped by peft, with a projection
and an MLP beside it. Prefixes depend on how its authors nested the modules and are not known, so
a tensor is recognised by the end of its name. Every expected tensor must be there exactly once,
in its shape, and nothing may be left over: a file that is nearly right would score wrongly.

Two things may be there and are left out, because no score of an image depends on them:
``position_ids`` (a buffer of older transformers) and the text tower (``text_model.…``,
``text_projection.weight``, ``logit_scale``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from perceptmetrics.card import MetricCard
from perceptmetrics.errors import WeightsMismatchError, WeightsMissingError
from perceptmetrics.heads import MLP_HEAD
from perceptmetrics.lora import LoRAConfig
from perceptmetrics.views import View
from perceptmetrics.weights import cache
from perceptmetrics.weights.adapter import Adapter, AdapterConfig, load_adapter
from perceptmetrics.weights.base import CachedBase, LoadedBase, keep_base, list_cached
from perceptmetrics.weights.digest import sha256_of_file, sha256_of_tensors
from perceptmetrics.weights.files import load_pickle_state, load_tensors
from perceptmetrics.weights.onnx_clip import to_canonical
from perceptmetrics.weights.source import BaseWeights

LORA = LoRAConfig()  # rank 16, alpha 8: the paper's and the official release's
HEAD = MLP_HEAD

_PROJECTION = "visual_projection.weight"
_LAST = f"mlp.fc{len(HEAD.hidden) + 1}"  # the layer whose rows are the outputs
_TOWER = "vision_model."
# The end of a name inside a block. Matched before the head's names, which end like an MLP's.
_IN_LAYER = re.compile(r"(?:^|\.)(encoder\.layers\.\d+\..+)$")
_IGNORED = re.compile(r"(^|\.)(position_ids|text_model\..+|text_projection\.weight|logit_scale)$")


class ClipTower(Protocol):
    """What a :class:`~perceptmetrics.backbones.Backbone` of CLIP says that is needed here.

    Backbones stand on the weights' sources, so this module cannot import them.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def depth(self) -> int: ...  # noqa: D102
    @property
    def hidden_width(self) -> int: ...  # noqa: D102
    @property
    def patch_size(self) -> int: ...  # noqa: D102
    @property
    def grid_size(self) -> int: ...  # noqa: D102
    @property
    def projection(self) -> int: ...  # noqa: D102
    @property
    def weights(self) -> tuple[BaseWeights, ...]: ...  # noqa: D102


@dataclass(frozen=True)
class OfficialParts:
    """An official checkpoint, taken apart.

    Attributes:
        base: The pretrained encoder: float32 under canonical names, q, k and v fused.
        adapted: LoRA pairs and head, named as ``PerceptualModel.adapted_state`` names them.
        outputs: K, the number of scores or classes.
    """

    base: dict[str, Tensor]
    adapted: dict[str, Tensor]
    outputs: int


def read_official(path: Path, spec: ClipTower) -> OfficialParts:
    """Read a checkpoint of the official release and take it apart (section 3.1).

    Args:
        path: The ``.pth`` file, or the same state dict as safetensors. No code in it is run.
        spec: The backbone that it was made with: ``clip-l14``.

    Returns:
        Base, adapter tensors and number of outputs. Tensors may be mapped from the file.

    Raises:
        WeightsMissingError: There is no such file.
        WeightsMismatchError: A tensor is missing, unknown, doubled or misshapen; it is named.
        WeightsError: The file is damaged, or holds more than tensors.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> read_official(Path("perceptCLIP_IQA.pth"), BACKBONES.get("clip-l14"))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMissingError: perceptCLIP_IQA.pth: no such file
    """
    state = load_tensors(path) if path.suffix == ".safetensors" else load_pickle_state(path)
    expected = _expected_shapes(spec)
    found, unknown = _by_stable_name(state, expected)
    problems = list(_problems(state, expected, found, unknown))
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsMismatchError(
            f"{path} is not an official PerceptCLIP checkpoint of {spec.name}: "
            f"{'; '.join(problems[:3])}{more}"
        )
    return _take_apart({name: state[names[0]].float() for name, names in found.items()}, spec)


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
    """Load from the cache the base that came out of an official file.

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
            f"the base weights {name} are not in {cache.base_folder()}: they are part of an "
            "official PerceptCLIP file; run 'perceptmetrics weights convert' on that file here, or "
            f"copy {name}.safetensors from the machine that converted it. Metrics on weights that "
            "'perceptmetrics weights list' shows as cached work without them."
        )
    return LoadedBase(load_tensors(cached.path), cached.sha256, str(cached.path))


def _expected_shapes(spec: ClipTower) -> dict[str, tuple[int, ...]]:
    """Ends of names to shapes; -1 is the number of outputs, which the file decides."""
    width, hidden = spec.width, spec.hidden_width

    def linear(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}

    def norm(name: str) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (width,), f"{name}.bias": (width,)}

    shapes = {
        "embeddings.class_embedding": (width,),
        "embeddings.patch_embedding.weight": (width, 3, spec.patch_size, spec.patch_size),
        "embeddings.position_embedding.weight": (spec.grid_size**2 + 1, width),
        _PROJECTION: (spec.projection, width),
        **norm("pre_layrnorm"),  # transformers' own spelling
        **norm("post_layernorm"),
    }
    for index in range(spec.depth):
        layer = f"encoder.layers.{index}"
        for part in "qkv":
            matrix = f"{layer}.self_attn.{part}_proj"
            shapes |= linear(f"{matrix}.base_layer", width, width)
            shapes[f"{matrix}.lora_A.default.weight"] = (LORA.rank, width)
            shapes[f"{matrix}.lora_B.default.weight"] = (width, LORA.rank)
        shapes |= linear(f"{layer}.self_attn.out_proj", width, width)
        shapes |= linear(f"{layer}.mlp.fc1", hidden, width)
        shapes |= linear(f"{layer}.mlp.fc2", width, hidden)
        shapes |= norm(f"{layer}.layer_norm1") | norm(f"{layer}.layer_norm2")
    widths = [spec.projection, *HEAD.hidden, -1]
    for index, (columns, rows) in enumerate(zip(widths, widths[1:], strict=False), start=1):
        shapes |= linear(f"mlp.fc{index}", rows, columns)
    return shapes


def _by_stable_name(
    state: Mapping[str, Tensor], expected: Mapping[str, object]
) -> tuple[dict[str, list[str]], list[str]]:
    """Expected ends of names to the file's names that end so; names that end otherwise."""
    known = {**{name: name for name in expected}, "proj.weight": _PROJECTION}
    found: dict[str, list[str]] = {}
    unknown = []
    for name in state:
        if _IGNORED.search(name):
            continue
        if in_layer := _IN_LAYER.search(name):
            ends = [in_layer[1]]
        else:
            parts = name.split(".")
            ends = [".".join(parts[start:]) for start in range(len(parts))]
        stable = next((known[end] for end in ends if end in known), None)
        if stable is None:
            unknown.append(name)
        else:
            found.setdefault(stable, []).append(name)
    return found, unknown


def _problems(
    state: Mapping[str, Tensor],
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, Sequence[str]],
    unknown: Sequence[str],
) -> Iterator[str]:
    outputs = next((state[name].shape[:1] for name in found.get(f"{_LAST}.weight", ())), ())
    for name in unknown:
        yield f"{name!r} is not expected"
    for stable, shape in expected.items():
        names = found.get(stable, ())
        if not names:
            yield f"a tensor '…{stable}' is missing"
        elif len(names) > 1:
            yield f"{' and '.join(map(repr, names))} are both '…{stable}', expected one"
        else:
            tensor = state[names[0]]
            wanted = (*outputs, *shape[1:]) if shape[0] == -1 else shape
            if tuple(tensor.shape) != wanted:
                yield f"{names[0]!r} has shape {tuple(tensor.shape)}, expected {wanted}"
            elif not tensor.is_floating_point():
                yield f"{names[0]!r} is {tensor.dtype}, expected floats"


def _take_apart(state: dict[str, Tensor], spec: ClipTower) -> OfficialParts:
    adapted: dict[str, Tensor] = {}
    for index in range(spec.depth):
        for letter in "AB":
            pairs = [
                state.pop(
                    f"encoder.layers.{index}.self_attn.{part}_proj.lora_{letter}.default.weight"
                )
                for part in "qkv"
            ]
            adapted[f"encoder.blocks.{index}.attn.qkv.lora_{letter}"] = torch.cat(pairs)
    for name in [name for name in state if name.startswith("mlp.")]:
        # Copied: an adapter in memory must not hang on a mapped file of 1.2 GB.
        adapted[f"heads.default.layers.{name[4:]}"] = state.pop(name).clone()
    outputs = len(adapted[f"heads.default.layers.{_LAST[4:]}.bias"])
    adapted["heads.default.scale"] = torch.ones(outputs)
    adapted["heads.default.shift"] = torch.zeros(outputs)
    tower = {
        name if name == _PROJECTION else _TOWER + name.replace(".base_layer.", "."): tensor
        for name, tensor in state.items()
    }
    return OfficialParts(to_canonical(tower), adapted, outputs)


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
    if cached is None:
        return f"its encoder is NOT OpenAI's: sha256 {sha256[:16]}..., {name} is {known[:16]}..."
    reference = load_tensors(cached.path)
    pairs = [(tensor, reference.get(key)) for key, tensor in base.items()]
    differing = [(a, b) for a, b in pairs if b is None or not torch.equal(a, b)]
    same_shape = [(a, b) for a, b in differing if b is not None and a.shape == b.shape]
    largest = max((float((a - b).abs().max()) for a, b in same_shape), default=float("nan"))
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
