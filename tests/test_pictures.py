"""Maps become pictures that are right, readable, and kind to all eyes."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.explanation.colours import Limits, colour_map
from perceptmetrics.explanation.overlay import HATCHED, STRIPES, overlay
from perceptmetrics.explanation.pictures import NOT_SEEN, sheet, side_by_side

pytestmark = pytest.mark.skipif(
    find_spec("matplotlib") is None, reason="matplotlib is not installed (extra explain)"
)

PHOTO = tiny.photograph(60, 80)
GREY = np.full((60, 80, 3), 128, np.uint8)

# Machado, Oliveira & Fernandes 2009, table 1, severity 1.0: what a protanope and a deuteranope
# see of linear RGB.
PROTANOPE = np.array(
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
)
DEUTERANOPE = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)


def luminance(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    light: npt.NDArray[np.float64] = rgb**2.2 @ np.array([0.2126, 0.7152, 0.0722])
    return light


def test_an_overlay_has_the_size_of_its_image_and_the_colour_of_its_map() -> None:
    heat = np.zeros((6, 8))
    heat[:, 4:] = 1
    drawn = overlay(GREY, heat)
    assert (drawn.size, drawn.mode) == ((80, 60), "RGB")
    pixels = np.asarray(drawn).astype(int)
    assert (pixels[:, 70, 0] > pixels[:, 10, 0] + 60).all()  # yellow against violet
    assert (pixels[:, 10, 2] > pixels[:, 70, 2]).all()


def test_where_a_difference_is_zero_the_photograph_stays_grey() -> None:
    heat = np.zeros((3, 3))
    heat[1, 0], heat[1, 2] = -1, 1
    pixels = np.asarray(overlay(PHOTO, heat, diverging=True)).astype(int)
    corner, less, more = pixels[2, 2], pixels[30, 5], pixels[30, 75]
    assert np.ptp(corner) == 0
    assert less[2] > less[0] + 40  # blue
    assert more[0] > more[2] + 40  # orange


def test_without_cover_a_map_changes_nothing() -> None:
    plain = [overlay(PHOTO, np.random.default_rng(k).random((4, 4)), alpha=0) for k in range(2)]
    assert plain[0].tobytes() == plain[1].tobytes()


@pytest.mark.parametrize("diverging", [False, True])
def test_where_no_cut_looks_the_photograph_is_hatched_and_has_no_colour(diverging: bool) -> None:
    heat = np.zeros((60, 80))
    heat[:, :30] = np.nan
    heat[:, 70:] = 1
    pixels = np.asarray(overlay(PHOTO, heat, diverging=diverging)).astype(int)
    unseen = pixels[:, :30]
    assert np.ptp(unseen, axis=-1).max() == 0
    grey = np.asarray(Image.fromarray(PHOTO).convert("L"))[:, :30]
    tone = (unseen[..., 0] - (1 - HATCHED) * grey) / HATCHED
    off = np.abs(tone[..., None] - STRIPES)
    assert off.min(-1).max() < 2  # one of the two stripes everywhere
    assert (off < 2).mean((0, 1)).min() > 0.4  # and both of them
    known = np.asarray(overlay(PHOTO, np.nan_to_num(heat), diverging=diverging))
    np.testing.assert_array_equal(pixels[:, 30:], known[:, 30:])


def test_the_legend_says_what_is_hatched_where_there_is_any() -> None:
    heat = np.arange(16.0).reshape(4, 4)
    plain = side_by_side(PHOTO, [("attention", heat, False)])
    heat[:, 0] = np.nan
    noted = side_by_side(PHOTO, [("attention", heat, False)])
    half = plain.width // 2

    def ink(picture: Image.Image) -> int:
        """Dark pixels below the photograph, where its colour bar would be."""
        below = np.asarray(picture.convert("L"))[-40:, :half]
        return int((below < 120).sum())

    assert "no crop looks" in NOT_SEEN
    assert ink(plain) == 0
    assert ink(noted) > 200


def test_a_large_photograph_needs_little_memory() -> None:
    """Of numpy's arrays, by tracemalloc. Float64 colours of all pixels took 250 bytes a pixel."""
    photo = np.zeros((1200, 1600, 3), np.uint8)
    heat = np.random.default_rng(0).random((1200, 1600), dtype=np.float32)
    overlay(PHOTO, heat[:60, :80])  # matplotlib is imported
    peaks = []
    draws: tuple[Callable[[], Image.Image], ...] = (
        lambda: overlay(photo, heat),
        lambda: overlay(photo, heat[:14, :14], diverging=True),
        lambda: side_by_side(photo, [("a", heat, False), ("b", heat, True)]),
    )
    for draw in draws:
        tracemalloc.start()
        draw()
        peaks.append(tracemalloc.get_traced_memory()[1] / heat.size)
        tracemalloc.stop()
    assert max(peaks) < 40, peaks


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.booleans())
def test_a_mirrored_map_of_a_mirrored_image_is_the_mirrored_picture(
    seed: int, diverging: bool
) -> None:
    heat = np.random.default_rng(seed).normal(size=(5, 7))
    there = np.asarray(overlay(PHOTO, heat, diverging=diverging)).astype(int)
    back = overlay(np.ascontiguousarray(PHOTO[:, ::-1]), heat[:, ::-1], diverging=diverging)
    assert np.abs(there - np.asarray(back)[:, ::-1]).max() <= 1


def test_one_sided_colours_grow_lighter_step_by_step_for_every_eye() -> None:
    colours = np.asarray(colour_map(diverging=False)(np.linspace(0, 1, 64)))[:, :3]
    for seen in (np.eye(3), PROTANOPE, DEUTERANOPE):
        lightness = luminance(np.clip(colours**2.2 @ seen.T, 0, 1) ** (1 / 2.2))
        assert (np.diff(lightness) > 0).all()


def test_less_and_more_differ_for_every_eye_and_nothing_is_white() -> None:
    less, none, more = np.asarray(colour_map(diverging=True)([0.15, 0.5, 0.85]))[:, :3]
    assert (none > 0.99).all()
    for seen in (np.eye(3), PROTANOPE, DEUTERANOPE):
        blue, orange = (np.clip(seen @ colour**2.2, 0, 1) ** (1 / 2.2) for colour in (less, more))
        assert np.abs(blue - orange).max() > 0.4


def test_limits_are_the_ends_of_the_values_and_symmetric_for_differences() -> None:
    values = np.array([[-1.0, 0.5], [0.0, 3.0]], np.float32)
    assert Limits.of([values], diverging=False) == Limits(-1.0, 3.0, False)
    assert Limits.of([values], diverging=True) == Limits(-3.0, 3.0, False)
    assert Limits.of([values, values + 9], diverging=False) == Limits(-1.0, 12.0, False)
    level = np.full((2, 2), 0.3, np.float32)
    assert np.isfinite(Limits.of([level], diverging=False).place(level)).all()


def test_one_outlying_patch_does_not_take_the_colour_of_all_others() -> None:
    heat = np.random.default_rng(0).random((14, 14), dtype=np.float32)
    heat[3, 3] = 50
    limits = Limits.of([heat], diverging=False)
    assert limits.beyond
    assert limits.high < 2
    assert limits.place(heat).max() == 1


def test_panels_stand_in_rows_of_four_and_show_every_map() -> None:
    heat = np.random.default_rng(0).random((4, 4))
    one = side_by_side(PHOTO, [("attention", heat, False)])
    three = side_by_side(PHOTO, [(str(k), heat, k == 2) for k in range(3)])
    four = side_by_side(PHOTO, [(str(k), heat, False) for k in range(4)], title="two rows")
    assert one.width * 2 == three.width == four.width
    assert four.height > 1.8 * three.height
    assert side_by_side(PHOTO, [("attention", heat, False)]).tobytes() == one.tobytes()


def test_a_shared_scale_gives_the_same_value_the_same_colour() -> None:
    weak, strong = np.full((4, 4), 0.1), np.full((4, 4), 1.0)
    weak[0, 0] = strong[0, 0] = 0
    maps = [("weak", weak, False), ("strong", strong, False)]

    def colours(picture: Image.Image) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        pixels = np.asarray(picture).astype(np.int64)
        middle, third = picture.height // 2, picture.width // 3
        return pixels[middle, third + third // 2], pixels[middle, 2 * third + third // 2]

    apart = colours(side_by_side(GREY, maps))
    shared = colours(side_by_side(GREY, maps, shared_scale=True))
    assert np.abs(apart[0] - apart[1]).max() <= 1
    assert np.abs(shared[0] - shared[1]).max() > 60


def test_a_sheet_keeps_its_rows_as_they_are() -> None:
    rows = [Image.new("RGB", (400, 30), "red"), Image.new("L", (300, 20), 0)]
    page = sheet(rows, title="the heads that count most")
    assert page.width == 400
    heading = page.height - 50
    assert heading > 20
    assert page.getpixel((200, heading + 10)) == (255, 0, 0)
    assert page.getpixel((200, heading + 40)) == (0, 0, 0)
    assert page.getpixel((350, heading + 40)) == (255, 255, 255)
    assert (np.asarray(page)[:heading] < 128).any()


def test_a_title_that_is_too_long_goes_on_in_another_line() -> None:
    heat = np.arange(16.0).reshape(4, 4)
    words = "a title of many words that is far longer than two panels are wide, and then some"
    short, long = (side_by_side(PHOTO, [("a", heat, False)], title=t) for t in ("a", words))
    assert long.width == short.width
    assert long.height > short.height + 20
    right = np.asarray(long.convert("L"))[:70, -8:]  # no letter is cut at the edge
    assert right.min() > 200
    one, two = (sheet([short], title=t) for t in ("a", words))
    assert two.height > one.height + 20
    assert np.asarray(two.convert("L"))[: two.height - short.height, -8:].min() > 200


@pytest.mark.parametrize(
    ("image", "heat", "said"),
    [
        (PHOTO.astype(float), np.zeros((2, 2)), "expected uint8"),
        (PHOTO[..., 0], np.zeros((2, 2)), r"expected uint8 \(H, W, 3\)"),
        (PHOTO, np.zeros(4), r"heat has shape \(4,\), expected \(h, w\)"),
        (PHOTO, np.array([[np.nan]]), "nan alone"),
        (PHOTO, np.array([[0, np.inf]]), "infinite entries"),
    ],
)
def test_what_is_no_image_or_no_map_is_refused(
    image: npt.NDArray[np.uint8], heat: npt.NDArray[np.float64], said: str
) -> None:
    with pytest.raises((DataError, OptionError), match=said):
        overlay(image, heat)
    with pytest.raises((DataError, OptionError), match=said):
        side_by_side(image, [("attention", heat, False)])


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(OptionError, match="at least one map"):
        side_by_side(PHOTO, [])
    with pytest.raises(OptionError, match="at least one picture"):
        sheet([])
    with pytest.raises(OptionError, match="alpha is 2"):
        overlay(PHOTO, np.zeros((2, 2)), alpha=2)


def test_without_matplotlib_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    with pytest.raises(OptionError, match=r"pip install 'perceptmetrics\[explain\]'"):
        overlay(PHOTO, np.zeros((2, 2)))


def test_pictures_load_neither_torch_nor_a_window_system(root: Path) -> None:
    code = (
        "import sys, numpy as np; from perceptmetrics.explanation.pictures import side_by_side;"
        "side_by_side(np.zeros((9, 9, 3), np.uint8), [('a', np.eye(2), True)]);"
        "print([m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
