"""The adapter file: what training added to a base, in one safetensors file.

Tensors are the LoRA pairs and the heads; the metadata holds, as JSON, how to build the model that
they fit and the card. The base is named by the hash of its tensors and lies elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from perceptmetrics.adaptation import LoRAConfig, Strategy
from perceptmetrics.card import MetricCard
from perceptmetrics.errors import DataError, OptionError, WeightsMismatchError
from perceptmetrics.heads import HeadSpec
from perceptmetrics.registry import unknown_name
from perceptmetrics.views import View, view_from_dict
from perceptmetrics.weights.digest import sha256_of_file
from perceptmetrics.weights.files import load_tensors, read_metadata, save_tensors

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "perceptmetrics-adapter/1"
METADATA_KEY = "perceptmetrics"
ROUNDED = "its matrices are stored as float16: scores are those of the rounded matrices"
DEFAULT_DATASET = "default"  # of the head of a run on one dataset
ADAPTER_FILE = "adapter.safetensors"  # its name in a run folder


@dataclass(frozen=True)
class AdapterConfig:
    """How to build the model that an adapter's tensors fit, and how to read its output.

    Attributes:
        kind: ``regression`` or ``classification``.
        outputs: Names of the scores, or class labels.
        backbone: Name of the encoder.
        base: Full name of the base weights, ``backbone.tag``.
        base_sha256: Content hash of the base tensors.
        strategy, lora, head: As in training.
        view: What the encoder sees of an image when scoring.
        datasets: Names of the heads.
        groupings: Coarser views of the classes.
        higher_is_better: Whether more is better; ``None`` where neither is.
    """

    kind: Literal["regression", "classification"]
    outputs: tuple[str, ...]
    backbone: str
    base: str
    base_sha256: str
    view: View
    strategy: Strategy = "lora"
    lora: LoRAConfig = field(default_factory=LoRAConfig)
    head: HeadSpec = field(default_factory=HeadSpec)
    datasets: tuple[str, ...] = (DEFAULT_DATASET,)
    groupings: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    higher_is_better: bool | None = True

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {**asdict(replace(self, view=View())), "view": self.view.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> AdapterConfig:
        """The configuration that :meth:`to_dict` wrote.

        Raises:
            DataError: A field is missing or unknown.
        """
        try:
            values = dict(data)
            values["outputs"] = tuple(values["outputs"])
            values["datasets"] = tuple(values["datasets"])
            values["lora"] = LoRAConfig(**values["lora"])
            values["head"] = HeadSpec(
                hidden=tuple(values["head"]["hidden"]), dropout=values["head"]["dropout"]
            )
            values["view"] = view_from_dict(values["view"])
            values["groupings"] = {
                name: {group: tuple(labels) for group, labels in groups.items()}
                for name, groups in values["groupings"].items()
            }
            return cls(**values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"the adapter's configuration cannot be read: {error}") from error


@dataclass(frozen=True)
class Adapter:
    """Configuration, card and tensors of one trained model.

    Attributes:
        config: How to build the model.
        card: Its provenance.
        tensors: ``PerceptualModel.adapted_state`` names to tensors.
        parts: Dataset -> configuration and card of its head, where there are several; the first
            is also ``config`` and ``card``.
    """

    config: AdapterConfig
    card: MetricCard
    tensors: Mapping[str, Tensor]
    parts: Mapping[str, tuple[AdapterConfig, MetricCard]] = field(default_factory=dict)

    def save(self, path: Path, *, half: bool = False) -> Path:
        """Writes the file atomically.

        Args:
            path: Where to.
            half: Store matrices as float16: half the size. Scores of the file are then those of
                the rounded matrices, so validate after saving, not before. The card in the file
                then says so.
        """
        import torch

        card = _rounded(self.card) if half else self.card
        parts = {
            name: (config, _rounded(one) if half else one)
            for name, (config, one) in self.parts.items()
        }
        tensors = {
            name: tensor.detach().to("cpu", torch.float16 if half and tensor.dim() > 1 else None)
            for name, tensor in self.tensors.items()
        }
        # One entry, because safetensors keeps several in no fixed order, and the same training
        # must give the same file.
        description: dict[str, Any] = {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "card": replace(card, sha256="").to_dict(),
        }
        if parts:
            description["datasets"] = {
                name: {"config": config.to_dict(), "card": replace(one, sha256="").to_dict()}
                for name, (config, one) in parts.items()
            }
        metadata = {METADATA_KEY: json.dumps(description, ensure_ascii=False)}
        save_tensors(tensors, path, metadata)
        return path

    def pick(self, dataset: str | None) -> Adapter:
        """The adapter with the head of one dataset only, as if it had been trained on it alone.

        Args:
            dataset: Its name; may be ``None`` where there is one head.

        Raises:
            OptionError: Several heads and no name.
            UnknownNameError: No head of that name.
        """
        names = self.config.datasets
        if dataset is None and len(names) > 1:
            raise OptionError(
                f"this adapter has heads for {', '.join(names)}: say which by dataset=..."
            )
        name = dataset or names[0]
        if name not in names:
            raise unknown_name("head", name, names)
        config, card = self.parts.get(name, (self.config, self.card))
        tensors = {
            tensor_name: tensor
            for tensor_name, tensor in self.tensors.items()
            if tensor_name.startswith(("encoder.", f"heads.{name}."))
        }
        return Adapter(
            replace(config, datasets=(name,)),
            replace(card, sha256=self.card.sha256),
            tensors,
        )

    def select(self, outputs: Sequence[str]) -> Adapter:
        """An adapter with some of a regression's outputs only; their scores do not change.

        Raises:
            OptionError: The adapter classifies: its outputs depend on each other.
            UnknownNameError: No such output.
        """
        if self.config.kind != "regression":
            raise OptionError("outputs of a classification adapter cannot be taken apart")
        for name in outputs:
            if name not in self.config.outputs:
                raise unknown_name("output", name, self.config.outputs)
        rows = [self.config.outputs.index(name) for name in outputs]
        last = f"fc{len(self.config.head.hidden) + 1}"
        ends = (f".layers.{last}.weight", f".layers.{last}.bias", ".scale", ".shift")
        tensors = {
            name: tensor[rows] if name.endswith(ends) else tensor
            for name, tensor in self.tensors.items()
        }
        chosen = tuple(outputs)
        kept = tuple(v for v in self.card.validation if v.output in chosen)
        return Adapter(
            replace(self.config, outputs=chosen),
            replace(self.card, outputs=chosen, validation=kept),
            tensors,
        )


def _rounded(card: MetricCard) -> MetricCard:
    if any("float16" in note for note in card.notes):
        return card
    return replace(card, notes=(*card.notes, ROUNDED))


def read_card(path: Path, *, sha256: str | None = None) -> tuple[AdapterConfig, MetricCard]:
    """Configuration and card of an adapter file, without its tensors.

    Args:
        path: The file.
        sha256: Its hash, if that is known; else every byte is read for it.

    Raises:
        WeightsMissingError: No such file.
        WeightsMismatchError: The file is not an adapter of ours, or its header is damaged.
    """
    config, card, _ = _read_header(path, sha256)
    return config, card


def read_heads(path: Path) -> dict[str, tuple[AdapterConfig, MetricCard]]:
    """Configuration and card of each head of an adapter file, by dataset.

    Raises:
        WeightsMissingError: No such file.
        WeightsMismatchError: The file is not an adapter of ours, or its header is damaged.
    """
    config, card, parts = _read_header(path)
    single = replace(config, datasets=config.datasets[:1])
    heads = parts or {config.datasets[0]: (single, card)}
    return {
        name: (replace(one, datasets=(name,)), replace(its, sha256=card.sha256))
        for name, (one, its) in heads.items()
    }


def _read_header(
    path: Path, sha256: str | None = None
) -> tuple[AdapterConfig, MetricCard, dict[str, tuple[AdapterConfig, MetricCard]]]:
    header = read_metadata(path).get(METADATA_KEY, "{}")
    try:
        description = json.loads(header)
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(description, dict):
        raise _damaged(path, f"expected an object, found {type(description).__name__}")
    if description.get("format") != FORMAT:
        raise WeightsMismatchError(
            f"{path} is not a perceptmetrics adapter (its format is "
            f"{description.get('format')!r}, expected {FORMAT!r}); convert an official checkpoint "
            "with 'perceptmetrics weights convert'"
        )
    config, card = _described(path, description)
    datasets = description.get("datasets", {})
    if not isinstance(datasets, dict):
        raise _damaged(path, "'datasets' is not an object")
    parts = {name: _described(path, part) for name, part in datasets.items()}
    return config, replace(card, sha256=sha256 or sha256_of_file(path)), parts


def _described(path: Path, description: Any) -> tuple[AdapterConfig, MetricCard]:
    for part in ("config", "card"):
        if not isinstance(description, dict) or not isinstance(description.get(part), dict):
            raise _damaged(path, f"{part!r} is missing")
    try:
        config = AdapterConfig.from_dict(description["config"])
        return config, MetricCard.from_dict(description["card"])
    except DataError as error:
        raise WeightsMismatchError(f"{path}: {error}") from error


def load_adapter(path: Path, *, sha256: str | None = None) -> Adapter:
    """Reads an adapter file.

    Args:
        path: The file.
        sha256: What the file's hash must be, if that is known.

    Raises:
        WeightsMissingError: No such file.
        WeightsMismatchError: Not an adapter, or another hash.
    """
    config, card, parts = _read_header(path)
    if sha256 is not None and card.sha256 != sha256:
        raise WeightsMismatchError(
            f"{path} has sha256 {card.sha256[:16]}..., expected {sha256[:16]}...: the file is "
            "damaged or was replaced; reinstall perceptmetrics, or download the file again"
        )
    tensors = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in load_tensors(path).items()
    }
    return Adapter(config, card, tensors, parts)


def _damaged(path: Path, reason: object) -> WeightsMismatchError:
    return WeightsMismatchError(
        f"{path}: its header is damaged ({reason}); train or convert again, or copy the file again"
    )
