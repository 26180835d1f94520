"""PLCC as IQA tables give it: after a 4-parameter logistic (paper, appendix A.1)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError
from perceptmetrics.statistics.checks import Floats, mean_over_outputs, pair
from perceptmetrics.statistics.regression import constant, plcc_of

# Steps that the fit may take: real data need tens; the bound is there to always end.
_FIT_EVALUATIONS = 10_000


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

    def __call__(self, prediction: npt.ArrayLike) -> Floats:
        """The prediction on the scale of the target, float64, of the same shape."""
        return _logistic(np.asarray(prediction, dtype=np.float64), *self.beta)


def logistic_fit(prediction: npt.ArrayLike, target: npt.ArrayLike) -> LogisticFit:
    """Fit equation 1 of the paper (appendix A.1) by Levenberg-Marquardt least squares.

    The start is the published one: beta = [max target, min target, mean prediction, 0.5]. Like
    any such fit it may end in a local optimum.

    Args:
        prediction: (N,) raw scores, N at least 4.
        target: (N,) mean opinion scores.

    Returns:
        The fit; call it to map scores.

    Raises:
        DataError: If the fit does not settle, the input is constant, or it breaks the
            rules of :mod:`perceptmetrics.statistics`.

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
            f"or the fit did not settle within {_FIT_EVALUATIONS} evaluations; "
            "use plcc, which needs no fit"
        )
    return fit


def plcc_logistic(prediction: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """PLCC after the 4-parameter logistic (paper, appendix A.1): the PLCC of IQA tables.

    Args:
        prediction: (N,) or (N, K) raw scores, N at least 4.
        target: Mean opinion scores, of the same shape.

    Returns:
        In [-1, 1], or ``nan`` if either is constant or the fit does not settle.

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
    from scipy.optimize import OptimizeWarning, curve_fit

    if constant(x) or constant(y):
        return None
    start = [y.max(), y.min(), x.mean(), 0.5]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # The covariance of the parameters, which we do not read, often cannot be estimated.
        warnings.simplefilter("ignore", OptimizeWarning)
        try:
            # scipy's own differences step by a share of the parameter: beta3, which starts at the
            # mean prediction, would never move where that mean is zero but for rounding.
            beta, _ = curve_fit(
                _logistic, x, y, p0=start, jac=_logistic_jacobian, maxfev=_FIT_EVALUATIONS
            )
        except RuntimeError:  # scipy's word for "did not settle within maxfev"
            return None
    beta1, beta2, beta3, beta4 = (float(b) for b in beta)
    fit = LogisticFit((beta1, beta2, beta3, beta4))
    return fit if np.isfinite(fit(x)).all() else None


def _plcc_logistic(x: Floats, y: Floats) -> float:
    fit = _fit(x, y)
    return float("nan") if fit is None else plcc_of(fit(x), y)
