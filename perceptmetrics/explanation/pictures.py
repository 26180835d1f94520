"""Maps as pictures: a photograph and its maps side by side, and a sheet of several.

Drawn by matplotlib (extra ``explain``), its figures made directly, without pyplot, so that no
window system is asked for and nothing global changes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import ceil
from textwrap import fill, wrap
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from perceptmetrics.errors import OptionError
from perceptmetrics.explanation.colours import Limits, colour_map
from perceptmetrics.explanation.overlay import check_image, checked_map, overlay, resized_map
from perceptmetrics.views import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
PANEL = 2.7  # inches wide
MAX_COLUMNS = 4
TALLEST = 3.0  # panels' height, in their widths
SHOWN = 2 * round(PANEL * DPI)  # more pixels on a side than this, no panel can show
NOT_SEEN = "hatched: no crop looks there"

_INK = "#303030"
_BAR = 0.12  # inches high
_LETTER = 0.0088  # of a bold title: inches wide, a point of the font's size
_LINE = 0.019  # inches high, a point


def side_by_side(
    image: Pixels,
    maps: Sequence[tuple[str, npt.ArrayLike, bool]],
    *,
    title: str = "",
    shared_scale: bool = False,
) -> Image.Image:
    """A photograph and its maps, each with a title and a colour bar that has numbers.

    Args:
        image: (H, W, 3) uint8.
        maps: (title, (h, w) map, whether it is a difference), at least one. ``nan`` is where a
            map says nothing, as :func:`~perceptmetrics.explanation.overlay.overlay` has it.
        title: Above all.
        shared_scale: Maps that are not differences have one range of colours, so that colours can
            be compared, as between the attention of two models.

    Returns:
        An RGB picture, at most four panels wide.

    Raises:
        DataError: A map is not (h, w), has infinite entries, or ``nan`` alone.
        OptionError: There is no map, ``image`` cannot be used, or matplotlib is not installed.

    Example:
        >>> photo = np.zeros((30, 40, 3), np.uint8)
        >>> panels = side_by_side(photo, [("attention", np.eye(3), False)], title="head 3.5")
        >>> panels.mode
        'RGB'
    """
    check_image(image)
    if not maps:
        raise OptionError("side_by_side needs at least one map")
    heats = [checked_map(heat) for _, heat, _ in maps]
    plain = [heat for heat, (_, _, diverging) in zip(heats, maps, strict=True) if not diverging]
    common = Limits.of(plain, False) if shared_scale and plain else None
    image = _to_panel(image)
    columns = min(len(maps) + 1, MAX_COLUMNS)
    rows = ceil((len(maps) + 1) / columns)
    tall = PANEL * min(image.shape[0] / image.shape[1], TALLEST)
    lines = max(len(_wrapped(name).splitlines()) for name, _, _ in maps)
    heights = [tall, _BAR] * rows
    title, above = _title(title, columns * PANEL, 14)
    figure = _figure(columns * PANEL, sum(heights) + rows * (0.34 + 0.22 * lines) + above)
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=heights)
    _panel(figure.add_subplot(grid[0, 0]), image, "image")
    if any(np.isnan(heat).any() for heat in heats):
        _note(figure.add_subplot(grid[1, 0]), NOT_SEEN)
    for place, (heat, (name, _, diverging)) in enumerate(zip(heats, maps, strict=True), start=1):
        row, column = 2 * (place // columns), place % columns
        own = common if common is not None and not diverging else Limits.of([heat], diverging)
        shown = resized_map(heat, *image.shape[:2])
        drawn = overlay(image, shown, diverging=diverging, limits=own)
        _panel(figure.add_subplot(grid[row, column]), np.asarray(drawn), _wrapped(name))
        _bar(figure.add_subplot(grid[row + 1, column]), own, diverging)
    if title:
        figure.suptitle(title, color=_INK, fontsize=14, fontweight="bold", x=0.006, ha="left")
    return _drawn(figure)


def sheet(rows: Sequence[Image.Image], *, title: str = "") -> Image.Image:
    """Pictures one below the other: the top heads of a metric, or one head on several images.

    Args:
        rows: Pictures, at least one; narrower ones stand at the left.
        title: Above all.

    Returns:
        An RGB picture as wide as the widest.

    Raises:
        OptionError: There is no picture, or there is a title and matplotlib is not installed.

    Example:
        >>> sheet([Image.new("RGB", (40, 10)), Image.new("RGB", (30, 10))]).size
        (40, 20)
    """
    if not rows:
        raise OptionError("a sheet needs at least one picture")
    width = max(row.width for row in rows)
    parts = [*([_heading(title, width)] if title else []), *rows]
    page = Image.new("RGB", (width, sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        page.paste(part.convert("RGB"), (0, top))
        top += part.height
    return page


def _figure(width: float, height: float) -> Figure:
    colour_map(False)  # says what to install
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    margins = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=(width, height), dpi=DPI, layout=margins)
    FigureCanvasAgg(figure)
    return figure


def _to_panel(image: Pixels) -> Pixels:
    """The photograph at no more than :data:`SHOWN` pixels a side, for all that follows is slow."""
    scale = SHOWN / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


def _title(text: str, width: float, size: float) -> tuple[str, float]:
    """A title in lines that fit so many inches, and the height that they take."""
    lines = wrap(text, max(12, int(width / (size * _LETTER))))
    return "\n".join(lines), (len(lines) * size * _LINE + 0.09) if lines else 0.0


def _wrapped(name: str) -> str:
    return fill(name, 24)


def _panel(axes: Axes, pixels: Pixels, title: str) -> None:
    axes.imshow(pixels, interpolation="antialiased")
    axes.set_anchor("S")  # close to its bar
    axes.set_title(title, loc="left", color=_INK, fontsize=13)
    axes.set_axis_off()


def _bar(axes: Axes, limits: Limits, diverging: bool) -> None:
    colours = np.linspace(0, 1, 257)[None]
    axes.imshow(colours, cmap=colour_map(diverging), aspect="auto", extent=(0, 1, 0, 1))
    # A least attention of 1e-9 is none, beside a largest of 0.1.
    low = "0" if abs(limits.low) < 0.005 * limits.high else _number(limits.low)
    high = _number(limits.high)
    if limits.beyond:
        low, high = (f"≤ {low}" if diverging else low), f"≥ {high}"
    # Within the bar's width, so that neighbours never touch.
    for at, said, align in ((0.0, low, "left"), (1.0, high, "right")):
        axes.text(at, -0.25, said, ha=align, va="top", color=_INK, fontsize=12)
    if diverging:
        axes.text(0.5, -0.25, "0", ha="center", va="top", color=_INK, fontsize=12)
    axes.set_axis_off()


def _note(axes: Axes, text: str) -> None:
    axes.text(0, -0.25, text, ha="left", va="top", color=_INK, fontsize=12)
    axes.set_axis_off()


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "−") if abs(value) < 10 else f"{value:.0f}"


def _heading(title: str, width: int) -> Image.Image:
    title, tall = _title(title, width / DPI, 18)
    figure = _figure(width / DPI, tall + 0.07)
    figure.text(0.006, 0.5, title, color=_INK, fontsize=18, fontweight="bold", va="center")
    return _drawn(figure)


def _drawn(figure: Figure) -> Image.Image:
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png")
    return Image.open(pixels).convert("RGB")
