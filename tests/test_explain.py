"""``perceptmetrics.explain`` and what stands behind it: arrays that say why, for any metric."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import torch
from PIL import Image
from small_disk import small_disk

import perceptmetrics as pm
from perceptmetrics.backbones.vit import VisionTransformer, random_encoder
from perceptmetrics.errors import ImageError, OptionError, UnknownNameError
from perceptmetrics.explanation.attention import pooled_attention, readable_encoder
from perceptmetrics.explanation.effects import head_effects, model_input
from perceptmetrics.explanation.explain import explain_measured
from perceptmetrics.explanation.folder import Measured, rank_heads
from perceptmetrics.explanation.methods import QUICK, method_maps, play_games
from perceptmetrics.explanation.pretrained import pretrained_encoder
from perceptmetrics.metric import Metric
from perceptmetrics.views import GridCrops, RandomResizedCrop
from perceptmetrics.weights.digest import sha256_of_tensors


def pretrained() -> VisionTransformer:
    return random_encoder(tiny.BACKBONE, 0)


def photos(count: int = 4) -> list[npt.NDArray[np.uint8]]:
    return [tiny.photograph(40, 60, seed) for seed in range(count)]


# pm.explain


def test_shapes_are_as_documented() -> None:
    metric = tiny.metric(view=GridCrops(32, 36, crops=2))
    why = pm.explain(metric, photos(3), pretrained=pretrained())
    assert isinstance(why, pm.Explanation)
    assert why.names == ("images[0]", "images[1]", "images[2]")
    assert why.scores.shape == (3,)
    assert why.changes.shape == (3, 2, 2)
    assert why.attention.shape == (3, 2, 2, 2, 17)
    assert why.pretrained is not None
    assert why.pretrained.shape == why.attention.shape
    np.testing.assert_allclose(why.attention.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(why.scores, metric(photos(3)).numpy(), atol=1e-6)
    shift = why.shift(0, 1, 0)
    assert shift.adapted.shape == shift.pretrained.shape == shift.difference.shape == (40, 60)
    assert why.attention_map(0, 1, 0).dtype == np.float32
    assert why.patches(0, 1, 0).shape == (2, 4, 4)


def test_attention_is_that_of_the_metric_and_that_of_its_base() -> None:
    view = GridCrops(32, 36, crops=2)
    metric, base = tiny.metric(view=view), pretrained()
    why = pm.explain(metric, photos(2), pretrained=base)
    assert why.pretrained is not None
    for image, photo in enumerate(photos(2)):
        pixels = model_input(metric, view.cut(photo, np.random.default_rng(metric.seed)))
        for encoder, rows in ((metric.model.encoder, why.attention), (base, why.pretrained)):
            expected = pooled_attention(readable_encoder(encoder), pixels).detach().numpy()
            np.testing.assert_allclose(rows[image], expected, atol=1e-6)
        for layer, head in np.ndindex(2, 2):
            shift = why.shift(image, layer, head)
            for rows, shown in ((why.attention, shift.adapted), (why.pretrained, shift.pretrained)):
                patches = rows[image, :, layer, head, 1:].reshape(-1, 4, 4)
                placed = why.placements[image].at_image_size(patches)
                np.testing.assert_array_equal(shown, placed)
            np.testing.assert_array_equal(shift.difference, shift.adapted - shift.pretrained)
    # Training moved it: where the pretrained attention is put in both places, nothing is left.
    for head in range(2):
        assert np.nanmax(np.abs(why.shift(0, 1, head).difference)) > 1e-5


def test_the_encoder_of_another_backbone_is_refused() -> None:
    other = random_encoder(replace(tiny.BACKBONE, name="tiny-other", heads=4), 0)
    with pytest.raises(OptionError, match="pretrained is a tiny-other, and tiny stands on tiny-vi"):
        pm.explain(tiny.metric(), Untouched(), pretrained=other)


def test_one_image_is_enough(tmp_path: Path) -> None:
    Image.fromarray(photos(1)[0]).save(tmp_path / "a.png")
    why = pm.explain(tiny.metric(), tmp_path / "a.png", pretrained=pretrained())
    assert why.names == (str(tmp_path / "a.png"),)
    assert len(why.strongest_heads(0, 3)) == 3


def test_the_strongest_are_those_that_change_most() -> None:
    why = pm.explain(tiny.metric(), photos(5), shift=False)
    (layer, head), *_ = why.strongest_heads(2, 1)
    assert abs(why.changes[2, layer, head]) == np.abs(why.changes[2]).max()
    first = why.strongest_images(layer, head, 2)
    assert first == list(np.argsort(-np.abs(why.changes[:, layer, head]))[:2])
    top = why.importance(samples=50).top(1)[0]
    sizes = np.abs(why.changes).mean(0)
    assert sizes[top] == sizes.max()


def test_classes_are_explained_by_the_probability_of_the_predicted_one() -> None:
    metric = tiny.metric(("a", "b", "c"), "classification")
    why = pm.explain(metric, photos(4), shift=False)
    probabilities = metric(photos(4)).numpy()
    assert why.outputs == tuple("abc"[k] for k in probabilities.argmax(1))
    np.testing.assert_allclose(why.scores, probabilities.max(1), atol=1e-6)
    other = pm.explain(metric, photos(4), output="c", shift=False)
    np.testing.assert_allclose(other.scores, probabilities[:, 2], atol=1e-6)


def test_several_scores_ask_which() -> None:
    metric = tiny.metric(("valence", "arousal"))
    with pytest.raises(
        OptionError, match=r"--score at the command line\), one of valence, arousal"
    ):
        pm.explain(metric, photos(1), shift=False)
    with pytest.raises(UnknownNameError, match="did you mean 'arousal'"):
        pm.explain(metric, photos(1), output="arousel", shift=False)
    why = pm.explain(metric, photos(1), output="arousal", shift=False)
    assert why.scores[0] == pytest.approx(float(metric(photos(1))[0, 1]), abs=1e-6)


def test_a_bad_image_is_named() -> None:
    with pytest.raises(ImageError, match=r"no\.jpg: there is no such file"):
        pm.explain(tiny.metric(), ["no.jpg"], shift=False)
    with pytest.raises(ImageError, match="none in it"):
        pm.explain(tiny.metric(), [], shift=False)


class Untouched:
    """Images that nobody may ask for."""

    def __iter__(self) -> Iterator[str]:
        pytest.fail("an image was read before the metric was checked")


def test_what_cannot_be_explained_is_refused_before_an_image_is_read() -> None:
    with pytest.raises(OptionError, match="does not say where it cuts"):
        pm.explain(tiny.metric(view=RandomResizedCrop(32)), Untouched(), shift=False)
    with pytest.raises(OptionError, match="gives several scores"):
        pm.explain(tiny.metric(("valence", "arousal")), Untouched(), shift=False)
    with pytest.raises(UnknownNameError, match="no metric is called 'memorabilty'"):
        pm.explain("memorabilty", Untouched())
    with pytest.raises(OptionError, match="the metric is a list, expected what create_metric"):
        pm.explain([tiny.metric()], Untouched())  # type: ignore[arg-type]


def test_no_shift_without_pretrained_attention() -> None:
    why = pm.explain(tiny.metric(), photos(1), shift=False)
    assert why.pretrained is None
    with pytest.raises(OptionError, match="shift=True"):
        why.shift(0, 0, 0)


def test_measured_before_is_the_same_explanation() -> None:
    metric = tiny.metric()
    measured = [(str(k), photo, head_effects(metric, photo)) for k, photo in enumerate(photos(2))]
    one = explain_measured(metric, measured, pretrained=pretrained())
    other = pm.explain(metric, photos(2), pretrained=pretrained())
    np.testing.assert_array_equal(one.changes, other.changes)
    np.testing.assert_array_equal(one.attention, other.attention)


# The pretrained encoder


def frozen_metric() -> Metric:
    metric = tiny.metric()
    metric.model.strategy = "frozen"
    return metric


def test_a_frozen_encoder_is_its_own_pretrained_one() -> None:
    metric = frozen_metric()
    assert pretrained_encoder(metric) is metric.model.encoder
    why = pm.explain(metric, photos(1))
    assert not np.nan_to_num(why.shift(0, 0, 0).difference).any()


def test_the_pretrained_encoder_is_read_from_the_base_the_adapter_names(tmp_path: Path) -> None:
    from perceptmetrics.weights.files import save_tensors

    tensors = dict(pretrained().state_dict())
    save_tensors(tensors, tmp_path / "base.safetensors")
    metric = tiny.metric()
    found = pretrained_encoder(metric, tmp_path / "base.safetensors")
    assert sha256_of_tensors(dict(found.state_dict())) == metric.config.base_sha256
    save_tensors(dict(random_encoder(tiny.BACKBONE, 9).state_dict()), tmp_path / "x.safetensors")
    with pytest.raises(pm.WeightsMismatchError, match="was trained on"):
        pretrained_encoder(metric, tmp_path / "x.safetensors")


# Other methods beside


def test_methods_give_a_map_a_cut() -> None:
    metric = tiny.metric(view=GridCrops(32, 36, crops=2))
    maps = method_maps(metric, photos(1)[0], 0, QUICK)
    assert {name: grids.shape for name, grids in maps.items()} == {
        "attention rollout": (2, 4, 4),
        "gradient x attention": (2, 4, 4),
    }
    games = play_games(metric, photos(1)[0], 0, maps)
    assert set(games) == {*maps, "random"}
    # Both games begin or end at the whole cut, whose distance from itself is nothing.
    for game in games.values():
        assert (game.deletion[0], game.insertion[-1]) == pytest.approx((0, 0), abs=1e-6)


def test_rollout_follows_tulips_pool() -> None:
    metric = tiny.metric()
    spec = replace(tiny.BACKBONE, class_token=False, class_position=False, pool="attention")
    metric.model.encoder = random_encoder(spec)
    metric.model.spec = spec
    (rollout,) = method_maps(metric, photos(1)[0], 0, QUICK[:1]).values()
    assert rollout.shape == (1, 4, 4)
    assert rollout.sum() == pytest.approx(1, abs=1e-5)


# Many files


@pytest.fixture
def folder(tmp_path: Path) -> list[str]:
    tiny.rated_folder(tmp_path, 4)
    return [str(tmp_path / f"{index:02}.png") for index in range(4)]


def effects_of(found: list[Measured]) -> list[list[float]]:
    return [one.effects.masked.ravel().tolist() for one in found if one.effects is not None]


def test_a_killed_run_goes_on_and_gives_the_same_numbers(folder: list[str], tmp_path: Path) -> None:
    record = tmp_path / "effects.jsonl"
    metric = tiny.metric()
    whole = list(rank_heads(metric, folder, record))
    assert not any(one.kept for one in whole)
    text = record.read_bytes()
    lines = text.splitlines(keepends=True)
    record.write_bytes(b"".join(lines[:3]) + lines[3][:50])  # killed within the third image
    again = list(rank_heads(metric, folder, record))
    assert [one.kept for one in again] == [True, True, False, False]
    assert record.read_bytes() == text
    assert effects_of(again) == effects_of(whole)


@pytest.mark.parametrize("left", [0, 30])
def test_a_run_killed_in_its_first_line_begins_anew(
    folder: list[str], tmp_path: Path, left: int
) -> None:
    record = tmp_path / "effects.jsonl"
    list(rank_heads(tiny.metric(), folder[:1], record))
    text = record.read_bytes()
    record.write_bytes(text[:left])
    list(rank_heads(tiny.metric(), folder[:1], record))
    assert record.read_bytes() == text


def test_a_file_that_changed_is_measured_again(folder: list[str], tmp_path: Path) -> None:
    record = tmp_path / "effects.jsonl"
    list(rank_heads(tiny.metric(), folder[:2], record))
    Image.fromarray(tiny.photograph(40, 40, 9)).save(folder[0])
    os.utime(folder[0], ns=(1, 1))
    assert [one.kept for one in rank_heads(tiny.metric(), folder[:2], record)] == [False, True]


def test_one_bad_image_is_named_and_the_rest_goes_on(folder: list[str], tmp_path: Path) -> None:
    Path(folder[1]).write_bytes(b"no picture")
    found = list(
        rank_heads(
            tiny.metric(),
            [*folder[:3], ImageError("x*.jpg", "matches no file")],
            tmp_path / "effects.jsonl",
        )
    )
    assert [bool(one.error) for one in found] == [False, True, False, True]
    assert [one.effects is None for one in found] == [False, True, False, True]


def test_where_nothing_was_measured_no_record_is_left(folder: list[str], tmp_path: Path) -> None:
    place = tmp_path / "heads"
    place.mkdir()
    list(rank_heads(tiny.metric(), [ImageError("x*.jpg", "no file")], place / "effects.jsonl"))
    assert list(place.iterdir()) == []
    list(rank_heads(tiny.metric(), folder[:1], place / "effects.jsonl"))
    text = (place / "effects.jsonl").read_bytes()
    list(rank_heads(tiny.metric(), ["none.png"], place / "effects.jsonl"))
    assert (place / "effects.jsonl").read_bytes() == text


def test_another_metrics_record_is_refused(folder: list[str], tmp_path: Path) -> None:
    record = tmp_path / "effects.jsonl"
    list(rank_heads(tiny.metric(), folder[:1], record))
    with pytest.raises(OptionError, match="measured with another seed"):
        list(rank_heads(tiny.metric(seed=1), folder[:1], record))
    for precious in ("image,score\n", "a line without an end"):
        record.write_text(precious)
        with pytest.raises(OptionError, match="is no record of head effects"):
            list(rank_heads(tiny.metric(), folder[:1], record))
        assert record.read_text() == precious


def test_a_record_of_another_precision_or_device_is_refused(
    folder: list[str], tmp_path: Path
) -> None:
    record = tmp_path / "effects.jsonl"
    list(rank_heads(tiny.metric(), folder[:1], record))
    half = tiny.metric().to(dtype=torch.bfloat16)
    with pytest.raises(OptionError, match=r"another precision \('float32', now 'bfloat16'\)"):
        list(rank_heads(half, folder[:1], record))
    record.write_text(record.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    with pytest.raises(OptionError, match=r"another device \('cuda', now 'cpu'\)"):
        list(rank_heads(tiny.metric(), folder[:1], record))


def test_a_full_disk_is_said_and_what_was_measured_stays(folder: list[str], tmp_path: Path) -> None:
    record, whole = tmp_path / "effects.jsonl", tmp_path / "whole.jsonl"
    list(rank_heads(tiny.metric(), folder[:2], whole))
    room = len(whole.read_bytes()) - 20
    with small_disk(room), pytest.raises(OptionError) as full:
        list(rank_heads(tiny.metric(), folder[:2], record))
    assert str(full.value) == (
        f"cannot write {record}: File too large; make room; what was measured stays"
    )
    again = list(rank_heads(tiny.metric(), folder[:2], record))
    assert [one.kept for one in again] == [True, False]
    assert record.read_bytes() == whole.read_bytes()


def test_a_damaged_record_says_where(folder: list[str], tmp_path: Path) -> None:
    record = tmp_path / "effects.jsonl"
    list(rank_heads(tiny.metric(), folder[:2], record))
    lines = record.read_text().splitlines()
    record.write_text("\n".join([*lines[:2], json.dumps({"image": "a"}), ""]))
    with pytest.raises(OptionError, match=r"damaged in line 3 \(no 'baseline'\); delete the line"):
        list(rank_heads(tiny.metric(), folder[:1], record))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"masked": [[[0.5]]]}, r"masked has shape \(1, 1, 1\), expected \(2, 2, 1\)"),
        ({"baseline": [0.5, 0.5]}, r"baseline has shape \(2,\) and masked \(2, 2, 1\)"),
        ({"baseline": [[0.5]]}, r"baseline has shape \(1, 1\)"),
        ({"baseline": [float("nan")]}, "must be a finite number"),
        ({"masked": [[[0.5], [float("inf")]], [[0.5], [0.5]]]}, "must be a finite number"),
        ({"masked": "0.5"}, "masked"),
        ({"image": ["a.png"]}, "unhashable"),
    ],
)
def test_a_record_whose_arrays_are_not_the_metrics_is_refused(
    folder: list[str], tmp_path: Path, change: dict[str, object], said: str
) -> None:
    record = tmp_path / "effects.jsonl"
    list(rank_heads(tiny.metric(), folder[:2], record))
    first, second, third = record.read_text().splitlines()
    spoiled = "\n".join([first, second, json.dumps({**json.loads(third), **change}), ""])
    record.write_text(spoiled)
    with pytest.raises(OptionError, match=rf"damaged in line 3 \(.*{said}"):
        list(rank_heads(tiny.metric(), folder[:2], record))
    assert record.read_text() == spoiled


def test_numbers_that_are_not_finite_are_an_error_of_their_image_and_not_kept(
    folder: list[str], tmp_path: Path
) -> None:
    broken = tiny.metric()
    broken.model.head().scale.fill_(float("nan"))
    (found,) = rank_heads(broken, folder[:1], tmp_path / "effects.jsonl")
    assert found.effects is None
    assert "must be a finite number" in found.error
    assert not (tmp_path / "effects.jsonl").exists()


def test_two_processes_do_not_write_one_record(folder: list[str], tmp_path: Path) -> None:
    record = tmp_path / "effects.jsonl"
    first = rank_heads(tiny.metric(), folder, record)
    next(first)
    with pytest.raises(OptionError, match="being written by another process"):
        list(rank_heads(tiny.metric(), folder, record))
    first.close()  # type: ignore[attr-defined]
    assert len(list(rank_heads(tiny.metric(), folder, record))) == 4


def test_a_record_that_cannot_be_written_is_one_line(folder: list[str], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="name another place"):
        list(rank_heads(tiny.metric(), folder, tmp_path / "00.png" / "effects.jsonl"))
