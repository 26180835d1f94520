"""Figures, maps between rating scales and reports of an evaluation."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perceptmetrics import statistics as stats
from perceptmetrics.data.manifest import Manifest, read_manifest
from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.evaluate import Evaluation, evaluate, over_splits
from perceptmetrics.evaluation.figures import (
    Figure,
    classification_figures,
    regression_figures,
)
from perceptmetrics.evaluation.mapping import by_logistic, by_rank_statistics, quantile_map
from perceptmetrics.evaluation.report import CSV_HEADER, to_csv, to_json, to_markdown

numbers = st.integers(-50, 50).map(float)
vectors = st.integers(2, 20).flatmap(lambda n: arrays(np.float64, n, elements=numbers))


def ratings(n: int = 40, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, 50 + 20 * np.tanh(x) + rng.normal(size=n)


# Maps between scales


@settings(max_examples=50, deadline=None)
@given(vectors, vectors)
def test_rank_statistics_rise_and_stay_within_the_ratings(
    scores: npt.NDArray[np.float64], rated: npt.NDArray[np.float64]
) -> None:
    to_scale = quantile_map(scores, rated)
    mapped = to_scale(np.sort(scores))
    assert (np.diff(mapped) >= 0).all()
    assert rated.min() <= mapped.min() <= mapped.max() <= rated.max()
    # Also for scores that the map was not fitted on.
    assert rated.min() <= float(to_scale(-1e9)) <= float(to_scale(1e9)) <= rated.max()


@settings(max_examples=50, deadline=None)
@given(st.lists(numbers, min_size=2, max_size=20, unique=True), st.integers(0, 9))
def test_rank_statistics_give_each_score_the_rating_of_its_rank(
    values: list[float], seed: int
) -> None:
    scores = np.array(values)
    rated = np.random.default_rng(seed).normal(size=len(values))
    mapped = quantile_map(scores, rated)(scores)
    np.testing.assert_allclose(np.sort(mapped), np.sort(rated), atol=1e-12)
    np.testing.assert_array_equal(np.argsort(mapped), np.argsort(scores))


def test_rank_statistics_do_not_know_which_image_got_which_rating() -> None:
    x, y = ratings()
    shuffled = np.random.default_rng(1).permutation(y)
    np.testing.assert_array_equal(by_rank_statistics(x, y), by_rank_statistics(x, shuffled))
    assert not np.allclose(by_logistic(x, y), by_logistic(x, shuffled))


def test_equal_scores_become_the_median_rating() -> None:
    assert quantile_map([2.0, 2.0], [1.0, 3.0, 9.0])([2.0]).tolist() == [3.0]


def test_nothing_to_map_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one entry"):
        quantile_map([], [1.0])
    with pytest.raises(DataError, match="finite"):
        quantile_map([1.0, math.nan], [1.0])


# Figures of ratings


def test_regression_figures_are_the_statistics_on_each_scale() -> None:
    x, y = ratings()
    found = {f.name: f for f in regression_figures(x, y, ["quality"], samples=30)}
    ranked, bent = by_rank_statistics(x, y), by_logistic(x, y)
    expected = {
        "SRCC": stats.srcc(x, y),
        "PLCC": stats.plcc(x, y),
        "PLCC, logistic": stats.plcc_logistic(x, y),
        "KRCC": stats.krcc(x, y),
        "RMSE, as scored": stats.rmse(x, y),
        "RMSE, rank statistics": stats.rmse(ranked, y),
        "RMSE, logistic": stats.rmse(bent, y),
        "MSE, as scored": stats.mse(x, y),
        "MSE, rank statistics": stats.mse(ranked, y),
        "MSE, logistic": stats.mse(bent, y),
        "MAE, as scored": stats.mae(x, y),
        "MAE, rank statistics": stats.mae(ranked, y),
        "MAE, logistic": stats.mae(bent, y),
    }
    assert {name: f.value for name, f in found.items()} == pytest.approx(expected, abs=1e-12)
    for figure in found.values():
        assert figure.low < figure.high
        assert (figure.output, figure.images, figure.reason) == ("quality", 40, "")
    srcc = stats.bootstrap_ci(stats.srcc, x, y, samples=30)
    assert (found["SRCC"].low, found["SRCC"].high) == (srcc.low, srcc.high)


def test_each_output_has_its_own_figures() -> None:
    (x, y), (u, v) = ratings(seed=0), ratings(seed=1)
    both = regression_figures(np.stack([x, u], 1), np.stack([y, v], 1), ["a", "b"], samples=5)
    assert both == (
        *regression_figures(x, y, ["a"], samples=5),
        *regression_figures(u, v, ["b"], samples=5),
    )


def test_intervals_resample_whole_groups() -> None:
    x, y = ratings()
    photo = [f"I{i // 4:02}" for i in range(40)]
    found = regression_figures(x, y, ["q"], groups=photo, samples=50)[0]
    ci = stats.bootstrap_ci(stats.srcc, x, y, groups=photo, samples=50)
    assert (found.low, found.high) == (ci.low, ci.high)
    alone = [str(i) for i in range(40)]
    assert regression_figures(x, y, ["q"], groups=alone, samples=5) == regression_figures(
        x, y, ["q"], samples=5
    )


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "all scores are equal"),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0] * 6, "all ratings are equal"),
    ],
)
def test_a_correlation_that_does_not_exist_says_why(
    x: list[float], y: list[float], reason: str
) -> None:
    found = {f.name: f for f in regression_figures(x, y, ["q"], samples=5)}
    for name in ("SRCC", "PLCC", "PLCC, logistic", "KRCC", "RMSE, logistic"):
        assert math.isnan(found[name].value)
        assert found[name].reason == reason
        assert str(found[name]) == f"q: {name}: none ({reason})"
    assert found["RMSE, as scored"].value > 0
    assert found["RMSE, as scored"].reason == ""


def test_two_images_have_figures_but_no_logistic() -> None:
    found = {f.name: f for f in regression_figures([1.0, 2.0], [3.0, 4.0], ["q"], samples=50)}
    assert found["SRCC"].value == pytest.approx(1.0)
    assert found["PLCC, logistic"].reason == "the logistic needs 4 images"
    with pytest.raises(DataError, match="at least 2 images"):
        regression_figures([1.0], [3.0], ["q"])


def test_a_metric_that_ranks_backwards_is_marked_where_the_logistic_turns_it_over() -> None:
    x, y = ratings(40)
    found = regression_figures(-x, y, ["q"], samples=5)
    turned = {figure.name for figure in found if figure.falls}
    assert turned == {name for name in (f.name for f in found) if name.endswith("logistic")}
    plcc = next(figure for figure in found if figure.name == "PLCC, logistic")
    assert plcc.value > 0
    assert plcc.note == "the fitted logistic falls: higher scores go with lower ratings"
    assert str(plcc).endswith(plcc.note)
    assert not any(figure.falls for figure in regression_figures(x, y, ["q"], samples=5))


def test_a_report_notes_where_the_logistic_falls() -> None:
    x, y = ratings(40)
    figures = regression_figures(-x, y, ["q"], samples=5)
    names = tuple(map(str, range(40)))
    found = Evaluation("m", "d", figures, (), names, -x[:, None], y[:, None])
    for text in (to_markdown(found), to_csv(found)):
        (line,) = [line for line in text.splitlines() if "PLCC" in line and "logistic" in line]
        assert "the fitted logistic falls" in line
    kept = json.loads(to_json(found))["figures"]
    assert {one["measure"] for one in kept if one["falls"]} == {"PLCC", "RMSE", "MSE", "MAE"}


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (None, "too few for an interval: 4 images, fewer than 5"),
        (["a", "a", "b", "c"], "too few for an interval: 3 groups, fewer than 5"),
    ],
)
def test_a_few_images_have_figures_and_say_why_there_is_no_interval(
    groups: list[str] | None, reason: str
) -> None:
    figure = regression_figures([1, 2, 3, 4], [1, 2, 3, 5], ["q"], groups=groups, samples=50)[0]
    assert figure.value == 1.0
    assert math.isnan(figure.low)
    assert str(figure) == f"q: SRCC 1.000 ({reason}) on 4 images"


def test_one_group_has_figures_but_no_interval() -> None:
    x, y = ratings(10)
    figure = regression_figures(x, y, ["q"], groups=["photo"] * 10, samples=5)[0]
    assert figure.value == stats.srcc(x, y)
    assert math.isnan(figure.low)
    assert figure.reason == "no interval: all images are of one group"


# Figures of classes


EMOTIONS = ("joy", "surprise", "anger", "fear")
POLARITY = {"polarity": {"positive": EMOTIONS[:2], "negative": EMOTIONS[2:]}}


def classes(n: int = 60) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=n)
    scores = rng.dirichlet(np.ones(4), size=n)
    scores[np.arange(n), truth] += 0.3
    return scores / scores.sum(1, keepdims=True), truth


def test_classes_are_judged_all_and_by_each_grouping() -> None:
    p, truth = classes()
    figures, confusions = classification_figures(p, truth, EMOTIONS, POLARITY, samples=20)
    two = np.stack([p[:, :2].sum(1), p[:, 2:].sum(1)], axis=1)
    half = truth // 2
    assert {(f.output, f.measure): f.value for f in figures} == pytest.approx(
        {
            ("all classes", "accuracy"): stats.accuracy(p, truth),
            ("all classes", "mAP"): stats.mean_average_precision(p, truth),
            ("all classes", "macro F1"): stats.macro_f1(p, truth),
            ("all classes", "weighted F1"): stats.weighted_f1(p, truth),
            ("polarity", "accuracy"): stats.accuracy(two, half),
            ("polarity", "mAP"): stats.mean_average_precision(two, half),
            ("polarity", "macro F1"): stats.macro_f1(two, half),
            ("polarity", "weighted F1"): stats.weighted_f1(two, half),
        }
    )
    assert all(f.low <= f.value <= f.high for f in figures if f.measure == "accuracy")
    assert [c.labels for c in confusions] == [EMOTIONS, ("positive", "negative")]
    assert confusions[0].counts == tuple(map(tuple, stats.confusion_matrix(p, truth).tolist()))
    assert sum(map(sum, confusions[1].counts)) == 60


def test_equal_probabilities_have_figures() -> None:
    """No correlation is asked of classes: a constant prediction is a poor one, not a fault."""
    figures, _ = classification_figures(
        np.full((6, 2), 0.5), np.array([0, 1] * 3), ("a", "b"), samples=10
    )
    assert {f.measure: f.value for f in figures}["accuracy"] == 0.5
    assert not any(math.isnan(f.value) for f in figures)


def test_classes_that_do_not_fit_are_errors() -> None:
    p, truth = classes()
    with pytest.raises(DataError, match="a column for each class"):
        classification_figures(p, truth, EMOTIONS[:3])
    with pytest.raises(DataError, match="class 7 in the target"):
        classification_figures(p, truth + 4, EMOTIONS)
    with pytest.raises(DataError, match="class indices"):
        classification_figures(p, truth.astype(float), EMOTIONS)


# Over splits


def split_figures(*values: float) -> list[list[Figure]]:
    return [[Figure("quality", "SRCC", v, v - 0.1, v + 0.1, 20)] for v in values]


def test_ten_splits_give_their_median_and_five_folds_their_mean() -> None:
    values = (0.1, 0.2, 0.3, 0.4, 0.9)
    (median,) = over_splits(split_figures(*values), "median")
    (mean,) = over_splits(split_figures(*values), "mean")
    assert median.value == pytest.approx(0.3)
    assert median.images == 100
    assert mean.value == pytest.approx(0.38)
    for figure in (median, mean):
        assert 0.1 <= figure.low < figure.value < figure.high <= 0.9
    assert over_splits(split_figures(*values), "mean") == (mean,)


def test_a_split_without_a_value_is_not_averaged_away() -> None:
    splits = split_figures(0.5, 0.6)
    splits[1][0] = replace(splits[1][0], value=math.nan, reason="all scores are equal")
    (figure,) = over_splits(splits, "mean")
    assert math.isnan(figure.value)
    assert figure.reason == "split 2 has none: all scores are equal"


def test_two_splits_have_no_interval_and_one_that_falls_marks_the_figure() -> None:
    splits = split_figures(0.5, 0.6)
    (figure,) = over_splits(splits, "mean")
    assert figure.value == pytest.approx(0.55)
    assert not figure.falls
    assert math.isnan(figure.low)
    assert figure.reason == "too few for an interval: 2 splits, fewer than 5"
    splits[1][0] = replace(splits[1][0], falls=True)
    assert over_splits(splits, "mean")[0].falls


def test_one_split_has_no_interval_and_unlike_splits_are_refused() -> None:
    (figure,) = over_splits(split_figures(0.5), "median")
    assert (figure.value, figure.reason) == (0.5, "no interval: one split")
    other = [[Figure("quality", "KRCC", 0.5, 0.4, 0.6, 20)]]
    for splits in ([], split_figures(0.5) + other):
        with pytest.raises(DataError, match="figures differ"):
            over_splits(splits, "mean")


# A metric on images


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Twelve images; the fourth is damaged."""
    path = tiny.rated_folder(tmp_path_factory.mktemp("rated"), 12)
    (path.parent / "03.png").write_bytes(b"no image")
    return read_manifest(path, tiny.TASK)


@pytest.fixture(scope="module")
def evaluation(rated: Manifest) -> Evaluation:
    return evaluate(
        tiny.metric(), rated, metric_name="tiny", data_name="shades|grey", samples=20, chunk=5
    )


def test_an_unreadable_image_is_named_and_the_rest_is_judged(
    rated: Manifest, evaluation: Evaluation
) -> None:
    ((image, reason),) = evaluation.unreadable
    assert image == "03.png"
    assert reason
    kept = [k for k in range(12) if k != 3]
    assert evaluation.names == tuple(rated.names[k] for k in kept)
    scores = tiny.metric()([rated.images[k] for k in kept]).numpy()
    np.testing.assert_allclose(evaluation.prediction[:, 0], scores, rtol=1e-6)
    np.testing.assert_array_equal(evaluation.target, rated.targets[kept])
    expected = stats.srcc(evaluation.prediction, evaluation.target)
    assert evaluation.figure("SRCC").value == pytest.approx(expected)
    assert evaluation.figure("RMSE", scale="logistic").images == 11
    with pytest.raises(DataError, match="there is no accuracy"):
        evaluation.figure("accuracy")


def test_classes_of_a_metric_are_judged_with_its_groupings(rated: Manifest) -> None:
    metric = tiny.metric(("dark", "dim", "light"), "classification")
    data = replace(rated, targets=np.arange(12) % 3)
    found = evaluate(metric, data, groupings=metric.config.groupings, samples=5)
    assert [c.output for c in found.confusions] == ["all classes", "halves"]
    np.testing.assert_allclose(found.prediction.sum(axis=1), 1, atol=1e-5)
    assert found.figure("accuracy", "halves").images == 11


def test_data_that_a_metric_cannot_be_judged_on_is_refused(rated: Manifest) -> None:
    classifier = tiny.metric(("dark", "light"), "classification")
    with pytest.raises(DataError, match="the metric gives classes"):
        evaluate(classifier, rated)
    with pytest.raises(DataError, match="the metric gives scores"):
        evaluate(tiny.metric(), replace(rated, targets=np.arange(12) % 2))
    with pytest.raises(DataError, match="a class 2, the metric has 2"):
        evaluate(classifier, replace(rated, targets=np.arange(12) % 3))
    with pytest.raises(DataError, match="1 ratings an image, the metric gives 2"):
        evaluate(tiny.metric(("valence", "arousal")), rated)
    with pytest.raises(DataError, match=r"1 of 2 images .*; 03\.png: "):
        evaluate(tiny.metric(), rated.take([2, 3]))


# Reports


def test_csv_and_json_hold_every_figure_in_full(evaluation: Evaluation) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(evaluation))))
    record = json.loads(to_json(evaluation))
    assert tuple(rows[0]) == CSV_HEADER
    for figure, row, entry in zip(evaluation.figures, rows, record["figures"], strict=True):
        assert float(row["value"]) == entry["value"] == figure.value
        assert (row["measure"], row["scale"]) == (entry["measure"], entry["scale"])
    assert record["images"] == len(record["predictions"]) == 11
    assert [entry["image"] for entry in record["unreadable"]] == ["03.png"]


def test_markdown_names_figures_and_unreadable_images(evaluation: Evaluation) -> None:
    text = to_markdown(evaluation)
    assert text.startswith("tiny on shades|grey: 11 images; 1 could not be judged\n")
    assert f"| brightness | SRCC |  | {evaluation.figure('SRCC').value:.3f} |" in text
    assert "| 03.png | " in text


def test_a_figure_that_is_not_there_is_null_empty_and_a_dash() -> None:
    figures = regression_figures([1.0] * 4, [1.0, 2.0, 3.0, 4.0], ["q"], samples=5)
    none = Evaluation("m", "d", figures, (), tuple("abcd"), np.ones((4, 1)), np.ones((4, 1)))
    assert json.loads(to_json(none))["figures"][0]["value"] is None
    assert to_csv(none).splitlines()[1] == "q,SRCC,,,,,4,all scores are equal"
    assert "| q | SRCC |  | - | - | 4 | all scores are equal |" in to_markdown(none)


def test_the_example_of_the_docs_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (root / "docs" / "evaluate.md").read_text()
    exec(page.split("```python\n")[1].split("```")[0], {})
    assert capsys.readouterr().out.startswith("quality: SRCC 0.8")
