"""The tables of docs/growth.md, from what ``growth.py`` measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

Measured: TypeAlias = dict[str, Any]

RESULT = Path(__file__).parent / "results" / "growth.json"


PICTURES = {
    "images": "CPU time and peak memory against the number of images",
    "size": "CPU time of decoding and peak memory against megapixels",
    "crops": "CPU time and peak memory against the number of crops",
    "metrics": "CPU time and peak memory of several metrics, together and a process each",
    "threads": "wall and CPU seconds on one thread and on two",
}


def growth_table(section: str) -> str:
    """Picture and table of one section, or that it was not measured."""
    measured = json.loads(RESULT.read_text(encoding="utf-8"))
    if section not in measured:
        return f"Not measured yet: `python benchmarks/growth.py {section}`."
    makers = {
        "images": _growth_of_images,
        "size": _growth_of_size,
        "crops": _growth_of_crops,
        "metrics": _growth_of_metrics,
        "threads": _growth_of_threads,
    }
    picture = f"![{PICTURES[section]}](growth/{section}.svg)"
    return f"{picture}\n\n{makers[section](measured[section])}"


def _growth_of_images(found: Measured) -> str:
    rows = [
        (name, f"{int(number):,}", f"{used['cpu']:.1f}", _mebibytes(used))
        for name, by_number in found.items()
        for number, used in by_number.items()
    ]
    return table(("metric", "images", "CPU s", "peak, MiB"), rows)


def _growth_of_size(found: Measured) -> str:
    rows = [
        (
            megapixels,
            f"{one['file'] / 1e6:.2f}",
            f"{one['an image']:.3f}",
            f"{one['iqa']['cpu']:.1f}",
            _mebibytes(one["iqa"]),
            str(one["images"]),
            _mebibytes(one["tiny"]),
        )
        for megapixels, one in found.items()
        if megapixels != "start"
    ]
    return table(
        (
            "megapixels",
            "JPEG, MB",
            "decode and resize, CPU s",
            "`iqa`, one image: CPU s",
            "peak, MiB",
            "tiny, images",
            "peak, MiB",
        ),
        rows,
    )


def _growth_of_crops(found: Measured) -> str:
    rows = [(number, f"{used['cpu']:.1f}", _mebibytes(used)) for number, used in found.items()]
    return table(("crops", "CPU s", "peak, MiB"), rows)


def _growth_of_metrics(found: Measured) -> str:
    rows = []
    for count, used in enumerate(found["together"], 1):
        alone = [found["alone"][name] for name in found["metrics"][:count]]
        apart = {key: sum(one[key] for one in alone) for key in ("cpu", "peak")}
        rows.append(
            (
                ", ".join(f"`{name}`" for name in found["metrics"][:count]),
                f"{used['cpu']:.1f}",
                f"{apart['cpu']:.1f}",
                _mebibytes(used),
                _mebibytes(apart),
            )
        )
    return table(
        ("metrics", "CPU s", "a process each, CPU s", "peak, MiB", "a process each, MiB"), rows
    )


def _growth_of_threads(found: Measured) -> str:
    rows = [
        (
            count,
            *(
                f"{median(turn[count][what] for turn in found['turns']) / found['images']:.2f}"
                for what in ("wall", "cpu")
            ),
        )
        for count in ("1", "2")
    ]
    return table(("threads", "wall s an image", "CPU s an image"), rows)


def _mebibytes(used: Measured) -> str:
    return f"{used['peak'] / 2**20:,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
