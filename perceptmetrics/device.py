"""Where a model runs."""

from __future__ import annotations

import torch

from perceptmetrics.errors import OptionError


def find_device(device: str | torch.device | None = "cpu") -> torch.device:
    """The device of that name, if this machine has it.

    Args:
        device: As torch names it: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``None`` means the CPU.

    Raises:
        OptionError: Torch knows no such name, or the device is not there.

    Example:
        >>> find_device("gpu")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: device 'gpu' cannot be used: torch knows none of ...
    """
    try:
        found = torch.device("cpu" if device is None else device)
    except (RuntimeError, TypeError) as error:
        raise OptionError(
            f"device {device!r} cannot be used: torch knows none of that name; expected cpu, cuda, "
            "cuda:1, mps, ..."
        ) from error
    if found.type == "meta":
        raise OptionError("device 'meta' cannot be used: it holds no numbers")
    try:
        torch.empty(0, device=found)
    # Torch looks for a module of that name, where a device is not built in.
    except (RuntimeError, AssertionError, ImportError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(f"device {str(device)!r} cannot be used: {reason}") from error
    return found
