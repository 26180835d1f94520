"""Rivals as metrics: others' predictors beside ours, on the same images, in the same run.

A file dropped in ``builtin/``, or an entry point in the group ``perceptmetrics.rivals``, adds one;
nothing else is edited. None of them is a dependency of ours: each runs in an environment of its
own, as a process that is asked for one image after the other.
"""

from __future__ import annotations

from dataclasses import replace

from perceptmetrics.bench.rivals.base import Rival
from perceptmetrics.errors import OptionError
from perceptmetrics.registry import Registry

RIVALS: Registry[Rival] = Registry(
    "rival", Rival, package="perceptmetrics.bench.rivals.builtin", group="perceptmetrics.rivals"
)


def find_rival(name: str) -> Rival:
    """The rival of a name; a library's metric stands behind a colon.

    Raises:
        UnknownNameError: No rival is called so.
        OptionError: A library without the name of a metric, or a metric with one.

    Example:
        >>> find_rival("pyiqa:musiq").name
        'pyiqa:musiq'
        >>> find_rival("pyiqa")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: pyiqa is a library of metrics: give pyiqa:NAME, ...
    """
    library, colon, variant = name.partition(":")
    rival = RIVALS.get(library)
    if rival.takes and not variant:
        raise OptionError(
            f"{library} is a library of metrics: give {library}:NAME, with {rival.takes}"
        )
    if colon and not rival.takes:
        raise OptionError(f"{library} is one metric and takes nothing behind a colon")
    return replace(rival, name=name, variant=variant) if variant else rival


__all__ = ["RIVALS", "Rival", "find_rival"]
