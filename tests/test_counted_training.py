"""The work that training takes, counted exactly: a lost optimisation fails here.

As in ``test_counted_work.py``, whose letters these formulas use. Bytes are those of float32, four
a number, and of every tensor that an operation makes, though it be gone a moment later: a product
that is written once more costs that much time, whatever the peak says.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from test_counted_work import Allocated, S, Work, counted
from test_features import FROZEN, run
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from perceptmetrics.backbones.vit import Block
from perceptmetrics.lora import LoRALinear
from perceptmetrics.model import PerceptualModel

CUTS = 3
R = 3 * S.r  # of queries, keys and values together


@pytest.fixture
def model() -> PerceptualModel:
    """With LoRA, in training."""
    built = tiny.model()
    built.train()
    return built


def first_block(model: PerceptualModel) -> Block:
    block = model.encoder.blocks[0]
    assert isinstance(block, Block)
    return block


def bytes_of_step(module: torch.nn.Module, given: Tensor) -> int:
    """Of forward and backward."""
    with torch.no_grad():
        flow = torch.ones_like(module(given))
    allocated = Allocated()
    with allocated:
        module(given).backward(flow)
    return allocated.bytes


def of_lora(tokens: int, *, through: bool) -> int:
    """Numbers in what a LoRA layer allocates; ``through``: what is before it trains too."""
    D = S.D
    # The frozen product, dropout's mask and what it leaves, the thin product, B's three parts in
    # one matrix, and the update onto the frozen product: the widest tensor twice, no more.
    forward = tokens * (3 * D + 2 * D + R + 3 * D) + 3 * D * R
    # The thin product's gradient, B's in one matrix, each with its factor, and B's parts, A's.
    backward = 2 * tokens * R + 2 * 3 * D * R + 3 * D * S.r + R * D
    # Through A, through dropout, through the frozen matrix, and their sum.
    return forward + backward + (4 * tokens * D if through else 0)


def of_mlp(tokens: int) -> int:
    """Numbers in what an MLP allocates: its widest tensor five times, forward and backward."""
    forward = tokens * (2 * S.H + S.D)  # fc1, activation, fc2
    return forward + tokens * (3 * S.H + 2 * S.D)  # through fc2 and fc1, each with its factor


@pytest.mark.parametrize("through", [False, True])
def test_a_lora_layer_adds_its_update_onto_the_product(
    model: PerceptualModel, through: bool
) -> None:
    layer = first_block(model).attn.qkv
    assert isinstance(layer, LoRALinear)
    given = torch.ones(CUTS, S.L, S.D, requires_grad=through)
    assert bytes_of_step(layer, given) == 4 * of_lora(CUTS * S.L, through=through)


def test_merging_allocates_the_merged_matrix_and_unmerging_nothing(model: PerceptualModel) -> None:
    layer = first_block(model).attn.qkv
    assert isinstance(layer, LoRALinear)
    with Allocated() as allocated:
        layer.merge()
    assert allocated.bytes == 4 * 3 * S.D * S.D
    with Allocated() as allocated:
        layer.unmerge()
    assert allocated.bytes == 0


def test_an_mlp_in_training_keeps_the_constants_of_its_activation_in_the_products(
    model: PerceptualModel,
) -> None:
    given = torch.ones(CUTS, S.L, S.D, requires_grad=True)
    assert bytes_of_step(first_block(model).mlp, given) == 4 * of_mlp(CUTS * S.L)


def test_a_training_step_allocates_no_more_than_activations_and_their_gradients(
    model: PerceptualModel,
) -> None:
    D, L, E, hidden = S.D, S.L, S.E, S.hidden

    def of_block(asking: int, *, first: bool) -> int:
        """Of one cut, but for LoRA."""
        norms = L * D + 2 * L + asking * D + 2 * asking  # and means and deviations
        mixing = asking * D + S.heads * asking  # mixed, their logsumexp
        forward = norms + mixing + 3 * asking * D  # projection, two residuals
        # Through the second norm, with the residual's, through the projection; queries, keys and
        # values, one after the other, in one tensor, and in the order of the product.
        backward = 3 * asking * D + (asking + 2 * L) * D + 2 * 3 * L * D
        if not first:
            # Through the first norm, with the residual's, which like the queries' is padded: only
            # the class token asks.
            backward += 2 * L * D + 2 * L * D
        return forward + of_mlp(asking) + backward

    pixels = 2 * (3 * S.size**2)  # to float, which is normalised in place, and patch by patch
    # Patches, with positions, with the class token; the norm before the first block.
    embedding = 2 * (L - 1) * D + L * D + L * D + 2 * L
    blocks = of_block(L, first=True) + of_block(1, first=False)
    # The last norm, projection, fc1, ReLU, dropout's mask and what it leaves, fc2.
    after = D + 2 + E + 4 * hidden + 1
    # Through fc2, dropout, ReLU, fc1; through the projection and the norm, as the only row.
    after += 3 * hidden + E + 3 * D
    head = (E + 1) * hidden + hidden + 1  # gradients
    once = D + 4 * 3 + head  # the class token's position; what normalises
    lora = of_lora(CUTS * L, through=False) + of_lora(CUTS * L, through=True)
    given = torch.zeros(CUTS, 3, S.size, S.size, dtype=torch.uint8)
    expected = CUTS * (pixels + embedding + blocks + after) + once + lora
    assert bytes_of_step(model, given) == 4 * expected


def flops_of_step() -> int:
    """Of one cut: forward and backward, pairs beside the matrix."""
    D, H, L = S.D, S.H, S.L
    pairs = 2 * L * D * R + 2 * L * R * 3 * D
    forward = S.around + S.qkv + S.mixing + 2 * pairs
    # No matrix that is frozen gets a gradient: only what flows through it is computed, and
    # through the first qkv not even that, as nothing before it trains.
    up, down = 2 * 2 * L * R * 3 * D, 2 * L * D * R
    last = (2 * 2 * D * H + 2 * D * D + 2 * L * D * 3 * D) + up + 2 * down
    first = L * (2 * 2 * D * H + 2 * D * D) + up + down
    mixing = (2 * 2 * D * L * (L + 1)) * 5 // 2  # torch's kernel takes five products for two
    return forward + last + first + mixing + 2 * D * S.E + 2 * S.head


def test_a_training_step_computes_no_gradient_of_a_frozen_matrix(model: PerceptualModel) -> None:
    given = torch.zeros(CUTS, 3, S.size, S.size, dtype=torch.uint8)
    with FlopCounterMode(display=False) as flops:
        model(given).sum().backward()
    assert flops.get_total_flops() == CUTS * flops_of_step()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    pairs = 2 * (3 * S.r * S.D + 3 * S.D * S.r)
    head = (S.E + 1) * S.hidden + S.hidden + 1
    assert sum(g.numel() for g in gradients) == pairs + head


def test_epochs_on_kept_features_decode_and_encode_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, judged = 24, 6  # of tiny.rated_folder; a quarter validates, by the saved file, too
    counts: list[Work] = []
    for epochs, cache in ((1, "a"), (3, "b"), (3, "b")):
        few = replace(FROZEN.optimisation, epochs=epochs)
        recipe = replace(FROZEN, optimisation=few)
        with counted(monkeypatch) as work:
            run(tmp_path, f"run{len(counts)}", tmp_path / cache, recipe)
        counts.append(work)
    first, longer, again = counts
    at_the_end = 1  # all that is judged fits one batch
    assert (first.decodes, longer.decodes, again.decodes) == (
        *[images + judged] * 2,
        judged,
    )
    assert (longer.forwards, again.forwards) == (first.forwards, at_the_end)
