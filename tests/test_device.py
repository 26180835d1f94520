"""What a GPU is to get, as far as a CPU can tell: half precision, attention, threads that read.

Not run here, for want of a GPU: pinned memory and copies that do not block.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

import perceptmetrics as pm
from perceptmetrics.averaging import cuts_in, default_readers
from perceptmetrics.errors import ImageError, OptionError
from perceptmetrics.scoring.rows import Row, score_images
from perceptmetrics.views import VIEWS, CentreCrop, RandomCrops, View

CROPS = RandomCrops(32, 48, 6, flip_x=True, flip_y=True)
READERS = [0, 1, 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures of several sizes, one of them damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(7):
        picture = Image.fromarray(tiny.photograph(40 + 9 * index, 60, index))
        picture.save(folder / f"{index}.jpg")
    whole = (folder / "4.jpg").read_bytes()
    (folder / "4.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def group() -> pm.MetricGroup:
    return pm.MetricGroup({"middle": tiny.metric(), "crops": tiny.metric(view=CROPS)})


def paths_in(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.glob("*.jpg"))]


def rows_of(group: pm.MetricGroup, images: list[str | ImageError], readers: int) -> list[Row]:
    def together(images: Any, chunk: int) -> Any:
        return group.in_chunks(images, chunk, readers=readers)

    chunks = score_images(dict(group.items()), images, chunk=2, together=together)
    return [row for rows in chunks for row in rows]


def test_threads_that_read_change_no_score_and_a_bad_image_costs_only_itself(
    folder: Path, group: pm.MetricGroup
) -> None:
    images: list[str | ImageError] = [*paths_in(folder), ImageError("empty", "holds no image")]
    alone, *others = (rows_of(group, images, readers) for readers in READERS)
    assert [row.image for row in alone] == [*paths_in(folder), "empty"]
    assert [bool(row.error) for row in alone] == [index in (4, 7) for index in range(8)]
    assert "damaged or ends early" in alone[4].error
    for rows in others:
        assert rows == alone


@pytest.mark.parametrize("readers", READERS)
def test_files_and_pixels_of_one_list_score_alike_and_the_first_bad_one_is_raised(
    folder: Path, group: pm.MetricGroup, readers: int
) -> None:
    paths = paths_in(folder)
    good = [path for path in paths if not path.endswith("4.jpg")]
    picture = Image.open(good[0])  # twice in the list, and not decoded yet
    mixed = [picture, good[1], Path(good[0]).read_bytes(), picture]
    found = group(mixed, readers=readers)
    for name, metric in group.items():
        assert torch.equal(found[name], metric(mixed, readers=readers))
        first, second, *others = found[name].tolist()
        assert others == pytest.approx([first, first], abs=1e-6)
        assert second == pytest.approx(float(metric(good[1])), abs=1e-6)
    with pytest.raises(ImageError, match=r"4\.jpg"):
        group([*paths, "no such.jpg"], readers=readers)


@pytest.mark.parametrize("readers", READERS)
def test_a_generator_may_fill_one_buffer_again_and_again_and_close_its_files(
    folder: Path, group: pm.MetricGroup, readers: int
) -> None:
    frames = [tiny.photograph(60, 60, number) for number in range(6)]
    paths = [path for path in paths_in(folder) if not path.endswith("4.jpg")]

    def reused() -> Iterator[np.ndarray[Any, Any]]:
        buffer = np.empty_like(frames[0])
        for frame in frames:
            buffer[:] = frame
            yield buffer

    def closed() -> Iterator[IO[bytes]]:
        for path in paths:
            with Path(path).open("rb") as file:
                yield file

    for name, scores in group(reused(), readers=readers).items():
        assert torch.equal(scores, group(frames)[name])
    for name, scores in group(closed(), readers=readers).items():
        assert torch.equal(scores, group(paths)[name])


@pytest.mark.parametrize("readers", READERS)
def test_an_interrupt_ends_the_threads_and_keeps_what_was_scored(
    folder: Path, group: pm.MetricGroup, readers: int
) -> None:
    def interrupted() -> Iterator[str]:
        yield from paths_in(folder) * 3
        raise KeyboardInterrupt

    before = threading.active_count()
    kept: list[int] = []

    def score() -> None:
        for wrong, _ in group.in_chunks(interrupted(), 2, readers=readers):
            kept.append(len(wrong))

    with pytest.raises(KeyboardInterrupt):
        score()
    assert threading.active_count() == before
    assert sum(kept) >= 20 - 2 * readers


@pytest.mark.parametrize("readers", [-1, 1.5, "two"])
def test_readers_are_a_whole_number(group: pm.MetricGroup, readers: Any) -> None:
    with pytest.raises(OptionError, match="readers is"):
        group(tiny.photograph(9, 9), readers=readers)


def test_on_a_cpu_nothing_reads_beside_the_model() -> None:
    assert default_readers(torch.device("cpu")) == 0
    assert 1 <= default_readers(torch.device("cuda")) <= 8


@pytest.mark.parametrize("view", [view() for view in VIEWS], ids=lambda view: view.kind)
@pytest.mark.parametrize("size", [(300, 500), (224, 3000), (50, 40)])
def test_the_cuts_of_what_travels_are_the_views(view: View, size: tuple[int, int]) -> None:
    picture = tiny.photograph(*size)
    cuts = view.cut(picture, np.random.default_rng(5))
    sheet = view.lay_out(Image.fromarray(picture), np.random.default_rng(5))
    np.testing.assert_array_equal(sheet.take(), cuts)
    assert sheet.pixels.shape == (sheet.plan.height, sheet.plan.width, 3)
    assert sheet.pixels.size <= cuts.size
    pixels = torch.from_numpy(np.array(sheet.pixels)).permute(2, 0, 1)
    again = torch.stack(list(cuts_in(pixels, sheet.plan))).permute(0, 2, 3, 1)
    np.testing.assert_array_equal(again.numpy(), cuts)


def test_15_crops_travel_as_the_resized_picture_and_one_as_itself() -> None:
    image = tiny.photograph(600, 800)
    generator = np.random.default_rng(0)
    assert RandomCrops().lay_out(image, generator).pixels.shape == (384, 512, 3)
    assert CentreCrop().lay_out(image, generator).pixels.shape == (224, 224, 3)


class Called(TorchDispatchMode):
    """Names of the operations that were called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_attention_is_torchs_flash_kernel_in_every_precision(dtype: torch.dtype) -> None:
    metric = tiny.metric()
    exact = metric(tiny.photograph(40, 60))
    metric.to(dtype)
    # No other kernel is allowed: where flash attention did not fit, this would raise.
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION), Called() as called:
        scores = metric(tiny.photograph(40, 60))
    assert any("flash_attention" in name for name in called.names)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, exact, rtol=0, atol=1e-5 if dtype == torch.float32 else 0.1)
