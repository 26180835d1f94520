"""The sweep behind ``bench``: its options as they are handed on, and its command run in place."""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from perceptmetrics.cli.sweep import sweep
from perceptmetrics.errors import OptionError

if TYPE_CHECKING:
    from perceptmetrics.bench.places import Place
    from perceptmetrics.bench.plan import PlannedTraining, Terms
    from perceptmetrics.evaluation.figures import Figure

Command = TypeVar("Command", bound=click.Command)

# What a bench decides for each training by itself, or has another option for.
_DECIDED = frozenset(
    {
        *("out", "folds", "task_name", "data", "datasets", "combination", "splits"),
        *("validation_fraction", "images", "image_column", "target_columns", "group_column"),
        *("backbone_name", "base", "strategy", "rank", "alpha", "head", "second_stage"),
    }
)
# What changes time and memory, and no figure.
_MACHINE = frozenset(
    {
        *("device", "rows", "recompute", "feature_cache", "no_feature_cache"),
        *("checkpoint_seconds", "tensorboard", "progress"),
    }
)
_KNOWN_TO_TERMS = frozenset({"learning_rates", "epochs", "replicas", "no_augmentation"})


def handed_on() -> list[click.Option]:
    """The options of ``sweep`` that ``bench`` takes too, and hands on as they are."""
    return [
        parameter
        for parameter in sweep.params
        if isinstance(parameter, click.Option) and parameter.name not in _DECIDED
    ]


def with_handed_on(command: Command) -> Command:
    """Gives a command the options of :func:`handed_on`, after its own."""
    own = {parameter.name for parameter in command.params}
    command.params += [option for option in handed_on() if option.name not in own]
    return command


def terms_of(given: Mapping[str, Any], folds: int | None, bases: Mapping[str, Path]) -> Terms:
    """What all trainings share, from the values of the options."""
    from perceptmetrics.bench.plan import Terms

    others = {
        _said(option): "" if option.is_flag else f"{given[str(option.name)]}"
        for option in handed_on()
        if option.name not in _MACHINE | _KNOWN_TO_TERMS and _is_given(option, given)
    }
    return Terms(
        rates=given["learning_rates"],
        folds=folds,
        epochs=given["epochs"],
        replicas=given["replicas"],
        augment=not given["no_augmentation"],
        device=given["device"],
        precision=given["precision"],
        bases=bases,
        others=others,
    )


def _said(option: click.Option) -> str:
    return str(option.name).replace("_", "-")


def _is_given(option: click.Option, given: Mapping[str, Any]) -> bool:
    name = str(option.name)
    return bool(given[name] != _untyped()[name])


@cache
def _untyped() -> Mapping[str, Any]:
    """What a sweep's options are where nobody types them."""
    return sweep.make_context("sweep", ["--out", "."]).params


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{one:g}" for one in value)
    return str(value)


class SweepRunner:
    """Trains by ``perceptmetrics sweep``, and judges what it trained.

    Args:
        given: The values of the options that are handed on.
        terms: Of all trainings.
        places: Dataset -> where it lies.
    """

    def __init__(self, given: Mapping[str, Any], terms: Terms, places: Mapping[str, Place]) -> None:
        self._given, self._terms, self._places = given, terms, places

    def command(self, planned: PlannedTraining, folds: int) -> str:
        """The command line that trains and tests so many folds."""
        return shlex.join(["perceptmetrics", "sweep", *self._arguments(planned, folds)])

    def sweep(self, planned: PlannedTraining, folds: int) -> None:
        """Runs it here; its table stays in its folder.

        Raises:
            OptionError: An option that a sweep does not take.
            PerceptError: What is wrong with data, weights or training.
        """
        arguments = self._arguments(planned, folds)
        with redirect_stdout(io.StringIO()):
            try:
                context = sweep.make_context("sweep", arguments)
                # A run folder records the command that makes it again.
                context.meta["perceptmetrics.command_line"] = self.command(planned, folds)
                with context:
                    sweep.invoke(context)
            except click.ClickException as error:
                raise OptionError(error.format_message()) from error

    def judge(self, planned: PlannedTraining, run: Path, dataset: str) -> tuple[Figure, ...]:
        """One run of a training on all images of a dataset that it was not trained on.

        Raises:
            PerceptError: What is wrong with run or dataset.
        """
        from perceptmetrics.bench.judging import judged_whole

        return judged_whole(
            run,
            dataset,
            self._places[dataset].root,
            base=self._terms.bases.get(planned.training.setup.backbone),
            device=self._terms.device,
        )

    def _arguments(self, planned: PlannedTraining, folds: int) -> list[str]:
        training = planned.training
        arguments: list[str] = []
        for name in training.datasets:
            arguments += ["--dataset", name, str(self._places[name].root)]
        arguments += training.options()
        base = self._terms.bases.get(training.setup.backbone)
        if base is not None:
            arguments += ["--base", str(base)]
        for option in handed_on():
            if _is_given(option, self._given):
                arguments += self._typed(option)
        return [*arguments, "--folds", str(folds), "--out", str(planned.folder)]

    def _typed(self, option: click.Option) -> list[str]:
        value = self._given[str(option.name)]
        if option.is_flag:
            # --progress and --no-progress are one option of two names.
            return [option.opts[-1] if value else option.secondary_opts[-1]]
        return [option.opts[-1], _plain(value)]
