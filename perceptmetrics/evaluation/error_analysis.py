"""Where a metric errs, as plain values to draw and to print (appendix A.4).

``rating_errors.py``, ``class_errors.py``, ``breakdown.py``, ``calibration.py`` and
``comparing.py`` make them; ``error_record.py`` keeps them as JSON and reads them again. Images go
by :attr:`Manifest.names`. A number that does not exist is ``nan``.
"""

from __future__ import annotations

from dataclasses import dataclass

from perceptmetrics.evaluation.figures import Figure
from perceptmetrics.evaluation.paired_comparison import PairedComparison


@dataclass(frozen=True)
class Histogram:
    """How predictions and ratings are spread, on shared bins (figure A.6).

    Attributes:
        edges: B + 1 ends of bins, ascending; the last bin holds its upper end as well.
        predicted, true: B counts of images.
        predicted_mean, predicted_sd, true_mean, true_sd: Of all images, with N - 1.
    """

    edges: tuple[float, ...]
    predicted: tuple[int, ...]
    true: tuple[int, ...]
    predicted_mean: float
    predicted_sd: float
    true_mean: float
    true_sd: float


@dataclass(frozen=True)
class RatingMiss:
    """An image, and how far its score is off (figures A.7 and A.8).

    Attributes:
        image: Its name.
        prediction, rating: Each as it is, in its own unit.
        z_prediction, z_rating: Each less the mean of all images, over their standard deviation.
        error: ``z_prediction - z_rating``; positive where the image is overrated.
    """

    image: str
    prediction: float
    rating: float
    z_prediction: float
    z_rating: float
    error: float


@dataclass(frozen=True)
class RatingErrors:
    """The errors of one output.

    Attributes:
        output: ``quality``, ``valence``, ...
        images: How many were judged.
        histogram: Of predictions and ratings.
        overrated: Images with the largest positive errors, the worst first.
        underrated: Images with the largest negative errors, the worst first.
        reason: Why no errors are ranked: all scores are equal, say.
    """

    output: str
    images: int
    histogram: Histogram
    overrated: tuple[RatingMiss, ...] = ()
    underrated: tuple[RatingMiss, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class ClassScore:
    """How one class fares against the rest.

    Attributes:
        label: Its name.
        images: That are of it.
        predicted: Images that were taken for it.
        precision: Share of these that are of it; ``nan`` where none was taken for it.
        recall: Share of its images that were taken for it; ``nan`` where it has none.
        f1: ``2 * right / (images + predicted)``; ``nan`` where both are 0.
    """

    label: str
    images: int
    predicted: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassMiss:
    """An image that was taken for another class (figures A.4 and A.5).

    Attributes:
        image: Its name.
        true, predicted: Labels.
        probability: Of the predicted class.
        probability_of_true: Of the true class.
    """

    image: str
    true: str
    predicted: str
    probability: float
    probability_of_true: float


@dataclass(frozen=True)
class ClassErrors:
    """Which class was taken for which (figure A.3).

    Attributes:
        output: ``all classes``, or a grouping's name.
        labels: C names.
        counts: C rows of C counts: a row for each true class, a column for each predicted one.
        shares: The same, each row over its sum; a row of a class without images is ``nan``.
        scores: Of each class.
        misses: Wrong images of which the metric was surest, the surest first.
    """

    output: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    scores: tuple[ClassScore, ...]
    misses: tuple[ClassMiss, ...] = ()


@dataclass(frozen=True)
class GroupErrors:
    """The images with one value in a column.

    Attributes:
        value: ``Animal``, ``JPEG compression``; empty where the cell is.
        images: How many there are.
        figures: For ratings SRCC, ``bias`` (mean error, positive where overrated) and MAE, the
            last two after the scale mapping; for classes accuracy. Each with its interval, or
            with the reason why there is none.
    """

    value: str
    images: int
    figures: tuple[Figure, ...]

    def figure(self, measure: str) -> Figure:
        """The one of that measure."""
        return next(figure for figure in self.figures if figure.measure == measure)


@dataclass(frozen=True)
class Breakdown:
    """One output, by the values of one column.

    Attributes:
        output: ``quality``, ``all classes``, ...
        column: ``category``, ``distortion``, ...
        scale: How scores were brought to the ratings' scale, on all images at once; empty for
            classes.
        groups: The largest first.
        least: Groups of fewer images have no figures; they say so.
    """

    output: str
    column: str
    scale: str
    groups: tuple[GroupErrors, ...]
    least: int


@dataclass(frozen=True)
class CalibrationBin:
    """Images with about the same prediction.

    Attributes:
        low, high: Ends of the predictions in it; of confidence, for classes.
        images: How many there are.
        predicted: Mean prediction; mean confidence, for classes.
        true: Mean rating; share of images whose class is right, for classes.
    """

    low: float
    high: float
    images: int
    predicted: float
    true: float


@dataclass(frozen=True)
class RatingCalibration:
    """What people said, given what the metric said, on the ratings' scale.

    Attributes:
        output: ``quality``, ...
        scale: How scores were brought to the ratings' scale.
        bins: About as many images in each, by prediction ascending.
        slope, intercept: Of the least-squares line ``rating = slope * prediction + intercept``;
            1 and 0 where calibrated. A slope above 1: predictions are too close to the mean.
        reason: Why there is no line.
    """

    output: str
    scale: str
    bins: tuple[CalibrationBin, ...]
    slope: float
    intercept: float
    reason: str = ""


@dataclass(frozen=True)
class ClassCalibration:
    """How often the metric is right, given how sure it is.

    Attributes:
        output: ``all classes``, or a grouping's name.
        bins: Of equal width over confidence 0 to 1; empty ones are left out.
        bin_count: How many there are with the empty ones.
        expected_error: Expected calibration error (ECE): mean of ``|true - predicted|`` over bins,
            weighted by images.
        brier: Mean over images of the summed squares of probability less truth, in [0, 2].
    """

    output: str
    bins: tuple[CalibrationBin, ...]
    bin_count: int
    expected_error: float
    brier: float


@dataclass(frozen=True)
class HumanCeiling:
    """How well a perfect predictor of what all people would say could do on these ratings.

    Attributes:
        output: ``valence``, ...
        basis: From what it was computed: ``split-half Spearman 0.778``.
        reliability: Share of the ratings' variance that is not chance, in [0, 1].
        ceiling: The correlation that a perfect predictor would reach: ``sqrt(reliability)``.
        reached: The metric's correlation.
        measure: Which one: ``PLCC`` or ``SRCC``.
        images: On how many.
        note: What the numbers assume, or why there are none.
    """

    output: str
    basis: str
    reliability: float
    ceiling: float
    reached: float
    measure: str
    images: int
    note: str = ""

    @property
    def share(self) -> float:
        """What the metric reaches of the ceiling."""
        return self.reached / self.ceiling if self.ceiling > 0 else float("nan")


@dataclass(frozen=True)
class ErrorAnalysis:
    """Where a metric errs on some images; what was not asked for, or cannot be had, is empty.

    Attributes:
        metric, data: What the caller calls them.
        images: How many were judged.
        data_sha256: See :attr:`Evaluation.data_sha256`.
        ratings: For each output, where the metric gives scores.
        classes: All classes first, then each grouping, where it gives classes.
        breakdowns: For each output and column.
        rating_calibrations: For each output and scale mapping.
        class_calibrations: As ``classes``.
        ceilings: Where the set allows one.
        comparisons: With another metric.
    """

    metric: str
    data: str
    images: int
    data_sha256: str = ""
    ratings: tuple[RatingErrors, ...] = ()
    classes: tuple[ClassErrors, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    rating_calibrations: tuple[RatingCalibration, ...] = ()
    class_calibrations: tuple[ClassCalibration, ...] = ()
    ceilings: tuple[HumanCeiling, ...] = ()
    comparisons: tuple[PairedComparison, ...] = ()
