"""Two metrics on the same images: their figures, the difference, and whether it is chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.evaluate import Evaluation
from perceptmetrics.evaluation.figures import SAMPLES, SEED
from perceptmetrics.evaluation.paired_comparison import PairedComparison
from perceptmetrics.evaluation.rating_errors import z_scores
from perceptmetrics.statistics import accuracy, plcc, srcc
from perceptmetrics.statistics.checks import Floats, pair
from perceptmetrics.statistics.paired import PairedPart, holm, paired_difference
from perceptmetrics.statistics.regression import constant
from perceptmetrics.statistics.significance import Significance, mcnemar, swap_test, williams

NAN = float("nan")
DEPENDENT = "images come in groups, and this test takes each as independent"


def compare_ratings(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    target: npt.ArrayLike,
    output: str = "score",
    *,
    names: tuple[str, str] = ("first", "second"),
    groups: Sequence[str] | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> tuple[PairedComparison, ...]:
    """SRCC and PLCC of two metrics: paired bootstrap, permutation, and Williams's test.

    Args:
        first: (N,) scores, N at least 2.
        second: (N,) scores of the same images; on whatever scale.
        target: (N,) ratings.
        output: What is judged.
        names: Of the two metrics.
        groups: N names of what belongs together; ``None``: every image is its own.
        samples: Draws of the bootstrap and of the permutations.
        seed: Of local generators.

    Returns:
        For each measure one comparison by each test. Where a test does not fit, it says why.

    Raises:
        DataError: Shapes differ, a value is not finite, or there are fewer than 2 images or groups.

    Example:
        >>> truth = np.arange(12.0)
        >>> found = compare_ratings(truth, truth[::-1], truth, samples=99)
        >>> found[0].test, found[0].difference
        ('bootstrap', 2.0)
    """
    x, y = pair(first, target, least=2)
    z, _ = pair(second, target, least=2)
    if x.ndim != 1:
        raise DataError(f"a comparison is of one output, (N,); got shape {x.shape}")
    ready: Mapping[str, tuple[Callable[[Any, Any], float], Callable[[Floats], Floats]]] = {
        "SRCC": (srcc, _ranks),
        "PLCC": (plcc, z_scores),
    }
    found: list[PairedComparison] = []
    for measure, (statistic, onto) in ready.items():
        swap = x, z
        if not constant(x) and not constant(z):
            swap = onto(x), onto(z)
        tests = _resampled(
            measure, statistic, (x, z), y, output, names, groups, samples, seed, swap
        )
        why = _grouped(groups)
        exact = Significance(NAN, NAN) if why else williams(x, z, y, ranks=measure == "SRCC")
        if np.isnan(exact.p) and not why:
            why = "the two give the same scores, or one is constant, or there are fewer than 4"
        found += [*tests, replace(tests[0], test="Williams", p=exact.p, reason=why)]
    return with_holm(found)


def compare_classes(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    target: npt.ArrayLike,
    output: str = "all classes",
    *,
    names: tuple[str, str] = ("first", "second"),
    groups: Sequence[str] | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> tuple[PairedComparison, ...]:
    """Accuracy of two metrics: paired bootstrap, permutation, and McNemar's exact test.

    Args:
        first: (N, C) probabilities, N at least 2.
        second: (N, C) probabilities of the same images.
        target: (N,) class indices.
        output: ``all classes``, or a grouping's name.
        names: Of the two metrics.
        groups: As for :func:`compare_ratings`, as are the rest.
        samples: See there.
        seed: See there.

    Raises:
        DataError: As there.

    Example:
        >>> right = np.eye(2)[[0, 1, 0, 1, 0, 1]]
        >>> found = compare_classes(right, right[::-1], [0, 1, 0, 1, 0, 1], samples=99)
        >>> [(one.test, one.difference) for one in found][-1]
        ('McNemar', 1.0)
    """
    x, z, y = np.asarray(first, np.float64), np.asarray(second, np.float64), np.asarray(target)
    tests = _resampled(
        "accuracy", accuracy, (x, z), y, output, names, groups, samples, seed, (x, z)
    )
    why = _grouped(groups)
    p = NAN if why else mcnemar(x.argmax(axis=1), z.argmax(axis=1), y).p
    return with_holm([*tests, replace(tests[0], test="McNemar", p=p, reason=why)])


def compare(
    first: Evaluation,
    second: Evaluation,
    outputs: Sequence[str],
    groups: Mapping[str, str] | None = None,
    *,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> tuple[PairedComparison, ...]:
    """Two metrics that were evaluated on the same data, over the images that both could judge.

    Args:
        first: Of one metric.
        second: Of the other.
        outputs: K names of scores; any for classes.
        groups: Image -> what it is resampled with; ``None``: every image is its own.
        samples: Draws.
        seed: Of local generators.

    Returns:
        All comparisons, with Holm's correction over all that one test says.

    Raises:
        DataError: They are not of the same data, or fewer than 2 images are in both.
    """
    if first.data_sha256 != second.data_sha256:
        raise DataError("the two metrics were not evaluated on the same data")
    common = set(first.names) & set(second.names)
    rows = [k for k, name in enumerate(first.names) if name in common]
    others = [k for k, name in enumerate(second.names) if name in common]
    if len(rows) < 2:
        raise DataError(f"{len(rows)} images could be judged by both metrics, expected at least 2")
    of_rows = None if groups is None else [groups[first.names[k]] for k in rows]
    x, z, y = first.prediction[rows], second.prediction[others], first.target[rows]
    names = (first.metric, second.metric)
    if y.ndim == 1:
        return compare_classes(x, z, y, names=names, groups=of_rows, samples=samples, seed=seed)
    found: list[PairedComparison] = []
    for k, output in enumerate(outputs):
        found += compare_ratings(
            x[:, k],
            z[:, k],
            y[:, k],
            output,
            names=names,
            groups=of_rows,
            samples=samples,
            seed=seed,
        )
    return with_holm(found)


def with_holm(comparisons: Sequence[PairedComparison]) -> tuple[PairedComparison, ...]:
    """The same, each with Holm's correction over those of its test.

    Example:
        >>> one = PairedComparison("q", "SRCC", "a", "b", 0, 0, 0, 0, 0, 0.03, "bootstrap", 9, 9)
        >>> [found.p_holm for found in with_holm([one, one])]
        [0.06, 0.06]
    """
    corrected: dict[int, float] = {}
    for test in {one.test for one in comparisons}:
        places = [k for k, one in enumerate(comparisons) if one.test == test]
        corrected |= zip(places, holm([comparisons[k].p for k in places]), strict=True)
    return tuple(replace(one, p_holm=corrected[k]) for k, one in enumerate(comparisons))


def _resampled(
    measure: str,
    statistic: Callable[[Any, Any], float],
    scores: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    target: npt.NDArray[Any],
    output: str,
    names: tuple[str, str],
    groups: Sequence[str] | None,
    samples: int,
    seed: int,
    swap: tuple[npt.NDArray[Any], npt.NDArray[Any]],
) -> list[PairedComparison]:
    units = tuple(map(str, range(len(target)) if groups is None else groups))
    first, second = (float(statistic(one, target)) for one in scores)
    bare = PairedComparison(
        output=output,
        measure=measure,
        first=names[0],
        second=names[1],
        first_value=first,
        second_value=second,
        difference=first - second,
        low=NAN,
        high=NAN,
        p=NAN,
        test="bootstrap",
        images=len(target),
        groups=len(set(units)),
    )
    if np.isnan(bare.difference):
        why = f"there is no {measure} of one: all its scores are equal, or all ratings are"
    elif bare.groups < 2:
        why = "all images are of one group: nothing can be drawn again"
    else:
        why = ""
    if why:
        return [replace(bare, reason=why), replace(bare, test="permutation", reason=why)]
    parts = [PairedPart(*scores, target, units)]
    drawn = paired_difference(statistic, parts, samples=samples, seed=seed)
    found = replace(bare, low=drawn.low, high=drawn.high, p=drawn.p)
    swapped = swap_test(statistic, *swap, target, groups=units, samples=samples, seed=seed)
    return [found, replace(found, test="permutation", p=swapped.p)]


def _grouped(groups: Sequence[str] | None) -> str:
    return DEPENDENT if groups is not None and len(set(groups)) < len(groups) else ""


def _ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), np.float64)
