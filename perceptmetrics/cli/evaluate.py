"""``perceptmetrics evaluate``: how well a metric agrees with people on rated images."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from perceptmetrics.cli.exit_codes import DONE, SOME_FAILED
from perceptmetrics.cli.text import columns, one_line
from perceptmetrics.errors import DataError, OptionError

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.evaluation.evaluate import Evaluation
    from perceptmetrics.metric import Metric
    from perceptmetrics.scoring.rows import Row
    from perceptmetrics.tasks import Task

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    epilog="Exit codes: 0 every image was judged; 1 some could not be and the rest were; 2 wrong "
    "usage, or fewer than two could be judged."
)
@click.argument("metric_name", metavar="METRIC")
@click.option("--data", type=_FILE, help="CSV or Parquet of images and ratings, or labels.")
@click.option(
    "--dataset",
    type=(str, _FOLDER),
    metavar="NAME ROOT",
    help="A published dataset and the folder where it is unpacked; see 'perceptmetrics data list'.",
)
@click.option("--split", type=_FILE, help="A file of 'perceptmetrics data split'.")
@click.option(
    "--part",
    type=click.Choice(["training", "validation", "test"]),
    default="test",
    show_default=True,
    help="Which images of the split.",
)
@click.option(
    "--images", type=_FOLDER, help="The folder that paths in --data are relative to; else its own."
)
@click.option("--image-column", help="Else image, image_name, path, file or filename.")
@click.option(
    "--target-column",
    "target_columns",
    multiple=True,
    help="Else the output's name, score, mos or rating; label for classes. Once for each output.",
)
@click.option("--group-column", help="Images of one group are resampled together.")
@click.option(
    "--dataset-head", metavar="NAME", help="Which head of a metric trained on several datasets."
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write here instead."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "markdown", "csv", "json"]),
    help="By default what the file's suffix says (.txt, .md, .csv, .json), or text.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Draws of the bootstrap behind each interval.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps, ...")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Cuts in one forward pass; changes speed and memory, not scores.",
)
@click.option("--base", type=_FILE, help="A file of base weights to use instead of the cache.")
@click.option(
    "--allow-other-base",
    is_flag=True,
    help="Use base weights that the adapter was not trained on; scores change.",
)
@click.option(
    "--progress/--no-progress",
    default=None,
    help="A progress bar on standard error; by default where that is a terminal.",
)
@click.pass_context
def evaluate(
    ctx: click.Context,
    metric_name: str,
    data: Path | None,
    dataset: tuple[str, Path] | None,
    split: Path | None,
    part: str,
    images: Path | None,
    image_column: str | None,
    target_columns: tuple[str, ...],
    group_column: str | None,
    dataset_head: str | None,
    output: Path | None,
    format_name: str | None,
    samples: int,
    device: str,
    batch_size: int,
    base: Path | None,
    allow_other_base: bool,
    progress: bool | None,
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
      perceptmetrics evaluate my-run --dataset koniq10k koniq/ --split loda-1.json -o figures.json
    """  # noqa: D301 (click wants the backspace itself: it keeps the lines as they are)
    if (data is None) == (dataset is None):
        raise OptionError("give the rated images: either --data FILE or --dataset NAME ROOT")
    of_file = {
        "--images": images,
        "--image-column": image_column,
        "--target-column": target_columns,
        "--group-column": group_column,
    }
    meant = [name for name, value in of_file.items() if value]
    if dataset is not None and meant:
        raise OptionError(f"{meant[0]} is about --data; a dataset knows its own layout")
    form = _format(output, format_name)
    from perceptmetrics.create import create_metric
    from perceptmetrics.evaluation.evaluate import check_targets
    from perceptmetrics.evaluation.evaluate import evaluate as judge

    if dataset is not None:
        rated, task = _published(*dataset)
        name = dataset[0]
    metric = create_metric(
        metric_name,
        dataset=dataset_head,
        base=base,
        allow_other_base=allow_other_base,
        batch_size=batch_size,
        device=device,
    )
    if data is not None:
        from perceptmetrics.data.manifest import read_manifest

        task = _task_of(metric)
        rated = read_manifest(
            data,
            task,
            images=images,
            image_column=image_column,
            target_columns=target_columns,
            group_column=group_column,
        )
        name = data.name
    _check_labels(metric, task)
    check_targets(metric, rated)
    if split is not None:
        rated, name = _part_of(rated, split, part, name)
    else:
        _warn_of_training_data(metric_name, rated)
    evaluation = judge(
        metric,
        rated,
        groupings=metric.config.groupings,
        metric_name=metric_name,
        data_name=name,
        chunk=batch_size,
        samples=samples,
        report=_reporter(len(rated), sys.stderr.isatty() if progress is None else progress),
    )
    _write(form(evaluation), output)
    if evaluation.unreadable:
        click.echo(
            f"{len(evaluation.unreadable)} of {len(rated)} images could not be judged", err=True
        )
    ctx.exit(SOME_FAILED if evaluation.unreadable else DONE)


def _warn_of_training_data(metric_name: str, rated: Manifest) -> None:
    from perceptmetrics.training.record import hashes_of_data

    folders = (Path(metric_name), Path(metric_name.rpartition("@")[0] or metric_name))
    if any(rated.sha256 in hashes_of_data(folder) for folder in folders):
        click.echo(
            "warning: the run was trained on most of these images, so the figures flatter it; "
            "--split FILE judges the test part only",
            err=True,
        )


def _published(name: str, root: Path) -> tuple[Manifest, Task]:
    from perceptmetrics.datasets import DATASETS
    from perceptmetrics.tasks import TASKS

    dataset = DATASETS.get(name)
    return dataset.read(root), TASKS.get(dataset.task)


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


def _part_of(rated: Manifest, file: Path, part: str, name: str) -> tuple[Manifest, str]:
    from perceptmetrics.data.split import load_split

    split = load_split(file)
    parts = dict(zip(("training", "validation", "test"), split.parts(rated), strict=True))
    if not len(parts[part]):
        raise DataError(f"{file} has no {part} images; choose another --part")
    return parts[part], f"{name}, {part} images of {split.name}"


def _reporter(count: int, progress: bool) -> Callable[[Sequence[Row]], None]:
    from tqdm import tqdm

    bar = tqdm(total=count, unit=" images", disable=not progress, file=sys.stderr)

    def report(rows: Sequence[Row]) -> None:
        for row in rows:
            if row.error:
                tqdm.write(one_line(f"error: {row.image}: {row.error}"), file=sys.stderr)
        bar.update(len(rows))
        if bar.n >= count:
            bar.close()

    return report


def as_text(evaluation: Evaluation) -> str:
    """The report with aligned columns.

    Example:
        >>> import numpy as np
        >>> from perceptmetrics.evaluation.evaluate import Evaluation
        >>> from perceptmetrics.evaluation.figures import Figure
        >>> srcc = Figure("quality", "SRCC", 0.92, 0.9, 0.94, 1)
        >>> found = Evaluation("iqa", "mine", (srcc,), (), ("a",), np.zeros((1, 1)), np.zeros(1))
        >>> print(as_text(found).splitlines()[-1])
        quality  SRCC             0.920  0.900 to 0.940  1
    """
    from perceptmetrics.evaluation.report import HEADER, confusion_rows, figure_rows, title

    parts = [title(evaluation), columns([HEADER, *figure_rows(evaluation.figures)])]
    parts += [f"{c.output}\n{columns(confusion_rows(c))}" for c in evaluation.confusions]
    return "\n\n".join(parts) + "\n"


def _format(output: Path | None, name: str | None) -> Callable[[Evaluation], str]:
    """How to write it; what would stop the writing is found before anything is scored."""
    from perceptmetrics.evaluation.report import to_csv, to_json, to_markdown

    forms: Mapping[str, tuple[str, Callable[[Evaluation], str]]] = {
        "text": (".txt", as_text),
        "markdown": (".md", to_markdown),
        "csv": (".csv", to_csv),
        "json": (".json", to_json),
    }
    if output is not None:
        if not output.parent.is_dir():
            raise OptionError(f"cannot write {output}: there is no folder {output.parent}; make it")
        if not os.access(output if output.exists() else output.parent, os.W_OK):
            raise OptionError(f"cannot write {output}: permission denied; name another place")
    if name is not None:
        return forms[name][1]
    if output is None:
        return as_text
    for suffix, form in forms.values():
        if output.suffix.lower() == suffix:
            return form
    raise OptionError(
        f"{output}: the suffix {output.suffix!r} does not say how to write it; call it .txt, .md, "
        f".csv or .json, or say --format {'|'.join(forms)}"
    )


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise OptionError(f"cannot write {output}: {error.strerror}; name another place") from error
