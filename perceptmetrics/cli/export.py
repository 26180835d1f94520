"""``perceptmetrics export``: a metric as a file for other runtimes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("metric")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="metric.onnx, or metric.xml for OpenVINO, with metric.bin beside it; files of these names "
    "are replaced once the new ones are whole.",
)
@click.option("--dataset", help="Which head, for runs on several datasets.")
@click.option("--crops", type=click.IntRange(min=1), help="Noted in the file: cuts to average.")
@click.option(
    "--base",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of base weights to use instead of the cache.",
)
@click.option(
    "--allow-other-base",
    is_flag=True,
    help="Use base weights that the adapter was not trained on; scores change.",
)
def export(
    metric: str,
    output: Path,
    dataset: str | None,
    crops: int | None,
    base: Path | None,
    allow_other_base: bool,
) -> None:
    """Write METRIC as ONNX, or as OpenVINO: pixels of cuts in, scores out.

    METRIC is a metric's name, a run folder or an adapter file. LoRA is merged, and normalisation
    is in the graph. The file's metadata says how an image is resized and cut, what the scores mean
    and where they come from (docs/export.md). Needs the extra 'export', or 'openvino' for .xml.

    \b
    Examples:
      perceptmetrics export memorability -o memorability.onnx
      perceptmetrics export my-run -o my-run.xml
    """  # noqa: D301 (click wants the backspace itself: it keeps the lines as they are)
    from perceptmetrics.destination import NEEDS, files_of, ready
    from perceptmetrics.errors import OptionError

    suffix = output.suffix.lower()
    if suffix not in NEEDS:
        raise OptionError(f"{output}: expected .onnx, or .xml for OpenVINO")
    ready(output, suffix)  # before base weights are fetched

    from perceptmetrics.create import create_metric

    made = create_metric(
        metric, base=base, allow_other_base=allow_other_base, dataset=dataset, crops=crops
    )
    from perceptmetrics.export import export_onnx, export_openvino

    written = (export_onnx if suffix == ".onnx" else export_openvino)(made, output)
    size = sum(file.stat().st_size for file in files_of(written))
    click.echo(f"{written}: {made.card.name}, {size / 1e6:.1f} MB")
