"""The distortions of the built-in check: each does what its line says, and more of it by level."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from perceptmetrics.bench.distortions import DISTORTIONS, LEVELS, Distortion, distortion
from perceptmetrics.errors import OptionError, UnknownNameError

Pixels = npt.NDArray[np.uint8]
EVERY = pytest.mark.parametrize("one", DISTORTIONS, ids=lambda one: one.name)


def error(first: Pixels, second: Pixels) -> float:
    return float(((first.astype(np.float64) - second) ** 2).mean())


@pytest.fixture(scope="module")
def photograph(sample_photos: tuple[Path, Path]) -> Pixels:
    """A corner of china.jpg, which has edges, colours and sky."""
    with Image.open(sample_photos[0]) as image:
        return np.asarray(image.crop((200, 100, 328, 196)))


@EVERY
def test_the_error_grows_with_every_level(one: Distortion, photograph: Pixels) -> None:
    errors = [error(one.at(level, photograph), photograph) for level in range(LEVELS + 1)]
    assert errors[0] == 0
    assert all(later > 1.1 * earlier for earlier, later in pairwise(errors))


@EVERY
def test_the_image_keeps_its_shape_and_is_not_written_to(
    one: Distortion, photograph: Pixels
) -> None:
    before = photograph.copy()
    spoiled = one.at(5, photograph)
    assert spoiled.shape == photograph.shape
    assert spoiled.dtype == np.uint8
    np.testing.assert_array_equal(photograph, before)


@EVERY
def test_it_is_the_same_every_time_and_leaves_the_global_generator_alone(
    one: Distortion, photograph: Pixels
) -> None:
    state = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    np.testing.assert_array_equal(one.at(3, photograph, 7), one.at(3, photograph, 7))
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index]  # noqa: NPY002


def test_noise_has_the_deviation_that_it_names_and_another_draw_by_another_seed() -> None:
    noise = distortion("noise")
    grey = np.full((128, 128, 3), 128, np.uint8)
    for level, deviation in enumerate(noise.strengths, 1):
        drawn = noise.at(level, grey).astype(np.float64) - 128
        # 49,152 draws; rounding adds a variance of a twelfth, clipping at 2.5 sigma takes some.
        assert drawn.std() == pytest.approx(deviation, rel=0.02)
        assert abs(drawn.mean()) < 1
    assert not np.array_equal(noise.at(1, grey, 0), noise.at(1, grey, 1))


def test_all_levels_of_noise_are_one_draw_made_stronger() -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    weak, strong = (distortion("noise").at(level, grey) for level in (1, 3))
    difference = (strong.astype(int) - 128) - (weak.astype(int) - 128) * 20 / 6
    assert np.abs(difference).max() <= 0.5 + 0.5 * 20 / 6  # nothing but rounding


def test_blur_leaves_a_flat_image_alone_and_spreads_a_point_as_a_gaussian() -> None:
    flat = np.full((16, 16, 3), 77, np.uint8)
    np.testing.assert_array_equal(distortion("blur").at(5, flat), flat)
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    seen = distortion("blur").at(2, point)
    # exp(-r²/2σ²) / (2πσ²) at σ = 1.2, written out.
    sigma = 1.2
    for r in range(3):
        expected = 255 * np.exp(-(r**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        assert seen[20, 20 + r] == pytest.approx(expected, abs=1.0)


def test_jpeg_is_what_pillow_writes_at_that_quality(photograph: Pixels) -> None:
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "JPEG", quality=18, subsampling=2)
    np.testing.assert_array_equal(
        distortion("jpeg").at(3, photograph), np.asarray(Image.open(file))
    )


def test_without_saturation_every_pixel_is_the_grey_that_pillow_gives(photograph: Pixels) -> None:
    grey = distortion("saturation").at(5, photograph)
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 1] == grey[..., 2]).all()
    expected = np.asarray(Image.fromarray(photograph).convert("L")).astype(int)
    assert np.abs(grey[..., 0] - expected).max() <= 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), level=st.integers(1, LEVELS))
def test_brightness_and_contrast_are_their_formulas(seed: int, level: int) -> None:
    image = tiny.photograph(12, 16, seed)
    darker, flatter = distortion("brightness"), distortion("contrast")
    share = darker.strengths[level - 1]
    assert np.abs(darker.at(level, image) - share * image.astype(float)).max() <= 0.5
    mean = float(np.asarray(image @ [0.299, 0.587, 0.114]).mean())
    expected = mean + flatter.strengths[level - 1] * (image.astype(float) - mean)
    assert np.abs(flatter.at(level, image) - expected.clip(0, 255)).max() <= 0.5


@pytest.mark.parametrize("level", [-1, 6])
def test_a_level_that_does_not_exist_is_refused(level: int) -> None:
    with pytest.raises(OptionError, match="expected 0 to 5"):
        DISTORTIONS[0].at(level, np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)], ids=["grey", "float"]
)
def test_what_is_no_8_bit_rgb_is_refused(image: Pixels) -> None:
    with pytest.raises(OptionError, match=r"expected \(H, W, 3\) uint8"):
        DISTORTIONS[0].at(1, image)


def test_an_unknown_distortion_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'brightness'"):
        distortion("brightnes")
    with pytest.raises(OptionError, match="has 2 strengths, expected 5"):
        Distortion("twice", "times", (1.0, 2.0), DISTORTIONS[0].apply)
