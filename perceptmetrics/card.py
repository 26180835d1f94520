"""What travels with every score: where it comes from and how to read it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from perceptmetrics.errors import DataError


@dataclass(frozen=True)
class Validation:
    """One figure of an output on images that training never saw.

    Attributes:
        output: ``memorability``, ``valence``, ...
        measure: ``SRCC``, ``PLCC``, ...
        value, low, high: The figure and its 95 % bootstrap interval.
        images: How many images it was computed on.
    """

    output: str
    measure: str
    value: float
    low: float
    high: float
    images: int

    def __str__(self) -> str:
        return (
            f"{self.output}: {self.measure} {self.value:.3f} "
            f"[{self.low:.3f}, {self.high:.3f}] on {self.images} images"
        )


@dataclass(frozen=True)
class MetricCard:
    """Provenance and reading instructions of a metric.

    Attributes:
        name: The metric's name.
        task: The task that it judges.
        outputs: Names of the scores, or of the classes.
        score_range: What the ratings' scale goes from and to; ``None`` where the scale is open.
            A prediction can fall a little outside.
        direction: What a higher score means.
        unit: What a score counts.
        seen: What kind of images and which part of the range training saw.
        training_data: Name, size and reference of the ratings.
        licence: Of the adapter, and what is known of the data's.
        paper: References.
        backbone: Name of the encoder.
        base: Full name of the pretrained weights.
        base_sha256: Content hash of the pretrained tensors.
        sha256: Hash of the adapter file; empty before it is written.
        revision: Of the source that the weights came from.
        view: What the encoder sees of an image, in words.
        validation: Figures, each with its interval.
        validated_how: Which images, and what was chosen on them.
        command: Makes the adapter again.
        notes: Anything else that a user must know.

    Example:
        >>> MetricCard(name="mine", task="iqa", outputs=("quality",)).direction
        'higher is better'
    """

    name: str
    task: str
    outputs: tuple[str, ...]
    score_range: tuple[float, float] | None = None
    direction: str = "higher is better"
    unit: str = ""
    seen: str = ""
    training_data: str = ""
    licence: str = ""
    paper: str = ""
    backbone: str = ""
    base: str = ""
    base_sha256: str = ""
    sha256: str = ""
    revision: str = ""
    view: str = ""
    validation: tuple[Validation, ...] = ()
    validated_how: str = ""
    command: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MetricCard:
        """The card that :meth:`to_dict` wrote.

        Raises:
            DataError: A field is missing or unknown.
        """
        values = dict(data)
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise DataError(
                f"the card has a field {sorted(unknown)[0]!r} that this version does not know; "
                "update perceptmetrics"
            )
        try:
            values["outputs"] = tuple(values["outputs"])
            if values.get("score_range") is not None:
                low, high = values["score_range"]
                values["score_range"] = (float(low), float(high))
            values["validation"] = tuple(Validation(**v) for v in values.get("validation", ()))
            values["notes"] = tuple(values.get("notes", ()))
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the card cannot be read: {error}") from error

    def __str__(self) -> str:
        lines = [f"{self.name}"]
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name == "name" or value in ("", (), None):
                continue
            if entry.name == "score_range":
                value = f"{value[0]:g} to {value[1]:g}"
            elif entry.name == "outputs":
                value = ", ".join(value)
            for item in value if isinstance(value, tuple) else (value,):
                lines.append(f"  {entry.name.replace('_', ' '):<15} {item}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """As indented JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
