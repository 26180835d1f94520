"""``perceptmetrics sweep``: all folds and learning rates of the paper's protocol by one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perceptmetrics.cli.train_options import train_options
from perceptmetrics.cli.train_plan import TrainPlan
from perceptmetrics.errors import DataError, OptionError, RunFolderError

if TYPE_CHECKING:
    from perceptmetrics.training.source import Source
    from perceptmetrics.training.sweep import Cell, Figures


def _rates(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(rate) for rate in value.split(","))
    except ValueError:
        rates = ()
    if not rates or not all(rate > 0 for rate in rates):  # NaN is not
        raise click.BadParameter(f"{value!r}: expected numbers above zero, as in 1e-4,5e-4")
    return rates


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of all runs; the same command goes on with it.",
)
@click.option(
    "--learning-rates",
    default="5e-5,1e-4,5e-4,1e-3",
    show_default=True,
    callback=_rates,
    help="The grid; the best on the validation part is chosen on each fold.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=1),
    help="How many: the first splits of the dataset's protocol (else all), or the folds that "
    "--data is cut into (else 5). A column split of --data is its only fold.",
)
@train_options
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    out: Path,
    learning_rates: tuple[float, ...],
    folds: int | None,
    **given: Any,
) -> None:
    """Train over folds and learning rates, and report the paper's figures.

    On each fold the run with the best validation score is judged on the test part; the median or
    mean over folds is the figure. Runs that are done are skipped, a run that was stopped goes on,
    a run that fails is noted. Ends in OUT/sweep.md and OUT/sweep.json.
    """
    from perceptmetrics.cli.watching import watch_run
    from perceptmetrics.create import create_metric
    from perceptmetrics.evaluation.evaluate import evaluate
    from perceptmetrics.evaluation.judgements import judgements_of
    from perceptmetrics.training.engine import engine_for
    from perceptmetrics.training.kept_judgements import judgements_file, keep_judgements
    from perceptmetrics.training.run import run_fingerprint
    from perceptmetrics.training.run import train as run_training
    from perceptmetrics.training.sweep import TABLE_FILE
    from perceptmetrics.training.sweep import sweep as run_sweep

    options = TrainPlan.take(given)
    options.check()
    if options.splits:
        raise OptionError("a sweep draws its own folds; leave --split out, or use train")
    if options.validation_fraction is not None:
        raise OptionError(
            "the folds of a sweep say what validates; leave --validation-fraction out, or give "
            "--data a column split with rows val, and rows test"
        )
    recipes = {rate: options.recipe(rate) for rate in learning_rates}
    count = options.fold_count(folds)
    engine = engine_for(options.device)
    if engine.world > 1:
        raise OptionError(
            "a sweep runs in one process; train each run by torchrun into its place, OUT/fold-1/"
            "lr-0.0001 and so on, and then this sweep without torchrun judges them"
        )
    backbone, base, base_name = options.encoder()
    command = ctx.meta["perceptmetrics.command_line"]
    read: dict[int, list[Source]] = {}

    def sources_of(fold: int) -> list[Source]:
        if fold not in read:
            read.clear()  # one fold at a time
            read[fold] = options.sources(fold, count)
            if any(source.test is None for source in read[fold]):
                raise DataError(
                    f"fold {fold} has no test part, on which a sweep judges; give some rows the "
                    "split test, or use train"
                )
        return read[fold]

    def train(fold: int, rate: float, folder: Path) -> None:
        click.echo(f"fold {fold}, learning rate {rate:g}", err=True)
        sources, recipe = sources_of(fold), recipes[rate]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"cannot make the folder {folder}: {error.strerror}; make room or mend its rights, "
                "and the same command goes on, or give another --out"
            ) from error
        with watch_run(options, sources, folder, speaks=True) as watch:
            run_training(
                sources,
                folder,
                backbone=backbone,
                base=base,
                base_name=base_name,
                recipe=recipe,
                engine=engine,
                command=command,
                watch=watch,
                checkpoint_seconds=options.checkpoint_seconds,
                feature_cache=options.features_folder(),
            )

    def test(fold: int, folder: Path) -> Figures:
        figures = {}
        sources = sources_of(fold)
        for source in sources:
            if source.test is None:  # pragma: no cover - sources_of has refused it
                continue
            metric = create_metric(
                folder,
                base=options.base,
                dataset=source.name,
                device=options.device,
            )
            found = evaluate(metric, source.test, groupings=metric.config.groupings)
            if found.unreadable:
                name, reason = found.unreadable[0]
                raise DataError(
                    f"{len(found.unreadable)} test images of fold {fold} cannot be read, the first "
                    f"is {name} ({reason}); a protocol is not to shrink: mend them, and the same "
                    "command goes on"
                )
            judged = judgements_of(metric, source.test, found)
            keep_judgements(judgements_file(folder, source.name), judged)
            figures[source.name] = found.figures
        return figures

    def identify(fold: int, rate: float) -> str:
        return run_fingerprint(sources_of(fold), base, recipes[rate])

    def report(cell: Cell) -> None:
        said = cell.error or f"validation {cell.validation:.4f}"
        click.echo(f"fold {cell.fold}, learning rate {cell.learning_rate:g}: {said}", err=True)

    averages = {source.name: source.task.average for source in sources_of(1)}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"cannot make the folder {out}: {error.strerror}") from error
    run_sweep(
        range(1, count + 1),
        learning_rates,
        out,
        identify=identify,
        train=train,
        test=test,
        averages=averages,
        command=command,
        report=report,
    )
    click.echo((out / TABLE_FILE).read_text(encoding="utf-8", errors="surrogateescape"))
