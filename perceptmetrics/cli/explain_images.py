"""Which photographs ``perceptmetrics explain`` is asked for, and that none is overwritten."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.explanation.naming import COMPARISON, RANKING, is_ours, of_image, stems
from perceptmetrics.scoring.files import find_images


def photographs(arguments: Sequence[str]) -> list[str | ImageError]:
    """The images that the arguments mean, each once, without pictures that explain them.

    A picture of ours in a folder of photographs, from whatever call, is left out and counted on
    standard error; one that is named itself is taken.

    Args:
        arguments: Paths, folders and globs.

    Returns:
        Paths, and what is already known to be wrong with one; a path at least.

    Raises:
        ImageError: There is no path; the first thing that is wrong.
        OptionError: Nothing but pictures of ours is left.
    """
    kept: list[str | ImageError] = []
    seen: set[str] = set()
    ours = 0
    for one in find_images(arguments):
        if isinstance(one, ImageError):
            kept.append(one)
            continue
        file = os.path.realpath(one)
        if file in seen:
            continue
        if one not in arguments and is_ours(one):
            ours += 1
            continue
        seen.add(file)
        kept.append(one)
    if not seen:
        for one in kept:
            if isinstance(one, ImageError):
                raise one
        raise OptionError(
            f"all {ours} images are pictures that 'perceptmetrics explain' wrote; name photographs"
        )
    if ours:
        click.echo(f"{ours} pictures that an earlier call wrote are left out", err=True)
    return kept


def check_nothing_is_lost(
    images: Sequence[str | ImageError], output: Path, *, heads: bool, compare: bool
) -> None:
    """Refuses an output folder in which a file of the user's would be overwritten.

    Args:
        images: What will be explained.
        output: The folder to write to.
        heads: Whether heads are ranked over all images.
        compare: Whether explanations are compared.

    Raises:
        OptionError: A file of such a name is there, and is not ours.
    """
    if heads:
        RANKING.check_free(output)
        return
    if compare:
        COMPARISON.check_free(output)
    for name in stems([one for one in images if isinstance(one, str)]).values():
        of_image(name).check_free(output)
