"""What the encoder sees, against torchvision and by property."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from perceptmetrics.errors import OptionError
from perceptmetrics.views import (
    VIEWS,
    CentreCrop,
    GridCrops,
    RandomCrops,
    RandomResizedCrop,
    View,
    short_side_to,
    view_from_dict,
)

SIZES = st.integers(1, 700)


@pytest.mark.parametrize("size", [(300, 500), (501, 333), (224, 224), (100, 60), (225, 448)])
def test_the_centre_crop_is_torchvisions_on_pillow(size: tuple[int, int]) -> None:
    image = tiny.photograph(*size)
    theirs = v2.Compose(
        [v2.Resize(224, interpolation=v2.InterpolationMode.BICUBIC), v2.CenterCrop(224)]
    )(Image.fromarray(image))
    ours = CentreCrop().cut(image, np.random.default_rng(0))
    np.testing.assert_array_equal(ours[0], np.asarray(theirs))


@given(SIZES, SIZES)
def test_the_short_side_rule_is_torchvisions(height: int, width: int) -> None:
    expected = (
        v2.functional.resize(
            v2.functional.to_image(np.zeros((1, 1, 3), np.uint8)).expand(3, height, width), [64]
        ).shape[-2:]
        if max(height, width) / min(height, width) < 20
        else None
    )
    ours = short_side_to(64, height, width)
    assert min(ours) == 64
    if expected is not None:
        assert ours == tuple(expected)


@given(
    st.integers(8, 300),
    st.integers(8, 300),
    st.sampled_from(
        [
            CentreCrop(32, 40),
            CentreCrop(32, 32, mirrored=True),
            RandomCrops(32, 48, 5, flip_x=True, flip_y=True),
            GridCrops(32, 48, 15),
            RandomResizedCrop(32),
        ]
    ),
)
def test_any_image_gives_the_promised_cuts(height: int, width: int, view: View) -> None:
    cuts = view.cut(tiny.photograph(height, width), np.random.default_rng(0))
    assert cuts.shape == (view.count, 32, 32, 3)
    assert cuts.dtype == np.uint8


@given(st.integers(32, 200), st.integers(32, 200), st.sampled_from([1, 3, 15, 16]))
def test_a_grid_stays_inside_and_touches_opposite_edges(h: int, w: int, crops: int) -> None:
    plan = GridCrops(32, 48, crops).plan(h, w, np.random.default_rng(0))
    assert len(plan.cuts) == crops
    assert all(0 <= c.top <= plan.height - 32 and 0 <= c.left <= plan.width - 32 for c in plan.cuts)
    for ends, slack in (
        ([c.top for c in plan.cuts], plan.height - 32),
        ([c.left for c in plan.cuts], plan.width - 32),
    ):
        assert min(ends) + max(ends) == pytest.approx(slack, abs=1)


def test_a_landscape_grid_of_15_is_three_rows_of_five() -> None:
    cuts = GridCrops().plan(384, 512, np.random.default_rng(0)).cuts
    assert len({c.top for c in cuts}) == 3
    assert len({c.left for c in cuts}) == 5


def test_random_crops_follow_their_generator_alone() -> None:
    image, view = tiny.photograph(100, 130), RandomCrops(32, 48, 4)
    first = view.cut(image, np.random.default_rng(1))
    np.random.seed(5)  # noqa: NPY002 - the global generator must not matter
    np.testing.assert_array_equal(first, view.cut(image, np.random.default_rng(1)))
    assert (first != view.cut(image, np.random.default_rng(2))).any()


def test_mirrored_cuts_are_mirror_images() -> None:
    plain, mirrored = CentreCrop(32, 32, mirrored=True).cut(
        tiny.photograph(50, 50), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(plain, mirrored[:, ::-1])


@pytest.mark.parametrize("view", [view() for view in VIEWS])
def test_a_view_survives_an_adapter_file(view: View) -> None:
    assert view_from_dict(view.to_dict()) == view


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "centre_crop", "size": 224, "resize_to": 160}, "resize_to of at least the size"),
        ({"kind": "random_crops", "size": 0}, "a size of at least 1"),
        ({"kind": "grid_crops", "crops": 0}, "at least 1 crop"),
        ({"kind": "random_resized_crop", "min_area": 0.0}, "0 < min_area <= 1"),
    ],
)
def test_a_view_that_cannot_cut_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        view_from_dict(fields)


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(OptionError, match="expected one of centre_crop"):
        view_from_dict({"kind": "fisheye"})
    with pytest.raises(OptionError, match="unexpected keyword"):
        view_from_dict({"kind": "centre_crop", "colour": 3})
