"""PLCC as IQA tables give it: after a 4-parameter logistic (paper, appendix A.1)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perceptmetrics.deferred import Deferred
from perceptmetrics.errors import DataError
from perceptmetrics.statistics.checks import Floats, mean_over_outputs, pair
from perceptmetrics.statistics.regression import constant, plcc_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = Deferred("numpy")

# Steps of a fit: real data need tens. Data along a straight line have no best logistic, only ever
# flatter ones, and each is as good as the next: there the last step's is taken.
_FIT_EVALUATIONS = 200
_BETA4 = 0.5  # LoDa's start
_STRAIGHT = 10.0  # beta4, in standard deviations, of a logistic that is nearly a line


@dataclass(frozen=True)
class LogisticFit:
    """The 4-parameter logistic of the paper's equation 1, fitted.

    ``y = beta2 + (beta1 - beta2) / (1 + exp(-(x - beta3) / beta4))``

    Attributes:
        beta: (beta1, beta2, beta3, beta4).

    Example:
        >>> float(LogisticFit((1.0, 0.0, 5.0, 2.0))(5.0))
        0.5
    """

    beta: tuple[float, float, float, float]

    @property
    def falls(self) -> bool:
        """Whether a higher score becomes a lower rating.

        A fit takes the direction that it finds. After one that falls, PLCC is that of the scores
        turned over: a metric that ranks backwards would pass for a good one.

        Example:
            >>> x = [0.0, 1.0, 2.0, 3.0, 4.0]
            >>> logistic_fit(x, [5.0, 4.5, 3.0, 1.5, 1.0]).falls
            True
            >>> logistic_fit(x, [1.0, 1.5, 3.0, 4.5, 5.0]).falls
            False
        """
        beta1, beta2, _, beta4 = self.beta
        return beta1 != beta2 and (beta1 > beta2) != (beta4 > 0)

    def __call__(self, prediction: npt.ArrayLike) -> Floats:
        """The prediction on the scale of the target, float64, of the same shape."""
        return _logistic(np.asarray(prediction, dtype=np.float64), *self.beta)


def logistic_fit(prediction: npt.ArrayLike, target: npt.ArrayLike) -> LogisticFit:
    """Fit equation 1 of the paper (appendix A.1) by Levenberg-Marquardt least squares.

    The start is the published one: beta = [max target, min target, mean prediction, 0.5]. Its
    0.5 means nothing to predictions in thousands or in thousandths. Where it ends in a fit no
    better than a straight line, which some logistic always is, the fit is tried with half of the
    predictions' standard deviation, then from the line itself, and the best counts. Like any such
    fit it may end in a local optimum, but never in one that is worse than a line.

    Args:
        prediction: (N,) raw scores, N at least 4.
        target: (N,) mean opinion scores.

    Returns:
        The fit; call it to map scores.

    Raises:
        DataError: If the input is constant or breaks the rules of
            :mod:`perceptmetrics.statistics`, or no logistic as good as a line is found.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(-2, 2, 50)
        >>> fit = logistic_fit(x, 1 + 4 / (1 + np.exp(-(x - 0.2) / 0.7)))
        >>> [round(beta, 3) for beta in fit.beta]
        [5.0, 1.0, 0.2, 0.7]
    """
    x, y = pair(prediction, target, least=4)
    if x.ndim != 1:
        raise DataError(f"the logistic fit takes one output, (N,); got shape {x.shape}")
    fit = _fit(x, y)
    if fit is None:
        raise DataError(
            "the 4-parameter logistic cannot be fitted: the prediction or the target is constant, "
            "or no logistic as good as a line was found; use plcc, which needs no fit"
        )
    return fit


def plcc_logistic(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """PLCC after the 4-parameter logistic (paper, appendix A.1): the PLCC of IQA tables.

    It does not see whether scores rise or fall with ratings; see :attr:`LogisticFit.falls`.

    Args:
        prediction: (N,) or (N, K) raw scores, N at least 4.
        target: Mean opinion scores, of the same shape.

    Returns:
        In [-1, 1], or ``nan`` if either is constant, or no logistic as good as a line is found.

    Raises:
        DataError: If the input breaks the rules of :mod:`perceptmetrics.statistics`.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(-2, 2, 50)
        >>> y = 1 / (1 + np.exp(-x / 0.3))
        >>> from perceptmetrics.statistics import plcc
        >>> round(plcc(x, y), 3), round(plcc_logistic(x, y), 3)
        (0.958, 1.0)
    """
    return mean_over_outputs(_plcc_logistic, prediction, target, least=4)


def _logistic(x: Floats, beta1: float, beta2: float, beta3: float, beta4: float) -> Floats:
    from scipy.special import expit

    return np.asarray(beta2 + (beta1 - beta2) * expit((x - beta3) / beta4), dtype=np.float64)


def _logistic_jacobian(x: Floats, beta1: float, beta2: float, beta3: float, beta4: float) -> Floats:
    """Derivatives of equation 1 by its parameters, (N, 4)."""
    from scipy.special import expit

    z = (x - beta3) / beta4
    rise = expit(z)
    slope = (beta1 - beta2) * rise * expit(-z) / beta4
    return np.stack([rise, expit(-z), -slope, -slope * z], axis=1)


def _fit(x: Floats, y: Floats) -> LogisticFit | None:
    """The fit of equation 1, or None where there is none."""
    if constant(x) or constant(y):
        return None
    # The same equation in other units, in which no offset or scale can harm the arithmetic.
    x_mean, x_spread = _mean_and_spread(x)
    y_mean, y_spread = _mean_and_spread(y)
    u, v = (x - x_mean) / x_spread, (y - y_mean) / y_spread
    slope = plcc_of(u, v)
    line = 1.0 - slope**2  # mean squared error of the best line
    high, low, rise = float(v.max()), float(v.min()), 2.0 * _STRAIGHT * slope
    best, least = None, np.inf
    for start, enough in (
        ((high, low, 0.0, min(_BETA4 / x_spread, 1e300)), 1.0 - 1e-6),  # finite for any spread
        ((high, low, 0.0, _BETA4), 1.0 + 1e-6),
        ((rise, -rise, 0.0, _STRAIGHT), 1.0 + 1e-6),
    ):
        fit = _fit_from(start, u, v)
        if fit is not None:
            error = float(np.mean(np.square(fit(u) - v)))
            if error < least:
                best, least = fit, error
        if least < line * enough:
            break
    if best is None or least > line * (1.0 + 1e-3) + 1e-12:
        return None
    beta1, beta2, beta3, beta4 = best.beta
    found = LogisticFit(
        (
            y_mean + y_spread * beta1,
            y_mean + y_spread * beta2,
            x_mean + x_spread * beta3,
            x_spread * beta4,
        )
    )
    with np.errstate(all="ignore"):
        return found if np.isfinite(found(x)).all() else None


def _fit_from(start: tuple[float, float, float, float], u: Floats, v: Floats) -> LogisticFit | None:
    """Levenberg-Marquardt from there; None where it leaves the finite numbers."""
    from scipy.optimize import leastsq

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # That the steps have run out is no fault; see above.
        warnings.simplefilter("ignore", RuntimeWarning)
        # scipy's own differences step by a share of the parameter: beta3, which starts at the
        # mean prediction, would never move where that mean is zero but for rounding.
        beta, _ = leastsq(
            lambda beta: _logistic(u, *beta) - v,
            start,
            Dfun=lambda beta: _logistic_jacobian(u, *beta),
            maxfev=_FIT_EVALUATIONS,
        )
        beta1, beta2, beta3, beta4 = (float(b) for b in beta)
        fit = LogisticFit((beta1, beta2, beta3, beta4))
        return fit if np.isfinite(fit(u)).all() else None


def _mean_and_spread(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation, without the overflow of squares."""
    size = float(np.max(np.abs(values)))
    scaled = values / size
    span = float(scaled.max() - scaled.min())
    low = float(scaled.min())
    within = (scaled - low) / span
    return size * (low + span * float(within.mean())), size * span * float(within.std())


def _plcc_logistic(x: Floats, y: Floats) -> float:
    fit = _fit(x, y)
    return float("nan") if fit is None else plcc_of(fit(x), y)
