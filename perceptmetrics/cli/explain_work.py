"""What ``perceptmetrics explain`` does once all is checked; imported when a metric is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from perceptmetrics.cli.text import columns, one_line
from perceptmetrics.errors import DataError, ImageError
from perceptmetrics.explanation.faithfulness import DeletionInsertion
from perceptmetrics.explanation.files import explain_file, write_comparison
from perceptmetrics.explanation.folder import Measured, rank_heads
from perceptmetrics.explanation.methods import QUICK, THOROUGH
from perceptmetrics.explanation.naming import stems
from perceptmetrics.explanation.pretrained import pretrained_encoder
from perceptmetrics.explanation.ranking_files import RECORD, write_ranking
from perceptmetrics.metric import Metric


def explain_each(
    metric: Metric,
    images: Sequence[str | ImageError],
    output: Path,
    *,
    score: str | None,
    top: int,
    base: Path | None,
    progress: bool,
    compare: bool,
    quality_map: bool,
) -> tuple[int, int]:
    """Explains one image after the other; names what fails, and goes on.

    Args:
        metric: What judges.
        images: Paths, or what is already known to be wrong with one.
        output: The folder to write to.
        score: Which score or class.
        top: How many heads are shown.
        base: Base weights to use instead of the cache.
        progress: Whether a bar is shown.
        compare: Whether explanations play against each other.
        quality_map: Whether dense crops are scored.

    Returns:
        How many images were explained, and how many could not be.
    """
    pretrained = pretrained_encoder(metric, base)
    names = stems([one for one in images if isinstance(one, str)])
    played: list[Mapping[str, DeletionInsertion]] = []
    good = 0
    bar = tqdm(images, unit=" images", disable=not progress, file=sys.stderr)
    for number, image in enumerate(bar):
        try:
            if isinstance(image, ImageError):
                raise image
            why = explain_file(
                metric,
                image,
                output / names[image],
                pretrained=pretrained,
                output=score,
                top=top,
                methods=THOROUGH if compare else QUICK,
                play=compare,
                quality_map=quality_map,
                seed=number,
                watch=bar.set_postfix_str,
            )
        except ImageError as error:
            _say_error(error.item, error.reason)
            continue
        except DataError as error:
            _say_error(str(image), str(error))
            continue
        good += 1
        played.append(why.games)
        strongest = ", ".join(
            f"{head['layer']}.{head['head']} {head['change']:+.3g}"
            for head in why.data["heads"][:top]
        )
        tqdm.write(f"{image}: {why.data['output']} {why.data['score']:.4f}; heads {strongest}")
    if compare and good > 1:
        click.echo(write_comparison(played, output))
    elif compare and good:
        click.echo("one image does not say which explanation is faithful: give several", err=True)
    return good, len(images) - good


def rank_all(
    metric: Metric,
    images: Sequence[str | ImageError],
    output: Path,
    *,
    score: str | None,
    top: int,
    base: Path | None,
    progress: bool,
) -> tuple[int, int]:
    """Ranks the heads over all images; names what fails, and goes on.

    Args:
        metric: What judges.
        images: Paths, or what is already known to be wrong with one.
        output: The folder to write to, and to resume from.
        score: Which score or class.
        top: How many heads are shown.
        base: Base weights to use instead of the cache.
        progress: Whether a bar is shown.

    Returns:
        How many images were measured, and how many could not be.
    """
    pretrained = pretrained_encoder(metric, base)  # missing weights are said before the work
    kept = 0
    measured: list[Measured] = []
    with tqdm(total=len(images), unit=" images", disable=not progress, file=sys.stderr) as bar:
        for one in rank_heads(metric, images, output / RECORD, watch=bar.set_postfix_str):
            kept += one.kept
            if one.effects is None:
                _say_error(one.image, one.error)
            else:
                measured.append(one)
            bar.update()
    if kept:
        click.echo(f"{kept} of {len(measured)} images were measured by an earlier run", err=True)
    if not measured:
        return 0, len(images)
    data = write_ranking(metric, measured, output, pretrained=pretrained, output=score, top=top)
    click.echo(_table(data["heads"][:top]))
    times = data.get("top_over_random")
    if times is not None and times["low"] is not None:
        names = (f"{head['layer']}.{head['head']}" for head in times["halves_chose"])
        chosen = " and ".join(dict.fromkeys(names))
        click.echo(
            f"each half of the images chose its top head ({chosen}); on the other half it "
            f"changes the judgement {times['value']:.1f} [{times['low']:.1f}, {times['high']:.1f}] "
            "times as much as a random head"
        )
    return len(measured), len(images) - len(measured)


def _table(heads: Iterable[dict[str, Any]]) -> str:
    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    rows = [("layer", "head", "size of change", "95 % from", "to", "mean change")]
    rows += [
        (
            *(str(one["layer"]), str(one["head"]), cell(one["absolute"])),
            *(cell(one["absolute_low"]), cell(one["absolute_high"]), cell(one["mean"])),
        )
        for one in heads
    ]
    return columns(rows)


def _say_error(item: str, reason: str) -> None:
    tqdm.write(one_line(f"error: {item}: {reason}"), file=sys.stderr)
