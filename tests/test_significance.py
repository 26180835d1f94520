"""Tests of two metrics on the same images, and what the ratings themselves allow."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.statistics import accuracy, plcc, srcc
from perceptmetrics.statistics.reliability import (
    ceiling_from_deviations,
    ceiling_from_errors,
    ceiling_from_split_half,
)
from perceptmetrics.statistics.significance import (
    mcnemar,
    over_folds,
    swap_test,
    williams,
    williams_of,
)

Floats = npt.NDArray[np.float64]


def scores(seed: int, images: int = 40) -> tuple[Floats, Floats, Floats]:
    """A good metric, a worse one, and the ratings."""
    rng = np.random.default_rng(seed)
    rated = rng.normal(size=images)
    return rated + rng.normal(size=images), rated + 2 * rng.normal(size=images), rated


def test_williams_is_its_formula() -> None:
    first, second, rated = scores(0)
    matrix = np.corrcoef([rated, first, second])
    r1, r2, r12 = matrix[0, 1], matrix[0, 2], matrix[1, 2]
    n = len(rated)
    inner = 2 * (n - 1) / (n - 3) * np.linalg.det(matrix) + ((r1 + r2) / 2) ** 2 * (1 - r12) ** 3
    t = (r1 - r2) * math.sqrt((n - 1) * (1 + r12) / inner)
    found = williams(first, second, rated)
    assert found.statistic == pytest.approx(t)
    assert found.p == pytest.approx(2 * stats.t.cdf(-abs(t), n - 3))


def test_williams_agrees_with_psych() -> None:
    """``r.test(n=103, r12=.4, r13=.5, r23=.1)`` of R's package psych: t -0.89, p 0.37."""
    found = williams_of(0.4, 0.5, 0.1, 103)
    assert (round(found.statistic, 2), round(found.p, 2)) == (-0.89, 0.37)


def test_williams_on_ranks_does_not_mind_how_scores_are_bent() -> None:
    first, second, rated = scores(1)
    assert williams(first, second, rated, ranks=True) == williams(
        np.exp(first), second**3, rated, ranks=True
    )


def test_williams_rejects_five_in_a_hundred_where_nothing_differs() -> None:
    rng = np.random.default_rng(2)
    p = []
    for _ in range(1000):
        rated = rng.normal(size=30)
        first, second = rated + rng.normal(size=30), rated + rng.normal(size=30)
        p.append(williams(first, second, rated).p)
    # 1,000 draws: 0.05 give or take three standard errors.
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.021)


@pytest.mark.parametrize(
    ("first", "second", "rated"),
    [
        ([1, 2, 3], [1, 3, 2], [1, 2, 3]),  # too few
        ([1, 2, 3, 4], [2, 4, 6, 8], [1, 3, 2, 4]),  # one line
        ([1, 1, 1, 1], [2, 4, 6, 9], [1, 3, 2, 4]),  # constant
    ],
)
def test_williams_has_no_p_where_there_is_none(
    first: list[float], second: list[float], rated: list[float]
) -> None:
    assert math.isnan(williams(first, second, rated).p)


def test_a_swap_test_is_the_permutation_test_of_scipy() -> None:
    first, second, rated = scores(3, images=9)

    def difference(x: Floats, z: Floats) -> float:
        return plcc(x, rated) - plcc(z, rated)

    other = stats.permutation_test(
        (first, second), difference, permutation_type="samples", n_resamples=np.inf
    )
    found = swap_test(plcc, first, second, rated, samples=512)  # 2 ** 9: all of them
    assert found.statistic == pytest.approx(other.statistic)
    assert found.p == pytest.approx(other.pvalue)


def test_a_swap_test_swaps_groups_as_a_whole() -> None:
    first, second, rated = scores(4, images=20)
    groups = [f"photo {k // 5}" for k in range(20)]
    found = swap_test(srcc, first, second, rated, groups=groups, samples=200)
    # Four photographs: 16 ways of swapping, so p is a multiple of 2 / 16.
    assert (found.p * 8) == pytest.approx(round(found.p * 8))
    alone = swap_test(srcc, first, second, rated, samples=200)
    assert alone.statistic == found.statistic


def test_a_swap_test_takes_probabilities_of_classes() -> None:
    right = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    found = swap_test(accuracy, right, right[::-1], [0, 1, 2, 0, 1, 2], samples=100)
    assert found.statistic == pytest.approx(4 / 6)


def test_a_swap_test_refuses_what_cannot_be() -> None:
    with pytest.raises(OptionError, match="samples"):
        swap_test(srcc, [1, 2], [2, 1], [1, 2], samples=0)
    with pytest.raises(DataError, match="groups"):
        swap_test(srcc, [1, 2], [2, 1], [1, 2], groups=["a"])


def test_mcnemar_is_the_binomial_test_of_what_only_one_gets_right() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(3, size=200)
    first = np.where(rng.random(200) < 0.8, truth, (truth + 1) % 3)
    second = np.where(rng.random(200) < 0.6, truth, (truth + 1) % 3)
    only_first = int(((first == truth) & (second != truth)).sum())
    only_second = int(((second == truth) & (first != truth)).sum())
    n, least = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, k) for k in range(least + 1)) / 2**n
    found = mcnemar(first, second, truth)
    assert found.p == pytest.approx(min(1.0, 2 * tail))
    assert found.statistic == pytest.approx(accuracy(first, truth) - accuracy(second, truth))
    assert mcnemar(first, first, truth).p == 1.0


def test_over_folds_are_the_tests_of_scipy() -> None:
    first, second = [0.91, 0.93, 0.92, 0.95, 0.90], [0.90, 0.90, 0.91, 0.91, 0.91]
    apart = np.subtract(first, second)
    t = apart.mean() / (apart.std(ddof=1) / math.sqrt(5))
    found = over_folds(first, second)
    assert found.t_p == pytest.approx(2 * stats.t.cdf(-abs(t), 4))
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(first, second).pvalue)
    same = over_folds(first, first)
    assert same.difference == 0
    assert math.isnan(same.t_p)


def test_the_ceiling_is_what_a_perfect_predictor_reaches() -> None:
    """Known truth, 20 raters an image, each with an error of his own."""
    rng = np.random.default_rng(6)
    truth = rng.normal(4.0, 1.0, size=4000)
    given = truth[:, None] + rng.normal(0.0, 2.0, size=(4000, 20))
    mean, sd = given.mean(axis=1), given.std(axis=1, ddof=1)
    reached = plcc(truth, mean)
    assert reached == pytest.approx(math.sqrt(1 / (1 + 4 / 20)), abs=0.01)
    assert ceiling_from_deviations(mean, sd, np.full(4000, 20)).ceiling == pytest.approx(
        reached, abs=0.01
    )
    assert ceiling_from_errors(mean, sd / math.sqrt(20)) == ceiling_from_deviations(
        mean, sd, np.full(4000, 20)
    )
    halves = plcc(given[:, :10].mean(axis=1), given[:, 10:].mean(axis=1))
    assert ceiling_from_split_half(halves).ceiling == pytest.approx(reached, abs=0.01)


def test_the_ceiling_of_lnsim_is_its_formula() -> None:
    found = ceiling_from_split_half(0.778)  # stated by the data's README
    assert found.reliability == pytest.approx(2 * 0.778 / 1.778)
    assert found.ceiling == pytest.approx(math.sqrt(2 * 0.778 / 1.778))


def test_ratings_that_are_all_chance_have_no_ceiling() -> None:
    found = ceiling_from_deviations([3.0, 3.1, 2.9], [2.0, 2.0, 2.0], [5, 5, 5])
    assert found.reliability < 0
    assert math.isnan(found.ceiling)
    assert math.isnan(ceiling_from_split_half(-0.2).ceiling)


@pytest.mark.parametrize(
    ("mean", "sd", "n", "said"),
    [
        ([1, 2], [1, 1], [5, 0], "n must be above 0"),
        ([1, 2], [1, -1], [5, 5], "one is below"),
        ([1, 2, 3], [1, 1], [5, 5], "an entry for each image"),
        ([1, 2], [1, 1], [5, 5, 5], "one shape"),
    ],
)
def test_a_ceiling_refuses_what_cannot_be(
    mean: list[float], sd: list[float], n: list[int], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        ceiling_from_deviations(mean, sd, n)


def test_a_split_half_is_a_correlation() -> None:
    with pytest.raises(DataError, match="in \\[-1, 1\\]"):
        ceiling_from_split_half(77.8)
