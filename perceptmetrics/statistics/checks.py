"""What every statistic asks of its input, and the mean over outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from perceptmetrics.deferred import Deferred
from perceptmetrics.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = Deferred("numpy")

Floats: TypeAlias = "npt.NDArray[np.float64]"
Indices: TypeAlias = "npt.NDArray[np.intp]"


def same_length(x: npt.NDArray[Any], y: npt.NDArray[Any], least: int) -> int:
    """The number N of images, if both have N entries and N is at least ``least``.

    Raises:
        DataError: If not.

    Example:
        >>> same_length(np.zeros((3, 8)), np.zeros(3), least=1)
        3
    """
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise DataError(
            "prediction and target must have one entry for each image; "
            f"got shapes {x.shape} and {y.shape}"
        )
    if len(x) < least:
        raise DataError(f"at least {least} images are needed, got {len(x)}")
    return len(x)


def finite(name: str, values: npt.ArrayLike) -> Floats:
    """The values as float64, of any shape.

    Raises:
        DataError: If any is not a finite number; the text names the first.

    Example:
        >>> finite("prediction", [1, 2]).dtype.name
        'float64'
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be an array of numbers: {error}") from error
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise DataError(
            f"{name}{list(where)} is {array[where]}: every entry must be a finite number "
            f"({len(bad)} are not)"
        )
    return array


def pair(prediction: npt.ArrayLike, target: npt.ArrayLike, least: int) -> tuple[Floats, Floats]:
    """Both as finite float64 arrays of one shape, (N,) or (N, K), with N at least ``least``.

    Raises:
        DataError: If they are not.

    Example:
        >>> pair([1.0, 2.0], [3, 4], least=2)[1].tolist()
        [3.0, 4.0]
    """
    x, y = finite("prediction", prediction), finite("target", target)
    same_length(x, y, least)
    # (N, 1) against (N,) would broadcast to (N, N) in the errors.
    if x.shape != y.shape or x.ndim > 2 or 0 in x.shape:
        raise DataError(
            "prediction and target must have one shape, (N,) or (N, K); "
            f"got {x.shape} and {y.shape}"
        )
    return x, y


def indices(name: str, values: npt.ArrayLike) -> Indices:
    """The values as (N,) class indices.

    Raises:
        DataError: If they are not integers from 0.

    Example:
        >>> indices("target", [0, 7]).tolist()
        [0, 7]
    """
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array < 0).any():
        raise DataError(
            f"{name} must be class indices, (N,) integers from 0; "
            f"got shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.intp)


def mean_over_outputs(
    statistic: Callable[[Floats, Floats], float],
    prediction: npt.ArrayLike,
    target: npt.ArrayLike,
    least: int,
) -> float:
    """The statistic of each output, averaged; (N,) is one output.

    Raises:
        DataError: See :func:`pair`.

    Example:
        >>> mean_over_outputs(lambda x, y: float(abs(x - y).max()), [[0, 0]], [[1, 3]], least=1)
        2.0
    """
    x, y = pair(prediction, target, least)
    if x.ndim == 1:
        return statistic(x, y)
    return float(np.mean([statistic(x[:, k], y[:, k]) for k in range(x.shape[1])]))
