"""``create_metric`` and ``create_metrics``: from names, run folders or files to metrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.errors import OptionError
from perceptmetrics.locate import (
    check_name,
    check_path,
    find_adapter,
    find_base,
    require_base,
    require_metric,
)

if TYPE_CHECKING:
    import os

    import torch

    from perceptmetrics.group import MetricGroup
    from perceptmetrics.metric import Metric
    from perceptmetrics.weights.adapter import Adapter
    from perceptmetrics.weights.base import LoadedBase

M = TypeVar("M", "Metric", "MetricGroup")

Precision: TypeAlias = Literal["full", "fast"]


def create_metric(
    name: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    base: str | os.PathLike[str] | None = None,
    allow_other_base: bool = False,
    dataset: str | None = None,
    crops: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = "cpu",
    dtype: torch.dtype | None = None,
    precision: Precision = "full",
) -> Metric:
    """A metric by name, ready to judge images.

    Args:
        name: A metric (``memorability``, ``perceptclip-iqa``), a task that has a default metric
            (``emotion``), or the path of a run folder or an adapter file.
        weights: A run folder or an adapter file to use; ``name`` is then the task that it must
            have been trained for.
        base: A file of base weights to use instead of the cache.
        allow_other_base: Use base weights whose hash is not the one that the adapter was trained
            on. Scores change, and the card then says so.
        dataset: Which head, for adapters trained on several datasets.
        crops: How many crops to average, for metrics that crop.
        seed: Draws the crops, for views that draw them.
        batch_size: Cuts in one forward pass; changes memory and speed, not scores.
        device: Where the model runs; ``None`` means the CPU.
        dtype: ``torch.float16`` or ``torch.bfloat16`` for all of the model; float32 by default.
        precision: ``fast`` for matrices in bfloat16 and the rest in float32, where the device has
            instructions for it: a GPU, or a CPU with AMX or AVX512-BF16; elsewhere it is refused.
            Scores move a little (docs/speed.md), and the card says so.

    Returns:
        A :class:`~perceptmetrics.metric.Metric`.

    Raises:
        UnknownNameError: No such metric; the text suggests the nearest.
        OptionError: An argument that this metric cannot use.
        WeightsError: Weights are missing or are not the expected ones.

    Example:
        >>> import perceptmetrics as pm
        >>> pm.create_metric("memorabilty")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.UnknownNameError: no metric is called 'memorabilty': ...
    """
    # What is cheap to find wrong comes before torch, whose import takes seconds.
    check_name(name)
    _check_precision(precision, dtype)
    if weights is None:
        require_metric(name)
    else:
        check_path("weights", weights)
    if base is None:
        require_base(name, weights)
    else:
        check_path("base", base)
    place = _place(precision, device, dtype)

    adapter = find_adapter(name, weights).pick(dataset)
    spec = BACKBONES.get(adapter.config.backbone)
    loaded = find_base(adapter, spec, base, allow_other_base)
    metric = _build(adapter, loaded, crops=crops, seed=seed, batch_size=batch_size)
    _bring_to(precision, [metric])
    return _moved(metric, place, dtype)


def create_metrics(
    names: Sequence[str | os.PathLike[str]],
    *,
    base: str | os.PathLike[str] | None = None,
    allow_other_base: bool = False,
    crops: int | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = "cpu",
    dtype: torch.dtype | None = None,
    precision: Precision = "full",
) -> MetricGroup:
    """Several metrics that judge together: what they have in common is in memory once.

    Where two or more stand on one base, its tensors are shared, and each keeps its low-rank pairs
    apart from them: they are merged anew in each forward (docs/speed.md says at what cost). A
    metric that is alone on its base is what :func:`create_metric` gives.

    Args:
        names: As for :func:`create_metric`. In the result a metric is called by its name, and a
            run folder or an adapter file by the last part of its path.
        base: As for :func:`create_metric`; for all of them.
        allow_other_base: As there.
        crops: As there.
        seed: As there.
        batch_size: As there.
        device: As there.
        dtype: As there.
        precision: As there.

    Returns:
        A :class:`~perceptmetrics.MetricGroup`: metrics by name, and a function of images.

    Raises:
        UnknownNameError: No such metric; the text suggests the nearest.
        OptionError: No name, one name twice, or an argument that one of them cannot use.
        WeightsError: Weights are missing or are not the expected ones.

    Example:
        >>> import perceptmetrics as pm
        >>> pm.create_metrics(["iqa", "runs/iqa"])
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.OptionError: 'iqa' and 'runs/iqa' are both called 'iqa': ...
    """
    _check_precision(precision, dtype)
    named = _named(names)
    if base is not None:
        check_path("base", base)
    for name in named.values():  # before torch, as above
        require_metric(name)
        if base is None:
            require_base(name, None)
    place = _place(precision, device, dtype)

    from perceptmetrics.group import MetricGroup

    adapters: dict[str, Adapter] = {}
    loaded: dict[tuple[str, str, str], LoadedBase] = {}
    for called, name in named.items():
        adapter = find_adapter(name, None).pick(None)
        stands_on = _stands_on(adapter)
        if stands_on not in loaded:
            spec = BACKBONES.get(adapter.config.backbone)
            loaded[stands_on] = find_base(adapter, spec, base, allow_other_base)
        adapters[called] = adapter
    standing = [_stands_on(adapter) for adapter in adapters.values()]
    group = MetricGroup(
        {
            called: _build(
                adapter,
                loaded[_stands_on(adapter)],
                crops=crops,
                seed=seed,
                batch_size=batch_size,
                shared=standing.count(_stands_on(adapter)) > 1,
            )
            for called, adapter in adapters.items()
        }
    )
    _bring_to(precision, group.values())
    return _moved(group, place, dtype)


def short_name(metric: str | os.PathLike[str]) -> str:
    """What a metric is called among several: its name, or the last part of its path.

    Example:
        >>> short_name("iqa"), short_name("runs/mine/"), short_name("old/mine.safetensors")
        ('iqa', 'mine', 'mine')
    """
    name = Path(metric).name or Path(metric).resolve().name
    return name.removesuffix(".safetensors")


def _named(
    names: Sequence[str | os.PathLike[str]],
) -> dict[str, str | os.PathLike[str]]:
    given: object = names
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise OptionError(f"metrics {names!r}: expected a list of one name or more")
    named: dict[str, str | os.PathLike[str]] = {}
    for name in names:
        check_name(name)
        called = short_name(name)
        if named.get(called) == name:
            raise OptionError(f"metric {str(name)!r} is named twice: give it once")
        if called in named:
            raise OptionError(
                f"{str(named[called])!r} and {str(name)!r} are both called {called!r}: use run "
                "folders of different names"
            )
        named[called] = name
    return named


def _stands_on(adapter: Adapter) -> tuple[str, str, str]:
    return adapter.config.backbone, adapter.config.base, adapter.config.base_sha256


def _build(
    adapter: Adapter,
    loaded: LoadedBase,
    *,
    crops: int | None,
    seed: int | None,
    batch_size: int | None,
    shared: bool = False,
) -> Metric:
    from perceptmetrics.lora import share
    from perceptmetrics.metric import DEFAULT_BATCH_SIZE, DEFAULT_SEED, Metric
    from perceptmetrics.model import build_model

    config = adapter.config
    card = adapter.card
    if loaded.sha256 != config.base_sha256:
        note = f"on another base than {config.base}, which it was trained on: no figure holds"
        card = replace(
            card, base=loaded.origin, base_sha256=loaded.sha256, notes=(*card.notes, note)
        )
    model = build_model(
        BACKBONES.get(config.backbone),
        loaded.tensors,
        outputs=len(config.outputs),
        head=config.head,
        strategy=config.strategy,
        lora=config.lora,
        datasets=config.datasets,
    )
    model.load_adapted_state(adapter.tensors)
    if shared:
        share(model.encoder)
    return Metric(
        model,
        config,
        card,
        crops=crops,
        seed=DEFAULT_SEED if seed is None else seed,
        batch_size=DEFAULT_BATCH_SIZE if batch_size is None else batch_size,
    )


def _check_precision(precision: str, dtype: torch.dtype | None) -> None:
    if precision not in ("full", "fast"):
        raise OptionError(f"precision {precision!r}: expected 'full' or 'fast'")
    if precision == "fast" and dtype is not None:
        raise OptionError(
            f"precision='fast' and dtype={dtype} are two ways to be faster: give one of them"
        )


def _place(
    precision: Precision, device: str | torch.device | None, dtype: torch.dtype | None
) -> torch.device:
    import torch

    from perceptmetrics.device import find_device

    known = (None, torch.float16, torch.bfloat16, torch.float32, torch.float64)
    if dtype not in known:
        raise OptionError(
            f"dtype {dtype!r}: expected torch.float16, torch.bfloat16, torch.float32 or "
            "torch.float64"
        )
    place = find_device(device)
    if precision == "fast":
        from perceptmetrics.precision import require_fast

        require_fast(place)
    return place


def _bring_to(precision: Precision, metrics: Collection[Metric]) -> None:
    if precision == "fast":
        from perceptmetrics.precision import narrow

        narrow(metric.model for metric in metrics)
        for metric in metrics:
            note = "matrices in bfloat16 (precision='fast'): the figures are those of float32"
            metric.card = replace(metric.card, notes=(*metric.card.notes, note))


def _moved(module: M, place: torch.device, dtype: torch.dtype | None) -> M:
    try:
        return module.to(device=place, dtype=dtype)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        what = f"device '{place}'" + (f" with {dtype}" if dtype is not None else "")
        raise OptionError(f"{what} cannot be used: {reason}") from error
