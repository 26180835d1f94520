"""An official PerceptCLIP checkpoint becomes an adapter that scores as the official model does.

No official file can be had here, so the tests build one as its authors did: transformers' CLIP
image tower, wrapped by peft, in a module with a projection and an MLP; random weights.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from perceptmetrics.backbones import BACKBONES, Backbone
from perceptmetrics.card import MetricCard
from perceptmetrics.errors import (
    OptionError,
    PerceptError,
    WeightsError,
    WeightsMismatchError,
    WeightsMissingError,
)
from perceptmetrics.views import CentreCrop, View
from perceptmetrics.weights import cache
from perceptmetrics.weights.source import BaseWeights, OpenClipSource

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from torch import Tensor, nn  # noqa: E402
from torchvision import transforms  # noqa: E402

from perceptmetrics.metric import Metric  # noqa: E402
from perceptmetrics.model import build_model  # noqa: E402
from perceptmetrics.weights.adapter import Adapter, load_adapter  # noqa: E402
from perceptmetrics.weights.base import keep_base  # noqa: E402
from perceptmetrics.weights.cached import list_cached  # noqa: E402
from perceptmetrics.weights.files import load_pickle_state, save_tensors  # noqa: E402
from perceptmetrics.weights.official import convert_official, load_base_by_hash  # noqa: E402
from perceptmetrics.weights.official_file import read_official  # noqa: E402

CLIP_L14 = BACKBONES.get("clip-l14")
TINY = replace(
    CLIP_L14,
    name="tiny",
    width=32,
    depth=2,
    heads=2,
    image_size=28,
    projection=24,
    weights=(BaseWeights("openai", OpenClipSource("tiny", "openai"), None, "MIT"),),
)
TINY_VIEW = CentreCrop(size=28, resize_to=28)
EMOTIONS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")


class OfficialMLP(nn.Module):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 512)
        self.fc2 = nn.Linear(512, 256)
        self.fc3 = nn.Linear(256, outputs)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.fc1(x).relu())
        out: Tensor = self.fc3(self.dropout(self.fc2(x).relu()))
        return out


def with_lora(tower: nn.Module) -> nn.Module:
    """DESIGN section 2."""
    config = peft.LoraConfig(
        r=16,
        lora_alpha=8,
        target_modules=["q_proj", "k_proj", "v_proj"],
        lora_dropout=0.1,
        bias="none",
    )
    wrapped: nn.Module = peft.get_peft_model(tower, config)
    return wrapped


class PerceptCLIP(nn.Module):
    """Names like ``model.base_model.model.encoder...``, ``proj.weight``, ``mlp.fc1.weight``."""

    def __init__(self, clip: Any, outputs: int) -> None:
        super().__init__()
        self.proj = clip.visual_projection
        self.model = with_lora(clip.vision_model)
        self.mlp = OfficialMLP(self.proj.out_features, outputs)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.mlp(self.proj(self.model(pixel_values=pixels).pooler_output))
        return out


class NestedPerceptCLIP(nn.Module):
    """Names like ``clip.base_model.model.vision_model...``, ``...visual_projection.weight``."""

    def __init__(self, clip: Any, outputs: int) -> None:
        super().__init__()
        projected = transformers.CLIPVisionModelWithProjection(clip.config.vision_config)
        self.clip = with_lora(projected)
        self.mlp = OfficialMLP(clip.config.projection_dim, outputs)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.mlp(self.clip(pixel_values=pixels).image_embeds)
        return out


def official_model(
    spec: Backbone, outputs: int, seed: int = 0, kind: type[nn.Module] = PerceptCLIP
) -> nn.Module:
    """Random weights, LoRA's B too: an update that is zero would prove nothing."""
    vision = transformers.CLIPVisionConfig(
        hidden_size=spec.width,
        intermediate_size=spec.hidden_width,
        num_hidden_layers=spec.depth,
        num_attention_heads=spec.heads,
        image_size=spec.image_size,
        patch_size=spec.patch_size,
        projection_dim=spec.projection,
    )
    text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 9}
    text |= {"intermediate_size": 8, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = transformers.CLIPConfig(
        vision_config=vision.to_dict(), text_config=text, projection_dim=spec.projection
    )
    with torch.device("meta"):
        model = kind(transformers.CLIPModel(config), outputs)
    model.to_empty(device="cpu").eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in model.named_buffers():
        assert name.endswith("position_ids")
        buffer.copy_(torch.arange(buffer.numel()).view_as(buffer))
    for name, parameter in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            parameter.normal_(1, 0.05, generator=generator)
        elif "lora_" in name or parameter.dim() in (2, 4):
            parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
        else:
            parameter.normal_(0, 0.02, generator=generator)
    return model


def official_scores(model: nn.Module, size: int, photos: Sequence[Path]) -> Tensor:
    """With the preprocessing of the official cards, by torchvision."""
    see = transforms.Compose(
        [
            transforms.Resize(size, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(CLIP_L14.mean, CLIP_L14.std),
        ]
    )
    pixels = torch.stack([see(Image.open(photo).convert("RGB")) for photo in photos])
    with torch.no_grad():
        out: Tensor = model(pixels)
    return out


def convert(path: Path, spec: Backbone = TINY, view: View = TINY_VIEW, **options: Any) -> Adapter:
    card = MetricCard(name="official", task="memorability", outputs=("memorability",))
    wanted = {"kind": "regression", "outputs": ("memorability",)}
    return convert_official(path, spec, card=card, view=view, **{**wanted, **options})


def metric_of(adapter: Adapter, spec: Backbone = TINY) -> Metric:
    base = load_base_by_hash(adapter.config.base, adapter.config.base_sha256)
    outputs = len(adapter.config.outputs)
    model = build_model(spec, base.tensors, outputs=outputs, head=adapter.config.head)
    model.load_adapted_state(adapter.tensors)
    return Metric(model, adapter.config, adapter.card)


def save_official(model: nn.Module, path: Path) -> Path:
    torch.save(model.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def tiny_state() -> dict[str, Tensor]:
    return official_model(TINY, 1).state_dict()


@pytest.fixture
def write(tmp_path: Path, tiny_state: dict[str, Tensor]) -> Callable[..., Path]:
    """Writes the tiny checkpoint with some of its tensors changed; None takes one away."""

    def write(changes: dict[str, Tensor | None] | None = None) -> Path:
        state = {**tiny_state, **(changes or {})}
        path = tmp_path / "official.pth"
        torch.save({name: tensor for name, tensor in state.items() if tensor is not None}, path)
        return path

    return write


@pytest.fixture
def large_folder(tmp_path: Path) -> Iterator[Path]:
    """Emptied at once: pytest keeps the folders of three runs, and these files are large."""
    folder = tmp_path / "large"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_at_full_size_the_converted_metric_equals_the_official_model(
    large_folder: Path, monkeypatch: pytest.MonkeyPatch, sample_photos: tuple[Path, Path]
) -> None:
    monkeypatch.setenv("PERCEPTMETRICS_HOME", str(large_folder / "home"))
    model = official_model(CLIP_L14, 1)
    path = save_official(model, large_folder / "perceptCLIP_Memorability.pth")
    assert path.stat().st_size == pytest.approx(1.228e9, rel=0.002)  # as on the hub: 1.23 GB
    expected = official_scores(model, 224, sample_photos).flatten()
    del model
    out = large_folder / "memorability.safetensors"

    adapter = convert(path, CLIP_L14, CentreCrop(), out=out)

    path.unlink()  # neither file needs the official one any more
    scores = metric_of(adapter, CLIP_L14)(sample_photos)
    assert float((scores - expected).abs().max()) < 1e-4
    assert float((scores[0] - scores[1]).abs()) > 1e-2  # the model tells photographs apart
    assert out.stat().st_size == pytest.approx(11.6e6, rel=0.01)
    lora = [tensor for name, tensor in adapter.tensors.items() if "lora" in name]
    assert sum(tensor.numel() for tensor in lora) == 2_359_296
    (base,) = list_cached()
    assert base.name == f"clip-l14.{base.sha256[:12]}" == adapter.config.base


@pytest.mark.parametrize("kind", [PerceptCLIP, NestedPerceptCLIP])
@pytest.mark.parametrize("outputs", [("memorability",), EMOTIONS], ids=["score", "classes"])
def test_however_modules_are_nested_scores_are_the_official_ones(
    kind: type[nn.Module],
    outputs: tuple[str, ...],
    offline: Path,
    tmp_path: Path,
    sample_photos: tuple[Path, Path],
) -> None:
    model = official_model(TINY, len(outputs), kind=kind)
    path = save_official(model, tmp_path / "official.pth")
    expected = official_scores(model, 28, sample_photos)
    task = "regression" if len(outputs) == 1 else "classification"
    expected = expected.flatten() if task == "regression" else expected.softmax(-1)
    scores = metric_of(convert(path, kind=task, outputs=outputs))(sample_photos)
    assert float((scores - expected).abs().max()) < 1e-5
    assert float((scores[0] - scores[1]).abs().max()) > 1e-3


def test_the_lora_update_is_in_the_scores(
    offline: Path, tmp_path: Path, sample_photos: tuple[Path, Path]
) -> None:
    """So that the other tests would notice if it were left out."""
    model: Any = official_model(TINY, 1)
    path = save_official(model, tmp_path / "official.pth")
    with model.model.disable_adapter():
        without = official_scores(model, 28, sample_photos).flatten()
    scores = metric_of(convert(path))(sample_photos)
    assert float((scores - without).abs().min()) > 1e-3


def test_safetensors_is_read_as_well(
    offline: Path, tmp_path: Path, tiny_state: dict[str, Tensor], write: Callable[..., Path]
) -> None:
    save_tensors(tiny_state, tmp_path / "official.safetensors")
    one, other = convert(tmp_path / "official.safetensors"), convert(write())
    assert one.config == other.config
    assert all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())


FC1 = "model.base_model.model.encoder.layers.1.mlp.fc1.weight"
QUERY = "model.base_model.model.encoder.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({FC1: None}, r"'…encoder\.layers\.1\.mlp\.fc1\.weight' is missing"),
        ({f"{QUERY}.lora_B.default.weight": None}, r"layers\.0\.self_attn\.q_proj\.lora_B.* miss"),
        ({"proj.weight": None}, r"'…visual_projection\.weight' is missing"),
        ({"mlp.fc2.bias": None}, r"'…mlp\.fc2\.bias' is missing"),
        ({"mlp.fc4.weight": torch.zeros(2)}, r"'mlp\.fc4\.weight' is not expected"),
        ({FC1.replace("1", "2", 1): torch.zeros(128, 32)}, r"layers\.2\.mlp.* is not expected"),
        ({f"{QUERY}.lora_A.other.weight": torch.zeros(16, 32)}, r"lora_A\.other\.weight' is not"),
        ({"other.mlp.fc1.bias": torch.zeros(512)}, r"'other\.mlp\.fc1\.bias' are both '…mlp\.fc1"),
        ({FC1: torch.zeros(128, 31)}, r"fc1\.weight' has shape \(128, 31\), expected \(128, 32\)"),
        ({"mlp.fc3.bias": torch.zeros(2)}, r"fc3\.bias' has shape \(2,\), expected \(1,\)"),
        ({FC1: torch.zeros(128, 32, dtype=torch.int8)}, r"fc1\.weight' is torch\.int8"),
    ],
)
def test_a_missing_extra_doubled_or_misshapen_tensor_is_refused_by_name(
    changes: dict[str, Tensor | None], named: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(WeightsMismatchError, match=named) as refusal:
        read_official(write(changes), TINY)
    assert "\n" not in str(refusal.value)


def test_a_plain_clip_checkpoint_is_refused_in_one_short_line(write: Callable[..., Path]) -> None:
    with pytest.raises(WeightsMismatchError, match=r"not an official .* and \d+ more$") as refusal:
        read_official(write(), CLIP_L14)
    assert len(str(refusal.value)) < 800


def test_position_ids_and_a_text_tower_are_left_out(
    write: Callable[..., Path], tiny_state: dict[str, Tensor]
) -> None:
    plain = read_official(write(), TINY)
    prefix = "model.base_model.model"
    extended = read_official(
        write(
            {
                f"{prefix}.embeddings.position_ids": torch.arange(5)[None],
                f"{prefix}.text_model.encoder.layers.0.mlp.fc1.weight": torch.zeros(8, 8),
                f"{prefix}.text_projection.weight": torch.zeros(24, 8),
                f"{prefix}.logit_scale": torch.tensor(4.6),
            }
        ),
        TINY,
    )
    assert extended.base.keys() == plain.base.keys()
    assert extended.adapted.keys() == plain.adapted.keys()


def test_files_with_the_same_base_share_it_and_another_base_is_kept_apart(
    offline: Path, write: Callable[..., Path]
) -> None:
    first = convert(write())
    second = convert(write({"mlp.fc3.bias": torch.ones(1)}))
    assert first.config.base == second.config.base
    assert len(list_cached()) == 1
    third = convert(write({"proj.weight": torch.zeros(24, 32)}))
    assert third.config.base != first.config.base
    assert {cached.name for cached in list_cached()} == {first.config.base, third.config.base}


def test_whether_the_base_is_openais_is_said(offline: Path, write: Callable[..., Path]) -> None:
    path = write()
    base = read_official(path, TINY).base
    unknown = convert(path)
    assert "could not be checked: tiny.openai is not in the cache" in unknown.card.notes[-1]
    shutil.rmtree(offline)

    keep_base("tiny", "openai", base, {})
    same = convert(path)
    assert same.config.base == same.card.base == "tiny.openai"
    assert "is OpenAI's, bit for bit" in same.card.notes[-1]
    assert len(list_cached()) == 1

    keep_base("tiny", "openai", {**base, "norm.bias": base["norm.bias"] + 0.5}, {})
    other = convert(path)
    assert other.config.base == f"tiny.{other.config.base_sha256[:12]}"
    assert "NOT OpenAI's: 1 of 32 tensors differ from tiny.openai, by up to 0.5" in str(other.card)


def test_a_base_of_a_pinned_hash_is_kept_under_its_registered_name(
    offline: Path, write: Callable[..., Path]
) -> None:
    path = write()
    sha256 = convert(path).config.base_sha256
    shutil.rmtree(offline)
    pinned = replace(TINY, weights=(replace(TINY.weights[0], sha256=sha256),))
    adapter = convert(path, pinned)
    assert adapter.config.base == "tiny.openai"
    assert "is OpenAI's, bit for bit" in adapter.card.notes[-1]
    shutil.rmtree(offline)
    wrong = replace(TINY, weights=(replace(TINY.weights[0], sha256="ab" * 32),))
    other = convert(path, wrong)
    assert other.config.base == f"tiny.{sha256[:12]}"
    assert f"is NOT OpenAI's: sha256 {sha256[:16]}" in other.card.notes[-1]


def test_a_base_that_is_gone_is_an_error_that_says_how_to_get_it(
    offline: Path, write: Callable[..., Path]
) -> None:
    adapter = convert(write())
    shutil.rmtree(cache.base_folder())
    with pytest.raises(WeightsMissingError, match=r"run 'perceptmetrics weights convert'"):
        metric_of(adapter)


def test_the_written_file_is_the_adapter(
    offline: Path, write: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "adapter.safetensors"
    path = write()
    plain, written = convert(path), convert(path, out=out)
    assert load_adapter(out).config == written.config == plain.config
    assert load_adapter(out).card == written.card == replace(plain.card, sha256=written.card.sha256)
    assert f"converted from {path.name}, sha256 " in written.card.notes[0]
    for name, tensor in plain.tensors.items():
        assert torch.equal(tensor, written.tensors[name])


def test_raw_scores_can_be_brought_to_zero_and_one(
    offline: Path, write: Callable[..., Path], sample_photos: tuple[Path, Path]
) -> None:
    raw = metric_of(convert(write()))(sample_photos)
    scaled = metric_of(convert(write(), rescale=(-6.52, 3.11)))(sample_photos)
    assert float((scaled - (raw + 6.52) / (3.11 + 6.52)).abs().max()) < 1e-6
    with pytest.raises(OptionError, match="expected a lower and a higher"):
        convert(write(), rescale=(1.0, 1.0))


def test_the_file_of_another_task_is_refused(offline: Path, write: Callable[..., Path]) -> None:
    with pytest.raises(WeightsMismatchError, match="has 1 outputs, expected 8"):
        convert(write(), kind="classification", outputs=EMOTIONS)


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_malicious_pickle_is_refused_in_one_line_and_runs_nothing(
    tmp_path: Path, tiny_state: dict[str, Tensor]
) -> None:
    path, target = tmp_path / "evil.pth", tmp_path / "was-run"
    torch.save({**tiny_state, "extra": Malicious(target)}, path)
    with pytest.raises(WeightsError, match="refused") as refusal:
        read_official(path, TINY)
    assert "\n" not in str(refusal.value)
    assert not target.exists()
    torch.load(path, weights_only=False)  # the trap does work
    assert target.exists()


def test_a_file_cut_short_is_an_error_of_ours(write: Callable[..., Path]) -> None:
    path = write()
    assert load_pickle_state(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(PerceptError, match=r"official\.pth"):
        read_official(path, TINY)
