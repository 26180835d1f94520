"""Writes the tables of README and docs from what was measured.

    python benchmarks/readme_tables.py

The first table is ``results/embedded.json``. The second scores scikit-learn's two sample
photographs with every embedded metric, here and now, and keeps that in ``results/samples.json``.
``tests/test_readme.py`` fails when README and results disagree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from growth_tables import growth_table, table
from speed_tables import precision_table, speed_table

RESULTS = Path(__file__).parent / "results"
PAGES = tuple(
    Path(__file__).parent.parent / page
    for page in (
        "README.md",
        "docs/ablations.md",
        "docs/crops.md",
        "docs/export.md",
        "docs/growth.md",
        "docs/speed.md",
        "docs/training.md",
    )
)
NAMES = ("memorability", "affect", "aesthetics", "iqa")


def embedded_table() -> str:
    """Each output of each embedded metric: range, SRCC with interval, images, data."""
    from perceptmetrics.metrics import METRICS

    lines = [
        "| metric | score | range | SRCC on validation | images | trained on |",
        "|---|---|---|---|---|---|",
    ]
    measured = json.loads((RESULTS / "embedded.json").read_text())
    for name in NAMES:
        card = METRICS.get(name).card
        entry = measured[name]
        low, high = card.score_range or (0, 0)
        for figure in entry["views"][entry["chosen"]]:
            interval = f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
            lines.append(
                f"| `{name}` | {figure['output']} | {low:g} to {high:g} | {interval} "
                f"| {figure['images']} | {card.training_data} |"
            )
    return "\n".join(lines)


def samples_table() -> str:
    """The two sample photographs, from ``results/samples.json``."""
    samples = json.loads((RESULTS / "samples.json").read_text())["scores"]
    columns = list(next(iter(samples.values())))
    lines = ["| photograph | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for photo, scores in samples.items():
        lines.append(f"| {photo} | " + " | ".join(f"{scores[c]:.3f}" for c in columns) + " |")
    return "\n".join(lines)


def score_samples() -> dict[str, dict[str, float]]:
    """Scores china.jpg and flower.jpg with every embedded metric."""
    import perceptmetrics as pm

    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise SystemExit("scikit-learn, which ships the photographs, is not installed")
    folder = Path(spec.origin).parent / "datasets" / "images"
    photos = [folder / "china.jpg", folder / "flower.jpg"]
    table: dict[str, dict[str, float]] = {photo.name: {} for photo in photos}
    for name in NAMES:
        metric = pm.create_metric(name)
        for photo, row in zip(photos, metric(photos).view(len(photos), -1), strict=True):
            for output, score in zip(metric.labels, row.tolist(), strict=True):
                table[photo.name][output] = score
    return table


def crops_table() -> str:
    """Score noise of random crops and of the grid, from ``results/crop_noise.json``."""
    measured = json.loads((RESULTS / "crop_noise.json").read_text())
    lines = ["| crops | error of a score, MOS | share of the spread of scores |", "|---|---|---|"]
    rows = [(f"{n} random", entry) for n, entry in measured["random"].items()]
    rows += [(f"{n} on a grid", entry) for n, entry in measured["grid"].items()]
    for name, entry in rows:
        lines.append(f"| {name} | {entry['error']:.3f} | {100 * entry['share_of_spread']:.1f} % |")
    return "\n".join(lines)


def fewer_crops_table() -> str:
    """SRCC, PLCC and CPU time against the number of crops, from ``results/crops.json``."""
    measured = json.loads((RESULTS / "crops.json").read_text())
    seconds = measured["seconds"]["an image"]
    rows = []
    for number, timed in seconds.items():
        schemes = measured["agreement"]["same places"]
        one, middle = schemes[f"fixed {number}"], schemes.get(f"median {number}")
        rows.append(
            (
                number,
                f"{one['SRCC']['value']:.4f}",
                _interval(one["SRCC lost"]) if number != "15" else "",
                f"{one['PLCC']['value']:.4f}",
                f"{one['SRCC of a draw, deviation']:.4f}",
                f"{middle['SRCC']['value']:.4f}" if middle else "",
                f"{timed['median']:.2f}",
                f"{timed['share of 15']:.2f}",
            )
        )
    return table(
        (
            "crops",
            "SRCC",
            "lost against 15",
            "PLCC",
            "luck of a draw",
            "SRCC of the median",
            "CPU s an image",
            "of 15",
        ),
        rows,
    )


def progressive_table() -> str:
    """A number of crops for each image against one for all, from ``results/crops.json``."""
    measured = json.loads((RESULTS / "crops.json").read_text())["agreement"]["same places"]
    rows = []
    for name, one in measured.items():
        scheme, bound = name.rsplit(" ", 1)
        if scheme != "progressive":
            continue
        even, known = measured[f"evenly as {name}"], measured[f"foreseen {bound}"]
        rows.append(
            (
                bound,
                f"{one['crops']:.1f}",
                f"{one['SRCC']['value']:.4f}",
                _interval(one["SRCC lost"]),
                f"{even['SRCC']['value']:.4f}",
                _interval(one["SRCC over evenly"], "+"),
                f"{one['error']:.3f}",
                f"{even['error']:.3f}",
                f"{known['crops']:.1f}: {_interval(known['SRCC over evenly'], '+')}",
            )
        )
    return table(
        (
            "bound, MOS",
            "crops on average",
            "SRCC",
            "lost against 15",
            "SRCC, as many for all",
            "progressive minus that",
            "error, MOS",
            "error, as many for all",
            "scatter known beforehand",
        ),
        rows,
    )


def _interval(one: dict[str, Any], sign: str = "") -> str:
    """With what whole photographs that are drawn again make of it."""
    value, low, high = (f"{v:{sign}.4f}" for v in (one["value"], *one["photographs"]))
    return f"{value} [{low}, {high}]"


def choice_table(run: str) -> str:
    """What strategy and learning rate give in one run, from ``results/choice.json``."""
    measured = json.loads((RESULTS / "choice.json").read_text())["SRCC"][run]
    columns = list(next(iter(measured.values())))
    if len(columns) == 2:  # the mean of one output is that output
        columns.remove("mean")
    lines = ["| arm | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for arm, figures in measured.items():
        lines.append(f"| {arm} | " + " | ".join(f"{figures[c]:.3f}" for c in columns) + " |")
    return "\n".join(lines)


def ablations_table() -> str:
    """Test SRCC of every arm, from ``results/ablation_figures.json``."""
    return _ablations("figures", "arm", "")


def ranks_table() -> str:
    """Test SRCC by rank and alpha, from ``results/ablation_figures.json``."""
    return _ablations("ranks", "arm", "")


def sizes_table() -> str:
    """Test SRCC by the pixels that an encoder sees, from ``results/ablation_figures.json``."""
    return _ablations("sizes", "arm", "")


def exchanges_table() -> str:
    """What each exchange changes in the test SRCC, from ``results/ablation_figures.json``."""
    return _ablations("differences", "difference", "+")


def _ablations(kind: str, what: str, sign: str) -> str:
    measured = json.loads((RESULTS / "ablation_figures.json").read_text())
    there = {column for found in measured[kind].values() for column in found}
    columns = [one for one in next(iter(measured["figures"].values())) if one in there]
    lines = [f"| {what} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, found in measured[kind].items():
        cells = []
        for one in (found.get(column) for column in columns):
            if one is None:
                cells.append("not run")
                continue
            seeds = one["seeds"] if isinstance(one["seeds"], int) else len(one["seeds"])
            value, low, high = (f"{one[key]:{sign}.3f}" for key in ("value", "low", "high"))
            cells.append(f"{value} [{low}, {high}] ({seeds})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def export_table() -> str:
    """How near exported files are to torch, and their size, from ``results/export.json``."""
    from perceptmetrics.metrics import METRICS

    lines = [
        "| metric | score | range | images | cuts of one | onnxruntime: largest, median "
        "| OpenVINO: largest, median | .onnx, MB | .xml and .bin, MB |",
        "|---" * 9 + "|",
    ]
    for name, found in json.loads((RESULTS / "export.json").read_text()).items():
        low, high = METRICS.get(name).card.score_range or (0, 0)
        by = ("onnxruntime", "openvino")
        sizes = [f"{found[f'{runtime}, bytes'] / 1e6:.0f}" for runtime in by]
        for output, away in found["outputs"].items():
            figures = (
                f"{away[runtime]['largest difference']:.1e}, "
                f"{away[runtime]['median difference']:.1e}"
                for runtime in by
            )
            seen = f"{low:g} to {high:g} | {found['images']} | {found['cuts of an image']}"
            lines.append(f"| `{name}` | {output} | {seen} | {' | '.join((*figures, *sizes))} |")
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """A page's text with its tables as they were measured."""
    tables: dict[str, Callable[[], str]] = {
        "embedded": embedded_table,
        "samples": samples_table,
        "crops": crops_table,
        "fewer": fewer_crops_table,
        "progressive": progressive_table,
        "choice": partial(choice_table, "oasis"),
        "choice of memorability": partial(choice_table, "memorability"),
        "ablations": ablations_table,
        "ranks": ranks_table,
        "sizes": sizes_table,
        "exchanges": exchanges_table,
        "speed": speed_table,
        "precision": precision_table,
        "export": export_table,
        **{
            f"growth-{section}": partial(growth_table, section)
            for section in ("images", "size", "crops", "metrics", "threads")
        },
    }
    for marker, make in tables.items():
        if f"<!-- {marker}:begin -->" not in text:
            continue
        table = make()
        text = re.sub(
            f"(<!-- {marker}:begin -->\n).*?(<!-- {marker}:end -->)",
            lambda match, table=table: f"{match[1]}{table}\n{match[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


def main() -> None:
    """Measures the samples and writes the README."""
    result = {"command": "python benchmarks/readme_tables.py", "scores": score_samples()}
    (RESULTS / "samples.json").write_text(json.dumps(result, indent=2) + "\n")
    for page in PAGES:
        page.write_text(with_tables(page.read_text()))


if __name__ == "__main__":
    main()
