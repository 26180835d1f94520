"""From a name to an adapter, and from an adapter to the base that it stands on."""

from __future__ import annotations

import shlex
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.backbones import BACKBONES, Backbone
from perceptmetrics.errors import (
    OptionError,
    UnknownNameError,
    WeightsError,
    WeightsMismatchError,
    WeightsMissingError,
)
from perceptmetrics.metrics import METRICS, EmbeddedAdapter, MetricSpec, OfficialCheckpoint
from perceptmetrics.registry import unknown_name
from perceptmetrics.tasks import TASKS

if TYPE_CHECKING:
    from perceptmetrics.weights.adapter import Adapter
    from perceptmetrics.weights.base import LoadedBase


def find_spec(name: str) -> MetricSpec:
    """The named metric, or the default metric of a task of that name.

    Raises:
        UnknownNameError: Neither; the text suggests the nearest.
        WeightsMissingError: The name is a path, and nothing is there.
    """
    if name in METRICS:
        return METRICS.get(name)
    if name in METRICS.broken:
        raise METRICS.broken[name]
    if name in TASKS:
        default = TASKS.get(name).default_metric
        if default:
            return METRICS.get(default)
        raise UnknownNameError(
            f"task {name!r} has no metric of its own yet: train one with 'perceptmetrics train "
            f"--task {name} --data ratings.csv --out my-run' and give its folder as weights"
        )
    if Path(name).name != name or Path(name).suffix == ".safetensors":
        raise WeightsMissingError(f"there is no run folder or adapter file {name}; check the path")
    unknown = str(unknown_name("metric", name, {*METRICS.names(), *TASKS.names()}))
    end = "" if unknown.endswith("?") else "."
    raise UnknownNameError(f"{unknown}{end} There is no file or folder of that name either")


def find_adapter(name: str | PathLike[str], weights: str | PathLike[str] | None) -> Adapter:
    """The adapter that a name, or a task and a file of weights, mean.

    Args:
        name: A metric, a task, or the path of a run folder or an adapter file; ``path@dataset``
            picks one head of a run on several datasets.
        weights: A run folder or an adapter file; ``name`` is then the task it was trained for.

    Raises:
        UnknownNameError: No such name, or head.
        WeightsError: The weights are missing, damaged, or were trained for another task.
    """
    from perceptmetrics.weights.adapter import load_adapter

    if weights is not None:
        adapter = load_adapter(_adapter_file(Path(weights)))
        task = str(name) if str(name) in TASKS else find_spec(str(name)).task
        if adapter.card.task != task:
            raise WeightsMismatchError(
                f"{weights} was trained for task {adapter.card.task!r}, not {task!r}; give "
                f"{adapter.card.task!r} as the name"
            )
        return adapter
    if str(name) not in METRICS and str(name) not in TASKS:
        if Path(name).exists():
            return load_adapter(_adapter_file(Path(name)))
        before, at, dataset = str(name).rpartition("@")
        if at and Path(before).exists():
            return load_adapter(_adapter_file(Path(before))).pick(dataset)
    spec = find_spec(str(name))
    source = spec.adapter
    if isinstance(source, EmbeddedAdapter):
        return load_adapter(source.file, sha256=source.sha256)
    return official_adapter(spec, source)


def check_name(name: object) -> None:
    """Refuses what can be neither a metric's name nor a path.

    Raises:
        OptionError: Not text and not a path, or empty.

    Example:
        >>> check_name("")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: metric '': expected a name ('perceptmetrics list' ...
    """
    if not isinstance(name, (str, PathLike)) or not str(name).strip():
        raise OptionError(
            f"metric {name!r}: expected a name ('perceptmetrics list' shows them), or the path of "
            "a run folder or an adapter file"
        )


def check_path(option: str, path: object) -> None:
    """Refuses what can be no path.

    Raises:
        OptionError: Not text and not a path, or empty.

    Example:
        >>> check_path("weights", "")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: weights '': expected the path of a file or a run folder
    """
    if not isinstance(path, (str, PathLike)) or not str(path).strip():
        raise OptionError(f"{option} {path!r}: expected the path of a file or a run folder")


def require_metric(name: str | PathLike[str]) -> None:
    """Refuses at once, without torch, a name that no metric has, or a path where nothing is.

    Args:
        name: As in :func:`find_adapter`.

    Raises:
        UnknownNameError: No such name.
        WeightsError: It is a path, and there is no adapter.

    Example:
        >>> require_metric("run1/")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.WeightsMissingError: there is no run folder or adapter file run1/; ...
    """
    check_name(name)
    before, at, _ = str(name).rpartition("@")
    for path in (Path(name), *([Path(before)] if at else [])):
        if path.exists():
            _adapter_file(path)
            return
    find_spec(str(name))


def require_base(name: str | PathLike[str], weights: str | PathLike[str] | None) -> None:
    """Refuses at once, without torch, what will lack its base weights and may not fetch them.

    Args:
        name: As in :func:`find_adapter`.
        weights: As in :func:`find_adapter`.

    Raises:
        WeightsMissingError: The base is not in the cache, and there is no network.
    """
    from perceptmetrics.weights import cache
    from perceptmetrics.weights.adapter import read_card
    from perceptmetrics.weights.base import fetch_base

    path = Path(name if weights is None else weights)
    if path.exists():
        file = _adapter_file(path)
    else:
        source = METRICS.get(str(name)).adapter if str(name) in METRICS else None
        if not isinstance(source, EmbeddedAdapter):
            return
        file = source.file
    config, _ = read_card(file)
    spec, tag = BACKBONES.get(config.backbone), config.base.partition(".")[2]
    known = [one for one in spec.weights if one.tag == tag]
    if known and cache.is_offline() and not cache.base_path(spec.name, tag).is_file():
        fetch_base(spec.name, known[0])  # says what is missing, and how to get it


def _adapter_file(path: Path) -> Path:
    from perceptmetrics.weights.adapter import ADAPTER_FILE

    if not path.is_dir():
        return path
    if not (path / ADAPTER_FILE).is_file():
        raise WeightsError(
            f"{path} holds no {ADAPTER_FILE}; expected the --out folder of a finished "
            "'perceptmetrics train'"
        )
    return path / ADAPTER_FILE


def official_adapter(spec: MetricSpec, source: OfficialCheckpoint) -> Adapter:
    """The converted checkpoint of the paper's authors: from the cache, or fetched and converted.

    Raises:
        WeightsMissingError: It is neither in the cache nor to be had from the hub.
        WeightsMismatchError: It is not the checkpoint that is pinned.
    """
    from perceptmetrics.weights import cache
    from perceptmetrics.weights.adapter import load_adapter
    from perceptmetrics.weights.digest import sha256_of_file
    from perceptmetrics.weights.hubs import hub_file

    converted = cache.adapter_path(spec.name)
    if converted.is_file():
        kept = load_adapter(converted)
        if kept.card.name != spec.name:
            raise WeightsMismatchError(
                f"{converted} holds {kept.card.name!r}, not {spec.name!r}; delete it, and it is "
                "fetched and converted again"
            )
        return kept
    try:
        path = hub_file(
            source.repo, (source.file,), source.revision, download=not cache.is_offline()
        )
    except WeightsError as error:
        works = ", ".join(s.name for s in METRICS if isinstance(s.adapter, EmbeddedAdapter))
        raise WeightsMissingError(
            f"the weights of {spec.name} are not on this machine: {converted} does not exist, and "
            f"{error}. With {source.file} at hand, run 'perceptmetrics weights convert "
            f"{source.file} --metric {spec.name} -o {shlex.quote(str(converted))}'. "
            f"These metrics work without it, on a base that is fetched once: {works}"
        ) from error
    if source.sha256 is not None and sha256_of_file(path) != source.sha256:
        raise WeightsMismatchError(
            f"{path} is not the {source.file} that this version knows (sha256 differs); convert "
            "it with 'perceptmetrics weights convert' if you trust it"
        )
    cache.writable_folder(converted.parent)
    # huggingface_hub keeps a file under snapshots/COMMIT/.
    revision = path.parent.name if path.parent.parent.name == "snapshots" else ""
    return convert_checkpoint(spec.name, path, converted, revision=revision)


def convert_checkpoint(name: str, path: Path, out: Path, *, revision: str = "") -> Adapter:
    """Converts an official checkpoint into the adapter of a named metric.

    Args:
        name: ``perceptclip-iqa``, or another metric that comes from an official checkpoint.
        path: The checkpoint.
        out: The adapter file to write; the encoder inside goes into the cache, once.
        revision: The commit that the file came from, for the card.

    Raises:
        OptionError: That metric does not come from an official checkpoint.
        WeightsError: The file is not such a checkpoint; the offending tensors are named.
    """
    from perceptmetrics.weights.official import convert_official

    spec = find_spec(name)
    source = spec.adapter
    if not isinstance(source, OfficialCheckpoint):
        raise OptionError(f"{name!r} does not come from an official checkpoint")
    task = TASKS.get(spec.task)
    return convert_official(
        path,
        BACKBONES.get(source.card.backbone),
        card=replace(source.card, revision=revision),
        view=source.view,
        kind=task.kind,
        outputs=source.card.outputs,
        groupings=task.groupings,
        rescale=source.rescale,
        out=out,
    )


def find_base(
    adapter: Adapter,
    spec: Backbone,
    path: str | PathLike[str] | None,
    allow_other: bool,
) -> LoadedBase:
    """The pretrained tensors that an adapter was trained on.

    Args:
        adapter: Names its base and the base's hash.
        spec: Its backbone.
        path: A file to use instead of the cache.
        allow_other: Whether tensors of another hash will do.

    Raises:
        WeightsError: They are missing, or are not the ones.
    """
    from perceptmetrics.backbones.weight_maps import canonical
    from perceptmetrics.weights.base import load_base, load_base_file
    from perceptmetrics.weights.official import load_base_by_hash

    config = adapter.config
    tag = config.base.partition(".")[2]
    if path is not None:
        loaded = load_base_file(Path(path), canonical)
    elif any(weights.tag == tag for weights in spec.weights):
        loaded = load_base(spec.name, spec.weights_of(tag))
    else:
        # Nobody can fetch these: they came inside an official file, or in a file of the user's.
        loaded = load_base_by_hash(config.base, config.base_sha256)
    if loaded.sha256 != config.base_sha256 and not allow_other:
        raise WeightsMismatchError(
            f"{loaded.origin} holds tensors of sha256 {loaded.sha256[:16]}..., but "
            f"{adapter.card.name!r} was trained on {config.base} with "
            f"{config.base_sha256[:16]}...; scores would change: pass allow_other_base=True if you "
            "want that"
        )
    return loaded
