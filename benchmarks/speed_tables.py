"""The tables of docs/speed.md, from ``results/speed.json`` and ``results/precision.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from growth_tables import table

RESULTS = Path(__file__).parent / "results"
NAMES = {"clip-b32": "ViT-B/32", "clip-b16": "ViT-B/16", "clip-l14": "ViT-L/14"}
STARTS = {
    ("official", "ours"): "",
    ("official", "ours, fast"): ", fast",
    ("release", "ours"): ", from the release's file",
    ("release", "ours, fast"): ", from the release's file, fast",
}
NOT_MEASURED = "not measured"


def speed_table() -> str:
    """How many times faster than the official way, with quartiles, and shares."""
    measured = _kept("speed.json")
    rows: list[tuple[Any, ...]] = []
    for name, found in measured.get("forward", {}).items():
        if name in NAMES:
            shares = found["CPU, one thread"]
            of_peak = [shares[f"{side}, share of the peak"] for side in ("official", "ours")]
            share = " → ".join(f"{value:.2f}" for value in of_peak)
            rows.append((f"forward, {NAMES[name]}", found["batch"], *_both(found), share, ""))
            rows.append(_narrow(f"forward, {NAMES[name]}, fast", found))
    for name, found in measured.get("training", {}).items():
        if name in NAMES:
            row = (f"training step, {NAMES[name]}", found["batch"], *_both(found), "")
            rows.append((*row, _share(found)))
            narrow = found.get("bfloat16, one thread")
            times = _times(narrow if isinstance(narrow, dict) else None)
            rows.append(
                (f"training step, {NAMES[name]}, bf16", found["batch"], times, NOT_MEASURED, "", "")
            )
    started = measured.get("start", {})
    for (rival, side), against in STARTS.items():
        if found := started.get(f"{rival}, {side}"):
            what = f"start to first score, {NAMES[started['backbone']]}{against}"
            rows.append((what, 1, *_both(found), "", _share(found)))
    exported = measured.get("export", {}).get("clip-b16, float32")
    if isinstance(exported, dict):
        what = "forward, ViT-B/16, as OpenVINO's file"
        rows.append((what, exported["batch"], _times(exported), NOT_MEASURED, "", ""))
    if not rows:
        return f"*{NOT_MEASURED.capitalize()} yet.*"
    columns = (
        "",
        "images at once",
        "CPU, one thread",
        "wall, all threads",
        "of the peak",
        "memory",
    )
    drawn = table(columns, [tuple(str(cell) for cell in row) for row in rows])
    return "\n\n".join(part for part in (drawn, _gradients(measured)) if part)


def _gradients(measured: dict[str, Any]) -> str:
    told = [
        f"{NAMES[name]} ours {away['ours']:.1e}, official {away['official']:.1e}"
        for name, found in measured.get("training", {}).items()
        if (away := found.get("gradients, from float64's"))
    ]
    return f"How far gradients are from float64's: {'; '.join(told)}." if told else ""


def precision_table() -> str:
    """What ``precision="fast"`` does to the scores of every embedded metric."""
    measured = _kept("precision.json")
    rows = [
        (
            f"`{name}`" + (f", {output}" if len(found["outputs"]) > 1 else ""),
            str(found["images"]),
            str(found["cuts of an image"]),
            f"{figures['SRCC']:.5f}",
            f"{100 * figures['median change, share of the spread']:.2f} %",
            f"{100 * figures['largest change, share of the spread']:.1f} %",
        )
        for name, found in measured.items()
        for output, figures in found["outputs"].items()
    ]
    if not rows:
        return f"*{NOT_MEASURED.capitalize()} yet.*"
    columns = ("metric", "images", "crops", "SRCC to float32", "median change", "largest change")
    return table(columns, rows)


def _kept(name: str) -> dict[str, Any]:
    """Nothing where a program was not run yet: the table then has no rows."""
    path = RESULTS / name
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def _both(found: dict[str, Any]) -> tuple[str, str]:
    return _times(found.get("CPU, one thread")), _times(found.get("wall, all threads"))


def _times(ratio: dict[str, Any] | None) -> str:
    if ratio is None:
        return NOT_MEASURED
    low, high = ratio["quartiles"]
    return f"{ratio['times']:.2f}× [{low:.2f}, {high:.2f}]"


def _narrow(what: str, found: dict[str, Any]) -> tuple[str | int, ...]:
    fast = found["fast, one thread"]
    times = _times(None if isinstance(fast, str) else fast)
    return what, found["batch"], times, NOT_MEASURED, "", ""


def _share(found: dict[str, Any]) -> str:
    return f"{found['peak share']:.2f}×"
