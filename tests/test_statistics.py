"""Statistics agree with scipy and scikit-learn, and say what happens where none exists."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perceptmetrics import statistics as stats
from perceptmetrics.errors import DataError, OptionError

Statistic = Callable[[npt.ArrayLike, npt.ArrayLike], float]
CORRELATIONS = [stats.srcc, stats.plcc, stats.krcc, stats.plcc_logistic]
ERRORS = [stats.mse, stats.rmse, stats.mae]
CLASSIFICATION = [
    stats.accuracy,
    stats.mean_average_precision,
    stats.macro_f1,
    stats.weighted_f1,
]
# Few distinct values, so that ties are common.
vectors = arrays(np.float64, 12, elements=st.integers(-4, 4).map(float))


def rated(n: int = 60, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Raw scores and opinions that are a noisy logistic of them, as in IQA."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, 1 + 4 / (1 + np.exp(-(x - 0.2) / 0.4)) + 0.2 * rng.normal(size=n)


def classified(
    n: int = 80, classes: int = 8, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=n)
    scores = rng.normal(size=(n, classes))
    scores[np.arange(n), truth] += 1.0
    return scores, truth


@settings(max_examples=60, deadline=None)
@given(vectors, vectors)
def test_correlations_equal_scipys(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> None:
    import scipy.stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of constant input
        oracles = [
            (stats.srcc, scipy.stats.spearmanr(x, y).statistic),
            (stats.plcc, scipy.stats.pearsonr(x, y).statistic),
            (stats.krcc, scipy.stats.kendalltau(x, y).statistic),
        ]
    for ours, expected in oracles:
        assert ours(x, y) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_errors_equal_sklearns() -> None:
    from sklearn import metrics

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50, 3))
    assert stats.mse(x, y) == pytest.approx(metrics.mean_squared_error(y, x), abs=1e-9)
    assert stats.rmse(x, y) == pytest.approx(metrics.root_mean_squared_error(y, x), abs=1e-9)
    assert stats.mae(x, y) == pytest.approx(metrics.mean_absolute_error(y, x), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 8), st.integers(1, 30))
def test_classification_measures_equal_sklearns(seed: int, classes: int, n: int) -> None:
    from sklearn import metrics

    scores, truth = classified(n, classes, seed)
    winner = scores.argmax(axis=1)
    present = np.unique(truth)
    average_precisions = metrics.average_precision_score(
        truth[:, None] == present, scores[:, present], average=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            stats.accuracy: metrics.accuracy_score(truth, winner),
            stats.mean_average_precision: np.mean(average_precisions),
            stats.macro_f1: metrics.f1_score(truth, winner, average="macro"),
            stats.weighted_f1: metrics.f1_score(truth, winner, average="weighted"),
        }
    for ours, value in expected.items():
        assert ours(scores, truth) == pytest.approx(value, abs=1e-9)
    assert stats.macro_f1(winner, truth) == stats.macro_f1(scores, truth)
    assert stats.accuracy(winner, truth) == stats.accuracy(scores, truth)


def test_logistic_fit_is_equation_1_fitted_by_scipy_from_the_published_start() -> None:
    from scipy.optimize import curve_fit

    x, y = rated()

    def equation_1(
        x: npt.NDArray[np.float64], b1: float, b2: float, b3: float, b4: float
    ) -> npt.NDArray[np.float64]:
        return np.asarray(b2 + (b1 - b2) / (1 + np.exp(-(x - b3) / b4)))

    beta, _ = curve_fit(
        equation_1, x, y, p0=[y.max(), y.min(), x.mean(), 0.5], ftol=1e-14, xtol=1e-14
    )
    fit = stats.logistic_fit(x, y)
    np.testing.assert_allclose(fit(x), equation_1(x, *beta), atol=1e-5)
    expected = np.corrcoef(equation_1(x, *beta), y)[0, 1]
    assert stats.plcc_logistic(x, y) == pytest.approx(expected, abs=1e-9)


def test_logistic_fit_finds_the_truth_where_the_mean_prediction_is_zero() -> None:
    """There scipy's default differences leave beta3 at its start, and the fit is wrong."""
    x = np.linspace(-2, 2, 50)
    assert 0 < abs(x.mean()) < 1e-12
    fit = stats.logistic_fit(x, 1 + 4 / (1 + np.exp(-(x - 0.2) / 0.7)))
    assert fit.beta == pytest.approx((5, 1, 0.2, 0.7), abs=1e-6)


def test_logistic_correction_undoes_a_logistic_and_never_ruins_a_line() -> None:
    x, y = rated()
    assert stats.plcc_logistic(x, y) > stats.plcc(x, y)
    assert stats.plcc_logistic(x, 3 * x + 1) == pytest.approx(1.0, abs=1e-3)
    # The fit may turn the scores over: agreement is then of the other sign, and still agreement.
    assert stats.plcc_logistic(-x, y) == pytest.approx(stats.plcc_logistic(x, y), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(vectors, vectors)
def test_logistic_correction_always_ends_with_a_correlation_or_nan(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = stats.plcc_logistic(x, y)
    assert math.isnan(value) or -1 <= value <= 1


@settings(max_examples=30, deadline=None)
@given(vectors, vectors, st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_plcc_ignores_scale_and_shift_and_srcc_any_rising_map(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], scale: float, shift: float
) -> None:
    assert stats.plcc(scale * x + shift, y) == pytest.approx(
        stats.plcc(x, y), abs=1e-9, nan_ok=True
    )
    assert stats.srcc(np.exp(x), y) == pytest.approx(stats.srcc(x, y), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_plcc_holds_at_any_size(size: float) -> None:
    assert stats.plcc([1 * size, 2 * size, 3 * size], [2.0, 4.0, 7.0]) == pytest.approx(
        0.9933992677987828,
        abs=1e-12,  # 5 / sqrt(2 * 38 / 3), by hand
    )


@pytest.mark.parametrize("statistic", CORRELATIONS + ERRORS)
def test_several_outputs_give_the_mean_over_outputs(statistic: Statistic) -> None:
    (x, y), (u, v) = rated(seed=0), rated(seed=1)
    both = statistic(np.stack([x, u], axis=1), np.stack([y, v], axis=1))
    assert both == pytest.approx((statistic(x, y) + statistic(u, v)) / 2, abs=1e-12)


@pytest.mark.parametrize("statistic", CORRELATIONS)
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e30])
def test_correlation_with_a_constant_is_nan_without_a_warning(
    statistic: Statistic, constant: float
) -> None:
    x, y = np.full(7, constant), np.arange(7.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(statistic(x, y))
        assert math.isnan(statistic(y, x))


@pytest.mark.parametrize("offset", [0.0, 1e6, -1e9])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_the_logistic_fit_does_not_mind_the_unit_of_the_scores(scale: float, offset: float) -> None:
    """From the published 0.5 alone it ends in a step or in a line, or with the scores turned."""
    x, y = rated()
    expected = stats.plcc_logistic(x, y)
    assert expected > stats.plcc(x, y) + 0.03
    assert stats.plcc_logistic(scale * x + offset, y) == pytest.approx(expected, abs=1e-4)
    assert stats.plcc_logistic(x, scale * y + offset) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1.0, 1.0, 2.0, 2.0], [1.0, 2.0, 3.0, 4.0]),  # two points
        ([1.0, 2.0, 3.0, 4.0], [1.0, 5.0, 2.0, 3.0]),  # as many as parameters
        ([0.0] * 30 + [1e8], list(range(31))),  # one outlier
        ([1e200, 2e200, 3e200, 4e200], [1.0, 2.0, 4.0, 8.0]),
        ([1e-200, 2e-200, 3e-200, 4e-200], [1e-9, 2e-9, 4e-9, 8e-9]),
    ],
)
def test_the_logistic_fit_of_odd_data_is_never_worse_than_a_line(
    x: list[float], y: list[float]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = stats.plcc_logistic(x, y)
    assert value >= abs(stats.plcc(x, y)) - 1e-3


@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_data_with_no_best_logistic_have_a_figure_in_every_draw(noise: float) -> None:
    """A line is the limit of ever flatter logistics: the fit ends, and ends at the line or above.

    With scipy's curve_fit, which gives up there, most draws from such data have no figure.
    """
    rng = np.random.default_rng(0)
    y = rng.uniform(1, 7, 40)
    x = y + noise * rng.normal(size=40)
    ci = stats.bootstrap_ci(stats.plcc_logistic, x, y, samples=40)
    assert stats.plcc(x, y) - 1e-6 <= ci.value <= 1
    assert ci.low <= ci.value <= ci.high


def test_a_logistic_that_falls_says_so_whatever_the_signs_of_its_parameters() -> None:
    x, y = rated()
    assert stats.srcc(-x, y) < 0 < stats.plcc_logistic(-x, y)
    assert stats.logistic_fit(-x, y).falls
    assert not stats.logistic_fit(x, y).falls
    for beta1, beta2, beta4, falls in ((5, 1, 2, False), (1, 5, 2, True), (5, 1, -2, True)):
        fit = stats.LogisticFit((beta1, beta2, 0.0, beta4))
        assert fit.falls is falls
        assert bool(fit(1.0) < fit(0.0)) is falls
    assert not stats.LogisticFit((3.0, 3.0, 0.0, 1.0)).falls


def test_logistic_fit_of_a_constant_is_a_helpful_error() -> None:
    with pytest.raises(DataError, match=r"constant.*use plcc"):
        stats.logistic_fit([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])


@pytest.mark.parametrize("statistic", CORRELATIONS + ERRORS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_an_error_naming_its_place(
    statistic: Statistic, bad: float
) -> None:
    good = np.arange(6.0)
    broken = good.copy()
    broken[4] = bad
    with pytest.raises(DataError, match=r"prediction\[4\] is"):
        statistic(broken, good)
    with pytest.raises(DataError, match=r"target\[4\] is"):
        statistic(good, broken)


@pytest.mark.parametrize("statistic", CORRELATIONS + ERRORS)
def test_shapes_that_do_not_match_are_errors(statistic: Statistic) -> None:
    with pytest.raises(DataError, match="shapes"):
        statistic(np.arange(6.0), np.arange(5.0))
    with pytest.raises(DataError, match="one shape"):
        statistic(np.zeros((6, 1)), np.arange(6.0))
    with pytest.raises(DataError, match="shapes"):
        statistic(1.0, 2.0)


def test_words_are_not_numbers() -> None:
    with pytest.raises(DataError, match="numbers"):
        stats.srcc(["a", "b"], [1, 2])


@pytest.mark.parametrize(
    ("statistic", "least"),
    [(s, 1) for s in ERRORS]
    + [(stats.srcc, 2), (stats.plcc, 2), (stats.krcc, 2), (stats.plcc_logistic, 4)],
)
def test_too_few_images_are_an_error(statistic: Statistic, least: int) -> None:
    values = np.arange(float(least))
    statistic(values, values)
    with pytest.raises(DataError, match=f"at least {least} images"):
        statistic(values[1:], values[1:])


@pytest.mark.parametrize("statistic", CLASSIFICATION)
def test_classification_input_that_cannot_be_read_is_an_error(statistic: Statistic) -> None:
    scores, truth = classified(6, 3)
    with pytest.raises(DataError, match="class indices"):
        statistic(scores, truth.astype(float))
    with pytest.raises(DataError, match="class indices"):
        statistic(scores, truth - 5)
    with pytest.raises(DataError, match="shapes"):
        statistic(scores[:5], truth)
    with pytest.raises(DataError, match="column for every class"):
        statistic(scores, truth + 3)
    scores[2, 1] = np.nan
    with pytest.raises(DataError, match=r"prediction\[2, 1\] is nan"):
        statistic(scores, truth)


def test_the_confusion_matrix_equals_sklearns() -> None:
    from sklearn.metrics import confusion_matrix

    scores, truth = classified()
    expected = confusion_matrix(truth, scores.argmax(axis=1), labels=range(8))
    np.testing.assert_array_equal(stats.confusion_matrix(scores, truth), expected)
    np.testing.assert_array_equal(stats.confusion_matrix(scores.argmax(axis=1), truth), expected)
    # A class that nobody saw or said has its empty row and column.
    assert stats.confusion_matrix([0, 1], [0, 0], classes=3).tolist() == [
        [1, 1, 0],
        [0, 0, 0],
        [0, 0, 0],
    ]
    with pytest.raises(DataError, match="expected 2 classes"):
        stats.confusion_matrix([0, 2], [0, 0], classes=2)


def test_intervals_of_several_statistics_are_those_of_each_alone() -> None:
    x, y = rated(40)
    photo = np.arange(40) // 4
    together = stats.bootstrap_cis(
        lambda x, y: {"SRCC": stats.srcc(x, y), "MAE": stats.mae(x, y)},
        x,
        y,
        groups=photo,
        samples=100,
    )
    assert together["SRCC"] == stats.bootstrap_ci(stats.srcc, x, y, groups=photo, samples=100)
    assert together["MAE"] == stats.bootstrap_ci(stats.mae, x, y, groups=photo, samples=100)


def test_bootstrap_interval_equals_scipys() -> None:
    import scipy.stats

    x, y = rated(40)
    ours = stats.bootstrap_ci(stats.plcc, x, y, samples=2000, level=0.9)
    theirs = scipy.stats.bootstrap(
        (x, y),
        lambda x, y: float(np.corrcoef(x, y)[0, 1]),
        paired=True,
        vectorized=False,
        n_resamples=2000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours.value == stats.plcc(x, y)
    assert ours.low < ours.value < ours.high
    # Two runs of 2,000 draws: their ends differ by sampling only.
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_bootstrap_is_the_same_twice_and_leaves_the_global_generator_alone() -> None:
    x, y = rated(30)
    before = str(np.random.get_state())  # noqa: NPY002
    first = stats.bootstrap_ci(stats.srcc, x, y, samples=50)
    assert first == stats.bootstrap_ci(stats.srcc, x, y, samples=50)
    assert first != stats.bootstrap_ci(stats.srcc, x, y, samples=50, seed=1)
    assert str(np.random.get_state()) == before  # noqa: NPY002


def test_bootstrap_draws_whole_groups() -> None:
    """Each photograph is there 10 times: images drawn one by one feign ten times the data."""
    x, y = rated(12)
    photo = np.repeat(np.arange(12), 10)
    many_x, many_y = x[photo], y[photo]
    sizes: list[int] = []

    def spy(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
        sizes.extend(np.unique(a, return_counts=True)[1].tolist())
        return stats.plcc(a, b)

    names = np.array([f"photo {i}" for i in photo])
    grouped = stats.bootstrap_ci(spy, many_x, many_y, groups=names, samples=200)
    single = stats.bootstrap_ci(stats.plcc, many_x, many_y, samples=200)
    assert all(size % 10 == 0 for size in sizes)
    assert grouped.high - grouped.low > 2 * (single.high - single.low)


def test_bootstrap_works_for_classes() -> None:
    scores, truth = classified(30)
    ci = stats.bootstrap_ci(stats.accuracy, scores, truth, samples=30)
    assert 0 <= ci.low <= ci.value <= ci.high <= 1


def test_bootstrap_of_a_statistic_that_does_not_exist_is_nan() -> None:
    ci = stats.bootstrap_ci(stats.srcc, [1.0] * 9, np.arange(9.0), samples=10)
    assert all(math.isnan(v) for v in (ci.value, ci.low, ci.high))


def test_bootstrap_leaves_out_draws_without_a_value() -> None:
    """Of three images, one draw in nine holds one image three times: no correlation there."""
    drawn: list[float] = []

    def spy(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
        drawn.append(stats.srcc(x, y))
        return drawn[-1]

    ci = stats.bootstrap_ci(spy, [1.0, 2.0, 3.0], [1.0, 3.0, 2.0], samples=200)
    assert 0 < sum(map(math.isnan, drawn)) < 100
    assert (ci.value, ci.low, ci.high) == pytest.approx((0.5, -1.0, 1.0))


@pytest.mark.parametrize("groups", [None, ["a", "a", "b", "b", "c", "c", "d", "d"]])
def test_images_or_groups_that_are_fewer_than_asked_for_have_no_interval(
    groups: list[str] | None,
) -> None:
    """Three images in the right order would be sure of an SRCC of 1."""
    count = 4 if groups is None else 8
    x = np.arange(float(count + 2))
    ci = stats.bootstrap_ci(stats.srcc, x[:count], x[:count], groups=groups, samples=50, least=5)
    assert ci.value == 1.0
    assert math.isnan(ci.low)
    assert math.isnan(ci.high)
    assert str(ci) == "1.000 (no interval)"
    more = None if groups is None else [*groups, "e", "e"]
    assert stats.bootstrap_ci(stats.srcc, x, x, groups=more, samples=50, least=5).low == 1.0


def test_bootstrap_refuses_what_it_cannot_draw_from() -> None:
    x = np.arange(6.0)
    for options in ({"samples": 0}, {"level": 0.0}, {"level": 95.0}):
        with pytest.raises(OptionError):
            stats.bootstrap_ci(stats.srcc, x, x, **options)
    with pytest.raises(DataError, match="2 different groups"):
        stats.bootstrap_ci(stats.srcc, x, x, groups=["one"] * 6)
    with pytest.raises(DataError, match="one for each image"):
        stats.bootstrap_ci(stats.srcc, x, x, groups=["one", "two"])
    with pytest.raises(DataError, match="at least 2 images"):
        stats.bootstrap_ci(stats.srcc, [1.0], [1.0])
    with pytest.raises(DataError, match="shapes"):
        stats.bootstrap_ci(stats.srcc, x, x[1:])


def test_importing_statistics_loads_neither_scipy_nor_sklearn_nor_torch() -> None:
    code = (
        "import sys, perceptmetrics.statistics;"
        "print(sorted({'scipy', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
