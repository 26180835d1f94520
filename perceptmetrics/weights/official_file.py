"""Read a checkpoint of the official PerceptCLIP release and take it apart.

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
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from perceptmetrics.adaptation import LoRAConfig
from perceptmetrics.errors import WeightsMismatchError
from perceptmetrics.heads import MLP_HEAD
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

    Backbones stand on the weights' sources, so this room cannot import them.
    """

    @property
    def name(self) -> str:
        """``clip-l14``."""

    @property
    def width(self) -> int:
        """Of the transformer."""

    @property
    def depth(self) -> int:
        """Number of blocks."""

    @property
    def hidden_width(self) -> int:
        """Inside each block's MLP."""

    @property
    def patch_size(self) -> int:
        """In pixels."""

    @property
    def grid_size(self) -> int:
        """Side of the position table, in patches."""

    @property
    def projection(self) -> int:
        """Width of the projected embedding."""

    @property
    def weights(self) -> tuple[BaseWeights, ...]:
        """The weights that are registered for it."""


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
    for index, (columns, rows) in enumerate(pairwise(widths), start=1):
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
