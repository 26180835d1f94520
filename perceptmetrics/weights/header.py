"""The header of a safetensors file, read without the package, which would import numpy for it.

``perceptmetrics list`` reads cards, which lie in headers, and no tensor.
"""

from __future__ import annotations

import json
from pathlib import Path

_LENGTH = 8  # bytes of the header's own length, little-endian, at the start of the file


def read_header(path: Path) -> dict[str, str]:
    """The strings in the header, after a check that the whole file is there.

    Args:
        path: A safetensors file.

    Returns:
        The metadata, empty where the file has none.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is cut short, damaged, or not safetensors.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.safetensors"
        >>> _ = file.write_bytes((2).to_bytes(8, "little") + b"{}")
        >>> read_header(file)
        {}
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH), "little")
        if not 0 < length <= size - _LENGTH:
            raise ValueError(f"{size} bytes cannot hold a header of {length}")
        header = json.loads(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    metadata = header.pop("__metadata__", {})
    try:
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
        strings = {str(name): str(text) for name, text in metadata.items()}
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"its header is no table of tensors: {error}") from error
    if size != _LENGTH + length + end:
        raise ValueError(f"it has {size} bytes, and its tensors end at {_LENGTH + length + end}")
    return strings
