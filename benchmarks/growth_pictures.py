"""The plots of docs/growth.md, from what ``growth.py`` measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Section: TypeAlias = dict[str, Any]

PICTURES = Path(__file__).parent.parent / "docs" / "growth"
MEBIBYTE = 2**20
LIMIT = 1.5e9
"""Bytes that an image of 100 megapixels may take; DESIGN asks it."""

_INK, _QUIET, _RULE = "#2B2B2B", "#6B6B6B", "#E3E3E3"
# Okabe and Ito's blue and vermilion: told apart by all kinds of colour vision, and by the marker.
_FIRST, _SECOND = "#0072B2", "#D55E00"


def images(found: Section, time: Axes, memory: Axes) -> None:
    """Both against the number of images."""
    for name, label, colour, marker in (
        ("tiny", "encoder of a few kilobytes", _FIRST, "o"),
        ("memorability", "embedded memorability", _SECOND, "s"),
    ):
        numbers = [int(number) for number in found[name]]
        used = found[name].values()
        _line(time, numbers, [one["cpu"] for one in used], label, colour, marker)
        _line(memory, numbers, _peaks(used), label, colour, marker)
    time.set(xscale="log", yscale="log", xlabel="images")
    memory.set(xscale="log", xlabel="images")


def size(found: Section, time: Axes, memory: Axes) -> None:
    """Both against megapixels."""
    sizes = [name for name in found if name != "start"]
    megapixels = [float(name) for name in sizes]
    each = [found[name]["an image"] for name in sizes]
    _line(time, megapixels, each, "decode and resize one image", _FIRST, "o")
    used = [found[name]["iqa"] for name in sizes]
    _line(memory, megapixels, _peaks(used), "embedded iqa, one image", _SECOND, "s")
    memory.axhline(LIMIT / MEBIBYTE, color=_QUIET, linewidth=1, linestyle=(0, (4, 3)))
    memory.annotate(
        "1.5 GB", (0.1, LIMIT / MEBIBYTE), (0, -12), textcoords="offset points", color=_QUIET
    )
    time.set(xscale="log", yscale="log", xlabel="megapixels")
    memory.set(xscale="log", xlabel="megapixels")


def crops(found: Section, time: Axes, memory: Axes) -> None:
    """Both against the number of crops."""
    numbers = [int(number) for number in found]
    _line(time, numbers, [one["cpu"] for one in found.values()], "", _SECOND, "s")
    _line(memory, numbers, _peaks(found.values()), "", _SECOND, "s")
    for axes in (time, memory):
        axes.set(xlabel="crops of the embedded iqa, one image")
    _from_zero(time)


def metrics(found: Section, time: Axes, memory: Axes) -> None:
    """Both against the number of metrics, beside the sum of each in a process of its own."""
    numbers = range(1, len(found["metrics"]) + 1)
    alone = [found["alone"][name] for name in found["metrics"]]
    together = found["together"]
    for axes, here, apart in (
        (time, [one["cpu"] for one in together], [one["cpu"] for one in alone]),
        (memory, _peaks(together), _peaks(alone)),
    ):
        sums = [sum(apart[:count]) for count in numbers]
        _line(axes, numbers, sums, "a process each", _FIRST, "o")
        _line(axes, numbers, here, "together", _SECOND, "s")
        axes.set(xlabel=f"metrics, {found['images']} images", xticks=list(numbers))
        _from_zero(axes)


def threads(found: Section, time: Axes, memory: Axes) -> None:
    """Wall clock and CPU time an image; memory is no matter of threads."""
    for axes, what, title in ((time, "wall", "Wall"), (memory, "cpu", "CPU")):
        counts = sorted(int(count) for count in found["turns"][0])
        for number, turn in enumerate(found["turns"], 1):
            seconds = [turn[str(count)][what] / found["images"] for count in counts]
            style = (_FIRST, "o") if number == 1 else (_SECOND, "s")
            _line(axes, counts, seconds, f"measured for the {number}. time", *style)
        axes.set_title(f"{title} seconds an image", loc="left", color=_INK, fontsize=11)
        axes.set(xlabel="threads", xticks=[1, 2])
        _from_zero(axes)


DRAWN: dict[str, Callable[[Section, Any, Any], None]] = {
    "images": images,
    "size": size,
    "crops": crops,
    "metrics": metrics,
    "threads": threads,
}


def draw(found: Section) -> None:
    """One SVG for each section that was measured."""
    from matplotlib import rc_context

    PICTURES.mkdir(exist_ok=True)
    with rc_context({"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 10}):
        for name, drawing in DRAWN.items():
            if name in found:
                _picture(name, found[name], drawing)


def _picture(name: str, found: Section, drawing: Callable[[Section, Any, Any], None]) -> None:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    figure = Figure(figsize=(8.4, 3.4), layout="constrained", facecolor="white")
    FigureCanvasSVG(figure)
    time, memory = figure.subplots(1, 2)
    for axes, title in ((time, "CPU seconds"), (memory, "Peak memory, MiB")):
        axes.set_title(title, loc="left", color=_INK, fontsize=11)
        axes.grid(color=_RULE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color("#BFBFBF")
        axes.tick_params(colors=_INK, length=0, which="both")
    drawing(found, time, memory)
    for axes in (time, memory):
        axes.xaxis.label.set_color(_INK)
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_locator(
                    LogLocator(subs=(1.0, 2.0, 5.0) if axis is axes.yaxis else (1.0,))
                )
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
                axis.set_minor_locator(NullLocator())
    labelled = {
        label: line
        for axes in (time, memory)
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if labelled:
        figure.legend(
            *(labelled.values(), labelled.keys()),
            loc="outside upper right",
            ncols=len(labelled),
            frameon=False,
            labelcolor=_INK,
        )
    if name != "threads":
        _from_zero(memory)
    path = PICTURES / f"{name}.svg"
    figure.savefig(path, format="svg", metadata={"Date": None})


def _from_zero(axes: Axes) -> None:
    """Room above, lest the highest marker be cut."""
    axes.set_ylim(0, 1.06 * axes.dataLim.y1)


def _line(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    label: str,
    colour: str,
    marker: str,
) -> None:
    axes.plot(x, y, color=colour, marker=marker, markersize=5, linewidth=1.8, label=label)


def _peaks(used: Any) -> list[float]:
    return [one["peak"] / MEBIBYTE for one in used]
