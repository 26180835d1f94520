"""Weight files: safetensors written atomically and read with clear errors, pickles read safely."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.errors import WeightsError, WeightsMissingError
from perceptmetrics.weights.cache import cache_folder
from perceptmetrics.weights.header import read_header

if TYPE_CHECKING:
    from torch import Tensor

# Checkpoints often keep the state dict one level down, beside the optimiser's.
_WRAPPERS = ("state_dict", "model")


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file so that ``path`` holds either the whole new file or what it held.

    The bytes go to a temporary file in the same folder, reach the disk, and are then renamed.

    Args:
        tensors: Any dtypes and shapes; shared or strided memory is copied.
        path: Target; its folder must exist.
        metadata: Strings kept in the file's header.

    Raises:
        WeightsError: The folder is missing, read-only or full.

    Example:
        >>> import tempfile, torch
        >>> file = Path(tempfile.mkdtemp()) / "a.safetensors"
        >>> save_tensors({"x": torch.ones(2)}, file, {"made": "here"})
        >>> load_tensors(file)["x"], read_metadata(file)
        (tensor([1., 1.]), {'made': 'here'})
    """
    import secrets

    from safetensors import SafetensorError
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch()
        # Safetensors gives its file to its owner alone; a shared cache is for a group.
        mode = stat.S_IMODE(temporary.stat().st_mode)
        save_file(_own_memory(tensors), temporary, metadata=dict(metadata or {}))
        temporary.chmod(mode)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"cannot write {path}: {_first_line(error)}; the folder must exist, be writable and "
            "have room on its disk"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read every tensor of a safetensors file, memory mapped, on the CPU.

    Args:
        path: A safetensors file.

    Returns:
        Tensors by name, in the file's dtypes. Writing into them does not change the file.

    Raises:
        WeightsMissingError: There is no such file.
        WeightsError: The file is cut short, damaged, or not safetensors.

    Example:
        >>> load_tensors(Path("nowhere.safetensors"))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMissingError: nowhere.safetensors: no such file
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with _clear_errors(path):
        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise ValueError(_first_line(error)) from error


def read_metadata(path: Path) -> dict[str, str]:
    """Read the strings in a safetensors file's header, without its tensors.

    Args:
        path: A safetensors file.

    Returns:
        The metadata, empty where the file has none.

    Raises:
        WeightsMissingError: There is no such file.
        WeightsError: The file is cut short, damaged, or not safetensors.

    Example:
        >>> import tempfile, torch
        >>> file = Path(tempfile.mkdtemp()) / "a.safetensors"
        >>> save_tensors({"x": torch.ones(2)}, file)
        >>> read_metadata(file)
        {}
    """
    with _clear_errors(path):
        return read_header(path)


def load_pickle_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict that ``torch.save`` wrote, running none of the code it may hold.

    Args:
        path: A ``.pt``, ``.pth`` or ``.bin`` file: a state dict, or a checkpoint that holds one
            under ``state_dict`` or ``model``.

    Returns:
        Tensors by name on the CPU, memory mapped where the file's format allows.

    Raises:
        WeightsMissingError: There is no such file.
        WeightsError: The file is damaged, no state dict, or would need to run code.

    Example:
        >>> import tempfile, torch
        >>> file = Path(tempfile.mkdtemp()) / "a.pth"
        >>> torch.save({"x": torch.ones(2)}, file)
        >>> load_pickle_state(file)
        {'x': tensor([1., 1.])}
    """
    import pickle
    import zipfile

    import torch

    if not path.is_file():
        raise WeightsMissingError(f"{path}: no such file")
    try:
        # Files older than torch 1.6 are no zip archives and cannot be mapped.
        mapped = zipfile.is_zipfile(path)
        content: object = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused, because it is damaged or holds more than tensors and plain values "
            "and could run code when loaded; expected a state dict saved by torch.save"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path}: not a whole file written by torch.save ({_first_line(error)}); copy it again"
        ) from error
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: expected a state dict, found {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(
                f"{path}: expected a state dict of tensors, but {name!r} is a "
                f"{type(value).__name__}; save model.state_dict()"
            )
    return dict(content)


def _own_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Safetensors wants each tensor contiguous and in storage of its own."""
    owned: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != tensor.numel() * tensor.itemsize:
            tensor = tensor.clone()
        seen.add(storage.data_ptr())
        owned[name] = tensor
    return owned


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise WeightsMissingError(f"{path}: no such file")
    try:
        yield
    except (OSError, ValueError) as error:
        reason = _first_line(error)
        if path.suffix != ".safetensors":
            raise WeightsError(
                f"{path}: not an adapter, which is a safetensors file ({reason}); give a run "
                "folder or an adapter file"
            ) from error
        # A file elsewhere is the user's own: never tell anybody to delete it.
        advice = "delete it and fetch it again" if _in_cache(path) else "copy it here again"
        raise WeightsError(
            f"{path}: not a whole safetensors file ({reason}); it may be cut short, damaged or of "
            f"another kind: {advice}"
        ) from error


def _in_cache(path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(cache_folder().resolve())
    except WeightsError:  # no home folder, so no cache
        return False


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()
