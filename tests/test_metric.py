"""The promises of the metric object."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from perceptmetrics.errors import ImageError, OptionError, UnknownNameError
from perceptmetrics.views import CentreCrop, GridCrops, RandomCrops

IMAGES = [tiny.photograph(h, w, h) for h, w in ((40, 60), (64, 32), (33, 33), (90, 50), (8, 9))]
CROPS = RandomCrops(32, 48, 5)


def test_one_score_an_image_and_one_image_is_a_batch_of_one(tmp_path: Path) -> None:
    metric = tiny.metric()
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    assert metric(IMAGES).shape == (5,)
    assert metric(tmp_path / "a.png").shape == (1,)
    torch.testing.assert_close(metric(tmp_path / "a.png"), metric(IMAGES[:1]))


def test_several_scores_make_columns() -> None:
    metric = tiny.metric(("valence", "arousal"))
    assert metric(IMAGES).shape == (5, 2)
    assert metric.labels == ("valence", "arousal")


def test_classes_are_probabilities_and_group_into_coarser_ones() -> None:
    metric = tiny.metric(("joy", "fear", "anger"), "classification")
    probabilities = metric(IMAGES)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))
    halves = metric.grouped(probabilities, "halves")
    torch.testing.assert_close(halves["rest"], probabilities[:, 1] + probabilities[:, 2])
    with pytest.raises(UnknownNameError, match="grouping of tiny"):
        metric.grouped(probabilities, "thirds")


@pytest.mark.parametrize("view", [tiny.VIEW, CROPS, GridCrops(32, 40, 6)])
def test_the_same_call_gives_the_same_bits(view: CentreCrop) -> None:
    metric = tiny.metric(view=view)
    assert torch.equal(metric(IMAGES), metric(IMAGES))


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(5)), st.integers(1, 5), st.integers(1, 17))
def test_neighbours_and_batch_size_do_not_change_a_score(
    order: list[int], count: int, batch_size: int
) -> None:
    alone = torch.cat([tiny.metric(view=CROPS)(image) for image in IMAGES])
    together = tiny.metric(view=CROPS, batch_size=batch_size)([IMAGES[i] for i in order[:count]])
    torch.testing.assert_close(together, alone[order[:count]], rtol=0, atol=1e-5)


def test_train_does_not_change_scores() -> None:
    metric = tiny.metric()
    before = metric(IMAGES)
    assert metric.train() is metric
    assert not any(module.training for module in metric.modules())
    assert torch.equal(metric(IMAGES), before)


def test_the_global_generators_are_left_alone() -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
    tiny.metric(view=CROPS)(IMAGES)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # type: ignore[index] # noqa: NPY002


def test_a_pickled_metric_gives_the_same_bits() -> None:
    metric = tiny.metric(view=CROPS)
    copy = pickle.loads(pickle.dumps(metric))
    assert torch.equal(copy(IMAGES), metric(IMAGES))
    assert copy.card == metric.card


@pytest.mark.parametrize(
    ("dtype", "near"),
    [(torch.float64, 1e-5), (torch.float16, 0.02), (torch.bfloat16, 0.1)],
)
def test_a_metric_follows_to(dtype: torch.dtype, near: float) -> None:
    full = tiny.metric()(IMAGES)
    other = tiny.metric().to(dtype)
    assert next(other.parameters()).dtype == dtype
    scores = other(IMAGES)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, full, rtol=0, atol=near)


def test_seed_and_crops_are_arguments() -> None:
    one = tiny.metric(view=CROPS, seed=1)(IMAGES)
    assert not torch.equal(one, tiny.metric(view=CROPS, seed=2)(IMAGES))
    assert tiny.metric(view=CROPS, crops=3).view.count == 3
    with pytest.raises(OptionError, match="does not average crops"):
        tiny.metric(crops=3)
    with pytest.raises(OptionError, match="whole number of at least 1"):
        tiny.metric(view=CROPS, crops=0)
    with pytest.raises(OptionError, match="batch_size is 0"):
        tiny.metric(batch_size=0)
    with pytest.raises(OptionError, match="seed is -1"):
        tiny.metric(seed=-1)


def test_unknown_arguments_are_errors() -> None:
    with pytest.raises(TypeError, match="colour"):
        tiny.metric()(IMAGES, colour=True)


def test_scores_carry_no_graph_unless_asked() -> None:
    assert not tiny.metric()(IMAGES).requires_grad


@pytest.mark.parametrize("view", [tiny.VIEW, GridCrops(32, 40, 6)])
def test_a_metric_is_a_loss_with_the_right_gradient(view: CentreCrop) -> None:
    metric = tiny.metric(view=view).double()
    image = (torch.from_numpy(IMAGES[0]).permute(2, 0, 1) / 255.0).double()
    image = image.clamp(0.05, 0.95).requires_grad_()
    metric(image, grad=True).sum().backward()
    assert image.grad is not None
    step = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)).double() * 1e-4
    with torch.no_grad():
        rise = metric((image + step)[None], grad=True) - metric((image - step)[None], grad=True)
    # central differences; scores come out in float32
    assert rise.item() == pytest.approx(2 * (image.grad * step).sum().item(), abs=2e-6, rel=0.05)


def test_the_differentiable_path_agrees_with_the_usual_one() -> None:
    metric = tiny.metric(view=CROPS)
    image = torch.from_numpy(IMAGES[3]).permute(2, 0, 1)
    torch.testing.assert_close(
        metric(image / 255.0, grad=True).detach(), metric(image), rtol=0, atol=0.02
    )


def test_half_precision_leaves_the_rating_scale_alone() -> None:
    metric = tiny.metric()
    metric.model.head().shift.fill_(4.37)
    assert metric.bfloat16().model.head().shift.item() == torch.tensor(4.37).item()


def test_a_changed_view_is_on_the_card() -> None:
    metric = tiny.metric(view=CROPS, crops=3)
    assert metric.card.view == str(metric.view)
    assert "figures are those of the default view" in metric.card.notes[-1]


def test_gradients_need_a_float_tensor_in_range() -> None:
    metric = tiny.metric()
    with pytest.raises(OptionError, match="needs a float tensor"):
        metric(IMAGES[0], grad=True)
    with pytest.raises(ImageError, match="divide by 255"):
        metric(torch.full((3, 32, 32), 200.0), grad=True)
    with pytest.raises(ImageError, match="a strip of more than 100 to 1"):
        metric(torch.zeros(3, 1, 3000), grad=True)
    with pytest.raises(ImageError, match="give at least one image"):
        metric(torch.zeros(0, 3, 32, 32), grad=True)
    metric(torch.full((3, 32, 32), 1.000001), grad=True)  # rounding, as on the usual path


def test_a_bad_image_is_named() -> None:
    with pytest.raises(ImageError, match=r"images\[1\]"):
        tiny.metric()([IMAGES[0], b"not an image"])


def test_memory_does_not_grow_over_a_thousand_calls() -> None:
    metric, image = tiny.metric(), IMAGES[0]

    def tensors() -> int:
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    resident = Path("/proc/self/statm")
    for _ in range(200):
        metric(image)
    before = tensors()
    pages = int(resident.read_text().split()[1]) if resident.exists() else 0
    for _ in range(1000):
        metric(image)
    assert tensors() <= before
    if resident.exists():
        assert (int(resident.read_text().split()[1]) - pages) * 4096 < 20e6


def test_an_empty_list_is_an_error() -> None:
    with pytest.raises(ImageError, match="give at least one image"):
        tiny.metric()([])
