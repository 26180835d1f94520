"""How well predictions agree with people: pure functions of arrays, one float out.

Rules that hold for all of them, so that a number never hides a fault:

* A NaN or an infinity in the input, or inputs of different lengths, is a ``DataError``. So are
  too few images: correlations need 2, the logistic fit needs 4, the others 1.
* A statistic that does not exist for the data is ``nan``, with no warning: a correlation when the
  prediction or the target is constant, ``plcc_logistic`` when no logistic as good as a line is
  found. A ``nan`` is never better than a number, so select the best epoch with ``>``.
* A regression prediction is (N,) or (N, K); with K outputs the result is the mean over outputs,
  and ``nan`` if any output has none.
* A classification prediction is (N, C), a score or probability for each class, or, where only the
  winning class matters, (N,) integer class indices. The target is (N,) integer class indices.

Arguments are anything that ``numpy.asarray`` reads; a tensor must be on the CPU, without gradient.
All arithmetic is in float64. scipy and scikit-learn are imported on the first call.
"""

from __future__ import annotations

from perceptmetrics.statistics.bootstrap import (
    ConfidenceInterval,
    bootstrap_ci,
    bootstrap_cis,
)
from perceptmetrics.statistics.classification import (
    accuracy,
    confusion_matrix,
    macro_f1,
    mean_average_precision,
    weighted_f1,
)
from perceptmetrics.statistics.logistic import LogisticFit, logistic_fit, plcc_logistic
from perceptmetrics.statistics.regression import krcc, mae, mse, plcc, rmse, srcc

__all__ = [
    "ConfidenceInterval",
    "LogisticFit",
    "accuracy",
    "bootstrap_ci",
    "bootstrap_cis",
    "confusion_matrix",
    "krcc",
    "logistic_fit",
    "macro_f1",
    "mae",
    "mean_average_precision",
    "mse",
    "plcc",
    "plcc_logistic",
    "rmse",
    "srcc",
    "weighted_f1",
]
