"""A quality map says where a picture is bad."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image, ImageFilter

import perceptmetrics as pm
from perceptmetrics.errors import ImageError, OptionError, UnknownNameError
from perceptmetrics.explanation.quality_map import QualityMap, quality_map
from perceptmetrics.metric import Metric
from perceptmetrics.views import RandomCrops

FITTING = {"window": 32, "stride": 8, "batch_size": 4}
OWN_PIXELS = RandomCrops(size=32, resize_to=None, crops=2)


@pytest.fixture(scope="module")
def metric() -> Metric:
    return tiny.metric(view=OWN_PIXELS)


def test_windows_are_by_default_those_the_metric_cuts_a_quarter_apart(metric: Metric) -> None:
    found = quality_map(metric, tiny.photograph(40, 64))
    assert (found.window, found.stride) == (32, 8)
    assert found.map.shape == (2, 5)


def test_each_entry_is_the_score_of_its_window_alone(metric: Metric) -> None:
    photo = tiny.photograph(64, 100)
    found = quality_map(metric, photo, window=32, stride=16, batch_size=4)
    assert found.map.shape == (3, 6)
    assert found.rows.tolist() == [16, 32, 48]
    assert found.columns.tolist() == [16, 30, 43, 57, 70, 84]  # 68 pixels in 5 steps of 13.6
    single = tiny.metric(view=tiny.VIEW)  # one cut of 32 pixels: a window as it is
    for row, column in ((0, 0), (1, 3), (2, 5)):
        top, left = int(found.rows[row]) - 16, int(found.columns[column]) - 16
        alone = single(photo[top : top + 32, left : left + 32])
        assert found.map[row, column] == pytest.approx(float(alone[0]), abs=1e-5)


def test_batches_change_nothing_and_one_window_is_a_map(metric: Metric) -> None:
    photo = tiny.photograph(40, 40)
    one, many = (quality_map(metric, photo, window=32, stride=3, batch_size=n) for n in (1, 64))
    np.testing.assert_allclose(one.map, many.map, atol=1e-5)
    assert quality_map(metric, photo, window=40, stride=7).map.shape == (1, 1)


def test_the_spread_map_averages_the_windows_that_hold_a_pixel() -> None:
    found = QualityMap(
        map=np.array([[1.0, 3.0]]),
        rows=np.array([2.0]),
        columns=np.array([2.0, 4.0]),
        window=4,
        stride=2,
        image=np.zeros((4, 6, 3), np.uint8),
    )
    assert found.spread().tolist() == [[1, 1, 2, 2, 3, 3]] * 4
    assert found.mean == 2


def test_every_pixel_lies_in_a_window(metric: Metric) -> None:
    for height, width, stride in ((33, 95, 32), (64, 65, 17)):
        found = quality_map(metric, tiny.photograph(height, width), window=32, stride=stride)
        assert np.isfinite(found.spread()).all()
        assert found.spread().shape == (height, width)
        assert np.diff(found.columns, prepend=found.columns[0]).max() <= stride


def test_the_picture_is_brought_to_the_size_at_which_the_metric_sees_it() -> None:
    resizing = tiny.metric(view=RandomCrops(size=32, resize_to=48))
    found = quality_map(resizing, tiny.photograph(96, 144), window=32, stride=16)
    assert found.image.shape == (48, 72, 3)
    assert found.map.shape == (2, 4)


def test_a_picture_smaller_than_the_window_is_a_clear_error(metric: Metric, tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.fromarray(tiny.photograph(40, 60)).save(path)
    for item in (path, str(path)):
        with pytest.raises(ImageError, match=r"small.png: has 60 by 40 pixels .* window of 48"):
            quality_map(metric, item, window=48, stride=8)


def test_one_of_several_scores_is_chosen_by_name() -> None:
    two = tiny.metric(("valence", "arousal"), view=OWN_PIXELS)
    photo = tiny.photograph(40, 40)
    maps = [
        quality_map(two, photo, window=32, stride=8, output=output).map
        for output in ("valence", "arousal")
    ]
    assert not np.allclose(maps[0], maps[1])
    with pytest.raises(OptionError, match="one of valence, arousal"):
        quality_map(two, photo, window=32, stride=8)
    with pytest.raises(UnknownNameError, match="'beauty'"):
        quality_map(two, photo, window=32, stride=8, output="beauty")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"window": 7}, "window is 7, expected a whole number of at least 8"),
        ({"stride": 0}, "stride is 0"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
    ],
)
def test_options_that_cannot_be_are_refused(
    metric: Metric, options: dict[str, int], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        quality_map(metric, tiny.photograph(40, 40), **{**FITTING, **options})  # type: ignore[arg-type]


def test_a_metric_that_tells_classes_has_no_quality_map() -> None:
    classes = tiny.metric(("dark", "light"), "classification", OWN_PIXELS)
    with pytest.raises(OptionError, match="tells classes"):
        quality_map(classes, tiny.photograph(40, 40), window=32, stride=8)


def jpeg(picture: Image.Image) -> Image.Image:
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=8)
    return Image.open(held).convert("RGB")


def blur(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(4))


@pytest.mark.weights
def test_the_embedded_metric_finds_the_thirds_that_were_spoiled(
    clip_base: Path, sample_photos: tuple[Path, Path]
) -> None:
    """Left third blurred, right third a poor JPEG; windows that lie in one third alone."""
    picture = Image.open(sample_photos[0]).convert("RGB")
    for spoil, third in ((blur, (0, 0, 213, 427)), (jpeg, (427, 0, 640, 427))):
        picture.paste(spoil(picture.crop(third)), third)
    found = quality_map(pm.create_metric("iqa"), picture, window=160, stride=112)
    assert found.map.shape == (3, 5)
    blurred, good, blocky = found.map[:, 0], found.map[:, 2], found.map[:, 4]
    assert blurred.max() < good.min() - 1
    assert blocky.max() < good.min() - 1
