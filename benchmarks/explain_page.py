"""The figures of docs/explain.md, from ``results/explain.json``, which ``explain.py`` measures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, TypeAlias

Section: TypeAlias = dict[str, Any]

PAGE = Path(__file__).parent.parent / "docs" / "explain.md"
RESULT = Path(__file__).parent / "results" / "explain.json"

_AGREED = 0.9  # of two rankings, from which on they are taken for one
_MODELS = {"clip-b16": "ViT-B/16", "clip-l14": "ViT-L/14"}


def kept() -> dict[str, Section]:
    """What was measured, by section."""
    if not RESULT.is_file():
        return {}
    found: dict[str, Section] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def keep(section: str, found: Section) -> None:
    """Keeps what a section measured, beside all others."""
    sections = {**kept(), section: found}
    RESULT.write_text(json.dumps(sections, indent=1) + "\n", encoding="utf-8")


def operations_block(measured: Section) -> str:
    """What all heads cost in operations, and the least that an exact way costs."""
    rows = [
        (
            f"{_MODELS[name]}, 224 px",
            str(measured[name]["heads"]),
            f"{measured[name]['forwards']:.1f}",
            f"{measured[name]['share']:.3f}",
            f"{measured[name]['floor']:.3f}",
        )
        for name in _MODELS
    ]
    late = measured["late"]
    layers = ", ".join(map(str, late["layers"]))
    return (
        _table(("", "heads", "operations, in forwards", "share of a forward", "floor"), rows)
        + "\n\n"
        + _paragraph(
            f"Late layers are cheap: `head_effects(metric, image, layers=[{layers}])` costs "
            f"{late['forwards']:.1f} forwards on a {_MODELS['clip-b16']}."
        )
    )


def seconds_block(measured: Section) -> str:
    """CPU seconds of forwards and of all heads."""
    rows = []
    for name, model in _MODELS.items():
        one = measured[name]
        whole = one["share_of_operations"] == 1
        rows.append(
            (
                model,
                f"{one['forward_alone']:.2f}",
                f"{one['forward_in_batch']:.2f} (of {one['batch']})",
                f"{one['all_heads']:.0f}{'' if whole else ' (see below)'}",
                f"{one['share_alone']:.2f} alone, {one['share_in_batch']:.2f} in a batch",
            )
        )
    large = measured["clip-l14"]
    layers = ", ".join(map(str, large["layers"]))
    return (
        _table(
            ("", "a forward, alone", "a forward, in a batch", "all heads", "share of a forward"),
            rows,
        )
        + "\n\n"
        + _paragraph(
            f"Of ViT-L/14 the heads of the layers {layers} took {large['heads_of_layers']:.0f} "
            f"seconds. They are {_percent(large['share_of_operations'], 1)} of the operations of "
            "all heads, by which the figure for all was reckoned."
        )
    )


def ranking_block(measured: Section) -> str:
    """How far rankings agree, and what so many images settle."""
    columns = zip(measured["sizes"], measured["agreement"], measured["overlap"], strict=True)
    rows = [(str(size), f"{agreed:.2f}", f"{shared:.2f}") for size, agreed, shared in columns]
    largest, first = measured["sizes"][-1], measured["leading"][0]
    one, other = measured["halves_chose"]
    short = [
        size
        for size, agreed in zip(measured["sizes"], measured["agreement"], strict=True)
        if agreed < _AGREED
    ]
    enough = (
        f"So the number of images that is enough was not found: sets of {largest} do not settle "
        f"the order of {measured['heads']} heads (an agreement of {_AGREED} would), and "
        f"{measured['images']} images allow no larger sets. The goal, to say that number, is "
        "missed here."
        if largest in short
        else f"So more than {max(short, default=0)} images are needed for an agreement of "
        f"{_AGREED} in the order of {measured['heads']} heads, and {largest} are enough."
    )
    same = f"both chose {one}" if one == other else f"they chose {one} and {other}"
    return (
        _table(("images in each set", "agreement", f"shared of the top {measured['top']}"), rows)
        + "\n\n"
        + _paragraph(
            f"{enough} What {measured['images']} do settle is the top: head {first['head']}, "
            f"{_interval(first, 4)} on a scale from 0 to 1: where each half of the images chooses "
            f"a head for the other half ({same}), it changes the judgement "
            f"{_interval(measured['times'], 1)} times as much as a head drawn at random."
        )
    )


def top_head_block(measured: Section) -> str:
    """The top head against a random one, for each score of the embedded metrics."""
    rows = [
        (
            f"`{one['metric']}`" + (f", {output}" if len(one["outputs"]) > 1 else ""),
            f"{one['images']}, {' and '.join(name.upper() for name in one['photographs'])}",
            str(one["cuts"]),
            " and ".join(dict.fromkeys(one["halves_chose"])),
            _interval(one["times"], 1),
        )
        for output, one in measured["scores"].items()
    ]
    columns = ("metric", "photographs", "cuts", "the halves chose", "top head over a random head")
    return _table(columns, rows)


def noise_block(measured: Section) -> str:
    """How often the comparison is wrong where there is nothing to find."""
    return _paragraph(
        f"Where heads differ by noise alone, {_percent(measured['above_one'], 0)} of such "
        f"intervals lie above 1 ({measured['images']} images, {measured['heads']} heads, "
        f"{measured['draws']} draws)."
    )


def faithfulness_block(measured: Section) -> str:
    """Which explanation is the more faithful, with what it leads by."""
    rows = [
        (
            name,
            _interval(measured["gap"][name], 2),
            _interval(measured["over_random"][name], 2) if name in measured["over_random"] else "",
        )
        for name in (*measured["ranking"], "random")
    ]
    said = (
        f"On {measured['images']} photographs, one crop of each, for `{measured['metric']}`, in "
        "units of a MOS:"
    )
    first, second, *_ = measured["ranking"]
    lead = (
        f"{first.capitalize()} leads {second} by {_interval(measured['lead'], 2)}. The head is the "
        "one of the last layer that changes this judgement most. So few photographs make for rough "
        "intervals."
    )
    table = _table(("explanation", "gap", "better than a random map by"), rows)
    return f"{said}\n\n{table}\n\n{_paragraph(lead)}"


BLOCKS: dict[str, Callable[[Section], str]] = {
    "operations": operations_block,
    "seconds": seconds_block,
    "ranking": ranking_block,
    "top-head": top_head_block,
    "noise": noise_block,
    "faithfulness": faithfulness_block,
}


def with_figures(text: str) -> str:
    """The page's text with its figures as they were measured; a section of none is empty."""
    measured = kept()
    for name, block in BLOCKS.items():
        figures = f"{block(measured[name])}\n" if name in measured else ""
        text = re.sub(
            f"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)",
            lambda match, figures=figures: f"{match[1]}{figures}{match[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


def _interval(found: Section, digits: int) -> str:
    # Rounded first: nothing is written as -0.00.
    value, low, high = (round(found[part], digits) + 0.0 for part in ("value", "low", "high"))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"


def _paragraph(text: str) -> str:
    return fill(text, 100, break_on_hyphens=False)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    head, rule, *body = (" | ".join(cells) for cells in lines)
    return "\n".join(
        [f"| {head} |", "|" + rule.replace(" ", "") + "|", *(f"| {line} |" for line in body)]
    )
