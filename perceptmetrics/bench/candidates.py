"""What the built-in check is made with: photographs, and the metrics that can be loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.bench.distortions import Pixels
from perceptmetrics.bench.estimate import cut_cost
from perceptmetrics.bench.monotony import Judge
from perceptmetrics.create import create_metric
from perceptmetrics.errors import ImageError, OptionError, WeightsMissingError
from perceptmetrics.images import load_image
from perceptmetrics.locate import find_adapter
from perceptmetrics.locate import find_spec as find_metric
from perceptmetrics.metric import Metric
from perceptmetrics.metrics import METRICS, OfficialCheckpoint
from perceptmetrics.scoring.files import find_images
from perceptmetrics.weights import cache
from perceptmetrics.weights.hubs import hub_file

TASK = "iqa"


def sample_photographs() -> Path:
    """The folder of scikit-learn's china.jpg and flower.jpg; scikit-learn is not imported.

    Raises:
        OptionError: It is not installed.
    """
    spec = find_spec("sklearn")
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent
    if folder is None:
        raise OptionError(
            "the sample photographs come with scikit-learn, which is not installed: give a folder "
            "of photographs with --photographs, or pip install scikit-learn"
        )
    return folder / "datasets" / "images"


def read_photographs(folder: Path) -> tuple[dict[str, Pixels], tuple[tuple[str, str], ...]]:
    """Every photograph of a folder.

    Args:
        folder: It, or one photograph.

    Returns:
        Path inside the folder -> (H, W, 3) uint8; and (path, why it cannot be read) of the others.
    """
    found: dict[str, Pixels] = {}
    failed: list[tuple[str, str]] = []
    for path in find_images([str(folder)], globs=False):
        try:
            if isinstance(path, ImageError):
                raise path
            inside = Path(path).relative_to(folder).as_posix() if path != str(folder) else path
            found[inside] = load_image(path)
        except ImageError as error:
            failed.append((error.item, error.reason))
    return found, tuple(failed)


def registered() -> tuple[str, ...]:
    """Every metric of image quality, plug-ins too."""
    return tuple(spec.name for spec in METRICS if spec.task == TASK)


def optional() -> tuple[str, ...]:
    """Those of them that only a model hub has: to be without them is no failure."""
    return tuple(
        spec.name
        for spec in METRICS
        if spec.task == TASK and isinstance(spec.adapter, OfficialCheckpoint)
    )


def loaders(
    names: Sequence[str],
    *,
    crops: int | None = None,
    device: str = "cpu",
    bases: Mapping[str, Path] | None = None,
) -> Mapping[str, Callable[[], Judge]]:
    """What makes each metric; nothing is loaded before it is called.

    A metric whose weights only a model hub has is not fetched for a check: that is 1.2 GB.

    Args:
        names: Metrics, run folders or adapter files.
        crops: Cuts to average, for metrics that average several.
        device: Where they run.
        bases: Backbone -> a file of its weights, in place of the cache.

    Example:
        >>> loaders(["no-such-metric"])["no-such-metric"]()
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.UnknownNameError: no metric is called 'no-such-metric': ...
    """
    return {name: partial(_load, name, crops, device, bases or {}) for name in names}


def image_cost(name: str, crops: int | None = None) -> float:
    """Multiply-adds of judging one image with a metric.

    Args:
        name: As in :func:`loaders`.
        crops: Likewise.

    Raises:
        PerceptError: It is not on this machine.

    Example:
        >>> round(image_cost("iqa", crops=5) / image_cost("iqa", crops=15), 3)
        0.333
    """
    _require_weights(name)
    config = find_adapter(name, None).config
    count = config.view.count
    cuts = crops if crops is not None and count > 1 else count
    return cuts * cut_cost(BACKBONES.get(config.backbone), config.view)


def _require_weights(name: str) -> None:
    """Refuses what only a model hub has.

    Raises:
        WeightsMissingError: It has not been fetched yet.
    """
    if Path(name).exists():
        return
    spec = find_metric(name)
    source = spec.adapter
    if isinstance(source, OfficialCheckpoint) and not cache.adapter_path(spec.name).is_file():
        try:
            hub_file(source.repo, (source.file,), source.revision, download=False)
        except WeightsMissingError as error:
            raise WeightsMissingError(
                f"its weights are not on this machine, and a check does not fetch them: "
                f"'perceptmetrics score IMAGE --metric {name}' does, from the model hub "
                f"({source.repo})"
            ) from error


def _load(name: str, crops: int | None, device: str, bases: Mapping[str, Path]) -> Metric:
    _require_weights(name)
    base = bases.get(find_adapter(name, None).config.backbone) if bases else None
    metric = create_metric(name, base=base, crops=crops, device=device)
    if len(metric.labels) != 1 or metric.kind == "classification":
        raise OptionError(
            f"{name} gives {', '.join(metric.labels)}; the check needs a metric with one score"
        )
    return metric
