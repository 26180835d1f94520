"""What a killed run goes on from: one file, replaced as a whole or not at all."""

from __future__ import annotations

import io
import os
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from perceptmetrics.errors import RunFolderError

SUFFIX = ".pt"
# What torch.load raises for a file that is not whole, or not its own.
_DAMAGE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    pickle.UnpicklingError,
)


class Checkpoints:
    """Keeps the last state of a run in its folder.

    Args:
        folder: The run folder.
        name: Of the file, without its end.
        fingerprint: Of recipe, data and weights; a checkpoint of another run is refused.
        seconds: Least time between two of them inside an epoch; the end of an epoch always
            writes one.
        writes: Whether this process writes; others only read.

    Raises:
        RunFolderError: The folder holds a checkpoint of another run, or a damaged one.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kept = Checkpoints(Path(folder), "a run")
        ...     kept.save({"step": 3})
        ...     Checkpoints(Path(folder), "a run").state
        {'step': 3}
    """

    def __init__(
        self,
        folder: Path,
        fingerprint: str,
        *,
        name: str = "checkpoint",
        seconds: float = 300.0,
        writes: bool = True,
    ) -> None:
        self.path = folder / f"{name}{SUFFIX}"
        self._fingerprint = fingerprint
        self._seconds = seconds
        self._writes = writes
        self._last = time.monotonic()
        self.state: dict[str, Any] | None = self._load()
        if writes:
            # What a process left that was killed while it wrote.
            for leftover in folder.glob(f".{self.path.name}.*"):
                leftover.unlink()

    def _load(self) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        try:
            # Tensors, numbers and containers only: weights_only runs no code of the file.
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            fingerprint, state = found["fingerprint"], found["state"]
        except _DAMAGE as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise RunFolderError(
                f"{self.path} cannot be read: {reason}; delete it to start the run from its "
                "beginning"
            ) from error
        if fingerprint != self._fingerprint:
            raise RunFolderError(
                f"{self.path} belongs to a run with other data, weights or options; give the "
                "options of that run to go on with it, or another --out"
            )
        return dict(state)

    @property
    def due(self) -> bool:
        """Whether the last one is old enough for the next."""
        return time.monotonic() - self._last >= self._seconds

    def save(self, state: dict[str, Any]) -> None:
        """Writes beside the file and renames, so that a kill leaves the last one whole.

        Raises:
            RunFolderError: The disk is full, or the folder is gone.
        """
        self._last = time.monotonic()
        if not self._writes:
            return
        buffer = io.BytesIO()
        torch.save({"fingerprint": self._fingerprint, "state": state}, buffer)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as stream:
                stream.write(buffer.getbuffer())
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            kept = f"{self.path} is kept as it was" if self.path.exists() else "there is none yet"
            raise RunFolderError(
                f"the checkpoint cannot be written ({error.strerror}); {kept}: make room, and the "
                "same command goes on from it"
            ) from error
