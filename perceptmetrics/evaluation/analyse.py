"""Where a metric errs, from its evaluation and what is known of the images (appendix A.4)."""

from __future__ import annotations

from collections.abc import Sequence

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.breakdown import LEAST, SCALE, class_breakdown, rating_breakdown
from perceptmetrics.evaluation.calibration import class_calibration, rating_calibration
from perceptmetrics.evaluation.ceilings import human_ceilings
from perceptmetrics.evaluation.class_errors import ALL, class_errors
from perceptmetrics.evaluation.error_analysis import (
    Breakdown,
    ClassCalibration,
    ClassErrors,
    ErrorAnalysis,
    HumanCeiling,
    RatingCalibration,
    RatingErrors,
)
from perceptmetrics.evaluation.evaluate import Evaluation
from perceptmetrics.evaluation.figures import SAMPLES, SEED, Groupings, grouped_classes
from perceptmetrics.evaluation.mapping import MAPPINGS
from perceptmetrics.evaluation.rating_errors import TOP, rating_errors


def analyse(
    evaluation: Evaluation,
    data: Manifest,
    labels: Sequence[str],
    *,
    groupings: Groupings | None = None,
    by: Sequence[str] = (),
    scale: str = SCALE,
    top: int = TOP,
    least: int = LEAST,
    split_half: float | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> ErrorAnalysis:
    """All that is said of a metric's errors on the images that it could judge.

    Args:
        evaluation: Of the metric on the data.
        data: What was given to :func:`~perceptmetrics.evaluation.evaluate.evaluate`. Where it has
            columns ``OUTPUT_sd`` and ``OUTPUT_n``, or ``OUTPUT_se``, the human ceiling is computed.
        labels: Outputs or classes of the metric.
        groupings: Coarser views of the classes.
        by: Columns of the data to break errors down by.
        scale: Of bias and MAE in these; see :data:`~perceptmetrics.evaluation.mapping.MAPPINGS`.
        top: Images at each end.
        least: Groups of fewer images have no figures.
        split_half: Correlation between the mean ratings of two halves of the raters, if known.
        samples: Draws of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        DataError: This is not the data, a column is missing, or it is no groups.
        OptionError: A number or a scale that cannot be.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> names = tuple(f"{k}.jpg" for k in range(8))
        >>> rated = np.arange(8.0)[:, None]
        >>> data = Manifest(tuple(map(Path, names)), names, rated, names, "", {"kind": ("a",) * 8})
        >>> found = Evaluation("mine", "ratings", (), (), names, rated**2, rated)
        >>> errors = analyse(found, data, ("quality",), by=["kind"], samples=20)
        >>> errors.breakdowns[0].groups[0].figure("SRCC").value
        1.0
    """
    judged = judged_part(evaluation, data)
    columns = {name: judged.column(name) for name in by}
    names = evaluation.names
    rated: list[RatingErrors] = []
    calibrated: list[RatingCalibration] = []
    classes: list[ClassErrors] = []
    reliable: list[ClassCalibration] = []
    broken: list[Breakdown] = []
    ceilings: list[HumanCeiling] = []
    if evaluation.target.ndim == 1:
        views = {ALL: {label: (label,) for label in labels}, **(groupings or {})}
        for output, members in views.items():
            scores, truth = grouped_classes(
                evaluation.prediction, evaluation.target, labels, members
            )
            classes.append(class_errors(scores, truth, names, tuple(members), output, top=top))
            reliable.append(class_calibration(scores, truth, tuple(members), output))
            broken += [
                class_breakdown(
                    *(scores, truth, cells, output, name),
                    groups=judged.groups,
                    least=least,
                    samples=samples,
                    seed=seed,
                )
                for name, cells in columns.items()
            ]
    else:
        for k, output in enumerate(labels):
            x, y = evaluation.prediction[:, k], evaluation.target[:, k]
            rated.append(rating_errors(x, y, names, output, top=top))
            calibrated += [rating_calibration(x, y, output, scale=way) for way in MAPPINGS]
            broken += [
                rating_breakdown(
                    *(x, y, cells, output, name),
                    scale=scale,
                    groups=judged.groups,
                    least=least,
                    samples=samples,
                    seed=seed,
                )
                for name, cells in columns.items()
            ]
            ceilings += human_ceilings(x, y, judged, output, split_half)
    return ErrorAnalysis(
        evaluation.metric,
        evaluation.data,
        len(names),
        evaluation.data_sha256,
        tuple(rated),
        tuple(classes),
        tuple(broken),
        tuple(calibrated),
        tuple(reliable),
        tuple(ceilings),
    )


def judged_part(evaluation: Evaluation, data: Manifest) -> Manifest:
    """The images of the data that were judged, in the order of :attr:`Evaluation.names`.

    Raises:
        DataError: They are other images.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> data = Manifest((Path("a"), Path("b")), ("a", "b"), np.zeros((2, 1)), ("a", "b"), "")
        >>> one = np.zeros((1, 1))
        >>> judged_part(Evaluation("", "", (), (), ("b",), one, one, (("a", "gone"),)), data).names
        ('b',)
    """
    left_out = {name for name, _ in evaluation.unreadable}
    judged = data.take([k for k, name in enumerate(data.names) if name not in left_out])
    if judged.names != evaluation.names:
        raise DataError("the evaluation is of other images than the data; give what was evaluated")
    return judged
