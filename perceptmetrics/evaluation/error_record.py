"""An error analysis as a plain dict for JSON, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.error_analysis import ErrorAnalysis

FORMAT = "perceptmetrics errors 1"
LATER = ("falls",)  # fields that records of older versions lack


def to_record(analysis: ErrorAnalysis) -> dict[str, Any]:
    """Lists, dicts, texts and numbers; a number that does not exist is ``None``.

    Example:
        >>> to_record(ErrorAnalysis("iqa", "mine", 380))["images"]
        380
    """
    plain: dict[str, Any] = _plain(asdict(analysis))
    return {"format": FORMAT, **plain}


def from_record(record: Mapping[str, Any]) -> ErrorAnalysis:
    """What :func:`to_record` made, also after a way through JSON.

    Raises:
        DataError: It is something else.

    Example:
        >>> analysis = ErrorAnalysis("iqa", "mine", 380)
        >>> import json
        >>> from_record(json.loads(json.dumps(to_record(analysis)))) == analysis
        True
        >>> from_record({})
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.DataError: this is no error analysis of this version; ...
    """
    again = "make it again with 'perceptmetrics evaluate --errors'"
    if record.get("format") != FORMAT:
        raise DataError(f"this is no error analysis of this version; {again}")
    try:
        found: ErrorAnalysis = _built(ErrorAnalysis, record)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"this is no error analysis ({error!r}); {again}") from error
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _built(kind: Any, plain: Any) -> Any:
    """The value of that type: a dataclass, ``tuple[X, ...]``, ``float``, ``int`` or ``str``."""
    if isinstance(kind, type) and is_dataclass(kind):
        kinds = get_type_hints(kind)
        there = [one for one in fields(kind) if one.name in plain or one.name not in LATER]
        return kind(**{one.name: _built(kinds[one.name], plain[one.name]) for one in there})
    if get_origin(kind) is tuple:
        return tuple(_built(get_args(kind)[0], one) for one in plain)
    if kind is float and plain is None:
        return math.nan
    return kind(plain)
