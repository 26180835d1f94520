"""Kept features: the same result as encoding anew, and safe against kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from test_stages import sources
from test_training import RECIPE

from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.heads import HeadSpec
from perceptmetrics.training.features import FeatureCache, Features, features_of
from perceptmetrics.training.recipe import Recipe
from perceptmetrics.training.run import Run, train
from perceptmetrics.training.source import source_of
from perceptmetrics.training.trainer import Watch, WatchOf, nobody_watches
from perceptmetrics.views import CentreCrop, GridCrops, RandomCrops, View

VIEW = CentreCrop()
FROZEN = replace(RECIPE, strategy="frozen", head=HeadSpec(hidden=(16,), dropout=0.5))


def run(
    folder: Path,
    out: str,
    cache: Path | None,
    recipe: Recipe = FROZEN,
    watch: WatchOf = nobody_watches,
) -> Run:
    csv = folder / "ratings.csv"
    if not csv.exists():
        tiny.rated_folder(folder)
    source = source_of(tiny.TASK, read_manifest(csv, tiny.TASK), validation_fraction=0.25)
    return train(
        [source],
        folder / out,
        backbone=tiny.BACKBONE,
        base=tiny.base(),
        base_name="tiny-vit.random",
        recipe=recipe,
        feature_cache=cache,
        watch=watch,
    )


@pytest.mark.parametrize("eval_view", [None, GridCrops(32, 40, 3), RandomCrops(32, 40, 3)])
def test_a_head_on_kept_features_is_the_head_on_images(
    tmp_path: Path, eval_view: View | None
) -> None:
    recipe = replace(FROZEN, eval_view=eval_view)
    anew = run(tmp_path, "anew", None, recipe)
    kept = run(tmp_path, "kept", tmp_path / "features", recipe)
    again = run(tmp_path, "again", tmp_path / "features", recipe)
    assert kept.history == again.history
    for name, tensor in anew.adapter.tensors.items():
        torch.testing.assert_close(kept.adapter.tensors[name], tensor, rtol=1e-5, atol=1e-5)


def test_heads_of_several_datasets_train_on_kept_features_too(tmp_path: Path) -> None:
    def train_both(out: str, cache: Path | None) -> Run:
        return train(
            sources(tmp_path),
            tmp_path / out,
            backbone=tiny.BACKBONE,
            base=tiny.base(),
            base_name="tiny-vit.random",
            recipe=FROZEN,
            feature_cache=cache,
        )

    anew, kept = train_both("anew", None), train_both("kept", tmp_path / "features")
    record = json.loads((kept.folder / "run.json").read_text())["datasets"]
    assert [one["on_kept_features"] for one in record.values()] == [True, True]
    for name, tensor in anew.adapter.tensors.items():
        torch.testing.assert_close(kept.adapter.tensors[name], tensor, rtol=1e-5, atol=1e-5)


def test_who_looks_on_sees_the_images_that_are_encoded(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def look(images: Iterator[Path], count: int) -> Iterator[Path]:
        paths = list(images)
        seen.append((len(paths), count))
        return iter(paths)

    for out in ("first", "second"):
        run(tmp_path, out, tmp_path / "features", watch=lambda stage: Watch(features=look))
    assert seen == [(18, 18), (6, 6), (0, 0), (0, 0)]


def test_a_random_training_view_is_encoded_in_every_epoch(tmp_path: Path) -> None:
    recipe = replace(FROZEN, train_view=RandomCrops(32, 40, 1))
    run(tmp_path, "run", tmp_path / "features", recipe)
    assert not (tmp_path / "features").exists()


def cache_of(folder: Path, sha256: str = "a" * 64, view: View = VIEW) -> FeatureCache:
    return FeatureCache(folder, sha256, view, width=4)


def rows(value: float) -> Features:
    return np.full((1, 4), value, np.float32)


def test_features_are_found_again_by_the_image_alone(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    for index in range(3):
        cache.append(f"sha{index}", rows(index))
    again = cache_of(tmp_path)
    assert again.rows(["sha2", "sha0"])[:, 0, 0].tolist() == [2, 0]
    assert isinstance(again.rows(["sha0", "sha1", "sha2"]).base, np.memmap)


@pytest.mark.parametrize("change", [("b" * 64, VIEW), ("a" * 64, CentreCrop(112, 112))])
def test_other_weights_or_another_view_find_nothing(
    tmp_path: Path, change: tuple[str, View]
) -> None:
    cache_of(tmp_path).append("sha0", rows(1))
    assert "sha0" in cache_of(tmp_path)
    assert "sha0" not in cache_of(tmp_path, *change)


@pytest.mark.parametrize("lost", range(1, 17))
def test_a_row_that_a_kill_cut_short_is_written_again(tmp_path: Path, lost: int) -> None:
    cache = cache_of(tmp_path)
    cache.append("sha0", rows(0))
    cache.append("sha1", rows(1))
    (path,) = tmp_path.rglob("rows.f32")
    path.write_bytes(path.read_bytes()[:-lost])
    again = cache_of(tmp_path)
    assert "sha1" not in again
    again.append("sha1", rows(7))
    assert cache_of(tmp_path).rows(["sha0", "sha1"])[:, 0, 0].tolist() == [0, 7]


@pytest.mark.parametrize("lost", range(1, 8))
def test_an_index_line_that_a_kill_cut_short_is_not_believed(tmp_path: Path, lost: int) -> None:
    cache = cache_of(tmp_path)
    cache.append("sha0", rows(0))
    cache.append("sha1", rows(1))
    (path,) = tmp_path.rglob("index.txt")
    path.write_text(path.read_text()[:-lost])
    again = cache_of(tmp_path)
    if "sha1" not in again:
        again.append("sha1", rows(7))
        last = cache_of(tmp_path)
        assert last.rows(["sha1"])[0, 0, 0] == 7
        assert last.rows(["sha0"])[0, 0, 0] == 0


def test_two_runs_may_fill_one_cache(tmp_path: Path) -> None:
    """Other processes, other orders, at once: every row is the row of its image."""
    tiny.rated_folder(tmp_path, 40)
    code = (
        "import sys; from pathlib import Path; import tiny; "
        "from perceptmetrics.training.features import FeatureCache, features_of; "
        "folder, order = Path(sys.argv[1]), int(sys.argv[2]); "
        "images = sorted(folder.glob('*.png'))[::order]; "
        "cache = FeatureCache(folder / 'features', 'a' * 64, tiny.VIEW, 16); "
        "features_of(tiny.model(), images, tiny.VIEW, cache, batch_size=1)"
    )
    paths = [str(Path(tiny.__file__).parent), str(Path(tiny.__file__).parent.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), order], env=environment)
        for order in ("1", "-1")
    ]
    assert [process.wait() for process in started] == [0, 0]
    images = sorted(tmp_path.glob("*.png"))
    alone = FeatureCache(tmp_path / "alone", "a" * 64, tiny.VIEW, 16)
    together = FeatureCache(tmp_path / "features", "a" * 64, tiny.VIEW, 16)
    model = tiny.model()
    np.testing.assert_allclose(
        features_of(model, images, tiny.VIEW, together),
        features_of(model, images, tiny.VIEW, alone),
        atol=1e-5,
    )


def test_only_new_images_are_encoded(tmp_path: Path) -> None:
    tiny.rated_folder(tmp_path)
    images = sorted(tmp_path.glob("*.png"))
    model = tiny.model()
    cache = FeatureCache(tmp_path / "features", "a" * 64, tiny.VIEW, 16)
    asked: list[int] = []

    def progress(paths: Iterator[Path], count: int) -> Iterator[Path]:
        asked.append(count)
        return paths

    features_of(model, images[:5], tiny.VIEW, cache, progress=progress)
    found = features_of(model, images[:8], tiny.VIEW, cache, progress=progress)
    assert asked == [5, 3]
    assert found.shape == (8, 1, 16)
