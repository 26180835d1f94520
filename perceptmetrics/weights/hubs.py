"""Weights from the model hub, as open_clip and timm store them there.

All of them lie in huggingface_hub's own cache once fetched, also by other programs, and are
taken from there without network. Importing open_clip or timm takes seconds, so where the source
names the repository the file is looked for first, and open_clip is not imported at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.errors import UnknownNameError, WeightsError, WeightsMissingError
from perceptmetrics.weights.files import load_pickle_state, load_tensors
from perceptmetrics.weights.network import can_reach

if TYPE_CHECKING:
    from torch import Tensor

    from perceptmetrics.weights.source import OpenClipSource, TimmSource


def tensors_from_open_clip(source: OpenClipSource, *, download: bool = True) -> dict[str, Tensor]:
    """Fetch an open_clip checkpoint and take its image tower.

    Args:
        source: Model, tag and revision.
        download: False takes it only from huggingface_hub's cache.

    Returns:
        Canonical tensors, in the checkpoint's dtypes.

    Raises:
        UnknownNameError: open_clip knows no such model and tag on the hub.
        WeightsMissingError: The checkpoint is not here and cannot be fetched.
        WeightsMismatchError: It is not the image tower expected.
        WeightsError: The hub extra is not installed, or the file is damaged.

    Example:
        >>> from perceptmetrics.weights.source import OpenClipSource
        >>> tensors_from_open_clip(OpenClipSource("ViT-B-16", "openai"))  # doctest: +SKIP
        {'cls_token': tensor(...), ...}
    """
    repository, files = (
        _asked_of_open_clip(source)
        if source.repository is None
        else (source.repository, source.files)
    )
    state = _load(hub_file(repository, files, source.revision, download=download))
    return dict(source.to_canonical(state))


def tensors_from_timm(source: TimmSource, *, download: bool = True) -> dict[str, Tensor]:
    """Fetch a timm checkpoint and let timm bring it into its model's own form.

    Args:
        source: Name with tag, and revision.
        download: False takes it only from huggingface_hub's cache.

    Returns:
        Canonical tensors, float32.

    Raises:
        UnknownNameError: timm knows no such model on the hub.
        WeightsMissingError: The checkpoint is not here and cannot be fetched.
        WeightsMismatchError: It is not the model expected.
        WeightsError: The hub extra is not installed, or the file is damaged.

    Example:
        >>> from perceptmetrics.weights.source import TimmSource
        >>> tensors_from_timm(TimmSource("vit_base_patch16_224.mae"))  # doctest: +SKIP
        {'cls_token': tensor(...), ...}
    """
    # Before a download that would be for nothing.
    if find_spec("timm") is None:
        raise _no_extra("timm")
    repository, files = (
        _asked_of_timm(source) if source.repository is None else (source.repository, source.files)
    )
    file = hub_file(repository, files, source.revision, download=download)
    _load(file)  # A damaged file is our error here, not a traceback out of timm.
    import timm

    # With its classifier: in a CLIP tower that is the projection.
    model = timm.create_model(
        source.model, pretrained=True, pretrained_cfg_overlay={"file": str(file)}
    )
    return dict(source.to_canonical(model.state_dict()))


def hub_file(
    repository: str, names: Sequence[str], revision: str | None = None, *, download: bool = True
) -> Path:
    """Find one file of a hub repository in huggingface_hub's cache, else download it.

    Args:
        repository: ``owner/name``.
        names: File names to try, the preferred one first.
        revision: Commit, tag or branch; None is the main branch.
        download: False looks only in the cache.

    Returns:
        The file in huggingface_hub's cache.

    Raises:
        WeightsMissingError: It is not cached, and offline, without network, or not on the hub.
        WeightsError: The hub extra is not installed.

    Example:
        >>> hub_file("no/such", ["a.safetensors"], download=False)
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMissingError: the hub's cache holds no a.safetensors of ...
    """
    try:
        from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
    except ImportError as error:
        raise _no_extra("huggingface_hub") from error

    for name in names:
        cached = try_to_load_from_cache(
            repository, name, cache_dir=constants.HF_HUB_CACHE, revision=revision
        )
        if isinstance(cached, str):
            return Path(cached)
    what = f"{' or '.join(names)} of {repository}{f' at {revision}' if revision else ''}"
    if not download:
        raise WeightsMissingError(
            f"the hub's cache holds no {what} ({constants.HF_HUB_CACHE}), and the network is "
            "forbidden by PERCEPTMETRICS_OFFLINE or HF_HUB_OFFLINE"
        )
    # huggingface_hub itself tries for 20 seconds and more before it gives up.
    if not can_reach(constants.ENDPOINT):
        raise WeightsMissingError(f"the model hub {constants.ENDPOINT} cannot be reached")
    # Errors of the connection itself share a parent with those of the hub's answers: requests'
    # or httpx's HTTPError, depending on huggingface_hub's version.
    connection_error: type[Exception] = HfHubHTTPError.__bases__[0]
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, revision=revision))
        except EntryNotFoundError:
            continue
        except (OSError, connection_error) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsMissingError(f"the model hub failed on {what}: {reason}") from error
    raise WeightsMissingError(f"the model hub has no {what}")


def _asked_of_open_clip(source: OpenClipSource) -> tuple[str, tuple[str, ...]]:
    try:
        from open_clip.pretrained import get_pretrained_cfg
    except ImportError as error:
        raise _no_extra("open_clip") from error

    place = str((get_pretrained_cfg(source.model, source.tag) or {}).get("hf_hub", ""))
    if not place:
        raise UnknownNameError(
            f"open_clip has no model {source.model!r} with tag {source.tag!r} on the hub; "
            "open_clip.list_pretrained() lists them"
        )
    # "owner/name/file", where the file may be left out but not the last slash.
    repository, _, file = place.rpartition("/")
    return repository, (*source.files, *([file] if file else []))


def _asked_of_timm(source: TimmSource) -> tuple[str, tuple[str, ...]]:
    import timm

    config = timm.models.get_pretrained_cfg(source.model) if timm.is_model(source.model) else None
    if config is None or not config.hf_hub_id:
        raise UnknownNameError(
            f"timm has no model {source.model!r} on the hub; "
            "timm.list_models(pretrained=True) lists them"
        )
    return config.hf_hub_id, (config.hf_hub_filename,) if config.hf_hub_filename else source.files


def _load(file: Path) -> dict[str, Tensor]:
    # huggingface_hub's cache links to files without a suffix, so the link's name decides.
    return load_tensors(file) if file.suffix == ".safetensors" else load_pickle_state(file)


def _no_extra(package: str) -> WeightsError:
    return WeightsError(
        f"weights from the hub need {package}, which is not installed: "
        "pip install open_clip_torch timm huggingface_hub"
    )
