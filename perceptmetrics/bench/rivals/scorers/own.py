"""A metric of perceptmetrics, so that its speed and memory are measured as a rival's are."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def load(options: Mapping[str, str]) -> Callable[[str], list[float]]:
    """The function from a path to scores.

    Args:
        options: ``metric``, a name or a run folder; ``device``; where they are needed ``base``, a
            file of base weights, ``dataset``, which head, and ``crops``.
    """
    from perceptmetrics.create import create_metric

    metric = create_metric(
        options["metric"],
        base=options.get("base"),
        dataset=options.get("dataset"),
        crops=int(options["crops"]) if "crops" in options else None,
        device=options["device"],
    )

    def score(path: str) -> list[float]:
        return [float(one) for one in metric(path).reshape(-1).tolist()]

    return score
