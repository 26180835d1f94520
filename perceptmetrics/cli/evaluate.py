"""``perceptmetrics evaluate``: how well a metric agrees with people on rated images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perceptmetrics.cli.evaluate_report import FORMATS, form_of, is_page, write
from perceptmetrics.cli.exit_codes import DONE, SOME_FAILED
from perceptmetrics.cli.metric_options import metric_options
from perceptmetrics.cli.rated_images import RatedImages, rated_images_options
from perceptmetrics.cli.text import one_line
from perceptmetrics.errors import DataError, OptionError

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.evaluation.error_analysis import ErrorAnalysis
    from perceptmetrics.evaluation.evaluate import Evaluation
    from perceptmetrics.metric import Metric
    from perceptmetrics.scoring.rows import Row
    from perceptmetrics.tasks import Task


@click.command(
    epilog="Exit codes: 0 every image was judged; 1 some could not be and the rest were; 2 wrong "
    "usage, or fewer than two could be judged."
)
@click.argument("metric_name", metavar="METRIC")
@rated_images_options
@click.option(
    "--dataset-head", metavar="NAME", help="Which head of a metric trained on several datasets."
)
@click.option(
    "--errors",
    is_flag=True,
    help="Add where it errs: the images furthest off, how scores are spread, calibration, and the "
    "ceiling that the ratings set, where they tell.",
)
@click.option(
    "--by",
    "by",
    multiple=True,
    metavar="COLUMN",
    help="Break the errors down by a column of the data: category, distortion, ... Repeatable.",
)
@click.option(
    "--scale",
    type=click.Choice(["as scored", "rank statistics", "logistic"]),
    default="rank statistics",
    show_default=True,
    help="How scores come to the ratings' scale for the bias and MAE of --by.",
)
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Images at each end that --errors names.",
)
@click.option(
    "--split-half",
    type=click.FloatRange(-1, 1),
    help="Spearman's correlation between two halves of the raters, for the ceiling; else what the "
    "dataset states.",
)
@click.option(
    "--against",
    metavar="METRIC",
    help="Another metric, on the same images: is the difference more than chance?",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write here instead."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="By default what the file's suffix says (.txt, .md, .csv, .json), or text.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Draws of the bootstrap behind each interval.",
)
@metric_options(batch="Cuts in one forward pass; changes speed and memory, not scores.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    metric_name: str,
    dataset_head: str | None,
    errors: bool,
    by: tuple[str, ...],
    scale: str,
    top: int,
    split_half: float | None,
    against: str | None,
    output: Path | None,
    format_name: str | None,
    samples: int,
    batch_size: int,
    progress: bool | None,
    **given: Any,
) -> None:
    """Judge a metric on images that people rated.

    METRIC is a metric's name, a run folder or an adapter file. Each figure has its 95 % bootstrap
    interval. For ratings: SRCC, PLCC, PLCC after the 4-parameter logistic, KRCC, and RMSE, MSE and
    MAE of the scores as they are, brought to the ratings' scale by rank statistics, and by the
    logistic. For classes: accuracy, mAP, macro and weighted F1, and who was taken for whom. Each
    image that cannot be read is named on standard error, and the rest is judged.

    \b
    Examples:
      perceptmetrics evaluate iqa --data ratings.csv
      perceptmetrics evaluate affect --dataset oasis oasis/ --errors --by category
      perceptmetrics evaluate my-run --data ratings.csv --against iqa -o figures.json
      perceptmetrics evaluate my-run --dataset koniq10k koniq/ --split loda-1.json -o figures.json
    """  # noqa: D301 (click wants the backspace itself: it keeps the lines as they are)
    asked = RatedImages.take(given)
    asked.check()
    errors = errors or is_page(output, format_name)
    form = form_of(output, format_name, bool(errors or by or against))
    if against == metric_name:
        raise OptionError(f"--against {against} is the metric itself; name another one")
    names = [metric_name, *([] if against is None else [against])]
    from perceptmetrics.locate import require_metric

    for name in names:
        require_metric(name)
    from perceptmetrics.create import create_metric

    task = asked.task()
    # A dataset that is not there is found before torch is loaded.
    rated = None if task is None else asked.read(task)
    metrics = {
        name: create_metric(
            name,
            dataset=dataset_head if name == metric_name else None,
            batch_size=batch_size,
            **given,
        )
        for name in names
    }
    metric = metrics[metric_name]
    task = _task_of(metric) if task is None else task
    rated = asked.read(task) if rated is None else rated

    from perceptmetrics.evaluation.breakdown import group_values
    from perceptmetrics.evaluation.evaluate import check_targets
    from perceptmetrics.evaluation.evaluate import evaluate as judge

    for one in metrics.values():
        _check_labels(one, task)
        check_targets(one, rated)
    rated, data_name = asked.chosen(rated)
    for column in by:
        group_values(rated.column(column), column)
    if asked.split is None:
        for name in names:
            _warn_of_training_data(name, rated)
    report = _Reporter(len(rated), sys.stderr.isatty() if progress is None else progress)
    found = []
    for name, one in metrics.items():
        judged = judge(
            one,
            rated,
            groupings=one.config.groupings,
            metric_name=name,
            data_name=data_name,
            chunk=batch_size,
            samples=samples,
            report=report.of_metric(),
        )
        found.append(replace(judged, trained_on=one.card.training_data))
    analysis = None
    if errors or by or against:
        half = asked.split_half() if split_half is None else split_half
        analysis = _analysis(found, rated, metric, errors, by, scale, top, half, samples)
    write(form(found[0], analysis, metric.card), output)
    failed = len(report.failed)
    if failed:
        click.echo(f"{failed} of {len(rated)} images could not be judged", err=True)
    ctx.exit(SOME_FAILED if failed else DONE)


def _analysis(
    found: Sequence[Evaluation],
    rated: Manifest,
    metric: Metric,
    errors: bool,
    by: tuple[str, ...],
    scale: str,
    top: int,
    split_half: float | None,
    samples: int,
) -> ErrorAnalysis:
    """What was asked for of it."""
    from perceptmetrics.evaluation.analyse import analyse
    from perceptmetrics.evaluation.comparing import compare

    analysis = analyse(
        found[0],
        rated,
        metric.labels,
        groupings=metric.config.groupings,
        by=by,
        scale=scale,
        top=top,
        split_half=split_half,
        samples=samples,
    )
    if not errors:
        analysis = replace(
            analysis,
            ratings=(),
            classes=(),
            rating_calibrations=(),
            class_calibrations=(),
            ceilings=(),
        )
    if len(found) > 1:
        groups = dict(zip(rated.names, rated.groups, strict=True))
        compared = compare(found[0], found[1], metric.labels, groups, samples=samples)
        analysis = replace(analysis, comparisons=compared)
    return analysis


def _warn_of_training_data(metric_name: str, rated: Manifest) -> None:
    from perceptmetrics.training.record import hashes_of_data

    folders = (Path(metric_name), Path(metric_name.rpartition("@")[0] or metric_name))
    if any(rated.sha256 in hashes_of_data(folder) for folder in folders):
        click.echo(
            f"warning: {metric_name} was trained on most of these images, so the figures "
            "flatter it; --split FILE judges the test part only",
            err=True,
        )


def _task_of(metric: Metric) -> Task:
    """What its ratings are called; a metric that was trained for a plug-in's task needs that."""
    from perceptmetrics.tasks import TASKS

    return TASKS.get(metric.card.task)


def _check_labels(metric: Metric, task: Task) -> None:
    """Classes go by index: the same index must be the same class."""
    if metric.kind == task.kind == "classification" and metric.labels != task.outputs:
        raise DataError(
            f"the metric's classes are {', '.join(metric.labels)}; those of the data (task "
            f"{task.name!r}) are {', '.join(task.outputs)}"
        )


class _Reporter:
    """A bar for each metric; an image that several cannot read is named once."""

    def __init__(self, count: int, progress: bool) -> None:
        self.failed: set[str] = set()
        self._count = count
        self._progress = progress

    def of_metric(self) -> Callable[[Sequence[Row]], None]:
        from tqdm import tqdm

        bar = tqdm(total=self._count, unit=" images", disable=not self._progress, file=sys.stderr)

        def report(rows: Sequence[Row]) -> None:
            for row in rows:
                if row.error and row.image not in self.failed:
                    self.failed.add(row.image)
                    tqdm.write(one_line(f"error: {row.image}: {row.error}"), file=sys.stderr)
            bar.update(len(rows))
            if bar.n >= self._count:
                bar.close()

        return report
