"""``precision="fast"``: bfloat16 matrices where hardware has them, near float32, never by stealth.

No CPU of ours has the instructions, so the rounding is tested on a tiny model with torch's own
bfloat16, which is slow here and right everywhere.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import tiny
import torch
from test_group import Lab, adapters, lab
from torch import Tensor

import perceptmetrics as pm
from perceptmetrics import precision
from perceptmetrics.cli.main import main
from perceptmetrics.explanation.masking import masked_embeddings
from perceptmetrics.precision import matrices, narrow, require_fast

__all__ = ["adapters", "lab"]  # fixtures

IMAGES = [tiny.photograph(40 + seed, 60, seed) for seed in range(12)]


@pytest.fixture
def benchmark(root: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(root / "benchmarks"))
    try:
        import precision as program

        yield program
    finally:
        sys.path.remove(str(root / "benchmarks"))


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that has the instructions."""
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: True)


@pytest.fixture
def unable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: False)


def fast() -> pm.Metric:
    metric = tiny.metric()
    narrow([metric.model])
    return metric


def share_of_spread(scores: Tensor, exact: Tensor) -> float:
    return float((scores - exact).abs().max() / exact.std())


def test_matrices_are_narrow_and_all_else_is_float32() -> None:
    metric = fast()
    narrowed = {id(p) for layer in matrices(metric.model) for p in layer.parameters()}
    for name, parameter in metric.named_parameters():
        inside = any(part in name for part in ("qkv", "attn.proj", "fc", "patch_embed"))
        inside = inside and "heads." not in name
        assert (id(parameter) in narrowed) == inside, name
        assert parameter.dtype == (torch.bfloat16 if inside else torch.float32), name
    assert metric.model.precision == "fast"
    assert tiny.metric().model.precision == "float32"
    assert tiny.metric().half().model.precision == "float16"


def test_what_goes_from_block_to_block_is_float32() -> None:
    metric = fast()
    seen: list[torch.dtype] = []
    for block in metric.model.encoder.blocks:
        block.register_forward_hook(lambda _, args, out: seen.extend((args[0].dtype, out.dtype)))
    assert metric(IMAGES).dtype == torch.float32
    assert seen == [torch.float32] * 4


def test_scores_are_nearer_to_float32_than_those_of_a_model_all_in_bfloat16() -> None:
    exact, scores = tiny.metric()(IMAGES), fast()(IMAGES)
    assert 0 < share_of_spread(scores, exact) < 0.05
    rounded = tiny.metric().to(torch.bfloat16)(IMAGES)
    assert (scores - exact).norm() < (rounded - exact).norm()


def test_the_benchmarks_arithmetic_is_that_of_torchs_bfloat16(benchmark: ModuleType) -> None:
    exact, scores = tiny.metric()(IMAGES), fast()(IMAGES)
    emulated = tiny.metric()
    with benchmark.Bfloat16Products(emulated.model):
        found = emulated(IMAGES)
    assert (found - scores).norm() < 0.5 * (scores - exact).norm()


def test_lora_is_merged_before_it_is_rounded(lab: Lab, able: None) -> None:
    exact, quick = lab.alone("one"), lab.alone("one", precision="fast")
    for wide, narrowed in zip(matrices(exact.model), matrices(quick.model), strict=True):
        assert torch.equal(wide.weight.to(torch.bfloat16), narrowed.weight)  # type: ignore[arg-type]


def test_the_card_says_so(lab: Lab, able: None) -> None:
    quick = lab.alone("one", precision="fast")
    assert "matrices in bfloat16 (precision='fast')" in quick.card.notes[-1]
    assert quick.card.notes[:-1] == lab.alone("one").card.notes


def test_a_group_holds_its_narrow_base_once_and_scores_as_separate_ones(
    lab: Lab, able: None
) -> None:
    group = lab.together("one", "crops", precision="fast")
    exact = lab.together("one", "crops")
    pairs = zip(matrices(group["one"].model), matrices(group["crops"].model), strict=True)
    for one, other in pairs:
        mine, yours = dict(one.named_parameters()), dict(other.named_parameters())
        for name in mine.keys() - {"lora_A", "lora_B"}:
            assert mine[name].dtype == torch.bfloat16
            assert mine[name].data_ptr() == yours[name].data_ptr()
    found = group(IMAGES)
    for name, scores in exact(IMAGES).items():
        assert share_of_spread(found[name], scores) < 0.1
    assert torch.equal(pickle.loads(pickle.dumps(group))(IMAGES)["one"], found["one"])


def test_a_cpu_without_the_instructions_refuses_before_anything_is_loaded(
    lab: Lab, unable: None
) -> None:
    expected = "precision='fast' cannot be used on this CPU: it has neither AMX nor AVX512-BF16"
    with pytest.raises(pm.OptionError, match=expected):
        lab.alone("one", precision="fast")
    with pytest.raises(pm.OptionError, match=expected):
        lab.together("one", "crops", precision="fast")
    with pytest.raises(pm.OptionError, match=expected):
        require_fast(torch.device("cpu"))
    require_fast(torch.device("mps"))  # a GPU's own error comes when the model is moved there


def test_what_contradicts_itself_is_refused(lab: Lab) -> None:
    with pytest.raises(pm.OptionError, match="expected 'full' or 'fast'"):
        lab.alone("one", precision="half")
    with pytest.raises(pm.OptionError, match="two ways to be faster"):
        lab.alone("one", precision="fast", dtype=torch.bfloat16)


def test_a_fast_metric_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(pm.OptionError, match="is in fast, and is exported from float32"):
        pm.export_onnx(fast(), tmp_path / "metric.onnx")


def test_a_fast_metric_can_be_explained_and_gives_gradients() -> None:
    metric = fast()
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    baseline, _ = masked_embeddings(metric.model.encoder, pixels)
    torch.testing.assert_close(baseline, metric.model.encoder(pixels), rtol=0, atol=0.05)
    image = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(1)).requires_grad_()
    metric(image, grad=True).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0


def test_the_command_line_refuses_it_in_one_line(
    lab: Lab, unable: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    arguments = [str(tmp_path / "a.png"), "-m", str(lab.path("one")), "--base", str(lab.base)]
    with pytest.raises(SystemExit) as caught:
        main(["score", *arguments, "--precision", "fast"])
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_ranks_of_real_photographs_are_kept(root: Path) -> None:
    kept = root / "benchmarks" / "results" / "precision.json"
    if not kept.is_file():
        pytest.skip("benchmarks/precision.py was not run yet")
    measured = json.loads(kept.read_text())
    assert set(measured) == {"memorability", "affect", "aesthetics", "iqa"}
    for name, found in measured.items():
        assert found["images"] >= 200, name
        for output, figures in found["outputs"].items():
            # Photographs that nobody distorted are much alike to `iqa`: docs/speed.md says so.
            assert figures["SRCC"] >= (0.998 if name == "iqa" else 0.999), (name, output)
