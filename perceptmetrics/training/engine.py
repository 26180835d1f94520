"""One process or many: what a training step needs to know of the others.

Many processes are started by ``torchrun``; Accelerate then sets up torch.distributed and moves
the tensors. A batch is the batch of all processes together: each one encodes its rows, all see
all predictions, so that a loss over the batch (PLCC) is that of one process with the same batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from perceptmetrics.device import find_device
from perceptmetrics.errors import OptionError, TrainingError


class Engine:
    """One process: it is all there is.

    Attributes:
        device: Where to compute.
        rank: Number of this process, from 0.
        world: How many there are.

    Example:
        >>> Engine().gather(torch.ones(2, 1))[0].shape
        torch.Size([2, 1])
    """

    rank = 0
    world = 1

    def __init__(self, device: str = "cpu") -> None:
        self.device = find_device(device)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def gather(self, rows: Tensor) -> list[Tensor]:
        """The rows (N, ...) of every process, in the order of ranks; N may differ."""
        return [rows]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Adds up every parameter's gradient over all processes, in place."""

    def wait(self) -> None:
        """Until all processes are here."""


class DistributedEngine(Engine):
    """One of the processes that ``torchrun`` started.

    Raises:
        OptionError: The device is not there.
        TrainingError: Accelerate is not installed.
    """

    def __init__(self, device: str = "cpu") -> None:
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise TrainingError(
                "training in several processes needs accelerate: "
                "pip install 'perceptmetrics[distributed]'"
            ) from error
        kind = device.partition(":")[0]
        self._state = PartialState(cpu=kind == "cpu")
        wanted = int(os.environ.get("WORLD_SIZE", "1"))
        if self._state.device.type != kind or self._state.num_processes != wanted:
            raise OptionError(
                f"torchrun started {wanted} processes for {kind!r}, but Accelerate found "
                f"{self._state.num_processes} and {self._state.device.type!r}; give --device cpu, "
                "or look why torch does not see the device"
            )
        super().__init__(str(self._state.device))
        self.rank, self.world = self._state.process_index, self._state.num_processes

    def gather(self, rows: Tensor) -> list[Tensor]:
        """See :meth:`Engine.gather`."""
        from accelerate.utils import gather

        counts = gather(torch.tensor([len(rows)], device=self.device)).tolist()
        # Collectives want equal shapes: short parts are filled up, and cut again.
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        everyone: Tensor = gather(padded)
        parts = everyone.view(self.world, max(counts), *rows.shape[1:])
        return [part[:count] for part, count in zip(parts, counts, strict=True)]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """See :meth:`Engine.sum_gradients`."""
        from accelerate.utils import reduce

        for parameter in parameters:
            # A head whose dataset this process did not see has none.
            mine = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = reduce(mine, reduction="sum")

    def wait(self) -> None:
        """See :meth:`Engine.wait`."""
        self._state.wait_for_everyone()


def engine_for(device: str = "cpu") -> Engine:
    """The engine of this process: one of many where ``torchrun`` says so, else the only one.

    Raises:
        OptionError: The device cannot be used.
        TrainingError: Several processes, and no Accelerate.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return DistributedEngine(device) if several else Engine(device)
