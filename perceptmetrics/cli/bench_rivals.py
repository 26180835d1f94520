"""The rivals of ``bench``: their options, which of them can be had, and their part of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from perceptmetrics.cli.bench_options import listed, seconds_of
from perceptmetrics.errors import PerceptError

if TYPE_CHECKING:
    from perceptmetrics.bench.monotony import Judge
    from perceptmetrics.bench.plan import Plan
    from perceptmetrics.bench.result import BenchResult, Missing
    from perceptmetrics.bench.rivals.beside import Prepared

Command = TypeVar("Command", bound=Callable[..., Any])

CHECKED = "iqa"  # the task of the built-in check


def _patience(ctx: click.Context, parameter: click.Parameter, value: str) -> float:
    try:
        return seconds_of(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}") from error


def rival_options(command: Command) -> Command:
    """Gives a command the options of :class:`RivalOptions`."""
    options = (
        listed(
            "--rival",
            "rivals",
            str,
            "Others' metrics, judged on the same images: resmem, vitmem, brisque, niqe, clip-iqa, "
            "pyiqa:NAME, and those of plug-ins.",
        ),
        click.option(
            "--install-rivals",
            is_flag=True,
            help="Let pip make an environment for each rival in our cache, and let it fetch its "
            "weights. Without this nothing of a rival is downloaded.",
        ),
        click.option(
            "--rival-python",
            "rival_pythons",
            multiple=True,
            metavar="NAME=PYTHON",
            help="A Python in which a rival is installed already.",
        ),
        click.option(
            "--rival-images",
            type=click.IntRange(min=2),
            help="At most so many images of each test part, for rivals and for ours beside them.",
        ),
        click.option(
            "--rival-timeout",
            "rival_patience",
            default="5m",
            show_default=True,
            callback=_patience,
            metavar="TIME",
            help="A rival that gives no answer for so long is ended; loading counts too.",
        ),
        click.option(
            "--rivals-only",
            is_flag=True,
            help="Train nothing: rivals, beside what is trained already.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class RivalOptions:
    """The values of :func:`rival_options`, by their names.

    Attributes:
        rivals: Names.
        install_rivals: Whether environments may be made and weights fetched.
        rival_pythons: ``NAME=PYTHON`` each.
        rival_images: At most so many of each test part.
        rival_patience: Seconds.
        rivals_only: Whether nothing is trained.
    """

    rivals: tuple[str, ...]
    install_rivals: bool
    rival_pythons: tuple[str, ...]
    rival_images: int | None
    rival_patience: float
    rivals_only: bool

    @classmethod
    def take(cls, given: dict[str, Any]) -> RivalOptions:
        """Takes its own out of a command's arguments."""
        return cls(**{name: given.pop(name) for name in cls.__dataclass_fields__})

    def prepare(
        self, plan: Plan, *, device: str, checks: bool, install: bool
    ) -> tuple[Plan, tuple[Prepared, ...]]:
        """A plan with what rivals lack, and the rivals that can be started.

        Args:
            plan: Of the bench.
            device: Where rivals run.
            checks: Whether the built-in check runs.
            install: ``False`` where nothing is to be made, whatever was asked for: for a plan.
        """
        there, lacking = self._found(plan, device, checks, install)
        return replace(plan, missed=(*plan.missed, *lacking)), there

    def to_train(self, plan: Plan) -> Plan:
        """What of a plan is to be run: where nothing is to be trained, what is trained already."""
        if not self.rivals_only:
            return plan
        done = tuple(one for one in plan.trainings if one.done == one.runs)
        return replace(plan, trainings=done)

    def _found(
        self, plan: Plan, device: str, checks: bool, install: bool
    ) -> tuple[tuple[Prepared, ...], tuple[Missing, ...]]:
        if not self.rivals and not self.rival_pythons:
            return (), ()
        from perceptmetrics.bench.result import Missing
        from perceptmetrics.bench.rivals import find_rival
        from perceptmetrics.bench.rivals.beside import Prepared, datasets_of
        from perceptmetrics.bench.rivals.contestant import rival_contestant
        from perceptmetrics.bench.rivals.environment import python_of, pythons_of
        from perceptmetrics.tasks import TASKS

        given = pythons_of(self.rival_pythons)
        there: list[Prepared] = []
        lacking: list[Missing] = []
        for name in self.rivals or tuple(given):
            try:
                rival = find_rival(name)
                if TASKS.get(rival.task).kind == "classification":
                    reason = f"it judges {rival.task}, which has classes; a rival gives scores"
                    lacking.append(Missing("rival", name, reason))
                    continue
                if not datasets_of(plan, rival.task) and not (checks and rival.task == CHECKED):
                    reason = (
                        f"it judges {rival.task}, and no dataset of that task is here; give rated "
                        "images with --data"
                    )
                    lacking.append(Missing("rival", name, reason))
                    continue
                python = python_of(
                    rival,
                    given,
                    install=install and self.install_rivals,
                    report=lambda line: click.echo(line, err=True),
                )
                contestant = rival_contestant(
                    rival,
                    python,
                    device=device,
                    network=self.install_rivals,
                    patience=self.rival_patience,
                )
            except PerceptError as error:
                lacking.append(Missing("rival", name, str(error)))
                continue
            there.append(Prepared(rival, contestant))
        return tuple(there), tuple(lacking)

    def judge(
        self,
        plan: Plan,
        rivals: tuple[Prepared, ...],
        result: BenchResult,
        folder: Path,
        given: Mapping[str, Any],
        bases: Mapping[str, Path],
    ) -> BenchResult:
        """The result with rivals on the rated images of the plan.

        Args:
            plan: Of the bench.
            rivals: Those that can be started.
            result: What there is already.
            folder: Of the bench.
            given: The values of the other options: ``device``, ``progress``.
            bases: Backbone -> a file of its weights.

        Raises:
            RunFolderError: The folder cannot be written.
        """
        if not rivals or not plan.places:
            return result
        from tqdm import tqdm

        from perceptmetrics.bench.rivals.beside import beside

        # disable=None: no bar where standard error is no terminal.
        disable = None if given["progress"] is None else not given["progress"]
        with tqdm(desc="rivals", unit="image", disable=disable, leave=False) as bar:

            def tell(name: str, done: int, images: int) -> None:
                bar.set_description(name, refresh=False)
                bar.total = images
                bar.update(done - bar.n)

            found = beside(
                plan,
                rivals,
                folder,
                bases=bases,
                device=given["device"],
                images=self.rival_images,
                patience=self.rival_patience,
                report=lambda line: click.echo(line, err=True),
                progress=tell,
            )
        return replace(result, rivals=found)


def checked_rivals(rivals: tuple[Prepared, ...]) -> dict[str, Callable[[], Judge]]:
    """Those that can be in the built-in check: what makes each."""
    if not rivals:
        return {}
    from perceptmetrics.bench.rivals.distorted import DistortedJudge

    return {
        one.rival.name: partial(DistortedJudge, one.contestant)
        for one in rivals
        if one.rival.task == CHECKED
    }


def rivals_plan(rivals: tuple[Prepared, ...]) -> list[str]:
    """What would be asked of rivals, in a line each."""
    return [
        f"rival {one.rival.name} ({one.rival.task}), by {one.contestant.python}" for one in rivals
    ]
