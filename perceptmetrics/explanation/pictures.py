"""Maps as pictures: over the photograph, side by side, and a sheet of several.

Colours are chosen for all eyes: viridis runs from dark violet to yellow and means more where it is
lighter; differences run from blue (less) over white (none) to orange (more). Drawn by matplotlib
(extra ``explain``), its figures made directly, without pyplot, so that no window system is asked
for and nothing global changes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.statistics.checks import Floats, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Pixels = npt.NDArray[np.uint8]

DPI = 150
PANEL = 2.7  # inches wide
MAX_COLUMNS = 4

_INK = "#303030"
_BLUE_ORANGE = ("#0b4fa8", "#4f9be0", "#ffffff", "#f59b2f", "#b34a00")
_DARKEST = 0.35  # a photograph's black in grey: colour must show on it too
_BAR = 0.12  # inches high
# Above so many times the 99th percentile, a map's few largest values leave the rest without
# colour: vision transformers park much attention on a few patches (Darcet et al. 2024).
_OUTLYING = 2.0


@dataclass(frozen=True)
class Limits:
    """The values at the two ends of a colour map, and whether some lie beyond."""

    low: float
    high: float
    beyond: bool

    @classmethod
    def of(cls, heats: Sequence[Floats], diverging: bool) -> Limits:
        """Limits that suit all of these maps; symmetric about zero if diverging."""
        values = np.concatenate([heat.ravel() for heat in heats])
        low = 0.0 if diverging else float(values.min())
        above = np.abs(values) if diverging else values - low
        most, usual = float(above.max()), float(np.quantile(above, 0.99))
        beyond = most > _OUTLYING * usual > 0
        reach = usual if beyond else most
        if reach <= 0:
            reach = 1.0  # a flat map has one colour, whatever the range
        return cls(-reach if diverging else low, low + reach, beyond)

    def place(self, heat: Floats) -> Floats:
        """Values to [0, 1]."""
        return np.clip((heat - self.low) / (self.high - self.low), 0, 1)


def overlay(
    image: Pixels,
    heat: npt.ArrayLike,
    *,
    diverging: bool = False,
    alpha: float = 0.6,
    limits: Limits | None = None,
) -> Image.Image:
    """A map over its photograph, which turns light grey so that all colour is the map's.

    Args:
        image: (H, W, 3) uint8, what the map is a map of: the cut, if the map is of a cut.
        heat: (h, w) finite numbers; resized to (H, W).
        diverging: A difference: zero shows the photograph, the further from zero the more colour.
        alpha: How much colour covers the photograph, from 0 to 1; for a difference, at the ends.
        limits: Values at the ends of the colours; the map's own when ``None``.

    Returns:
        An RGB picture of W x H.

    Raises:
        DataError: ``heat`` is not (h, w) finite numbers.
        OptionError: ``image`` or ``alpha`` cannot be used, or matplotlib is not installed.

    Example:
        >>> overlay(np.zeros((30, 40, 3), np.uint8), [[0.0, 1.0]]).size
        (40, 30)
    """
    check_image(image)
    if not 0 <= alpha <= 1:
        raise OptionError(f"alpha is {alpha}, expected 0 to 1")
    values = _map(heat)
    limits = limits or Limits.of([values], diverging)
    height, width = image.shape[:2]
    small = Image.fromarray(limits.place(values).astype(np.float32))
    # Bilinear: it never shows a value that no patch has, where bicubic rings.
    placed = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float64)
    colours = colour_map(diverging)(placed)[..., :3] * 255
    grey = np.asarray(Image.fromarray(image).convert("L"), dtype=np.float64)[..., None]
    light = _DARKEST * 255 + (1 - _DARKEST) * grey
    strength = np.minimum(1, 2 * np.abs(2 * placed - 1))[..., None] if diverging else 1.0
    cover = alpha * strength
    return Image.fromarray((light * (1 - cover) + colours * cover).round().astype(np.uint8))


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
        maps: (title, (h, w) map, whether it is a difference), at least one.
        title: Above all.
        shared_scale: Maps that are not differences have one range of colours, so that colours can
            be compared, as between the attention of two models.

    Returns:
        An RGB picture, at most four panels wide.

    Raises:
        DataError: A map is not (h, w) finite numbers.
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
    heats = [_map(heat) for _, heat, _ in maps]
    plain = [heat for heat, (_, _, diverging) in zip(heats, maps, strict=True) if not diverging]
    common = Limits.of(plain, False) if shared_scale and plain else None
    columns = min(len(maps) + 1, MAX_COLUMNS)
    rows = ceil((len(maps) + 1) / columns)
    tall = PANEL * image.shape[0] / image.shape[1]
    lines = max(len(_wrapped(name).splitlines()) for name, _, _ in maps)
    heights = [tall, _BAR] * rows
    figure = _figure(
        columns * PANEL, sum(heights) + rows * (0.34 + 0.22 * lines) + (0.35 if title else 0)
    )
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=heights)
    _panel(figure.add_subplot(grid[0, 0]), image, "image")
    for place, (heat, (name, _, diverging)) in enumerate(zip(heats, maps, strict=True), start=1):
        row, column = 2 * (place // columns), place % columns
        own = common if common is not None and not diverging else Limits.of([heat], diverging)
        drawn = overlay(image, heat, diverging=diverging, limits=own)
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


def colour_map(diverging: bool) -> Colormap:
    """[0, 1] to colours: viridis, or blue, white and orange for differences.

    Raises:
        OptionError: matplotlib is not installed.

    Example:
        >>> [round(float(part), 2) for part in colour_map(diverging=True)(0.5)[:3]]
        [1.0, 1.0, 1.0]
    """
    if find_spec("matplotlib") is None:
        raise OptionError("pictures need matplotlib: pip install 'perceptmetrics[explain]'")
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    if not diverging:
        return colormaps["viridis"]
    # An odd number of steps, so that one of them is zero.
    return LinearSegmentedColormap.from_list("blue_orange", _BLUE_ORANGE, N=257)


def check_image(image: Pixels) -> None:
    """Refuses what is not (H, W, 3) uint8.

    Raises:
        OptionError: It is something else.
    """
    shape, dtype = getattr(image, "shape", None), getattr(image, "dtype", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise OptionError(f"image is {dtype} of shape {shape}, expected uint8 (H, W, 3)")


def _map(heat: npt.ArrayLike) -> Floats:
    values = finite("heat", heat)
    if values.ndim != 2 or values.size == 0:
        raise DataError(f"heat has shape {values.shape}, expected (h, w)")
    return values


def _figure(width: float, height: float) -> Figure:
    colour_map(False)  # says what to install
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    margins = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=(width, height), dpi=DPI, layout=margins)
    FigureCanvasAgg(figure)
    return figure


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


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "−") if abs(value) < 10 else f"{value:.0f}"


def _heading(title: str, width: int) -> Image.Image:
    figure = _figure(width / DPI, 0.5)
    figure.text(0.006, 0.5, title, color=_INK, fontsize=18, fontweight="bold", va="center")
    return _drawn(figure)


def _drawn(figure: Figure) -> Image.Image:
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png")
    return Image.open(pixels).convert("RGB")
