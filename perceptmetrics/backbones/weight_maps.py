"""State dicts of open_clip, transformers and timm to canonical names: pure renaming.

Canonical names and shapes are timm's ``VisionTransformer``, plus ``projection.weight``. Every
tensor must be known: it is renamed, or dropped by a stated rule because it lies outside the
vision tower (text tower, decoder, classifier, mask token). Any other is an error that names it.
Whether all tensors of a backbone are there, in their shapes, is for the model to check.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptmetrics.errors import WeightsMismatchError

# A regular expression for a whole name, and what it becomes; None drops the tensor.
Rules = tuple[tuple[str, str | None], ...]

_BLOCK = r"blocks\.\d+\.(?:norm[12]|attn\.qkv|attn\.proj|mlp\.fc[12])\.(?:weight|bias)"
_POOL = r"attn_pool\.(?:q|kv|proj|norm|mlp\.fc1|mlp\.fc2)\.(?:weight|bias)"
_CANONICAL: Rules = (
    (rf"({_BLOCK}|{_POOL})", r"\1"),
    (r"(cls_token|pos_embed|reg_token|attn_pool\.latent|projection\.weight)", r"\1"),
    (r"(patch_embed\.proj\.(?:weight|bias)|norm(?:_pre)?\.(?:weight|bias))", r"\1"),
    (r"(blocks\.\d+\.ls[12]\.gamma)", r"\1"),
)


@dataclass(frozen=True)
class _Naming:
    """How one library names a vision tower.

    Attributes:
        library: For messages.
        rules: Tried in order.
        wrappers: What a model around the tower puts before its names; taken off in order.
        outside: Beginnings of names that belong to other parts; looked at first.
    """

    library: str
    rules: Rules
    wrappers: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    def rename(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        renamed: dict[str, Tensor] = {}
        for name, tensor in state.items():
            if name.startswith(self.outside):
                continue
            new = self._renamed(name)
            if new is None:
                continue
            if new in renamed:
                raise WeightsMismatchError(f"two tensors stand for {new}: the second is {name!r}")
            renamed[new] = tensor
        return renamed

    def _renamed(self, name: str) -> str | None:
        short = name
        for wrapper in self.wrappers:
            short = short.removeprefix(wrapper)
        for pattern, replacement in self.rules:
            if match := re.fullmatch(pattern, short):
                return match.expand(replacement) if replacement else None
        raise WeightsMismatchError(
            f"tensor {name!r} is no part of a vision tower as {self.library} names it; remove it, "
            "or convert the checkpoint with the library that it comes from"
        )


_OPEN_CLIP = _Naming(
    "open_clip",
    (
        (r"conv1\.weight", "patch_embed.proj.weight"),
        (r"class_embedding", "cls_token"),
        (r"positional_embedding", "pos_embed"),
        (r"ln_pre\.(weight|bias)", r"norm_pre.\1"),
        (r"ln_post\.(weight|bias)", r"norm.\1"),
        (r"transformer\.resblocks\.(\d+)\.ln_([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
        (r"transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)", r"blocks.\1.attn.qkv.\2"),
        (
            r"transformer\.resblocks\.(\d+)\.attn\.out_proj\.(weight|bias)",
            r"blocks.\1.attn.proj.\2",
        ),
        (r"transformer\.resblocks\.(\d+)\.mlp\.c_fc\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
        (r"transformer\.resblocks\.(\d+)\.mlp\.c_proj\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
        (r"proj", "projection.weight_transposed"),
        *((rf"trunk\.{pattern}", new) for pattern, new in _CANONICAL),
    ),
    wrappers=("module.", "visual."),
    outside=tuple(
        prefix + part
        for prefix in ("", "module.")
        for part in (
            *("transformer.resblocks.", "token_embedding.", "positional_embedding", "ln_final."),
            *("text_projection", "text.", "logit_scale", "logit_bias", "attn_mask"),
            *("input_resolution", "context_length", "vocab_size"),  # in OpenAI's own files
        )
    ),
)
# A tower on its own has no text tower beside it, whose names are like its own.
_OPEN_CLIP_TOWER = _Naming(_OPEN_CLIP.library, _OPEN_CLIP.rules)

_HF_LAYER = r"(?:encoder\.)?layers?\.(\d+)\."
_TRANSFORMERS = _Naming(
    "transformers",
    (
        (r"embeddings\.(?:class_embedding|cls_token)", "cls_token"),
        (r"embeddings\.position_embedding(?:\.weight|s)", "pos_embed"),
        (r"embeddings\.register_tokens", "register_tokens"),
        (r"embeddings\.(?:position_ids|mask_token)", None),
        (r"embeddings\.patch_embedding(?:s\.projection)?\.(weight|bias)", r"patch_embed.proj.\1"),
        (r"pre_layrnorm\.(weight|bias)", r"norm_pre.\1"),
        (r"(?:post_layernorm|layernorm)\.(weight|bias)", r"norm.\1"),
        (r"visual_projection\.weight", "projection.weight"),
        (rf"{_HF_LAYER}(?:layer_norm|norm)([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
        (rf"{_HF_LAYER}layernorm_before\.(weight|bias)", r"blocks.\1.norm1.\2"),
        (rf"{_HF_LAYER}layernorm_after\.(weight|bias)", r"blocks.\1.norm2.\2"),
        (
            rf"{_HF_LAYER}(?:self_attn\.|attention\.)([qkv])_proj\.(weight|bias)",
            r"blocks.\1.attn.\2.\3",
        ),
        (
            rf"{_HF_LAYER}attention\.attention\.([qkv])(?:uery|ey|alue)\.(weight|bias)",
            r"blocks.\1.attn.\2.\3",
        ),
        (
            rf"{_HF_LAYER}(?:self_attn\.out_proj|attention\.o_proj|attention\.output\.dense)"
            r"\.(weight|bias)",
            r"blocks.\1.attn.proj.\2",
        ),
        (rf"{_HF_LAYER}mlp\.fc([12])\.(weight|bias)", r"blocks.\1.mlp.fc\2.\3"),
        (rf"{_HF_LAYER}intermediate\.dense\.(weight|bias)", r"blocks.\1.mlp.fc1.\2"),
        (rf"{_HF_LAYER}output\.dense\.(weight|bias)", r"blocks.\1.mlp.fc2.\2"),
        (rf"{_HF_LAYER}layer_scale([12])\.lambda1", r"blocks.\1.ls\2.gamma"),
    ),
    wrappers=("vision_model.", "dinov2.", "dinov2_with_registers.", "vit."),
    outside=("text_model.", "text_projection.", "logit_scale", "decoder.", "classifier."),
)

_TIMM = _Naming(
    "timm",
    (*_CANONICAL, (r"register_tokens", r"register_tokens"), (r"mask_token", None)),
    outside=("head.", "decoder_"),
)


def from_open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An open_clip model's image tower: OpenAI's ViT, or a timm ViT under ``visual.trunk.``.

    The text tower and the logit scale are dropped. A tower's own state dict, without
    ``visual.``, will do as well, and so will names with DistributedDataParallel's ``module.``.

    Args:
        state: Of the whole model or of its ``visual``.

    Returns:
        Canonical tensors.

    Raises:
        WeightsMismatchError: A tensor of the tower is unknown; the text names it.

    Example:
        >>> sorted(from_open_clip({"visual.proj": torch.ones(4, 2), "logit_scale": torch.ones(1)}))
        ['projection.weight']
    """
    whole = any(name.startswith(("visual.", "module.visual.")) for name in state)
    tensors = (_OPEN_CLIP if whole else _OPEN_CLIP_TOWER).rename(state)
    if "projection.weight_transposed" in tensors:
        tensors["projection.weight"] = tensors.pop("projection.weight_transposed").t().contiguous()
    return _shaped(tensors)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A transformers CLIP, DINOv2 (with or without registers) or ViT-MAE encoder.

    The text tower, MAE's decoder, DINOv2's mask token and classifiers are dropped. q, k and v
    become one matrix.

    Args:
        state: Of ``CLIPModel``, ``CLIPVisionModelWithProjection``, ``Dinov2Model``,
            ``Dinov2WithRegistersModel``, ``ViTMAEModel`` or ``ViTMAEForPreTraining``; names of
            old and new releases.

    Returns:
        Canonical tensors.

    Raises:
        WeightsMismatchError: A tensor of the encoder is unknown, or one of a layer's q, k and v
            is missing; the text names it.

    Example:
        >>> state = {"vision_model.embeddings.class_embedding": torch.ones(8)}
        >>> from_transformers(state)["cls_token"].shape
        torch.Size([1, 1, 8])
    """
    return _shaped(_fused(_TRANSFORMERS.rename(state)))


def from_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A timm ``VisionTransformer``, or a checkpoint of Meta's, which is named alike.

    Classifiers, MAE's decoder and DINOv2's mask token are dropped. timm keeps CLIP's projection
    in its ``head``: where a LayerNorm stands before the blocks and the head has no bias but
    zeros, the head is the projection.

    Args:
        state: Of the model.

    Returns:
        Canonical tensors.

    Raises:
        WeightsMismatchError: A tensor is unknown; the text names it.

    Example:
        >>> sorted(from_timm({"cls_token": torch.ones(1, 1, 8), "head.bias": torch.ones(1)}))
        ['cls_token']
    """
    tensors = _TIMM.rename(state)
    bias = state.get("head.bias")
    if "norm_pre.weight" in state and "head.weight" in state and (bias is None or not bias.any()):
        tensors["projection.weight"] = state["head.weight"]
    return _shaped(tensors)


def canonical(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of any of the three libraries, told apart by the tensors that it holds.

    Args:
        state: Of a whole model or of its vision tower.

    Returns:
        Canonical tensors.

    Raises:
        WeightsMismatchError: It is none of the three, or a tensor is unknown.

    Example:
        >>> canonical({"w": torch.ones(1)})
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMismatchError: these tensors (w, ...) are not named as a ...
    """
    # The patch embedding is what every one of these towers has, each under a name of its own.
    signatures = (
        (r"(?:module\.)?(?:visual\.)?(?:conv1|trunk\.patch_embed\.proj)\.weight", from_open_clip),
        (r"(?:\w+\.)?embeddings\.patch_embedding(?:s\.projection)?\.weight", from_transformers),
        (r"patch_embed\.proj\.weight", from_timm),
    )
    for pattern, weight_map in signatures:
        if any(re.fullmatch(pattern, name) for name in state):
            return weight_map(state)
    first = ", ".join(sorted(state)[:3])
    raise WeightsMismatchError(
        f"these tensors ({first}, ...) are not named as a vision transformer of open_clip, "
        "transformers or timm; save the model's own state dict and give that"
    )


def _fused(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Joins each layer's q, k and v."""
    fused: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(blocks\.\d+\.attn)\.[qkv]\.(weight|bias)", name)
        if match is None:
            fused[name] = tensor
            continue
        module, kind = match.groups()
        parts = [f"{module}.{part}.{kind}" for part in "qkv"]
        for part in parts:
            if part not in tensors:
                raise WeightsMismatchError(
                    f"a layer's q, k and v are not complete: {part} is missing"
                )
        if name == parts[0]:
            fused[f"{module}.qkv.{kind}"] = torch.cat([tensors[part] for part in parts])
    return fused


def _shaped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gives tokens and tables their leading axes; folds the class row of DINOv2 with registers."""
    for name in ("cls_token", "pos_embed"):
        if name in tensors and tensors[name].dim() < 3:
            tensors[name] = tensors[name].view(1, -1, tensors[name].shape[-1])
    if "register_tokens" in tensors:
        if "cls_token" not in tensors or "pos_embed" not in tensors:
            raise WeightsMismatchError(
                "register_tokens without cls_token and pos_embed: the checkpoint is not whole"
            )
        # As timm does: the class token's position row is constant, the registers have none.
        table = tensors["pos_embed"]
        tensors["reg_token"] = tensors.pop("register_tokens")
        tensors["cls_token"] = tensors["cls_token"] + table[:, :1]
        tensors["pos_embed"] = table[:, 1:].contiguous()
    return tensors
