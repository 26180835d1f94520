"""``precision="fast"``: matrices in bfloat16; residuals, norms and heads in float32.

Products of bfloat16 matrices add up in float32, on hardware that has instructions for them. What
is rounded to eight bits is what goes into a product, not what goes from block to block, so errors
do not pile up. How far scores move is measured in docs/speed.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from perceptmetrics.backbones.vit import Block
from perceptmetrics.errors import OptionError
from perceptmetrics.model import PerceptualModel

FAST = torch.bfloat16


def require_fast(device: torch.device) -> None:
    """Refuses devices on which bfloat16 is no faster than float32, or far slower.

    Args:
        device: Where the model is to run.

    Raises:
        OptionError: A CPU with neither AMX nor AVX512-BF16 instructions, or a CUDA device that
            only emulates bfloat16.

    Example:
        >>> try:
        ...     require_fast(torch.device("cpu"))
        ... except OptionError as error:
        ...     print(str(error).partition(":")[0])
        ... else:
        ...     print("this CPU can")  # doctest: +SKIP
        precision='fast' cannot be used on this CPU
    """
    if device.type == "cpu" and not _cpu_has_bfloat16():
        raise OptionError(
            "precision='fast' cannot be used on this CPU: it has neither AMX nor AVX512-BF16 "
            "instructions, and would be far slower than in float32; leave precision away"
        )
    if device.type == "cuda" and torch.cuda.is_available() and not _gpu_has_bfloat16():
        raise OptionError(
            "precision='fast' cannot be used on this GPU: it has no bfloat16 units; use "
            "dtype=torch.float16, or leave precision away"
        )


def narrow(models: Iterable[PerceptualModel]) -> None:
    """Rounds what :func:`matrices` gives to bfloat16, in place.

    Tensors that several models share are rounded once and shared after it.

    Args:
        models: For scoring; LoRA is merged, or shared (:func:`perceptmetrics.lora.share`).
    """
    # The old tensors are kept until the end, lest a new one lie where an old one lay.
    rounded: dict[tuple[int, torch.Size], tuple[Tensor, Tensor]] = {}
    for model in models:
        for layer in matrices(model):
            for parameter in layer.parameters():
                old = parameter.data
                key = old.data_ptr(), old.shape
                if key not in rounded:
                    rounded[key] = old, old.to(FAST)
                parameter.data = rounded[key][1]


def matrices(model: PerceptualModel) -> Iterator[nn.Module]:
    """The layers that do nearly all of the work: the patch embedding and those of the blocks.

    Not among them: the projection, a pooling head and the heads, which see one row an image.
    """
    yield model.encoder.patch_embed.proj
    for module in model.encoder.blocks:
        block = cast(Block, module)
        yield from (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2)


def _cpu_has_bfloat16() -> bool:
    names = ("amx_bf16", "avx512_bf16")
    if hasattr(torch.cpu, "get_capabilities"):
        has = torch.cpu.get_capabilities()
        return any(has.get(name) for name in names)
    # Older releases of torch have these, or neither of them.
    asks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, ask, bool)() for ask in asks)


def _gpu_has_bfloat16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
