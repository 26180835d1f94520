"""The heads of a model as one picture: all of them, the leading ones, and how sure that is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from perceptmetrics.explanation.colours import colour_map
from perceptmetrics.explanation.pictures import DPI
from perceptmetrics.explanation.ranking import HeadImportance, RankingStability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#303030"
_BAR = "#31688e"  # of viridis, as the table beside it
_LINE = "#0b4fa8"


def draw_importance(
    found: HeadImportance,
    stability: RankingStability | None,
    *,
    title: str,
    unit: str = "",
    count: int = 10,
) -> Image.Image:
    """All heads as a table of colours, the leading ones with intervals, the ranking's stability.

    Args:
        found: Importance of the heads.
        stability: How far rankings agree; left out when ``None``.
        title: Above all.
        unit: Of a change, such as ``score`` or ``probability``.
        count: How many leading heads have a bar.

    Returns:
        An RGB picture.

    Raises:
        OptionError: matplotlib is not installed.

    Example:
        >>> from perceptmetrics.explanation.ranking import head_importance
        >>> found = head_importance([[[0.0, -0.5], [0.25, 0.0]]])
        >>> draw_importance(found, None, title="tiny").mode
        'RGB'
    """
    colour_map(False)  # says what to install
    from matplotlib.figure import Figure

    widths = [4.6, 4.0, *([3.4] if stability is not None else [])]
    figure = Figure(figsize=(sum(widths), 4.4), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(widths), width_ratios=widths)
    _table(panels[0], found, unit)
    _bars(panels[1], found, unit, count)
    if stability is not None:
        _agreement(panels[2], stability)
    figure.suptitle(title, color=_INK, fontsize=13, fontweight="bold", x=0.01, ha="left")
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png")
    return Image.open(pixels).convert("RGB")


def _table(axes: Axes, found: HeadImportance, unit: str) -> None:
    shown = axes.imshow(found.absolute, cmap=colour_map(False), vmin=0, aspect="auto")
    axes.set(xlabel="head", ylabel="layer")
    layers, heads = found.absolute.shape
    axes.set_xticks(range(0, heads, 1 if heads <= 12 else 3))
    axes.set_yticks(range(0, layers, 1 if layers <= 12 else 3))
    axes.set_title(f"mean size of the change{f', {unit}' if unit else ''}", fontsize=11)
    axes.figure.colorbar(shown, ax=axes)


def _bars(axes: Axes, found: HeadImportance, unit: str, count: int) -> None:
    leading = found.top(count)
    index = tuple(np.array(leading).T)
    sizes = found.absolute[index]
    below, above = sizes - found.absolute_low[index], found.absolute_high[index] - sizes
    places = np.arange(len(leading))
    ends = None if np.isnan(below).any() else np.array([below, above])
    axes.barh(places, sizes, xerr=ends, color=_BAR, ecolor=_INK, capsize=2)
    axes.set_yticks(places, [f"{layer}.{head}" for layer, head in leading])
    axes.invert_yaxis()
    axes.set(xlabel=unit, ylabel="layer.head")
    sure = "" if ends is None else f", {found.level:.0%} intervals"
    axes.set_title(f"leading heads{sure}", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)


def _agreement(axes: Axes, stability: RankingStability) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.fill_between(
        stability.images,
        stability.agreement_low,
        stability.agreement_high,
        color=_LINE,
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(stability.images, stability.agreement, "o-", color=_LINE, label="SRCC, all heads")
    axes.plot(
        *(stability.images, stability.overlap, "s--"),
        color="#b34a00",
        label=f"shared of the top {stability.top}",
    )
    axes.set(xlabel="images in each of two sets", ylim=(min(0, *stability.agreement_low), 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("do two sets agree?", fontsize=11)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
