"""The options of ``bench`` that choose, as click declares them; how lists and times are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def seconds_of(text: str) -> float:
    """A time as people type it.

    Raises:
        ValueError: It is none.

    Example:
        >>> seconds_of("30m"), seconds_of("1h30m")
        (1800.0, 5400.0)
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or total <= 0:
        raise ValueError("expected a time such as 30m, 2h or 1h30m")
    return total


def budget(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """The callback of an option that takes a time."""
    try:
        return None if value is None else seconds_of(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}") from error


def _listed(kind: Callable[[str], Any]) -> Callable[..., tuple[Any, ...]]:
    """Reads ``a,b``, given once or several times."""

    def read(
        ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
    ) -> tuple[Any, ...]:
        found = []
        for one in (part.strip() for value in values for part in value.split(",")):
            try:
                found.append(kind(one))
            except ValueError as error:
                raise click.BadParameter(f"{one!r}: {error}") from error
        return tuple(dict.fromkeys(found))

    return read


def _one_of(*names: str) -> Callable[[str], str]:
    def read(name: str) -> str:
        if name not in names:
            raise ValueError(f"expected one of {', '.join(names)}")
        return name

    return read


def _rank(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("expected a whole number from 1")
    return int(text)


def _alpha(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError("expected a number above 0")
    return value


_CHOICES: tuple[tuple[str, str, Callable[[str], Any], str], ...] = (
    ("--task", "tasks", str, "Only what judges these: iqa, memorability, emotion, ..."),
    ("--dataset", "datasets", str, "Only what is judged on these."),
    ("--backbone", "backbones", str, "Families, backbones, or either with a tag of weights."),
    ("--size", "sizes", str, "Sizes of backbones: b16, l14, ..."),
    ("--strategy", "strategies", _one_of("lora", "frozen", "full"), "lora, frozen, full."),
    ("--head", "heads", _one_of("mlp", "linear"), "mlp, linear."),
    ("--rank", "ranks", _rank, "Of LoRA."),
    ("--alpha", "alphas", _alpha, "Of LoRA."),
)
SELECTS = tuple(name for _, name, _, _ in _CHOICES)


def listed(option: str, name: str, kind: Callable[[str], Any], text: str) -> Callable[..., Any]:
    """An option that takes several values, parted by commas."""
    return click.option(
        option, name, multiple=True, metavar="A,B", callback=_listed(kind), help=text
    )


def select_options(command: Command) -> Command:
    """Gives a command the options of :class:`~perceptmetrics.bench.selection.Selection`."""
    for choice in reversed(_CHOICES):
        command = listed(*choice)(command)
    return command
