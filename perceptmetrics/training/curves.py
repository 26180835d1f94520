"""Learning curves of a run as a picture: training loss, validation score, the best epoch.

Drawn by matplotlib where it is installed (extra ``train``). Its figures are made directly, without
pyplot, so that no window system is asked for and nothing global changes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from perceptmetrics.training.trainer import Epoch

CURVES_FILE = "curves.png"

_LOSS, _SCORE, _BEST, _INK = "#4C72B0", "#2A7F62", "#C44E52", "#404040"


def why_no_curves() -> str:
    """What is missing to draw, as a line for the log; empty where nothing is.

    Example:
        >>> why_no_curves() in ("", "no curves.png: pip install 'perceptmetrics[train]' draws it")
        True
    """
    if find_spec("matplotlib") is None:
        return f"no {CURVES_FILE}: pip install 'perceptmetrics[train]' draws it"
    return ""


def draw_curves(history: Sequence[Epoch], path: Path, measure: str) -> Path:
    """Draws a run's history; a picture that is there already is replaced as a whole.

    Args:
        history: One entry an epoch, at least one.
        path: Of the PNG, 1280 x 960.
        measure: What the validation score is, such as ``SRCC``; higher is better.

    Returns:
        ``path``.

    Raises:
        OptionError: matplotlib is not installed, or there is nothing to draw.

    Example:
        >>> draw_curves([], Path("curves.png"), "SRCC")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: no epoch is done yet, so there are no curves to draw
    """
    if not history:
        raise OptionError("no epoch is done yet, so there are no curves to draw")
    if missing := why_no_curves():
        raise OptionError(missing)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    margins = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12)
    figure = Figure(figsize=(8, 6), dpi=160, layout=margins)
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    numbers = [epoch.number for epoch in history]
    best = max(history, key=lambda epoch: epoch.validation)
    _panel(above, "Training loss", numbers, [epoch.loss for epoch in history], _LOSS)
    _panel(below, f"Validation {measure}", numbers, [e.validation for e in history], _SCORE)
    for axes in (above, below):
        axes.axvline(best.number, color=_BEST, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    below.plot([best.number], [best.validation], "o", color=_BEST, markersize=8, zorder=3)
    said = f"best: {best.validation:.4f} in epoch {best.number}"
    below.set_title(said, loc="right", color=_BEST, fontsize=11)
    below.set_xlabel("Epoch", color=_INK)
    below.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    below.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    # Never half a picture, also where the run is killed just now.
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(picture.getvalue())
    return unfinished.replace(path)


def _panel(axes: Axes, title: str, x: Sequence[int], y: Sequence[float], colour: str) -> None:
    axes.plot(x, y, color=colour, linewidth=2, marker="o", markersize=4, zorder=2)
    axes.set_title(title, loc="left", color=_INK, fontsize=11)
    axes.margins(y=0.15)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#BFBFBF")
