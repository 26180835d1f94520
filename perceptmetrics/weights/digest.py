"""Hashes: of a file as it lies on disk, and of tensors whatever file they lie in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK = 1 << 20


def sha256_of_file(path: Path) -> str:
    """Hash a file in pieces of one MiB.

    Args:
        path: An existing file.

    Returns:
        64 hexadecimal digits.

    Raises:
        OSError: The file cannot be read.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "empty"
        >>> _ = file.write_bytes(b"")
        >>> sha256_of_file(file)[:16]
        'e3b0c44298fc1c14'
    """
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hash names, dtypes, shapes and bytes of tensors.

    The order of the mapping, strides, device and file layout do not matter, so the same weights
    have the same hash in a pickle, a safetensors file and in memory. Bytes are taken in the
    machine's order, little-endian wherever torch runs today.

    Args:
        tensors: Any dtypes and shapes.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import torch
        >>> a, b = torch.zeros(2, 3), torch.ones(4)
        >>> sha256_of_tensors({"a": a, "b": b}) == sha256_of_tensors({"b": b, "a": a})
        True
        >>> sha256_of_tensors({"a": a}) == sha256_of_tensors({"a": a.T})
        False
    """
    import hashlib

    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        dtype = str(tensor.dtype).removeprefix("torch.")
        # JSON quotes the name, so no choice of names can imitate another header.
        digest.update(json.dumps([name, dtype, list(tensor.shape)]).encode() + b"\n")
        flat = tensor.cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(flat.numpy().data)
    return digest.hexdigest()
