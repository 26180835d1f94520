"""A run as its user sees it: a bar, a line an epoch, a picture, TensorBoard on request."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from tqdm import tqdm

from perceptmetrics.cli.train_plan import TrainPlan
from perceptmetrics.training.curves import CURVES_FILE, draw_curves, why_no_curves
from perceptmetrics.training.source import Source
from perceptmetrics.training.step import Batch
from perceptmetrics.training.tensorboard import ScalarWriter
from perceptmetrics.training.trainer import Epoch, Stage, Watch, WatchOf, nobody_watches


class _SeenStage:
    """One stage as it goes: together, or one head alone."""

    def __init__(
        self, stage: Stage, measure: str, out: Path, shown: bool, files: ExitStack
    ) -> None:
        self._name, self._epochs, self._measure = stage.name, stage.how.epochs, measure
        self._out, self._shown, self._files = out, shown, files
        self._started = time.monotonic()
        self._best: float | None = None
        self._bar: tqdm[Batch] | None = None
        self._writer: ScalarWriter | None = None

    def epoch(self, history: Sequence[Epoch]) -> None:
        """A line, and the picture drawn anew."""
        done, best = history[-1], max(history, key=lambda one: one.validation)
        self._best = best.validation
        tqdm.write(
            f"{self._name and self._name + ': '}epoch {done.number}/{self._epochs}  "
            f"loss {done.loss:.4f}  validation {self._measure} {done.validation:.4f} (best "
            f"{best.validation:.4f} in epoch {best.number})  "
            f"{time.monotonic() - self._started:.0f} s",
            file=sys.stderr,
        )
        if not why_no_curves():
            file = CURVES_FILE if not self._name else f"curves.{self._name}.png"
            draw_curves(history, self._out / file, self._measure)

    def step(self, number: int, loss: float) -> None:
        """The loss beside the bar."""
        if self._bar is not None:
            best = "" if self._best is None else f", best {self._measure} {self._best:.4f}"
            self._bar.set_postfix_str(f"loss {loss:.4f}{best}", refresh=False)

    def progress(self, batches: Iterator[Batch], done: int, steps: int) -> Iterator[Batch]:
        """The bar of one epoch, with the time that is left of it."""
        self._bar = tqdm(
            batches,
            initial=done,
            total=steps,
            disable=not self._shown,
            leave=False,
            file=sys.stderr,
        )
        return iter(self._bar)

    def features(self, images: Iterator[Path], count: int) -> Iterator[Path]:
        """A line and a bar while the features of a frozen encoder are computed."""
        if not count:
            return images
        tqdm.write(f"computes the features of {count} images, once", file=sys.stderr)
        bar = tqdm(
            images,
            total=count,
            unit=" images",
            disable=not self._shown,
            leave=False,
            file=sys.stderr,
        )
        return iter(bar)

    def with_scalars(self, folder: Path) -> Watch:
        """The same, and scalars for TensorBoard."""

        def step(number: int, loss: float) -> None:
            if self._writer is None:
                # A run that goes on: what was written of this step and later no longer counts.
                resumed = number if number > 1 else None
                self._writer = ScalarWriter(folder, self._measure, resumed)
                self._files.enter_context(self._writer)
            self._writer.step(number, loss)
            self.step(number, loss)

        def epoch(history: Sequence[Epoch]) -> None:
            if self._writer is not None:
                self._writer.epoch(history)
            self.epoch(history)

        return Watch(epoch, step, self.progress, self.features)


@contextmanager
def watch_run(
    options: TrainPlan, sources: Sequence[Source], out: Path, *, speaks: bool
) -> Iterator[WatchOf]:
    """Who looks on while a run goes: silent in all processes but one."""
    if not speaks:
        yield nobody_watches
        return
    shown = sys.stderr.isatty() if options.progress is None else options.progress
    if missing := why_no_curves():
        click.echo(missing, err=True)
    if options.tensorboard:
        ScalarWriter.check()  # now, not after the first step
    with ExitStack() as files:
        measures = {source.name: source.task.selects_by for source in sources}

        def watch(stage: Stage) -> Watch:
            seen = _SeenStage(stage, measures[stage.dataset], out, shown, files)
            if options.tensorboard:
                return seen.with_scalars(out / "tensorboard" / stage.name)
            return Watch(seen.epoch, seen.step, seen.progress, seen.features)

        try:
            yield watch
        except KeyboardInterrupt:
            click.echo("stopped; the same command goes on from the last checkpoint", err=True)
            raise
