"""Charts as SVG that stands inside a page and takes its colours, light or dark.

matplotlib draws (extra ``report``), its figures made directly, without pyplot, so that no window
system is asked for and nothing global changes. Colours are names of the style sheet's variables:
matplotlib is given a stand-in of each, which is exchanged in the finished text. The same values
give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = tuple[float, ...]

MOST_POINTS = 500
"""More images are drawn by a sample of so many; the caption says so."""

# What matplotlib is told -> what the page calls it in style.css.
_COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--rule)",
    "#040404": "var(--first)",
    "#050505": "var(--second)",
}
_INK, _MUTED, _RULE, _FIRST, _SECOND = _COLOURS
WIDE, HIGH = 4.4, 3.0  # inches; all charts of a part are of one size
_POINTS_AN_INCH = 72
# Where coordinates stand. The letters between tags are what people read, and stay as they are.
_TAG = re.compile(r"<[^<>]*>")
_PLACES = re.compile(r'\b(?:d|x|y|x1|x2|y1|y2|points|transform)="[^"]*"')
_TEXT = 11  # points, and so pixels: a chart is shown as large as it is drawn, or smaller


def why_no_charts() -> str:
    """What is missing to draw, as a line for the page; empty where nothing is.

    Example:
        >>> why_no_charts() in ("", "no charts: pip install 'perceptmetrics[report]' draws them")
        True
    """
    if find_spec("matplotlib") is None:
        return "no charts: pip install 'perceptmetrics[report]' draws them"
    return ""


def sampled(count: int) -> npt.NDArray[np.intp]:
    """Which of so many images are drawn: all, or a fixed sample of :data:`MOST_POINTS`.

    Example:
        >>> len(sampled(20)), len(sampled(10_000))
        (20, 500)
    """
    if count <= MOST_POINTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_POINTS, replace=False))


@lru_cache(maxsize=512)
def scatter(
    prediction: Values, rating: Values, fit: tuple[Values, Values] | None, label: str
) -> str:
    """Ratings over predictions, an image a point, with the logistic of equation 1 (A.1).

    Args:
        prediction: (N,).
        rating: (N,).
        fit: (M,) places and (M,) values of the curve; ``None`` where there is none.
        label: What is shown, for those who cannot see it.
    """
    figure, axes = _figure(WIDE, HIGH)
    chosen = sampled(len(prediction))
    axes.plot(
        *(np.asarray(prediction)[chosen], np.asarray(rating)[chosen]),
        *("o",),
        color=_FIRST,
        markersize=3.5,
        alpha=0.5,
        markeredgewidth=0,
    )
    if fit is not None:
        axes.plot(*fit, color=_SECOND, linewidth=2)
    axes.set_xlabel("predicted")
    axes.set_ylabel("rated")
    return _svg(figure, label)


@lru_cache(maxsize=512)
def curves(losses: tuple[Values, ...], scores: tuple[Values, ...], measure: str, label: str) -> str:
    """Training loss and validation score by epoch, a line a fold; a dot is the epoch that was kept.

    Args:
        losses: Of each fold, by epoch.
        scores: The same of the validation score, higher is better.
        measure: What the score is.
        label: What is shown, for those who cannot see it.
    """
    from matplotlib.ticker import MaxNLocator

    figure = _bare(WIDE, HIGH)
    above, below = figure.subplots(2, 1, sharex=True)
    for loss, score in zip(losses, scores, strict=True):
        epochs = np.arange(1, len(score) + 1)
        above.plot(epochs, loss, color=_FIRST, linewidth=1.4, alpha=0.8)
        below.plot(epochs, score, color=_FIRST, linewidth=1.4, alpha=0.8)
        if not np.isnan(score).all():
            best = int(np.nanargmax(score))
            below.plot(epochs[best], score[best], "o", color=_SECOND, markersize=4.5)
    above.set_ylabel("loss")
    below.set_ylabel(measure)
    below.set_xlabel("epoch")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (above, below):
        _quiet(axes)
        axes.margins(y=0.15)
        axes.yaxis.set_major_locator(MaxNLocator(4))
    return _svg(figure, label)


@lru_cache(maxsize=512)
def histogram(edges: Values, predicted: Values, rated: Values, label: str) -> str:
    """How predictions and ratings are spread, on shared bins (figure A.6)."""
    figure, axes = _figure(WIDE, HIGH)
    axes.stairs(rated, edges, fill=True, color=_RULE, label="rated")
    axes.stairs(predicted, edges, color=_FIRST, linewidth=1.8, label="predicted")
    axes.set_ylabel("images")
    axes.set_ylim(bottom=0)
    _legend(axes)
    return _svg(figure, label)


@lru_cache(maxsize=512)
def calibration(predicted: Values, true: Values, what: tuple[str, str], label: str) -> str:
    """What people said over what the metric said, a point a bin; on the line they agree.

    Args:
        predicted: Mean prediction, or confidence, of each bin.
        true: Mean rating, or share that is right.
        what: What stands on the two axes.
        label: What is shown, for those who cannot see it.
    """
    figure, axes = _figure(WIDE, HIGH)
    ends = [min(*predicted, *true), max(*predicted, *true)] if predicted else [0.0, 1.0]
    axes.plot(ends, ends, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(predicted, true, "o-", color=_FIRST, linewidth=1.4, markersize=4.5)
    axes.set_xlabel(what[0])
    axes.set_ylabel(what[1])
    return _svg(figure, label)


@lru_cache(maxsize=512)
def falls(scores: tuple[tuple[str, tuple[Values, ...]], ...], label: str) -> str:
    """Scores by level of each distortion, a panel each and a line a photograph.

    Args:
        scores: Distortion -> for each photograph the scores of levels 0 to 5.
        label: What is shown, for those who cannot see it.
    """
    from matplotlib.ticker import MaxNLocator

    figure = _bare(WIDE, HIGH)
    columns = min(3, len(scores))
    rows = -(-len(scores) // columns)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (distortion, lines) in zip(panels.flat, scores, strict=False):
        _quiet(axes)
        for one in lines:
            axes.plot(range(len(one)), one, color=_FIRST, linewidth=1.3, alpha=0.8)
        axes.set_title(distortion, fontsize=_TEXT, color=_INK, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    for axes in panels.flat[len(scores) :]:
        axes.set_visible(False)
    return _svg(figure, label)


def _bare(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    margins = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
    figure = Figure(figsize=(width, height), dpi=_POINTS_AN_INCH, layout=margins)
    FigureCanvasSVG(figure)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _bare(width, height)
    axes: Axes = figure.subplots()
    _quiet(axes)
    return figure, axes


def _quiet(axes: Axes) -> None:
    axes.grid(color=_RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_MUTED, length=0, labelsize=_TEXT)
    axes.spines[:].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(_MUTED)
        axis.label.set_fontsize(_TEXT)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=_TEXT, labelcolor=_INK, handlelength=1.2)


def _svg(figure: Figure, label: str) -> str:
    """A figure as an element of a page: no header, no names of its own, the page's colours."""
    from html import escape

    import matplotlib
    from matplotlib.text import Text

    for words in figure.findobj(Text):
        words.set_parse_math(False)  # names of plug-ins and of measures are no formulas
    picture = io.StringIO()
    salt = hashlib.sha256(label.encode()).hexdigest()[:8]
    # Text stays text, in the page's own letters; names do not depend on the process.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(picture, format="svg", transparent=True, metadata={"Date": None})
    text = picture.getvalue()
    text = text[text.index("<svg") :]
    # matplotlib's own rules would hold for every line of the page; style.css has them for charts.
    text = re.sub(r"<(metadata|style|title)\b.*?</\1>|<!--.*?-->", "", text, flags=re.S)
    for stand_in, name in _COLOURS.items():
        text = text.replace(stand_in, name)
    # A name that nothing refers to would stand on the page as often as there are charts.
    used = set(re.findall(r'(?:url\(|href=")#([\w-]+)', text))
    seen: set[str] = set()
    text = re.sub(r' id="([\w.-]+)"', lambda found: _kept(found[1], used, seen, salt), text)
    text = re.sub(r'(url\(|href=")#', rf"\g<1>#{salt}-", text)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = _TAG.sub(_shortened, text)
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    wide, high = (size.group(1), size.group(2)) if size else ("0", "0")
    head = (
        f'<svg class="chart" role="img" aria-label="{escape(label)}" width="{wide}" '
        f'height="{high}" viewBox="0 0 {wide} {high}">'
    )
    return re.sub(r"^<svg[^>]*>", lambda _: head, text)


def _shortened(tag: re.Match[str]) -> str:
    """A tag whose coordinates have two digits: a hundredth of a pixel, half the bytes."""
    return _PLACES.sub(lambda places: re.sub(r"(\.\d\d)\d+", r"\1", places[0]), tag[0])


def _kept(name: str, used: set[str], seen: set[str], salt: str) -> str:
    if name not in used or name in seen:
        return ""  # a marker that two panels share is defined in both
    seen.add(name)
    return f' id="{salt}-{name}"'


def logistic_curve(
    prediction: Sequence[float], rating: Sequence[float]
) -> tuple[Values, Values] | None:
    """The logistic fit of ratings on predictions as a curve to draw.

    Returns:
        60 places from the lowest to the highest prediction, and the curve there; ``None`` where
        no logistic fits.

    Example:
        >>> places, values = logistic_curve([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 1.2, 3.0, 4.8, 5.0])
        >>> len(places), round(values[0])
        (60, 1)
    """
    from perceptmetrics.errors import DataError
    from perceptmetrics.statistics import logistic_fit

    try:
        fit = logistic_fit(prediction, rating)
    except DataError:
        return None
    places = np.linspace(min(prediction), max(prediction), 60)
    return tuple(places.tolist()), tuple(fit(places).tolist())
