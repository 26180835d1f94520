"""The work that scoring takes, counted exactly: a lost optimisation fails here.

Nothing is timed. Each count is asserted against the formula that is written out beside it, with
the letters of :class:`Sizes`. What training takes is in ``test_counted_training.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import perceptmetrics as pm
from perceptmetrics import decoding
from perceptmetrics.adaptation import LoRAConfig
from perceptmetrics.averaging import CutJudge, CutStream
from perceptmetrics.backbones.vit import VisionTransformer
from perceptmetrics.lora import inject, share
from perceptmetrics.model import PerceptualModel
from perceptmetrics.scoring.rows import score_images
from perceptmetrics.views import RandomCrops, resize

CROPS = RandomCrops(32, 48, 4)


@dataclass(frozen=True)
class Sizes:
    """Of the tiny model: the letters of the formulas."""

    D: int = 32  # width
    H: int = 128  # inside the MLP
    E: int = 16  # the embedding
    L: int = 17  # tokens: the class token and 4 x 4 patches
    P: int = 3 * 8 * 8  # numbers in a patch
    r: int = 4  # LoRA's rank
    heads: int = 2
    size: int = 32  # of a cut
    hidden: int = 16  # inside the head

    @property
    def forward(self) -> int:
        """FLOPs of one cut through encoder and head, LoRA merged."""
        D, L = self.D, self.L
        # The class token alone asks in the last block: its query goes through the matrix of the
        # keys, and what it hears of the tokens as they are through the matrix of the values.
        return self.around + 3 * 2 * D * D + 2 * 2 * self.heads * L * D

    @property
    def around(self) -> int:
        """The same without the last block's attention."""
        D, H, L = self.D, self.H, self.L
        patches = 2 * (L - 1) * self.P * D
        after = 2 * D * D + 2 * 2 * D * H  # of one token: projection and MLP
        whole_block = self.qkv + L * self.mixing + L * after
        return patches + whole_block + after + 2 * D * self.E + self.head

    @property
    def qkv(self) -> int:
        """Queries, keys and values of all tokens."""
        return 2 * self.L * self.D * 3 * self.D

    @property
    def mixing(self) -> int:
        """What one query's attention takes."""
        return 2 * 2 * self.D * self.L

    @property
    def head(self) -> int:
        """FLOPs of one embedding through the head."""
        return 2 * self.E * self.hidden + 2 * self.hidden

    @property
    def merge(self) -> int:
        """FLOPs of merging the pairs of two blocks."""
        return 2 * (2 * 3 * self.D * self.r * self.D)


S = Sizes()


class Allocated(TorchDispatchMode):
    """Adds up the bytes of every tensor that an operation makes and does not share."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        given = {t.untyped_storage().data_ptr() for t in tensors_in((args, kwargs))}
        for tensor in tensors_in(result):
            if tensor.untyped_storage().data_ptr() not in given:
                self.bytes += tensor.untyped_storage().nbytes()
        return result


class Sent(TorchDispatchMode):
    """Adds up the bytes that travel from the CPU to the device called ``meta``.

    It stands for a GPU: it takes what it is sent, and computes shapes alone.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if any(tensor.device.type == "meta" for tensor in tensors_in(result)):
            # One that torch.tensor makes of Python's numbers is there at once in this mode's eyes.
            fresh = function is torch.ops.aten.lift_fresh.default
            given = tensors_in((args, kwargs))
            self.bytes += sum(t.nbytes for t in given if fresh or t.device.type == "cpu")
        return result


def tensors_in(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


@dataclass
class Work:
    """What was done."""

    decodes: int = 0
    resizes: int = 0
    forwards: int = 0
    flops: int = 0


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Counts at the narrowest place that all of it passes; everything still happens."""
    work = Work()

    def counting(function: Callable[..., Any], what: str) -> Callable[..., Any]:
        def counts(*args: Any, **kwargs: Any) -> Any:
            setattr(work, what, getattr(work, what) + 1)
            return function(*args, **kwargs)

        return counts

    with monkeypatch.context() as patch, FlopCounterMode(display=False) as flops:
        patch.setattr(decoding, "_decode", counting(decoding._decode, "decodes"))
        patch.setattr("perceptmetrics.views.base.resize", counting(resize, "resizes"))
        encoded = counting(VisionTransformer.forward, "forwards")
        patch.setattr(VisionTransformer, "forward", encoded)
        yield work
    work.flops = flops.get_total_flops()


def photographs(folder: Path, count: int) -> list[str]:
    paths = [str(folder / f"{index}.png") for index in range(count)]
    for index, path in enumerate(paths):
        Image.fromarray(tiny.photograph(60, 90, index)).save(path)
    return paths


def forwards_of(images: int, crops: int, batch: int) -> int:
    """Every batch but the last is full: an image's cuts may lie in two."""
    return -(-images * crops // batch)


def group_of(count: int, view: Any, batch_size: int) -> pm.MetricGroup:
    """Metrics on one base, which all hold."""
    base, metrics = tiny.base(), {}
    for index in range(count):
        alone = tiny.metric(view=view, batch_size=batch_size)
        encoder = VisionTransformer(tiny.BACKBONE)
        encoder.load_state_dict(base.tensors, assign=True)
        inject(encoder, LoRAConfig(rank=S.r), seed=index)
        share(encoder)
        metrics[f"m{index}"] = pm.Metric(
            PerceptualModel(tiny.BACKBONE, encoder, {"default": alone.model.head()}, "lora"),
            alone.config,
            alone.card,
            batch_size=batch_size,
        )
    return pm.MetricGroup(metrics)


@pytest.mark.parametrize("batch", [1, 6, 32])
def test_scoring_takes_one_decode_and_one_resize_an_image_and_a_forward_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    images, crops = 5, CROPS.count
    paths = photographs(tmp_path, images)
    metric = tiny.metric(view=CROPS, batch_size=batch)
    with counted(monkeypatch) as work:
        metric(paths)
    forwards = forwards_of(images, crops, batch)
    assert work == Work(images, images, forwards, images * crops * S.forward)


@pytest.mark.parametrize("metrics", [2, 3])
def test_several_metrics_share_decodes_and_resizes_and_add_a_merge_a_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metrics: int
) -> None:
    images, crops, batch = 5, CROPS.count, 6
    paths = photographs(tmp_path, images)
    group = group_of(metrics, CROPS, batch)
    forwards = metrics * forwards_of(images, crops, batch)
    expected = Work(
        images, images, forwards, metrics * images * crops * S.forward + forwards * S.merge
    )
    with counted(monkeypatch) as work:
        group(paths)
    assert work == expected
    with counted(monkeypatch) as work:
        rows = list(score_images(dict(group.items()), paths, together=group.in_chunks))
    assert [row.error for chunk in rows for row in chunk] == [""] * images
    assert work == expected


def test_metrics_that_see_differently_share_the_decodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = 3
    paths = photographs(tmp_path, images)
    group = pm.MetricGroup(
        {"middle": tiny.metric(), "same": tiny.metric(), "crops": tiny.metric(view=CROPS)}
    )
    with counted(monkeypatch) as work:
        group(paths)
    cuts = images * (1 + 1 + CROPS.count)
    assert work == Work(images, 2 * images, 3, cuts * S.forward)


@pytest.mark.parametrize("judges", [1, 2])
@pytest.mark.parametrize("crops", [1, 3, 4, 15])
def test_a_picture_is_all_that_is_sent_to_the_device_unless_its_cuts_are_fewer_bytes(
    judges: int, crops: int
) -> None:
    images = 2  # whose cuts fill a batch, so that none of them waits
    view = RandomCrops(S.size, 48, crops, flip_x=True)
    model = tiny.metric(view=view).model.to("meta")
    stream = CutStream([CutJudge(model)] * judges, view, batch_size=images)
    with Sent() as sent:
        for index in range(images):
            stream.add(stream.lay_out(tiny.photograph(60, 90, index)))
    resized, apart = 48 * 72, crops * S.size**2
    assert sent.bytes == images * 3 * min(resized, apart)


@pytest.mark.parametrize("cuts", [2, 3])  # of one alone, one more copy is a view
def test_a_forward_allocates_no_more_than_its_activations(cuts: int) -> None:
    """float32, four bytes a number; what is a view of something else counts nothing."""
    D, H, L = S.D, S.H, S.L
    pixels = 2 * (3 * S.size**2)  # to float, which is normalised in place, and patch by patch
    embedding = 2 * (L - 1) * D + L * D  # patches, with positions, with the class token

    def norm(tokens: int) -> int:
        return tokens * D + 2 * tokens  # and mean and deviation

    def rest_of_block(asking: int) -> int:  # projection, MLP, residuals; the activation in place
        return asking * D + norm(asking) + asking * (H + D) + 2 * asking * D

    attention = L * 3 * D + L * D + S.heads * L  # qkv, mixed, their logsumexp
    class_row = 3 * D + 2 * S.heads * (D + L) + 3 * D  # query, asked, weights, heard, mixed
    blocks = norm(L) + attention + rest_of_block(L) + norm(L) + class_row + rest_of_block(1)
    head = S.E + 2 * S.hidden + 1  # projection, fc1, ReLU, fc2
    one = pixels + embedding + norm(L) + blocks + norm(1) + head
    once = D + 4 * 3  # for all cuts: the class token's position; what normalises
    model = tiny.metric().model
    given = torch.zeros(cuts, 3, S.size, S.size, dtype=torch.uint8)
    with torch.no_grad(), Allocated() as allocated:
        model(given)
    assert allocated.bytes == 4 * (cuts * one + once)
    shared = group_of(1, tiny.VIEW, 32)["m0"].model
    with torch.no_grad(), Allocated() as again:
        shared(given)
    merged = 2 * 3 * D * D  # a matrix for each block, one at a time
    assert again.bytes == allocated.bytes + 4 * merged
