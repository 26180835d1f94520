"""Where a metric errs: each number by its formula or by a library, and nothing hidden."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_fscore_support

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.errors import DataError, OptionError
from perceptmetrics.evaluation.analyse import analyse
from perceptmetrics.evaluation.breakdown import class_breakdown, group_values, rating_breakdown
from perceptmetrics.evaluation.calibration import class_calibration, rating_calibration
from perceptmetrics.evaluation.ceilings import human_ceilings
from perceptmetrics.evaluation.class_errors import class_errors
from perceptmetrics.evaluation.comparing import compare, compare_classes, compare_ratings
from perceptmetrics.evaluation.error_analysis import ErrorAnalysis
from perceptmetrics.evaluation.error_record import from_record, to_record
from perceptmetrics.evaluation.error_tables import error_tables
from perceptmetrics.evaluation.evaluate import Evaluation
from perceptmetrics.evaluation.rating_errors import histogram, rating_errors
from perceptmetrics.statistics import mae, plcc, srcc
from perceptmetrics.statistics.significance import williams

Floats = npt.NDArray[np.float64]
LABELS = ("sad", "glad", "angry")


def ratings(images: int = 60, seed: int = 0) -> tuple[Floats, Floats, tuple[str, ...]]:
    rng = np.random.default_rng(seed)
    rated = rng.uniform(1, 7, size=images)
    said = 4 + 0.4 * (rated - 4) + rng.normal(0, 0.3, size=images)
    return said, rated, tuple(f"{k:02}.jpg" for k in range(images))


def classes(images: int = 90, seed: int = 0) -> tuple[Floats, npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=images)
    raw = rng.normal(size=(images, 3)) + 1.5 * np.eye(3)[truth]
    scores = np.exp(raw)
    return scores / scores.sum(axis=1, keepdims=True), truth


def manifest(names: tuple[str, ...], targets: npt.NDArray[np.float64], **columns: str) -> Manifest:
    cells = {name: tuple(values.split()) for name, values in columns.items()}
    return Manifest(tuple(map(Path, names)), names, targets, names, "abc", cells)


def test_the_largest_errors_are_differences_of_z_scores() -> None:
    said, rated, names = ratings()
    errors = stats.zscore(said) - stats.zscore(rated)
    found = rating_errors(said, rated, names, "quality", top=3)
    worst = np.argsort(errors)
    assert [one.image for one in found.overrated] == [names[k] for k in worst[::-1][:3]]
    assert [one.image for one in found.underrated] == [names[k] for k in worst[:3]]
    first = found.overrated[0]
    assert first.error == pytest.approx(errors[worst[-1]])
    assert (first.prediction, first.rating) == (said[worst[-1]], rated[worst[-1]])
    assert first.z_prediction - first.z_rating == pytest.approx(first.error)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_the_unit_of_scores_does_not_matter_to_the_largest_errors(
    scale: float, shift: float
) -> None:
    said, rated, names = ratings(20)
    before = rating_errors(said, rated, names, "quality")
    after = rating_errors(scale * said + shift, rated, names, "quality")
    assert [one.image for one in after.overrated] == [one.image for one in before.overrated]
    assert [one.image for one in after.underrated] == [one.image for one in before.underrated]


def test_a_constant_metric_has_a_histogram_and_says_why_no_errors_are_ranked() -> None:
    _, rated, names = ratings()
    found = rating_errors(np.full(60, 3.0), rated, names, "quality")
    assert found.overrated == found.underrated == ()
    assert found.reason == "all scores are equal"
    assert sum(found.histogram.predicted) == 60


def test_a_histogram_has_shared_bins_that_hold_every_image() -> None:
    said, rated, _ = ratings()
    found = histogram(said, rated, bins=8)
    assert len(found.edges) == 9
    assert (found.edges[0], found.edges[-1]) == (rated.min(), rated.max())
    assert sum(found.predicted) == sum(found.true) == 60
    assert found.true == tuple(np.histogram(rated, found.edges)[0])
    assert found.predicted_sd == pytest.approx(np.std(said, ddof=1))
    with pytest.raises(OptionError, match="bins"):
        histogram(said, rated, bins=0)


def test_classes_have_the_figures_of_scikit_learn() -> None:
    scores, truth = classes()
    names = [f"{k}.jpg" for k in range(len(truth))]
    found = class_errors(scores, truth, names, LABELS, top=4)
    precision, recall, f1, support = precision_recall_fscore_support(truth, scores.argmax(axis=1))
    assert [one.precision for one in found.scores] == pytest.approx(precision)
    assert [one.recall for one in found.scores] == pytest.approx(recall)
    assert [one.f1 for one in found.scores] == pytest.approx(f1)
    assert [one.images for one in found.scores] == support.tolist()
    assert [sum(row) for row in found.shares] == pytest.approx([1, 1, 1])
    sure = [one.probability for one in found.misses]
    assert sure == sorted(sure, reverse=True)
    wrong = scores.argmax(axis=1) != truth
    assert sure[0] == scores.max(axis=1)[wrong].max()
    assert all(one.true != one.predicted for one in found.misses)


def test_a_class_without_images_has_no_share_and_no_recall() -> None:
    found = class_errors(np.eye(3)[[0, 1]], [0, 0], ["a", "b"], LABELS)
    assert all(math.isnan(share) for share in found.shares[2])
    assert math.isnan(found.scores[1].recall)
    assert found.scores[1].precision == 0
    assert math.isnan(found.scores[2].f1)


def test_a_breakdown_is_the_figures_of_each_group() -> None:
    said, rated, _ = ratings()
    kinds = ["blur"] * 40 + ["noise"] * 17 + ["rare"] * 3
    found = rating_breakdown(said, rated, kinds, "quality", "kind", scale="as scored", samples=20)
    blur, noise, rare = found.groups
    assert [one.images for one in found.groups] == [40, 17, 3]
    assert blur.figure("SRCC").value == pytest.approx(srcc(said[:40], rated[:40]))
    assert noise.figure("MAE").value == pytest.approx(mae(said[40:57], rated[40:57]))
    assert noise.figure("bias").value == pytest.approx(float(np.mean((said - rated)[40:57])))
    assert noise.figure("bias").low < noise.figure("bias").value < noise.figure("bias").high
    # What is too small is stated, not hidden.
    assert all(math.isnan(one.value) for one in rare.figures)
    assert {one.reason for one in rare.figures} == {"3 images, fewer than 8"}


def test_a_breakdown_maps_scores_on_all_images_at_once() -> None:
    said, rated, _ = ratings()
    kinds = ["a"] * 30 + ["b"] * 30
    same = rating_breakdown(said, rated, kinds, "quality", "kind", samples=5)
    other = rating_breakdown(100 * said - 7, rated, kinds, "quality", "kind", samples=5)
    for one, two in zip(same.groups, other.groups, strict=True):
        assert [f.value for f in one.figures] == pytest.approx([f.value for f in two.figures])
    biases = [one.figure("bias").value for one in same.groups]
    assert sum(biases) == pytest.approx(0, abs=1e-9)


def test_a_breakdown_draws_groups_as_a_whole() -> None:
    said, rated, _ = ratings()
    one_photo = rating_breakdown(
        said, rated, ["a"] * 60, "quality", "kind", groups=["photo"] * 60, samples=5
    )
    assert {f.reason for f in one_photo.groups[0].figures} == {
        "no interval: all images are of one group"
    }


def test_what_a_group_does_not_have_says_why() -> None:
    _, rated, _ = ratings()
    kinds = ["a"] * 60
    found = rating_breakdown(
        np.full(60, 3.0), rated, kinds, "quality", "kind", scale="logistic", samples=5
    )
    figures = {one.measure: one for one in found.groups[0].figures}
    assert figures["SRCC"].reason == "all scores or all ratings of the group are equal"
    assert math.isnan(figures["bias"].value)
    assert "logistic cannot be fitted" in figures["MAE"].reason


def test_accuracy_is_broken_down_too() -> None:
    scores, truth = classes()
    places = ["in", "out"] * 45
    found = class_breakdown(scores, truth, places, "all classes", "place", samples=20)
    right = scores.argmax(axis=1) == truth
    assert found.groups[0].figure("accuracy").value == pytest.approx(right[::2].mean())


def test_numbers_are_cut_into_four_parts_and_names_are_not() -> None:
    cells = group_values([str(k) for k in range(100)], "age")
    assert len(set(cells)) == 4
    assert {cells.count(cell) for cell in cells} == {25}
    with pytest.raises(DataError, match="column 'name' has 100 different values"):
        group_values([f"{k}.jpg" for k in range(100)], "name")


def test_the_line_of_a_calibration_is_least_squares() -> None:
    said, rated, _ = ratings()
    found = rating_calibration(said, rated, "quality", bins=5)
    slope, intercept = np.polyfit(said, rated, 1)
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept))
    assert found.slope > 1.5  # the scores are too close to the mean
    assert [one.images for one in found.bins] == [12] * 5
    order = np.argsort(said)
    assert found.bins[0].predicted == pytest.approx(said[order[:12]].mean())
    assert found.bins[0].true == pytest.approx(rated[order[:12]].mean())
    after = rating_calibration(said, rated, "quality", scale="logistic")
    assert after.slope == pytest.approx(1, abs=0.05)


def test_a_calibration_without_a_line_says_why() -> None:
    _, rated, _ = ratings()
    flat = rating_calibration(np.full(60, 3.0), rated, "quality")
    assert flat.reason == "all scores are equal"
    assert [one.images for one in flat.bins] == [60]
    bent = rating_calibration(np.full(60, 3.0), rated, "quality", scale="logistic")
    assert math.isnan(bent.slope)
    assert "logistic" in bent.reason
    with pytest.raises(OptionError, match="no scale is called 'guess'"):
        rating_calibration(rated, rated, "quality", scale="guess")


def test_the_calibration_of_classes_is_written_out() -> None:
    scores, truth = classes()
    found = class_calibration(scores, truth, LABELS, bins=10)
    sure, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    true, said = calibration_curve(right, sure, n_bins=10)
    assert [one.true for one in found.bins] == pytest.approx(true)
    assert [one.predicted for one in found.bins] == pytest.approx(said)
    error = 0.0
    for k in range(10):
        inside = (sure > k / 10) & (sure <= (k + 1) / 10)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert found.expected_error == pytest.approx(error)
    brier = np.mean([np.sum((p - np.eye(3)[t]) ** 2) for p, t in zip(scores, truth, strict=True)])
    assert found.brier == pytest.approx(brier)
    with pytest.raises(DataError, match="sum to 1"):
        class_calibration(10 * scores, truth, LABELS)


def test_ratings_are_compared_by_three_tests() -> None:
    rng = np.random.default_rng(1)
    _, rated, _ = ratings()
    first, second = rated + rng.normal(0, 0.5, 60), rated + rng.normal(0, 2.0, 60)
    found = compare_ratings(first, second, rated, "quality", names=("ours", "other"), samples=199)
    assert [(one.measure, one.test) for one in found] == [
        (measure, test)
        for measure in ("SRCC", "PLCC")
        for test in ("bootstrap", "permutation", "Williams")
    ]
    assert all(one.p < 0.05 and one.low > 0 for one in found)
    assert found[0].difference == pytest.approx(srcc(first, rated) - srcc(second, rated))
    assert found[5].p == williams(first, second, rated).p
    # Holm: two comparisons by Williams's test.
    assert min(one.p_holm for one in found if one.test == "Williams") == pytest.approx(
        2 * min(found[2].p, found[5].p)
    )


def test_the_same_scores_are_no_different() -> None:
    said, rated, _ = ratings()
    found = compare_ratings(said, said, rated, samples=50)
    assert {one.difference for one in found} == {0.0}
    assert all(one.p == 1 for one in found if one.test != "Williams")
    assert "the same scores" in found[2].reason


def test_williams_is_not_given_for_distortions_of_few_photographs() -> None:
    said, rated, _ = ratings()
    photos = [f"photo {k // 10}" for k in range(60)]
    found = compare_ratings(said, -said, rated, groups=photos, samples=50)
    assert math.isnan(found[2].p)
    assert "takes each as independent" in found[2].reason
    assert found[0].groups == 6
    one = compare_ratings(said, -said, rated, groups=["photo"] * 60, samples=50)
    assert all(math.isnan(f.p) and f.reason for f in one)


def test_classes_are_compared_by_three_tests() -> None:
    scores, truth = classes()
    worse = np.roll(scores, 1, axis=1)
    found = compare_classes(scores, worse, truth, samples=99)
    assert [one.test for one in found] == ["bootstrap", "permutation", "McNemar"]
    assert all(one.p < 0.05 for one in found)


def test_metrics_are_compared_on_images_that_both_could_judge() -> None:
    said, rated, names = ratings(12)
    one = Evaluation("ours", "mine", (), (), names, said[:, None], rated[:, None], (), "abc")
    two = replace(
        one,
        metric="other",
        names=names[1:],
        prediction=said[1:, None] ** 2,
        target=rated[1:, None],
        unreadable=((names[0], "broken"),),
    )
    found = compare(one, two, ["quality"], samples=20)
    assert {f.images for f in found} == {11}
    assert (found[0].first, found[0].second) == ("ours", "other")
    with pytest.raises(DataError, match="not evaluated on the same data"):
        compare(one, replace(two, data_sha256="other"), ["quality"])


def test_a_ceiling_comes_from_the_columns_of_its_output() -> None:
    rated = np.array([[1.0], [3.0], [5.0]])
    names = ("a", "b", "c")
    data = manifest(names, rated, beauty_sd="1 1 1", beauty_n="4 4 4")
    (found,) = human_ceilings(rated[:, 0], rated[:, 0], data, "beauty")
    assert found.reliability == pytest.approx(1 - (1 / 4) / 4)
    assert found.ceiling == pytest.approx(math.sqrt(found.reliability))
    assert found.share == pytest.approx(1 / found.ceiling)
    assert human_ceilings(rated[:, 0], rated[:, 0], data, "valence") == []
    (halves,) = human_ceilings(rated[:, 0], rated[:, 0], data, "valence", 0.778)
    assert halves.measure == "SRCC"
    assert halves.ceiling == pytest.approx(0.9355, abs=5e-5)
    bad = manifest(names, rated, beauty_se="0.1 - 0.1")
    (none,) = human_ceilings(rated[:, 0], rated[:, 0], bad, "beauty")
    assert math.isnan(none.ceiling)
    assert "beauty_se of b is '-'" in none.note


def whole_analyses() -> list[ErrorAnalysis]:
    said, rated, names = ratings(24)
    data = manifest(names, rated[:, None], kind="a b c " * 8, quality_se="0.1 " * 24)
    found = Evaluation("mine", "these", (), (), names, said[:, None], rated[:, None], (), "abc")
    first = analyse(found, data, ["quality"], by=["kind"], split_half=0.8, samples=5, least=8)
    pairs = compare_ratings(said, said**2, rated, "quality", samples=9)
    scores, truth = classes(24)
    shades = Evaluation("mine", "these", (), (), names, scores, truth, (), "abc")
    polarity = {"polarity": {"low": ("sad", "angry"), "high": ("glad",)}}
    second = analyse(
        shades, replace(data, targets=truth), LABELS, groupings=polarity, by=["kind"], samples=5
    )
    return [replace(first, comparisons=pairs), second]


def same(one: object, two: object) -> bool:
    """Equal, ``nan`` with ``nan``."""
    return repr(one) == repr(two)


def test_an_analysis_comes_back_from_json_as_it_was() -> None:
    for analysis in whole_analyses():
        text = json.dumps(to_record(analysis), allow_nan=False)
        assert same(from_record(json.loads(text)), analysis)


def test_what_is_no_analysis_is_refused() -> None:
    record = to_record(whole_analyses()[0])
    with pytest.raises(DataError, match="of this version"):
        from_record({**record, "format": "perceptmetrics errors 0"})
    del record["ratings"]
    with pytest.raises(DataError, match="this is no error analysis"):
        from_record(record)


def test_an_analysis_has_every_part_and_a_table_of_each() -> None:
    scores, shades = whole_analyses()
    assert [one.measure for one in scores.ceilings] == ["PLCC", "SRCC"]
    assert [one.scale for one in scores.rating_calibrations] == [
        "as scored",
        "rank statistics",
        "logistic",
    ]
    assert [one.output for one in shades.classes] == ["all classes", "polarity"]
    assert [one.output for one in shades.breakdowns] == ["all classes", "polarity"]
    captions = [table.caption for table in (*error_tables(scores), *error_tables(shades))]
    for part in ("most overrated", "by kind", "perfect predictor", "same images", "polarity"):
        assert any(part in caption for caption in captions), part
    for table in (*error_tables(scores), *error_tables(shades)):
        assert len({len(row) for row in table.rows}) == 1


def test_an_analysis_leaves_out_what_could_not_be_judged() -> None:
    said, rated, names = ratings(12)
    data = manifest(names, rated[:, None], kind="a " * 12)
    found = Evaluation(
        *("mine", "these", (), (), names[1:]), said[1:, None], rated[1:, None], ((names[0], "x"),)
    )
    assert analyse(found, data, ["quality"], by=["kind"], samples=5).images == 11
    with pytest.raises(DataError, match="other images"):
        analyse(found, data.take([3, 4]), ["quality"])
    with pytest.raises(DataError, match="no column 'theme' beside its ratings; it has kind"):
        analyse(found, data, ["quality"], by=["theme"])


def test_plcc_of_the_rank_map_is_about_its_slope() -> None:
    """What the note under the table of lines says."""
    said, rated, _ = ratings(400)
    found = rating_calibration(said, rated, "quality", scale="rank statistics")
    assert found.slope == pytest.approx(plcc(said, rated), abs=0.01)
