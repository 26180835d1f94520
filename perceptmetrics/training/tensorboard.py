"""A run's numbers for TensorBoard, on request (extra ``tensorboard``)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from perceptmetrics.errors import OptionError

if TYPE_CHECKING:
    from perceptmetrics.training.trainer import Epoch


class ScalarWriter:
    """Writes scalars; its methods are what a run's ``Watch`` calls.

    ``loss/step`` is the loss of each step, ``loss/epoch`` its mean over an epoch, and
    ``validation/SRCC``, or whatever the measure is, the score after it.

    Args:
        folder: Where TensorBoard looks: ``tensorboard --logdir FOLDER``.
        measure: What the validation score is.
        resumed_at: The step from which a resumed run goes on, from 1: what an earlier writer wrote
            of it and later ones no longer counts.

    Raises:
        OptionError: The package tensorboard is not installed.

    Example:
        >>> from perceptmetrics.training.trainer import Epoch
        >>> with ScalarWriter(Path("run"), "SRCC") as writer:  # doctest: +SKIP
        ...     writer.step(1, 0.5)
        ...     writer.epoch([Epoch(1, 0.5, 0.8)])
    """

    def __init__(self, folder: Path, measure: str, resumed_at: int | None = None) -> None:
        self.check()
        from torch.utils.tensorboard import SummaryWriter

        self._measure = measure
        self._writer = SummaryWriter(str(folder), purge_step=resumed_at)

    @staticmethod
    def check() -> None:
        """Raises what the constructor would, before there is anything to write.

        Raises:
            OptionError: The package tensorboard is not installed.
        """
        if find_spec("tensorboard") is None:
            raise OptionError(
                "writing for TensorBoard needs the package tensorboard: "
                "pip install 'perceptmetrics[tensorboard]'"
            )

    def step(self, number: int, loss: float) -> None:
        """The loss of one step, counted from 1 over the whole run."""
        self._writer.add_scalar("loss/step", loss, number)

    def epoch(self, history: Sequence[Epoch]) -> None:
        """The last epoch of the history; what is written reaches the disk."""
        done = history[-1]
        self._writer.add_scalar("loss/epoch", done.loss, done.number)
        self._writer.add_scalar(f"validation/{self._measure}", done.validation, done.number)
        self._writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        self._writer.close()

    def __enter__(self) -> ScalarWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
