"""What a metric said of rated images, one by one: what every figure of them is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perceptmetrics.errors import DataError
from perceptmetrics.evaluation.figures import Groupings, grouped_classes

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.evaluation.evaluate import Evaluation
    from perceptmetrics.scoring.rows import Judge

FORMAT = "perceptmetrics judgements 1"
ALL_CLASSES = "all classes"


@dataclass(frozen=True, eq=False)
class Judgements:
    """A metric's scores of some images, beside what people said of them.

    Attributes:
        kind: ``regression`` or ``classification``.
        labels: Names of the K outputs, or classes.
        names: N images, as the dataset calls them.
        files: Where they lay; they may be gone since.
        groups: N names of what is drawn as a whole; see :attr:`Manifest.groups`.
        prediction: (N, K) scores or probabilities.
        target: (N, K) ratings, or (N,) class indices.
        groupings: Coarser views of the classes: name -> {group -> labels}.
        columns: What else is known of the images; see :attr:`Manifest.columns`.
        data_sha256: Of the dataset.

    Raises:
        DataError: They are not of the same images.
    """

    kind: str
    labels: tuple[str, ...]
    names: tuple[str, ...]
    files: tuple[str, ...]
    groups: tuple[str, ...]
    prediction: npt.NDArray[np.float64]
    target: npt.NDArray[Any]
    groupings: Groupings = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    data_sha256: str = ""

    def __post_init__(self) -> None:
        aligned = (self.names, self.files, self.groups, self.target, *self.columns.values())
        counts = {len(one) for one in aligned}
        wide = (len(self.names), len(self.labels))
        if counts != {len(self.names)} or self.prediction.shape != wide:
            raise DataError(
                f"judgements of {len(self.names)} images and {len(self.labels)} outputs do not fit "
                f"predictions of shape {self.prediction.shape}, targets of {self.target.shape}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def of_output(self, output: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(N,) scores and (N,) ratings of one output; of the first where it is empty.

        Raises:
            DataError: It has no such output, or these are classes.
        """
        if self.kind != "regression":
            raise DataError("classes have no scores of one output")
        if output and output not in self.labels:
            raise DataError(f"there is no output {output!r}; there are {', '.join(self.labels)}")
        index = self.labels.index(output) if output else 0
        return self.prediction[:, index], np.asarray(self.target[:, index], np.float64)

    def of_classes(self, grouping: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """(N, C) probabilities and (N,) classes of a grouping; of all classes where it is empty.

        Raises:
            DataError: It has no such grouping, or these are ratings.
        """
        if self.kind != "classification":
            raise DataError("ratings have no classes")
        if grouping not in ("", ALL_CLASSES, *self.groupings):
            there = ", ".join((ALL_CLASSES, *self.groupings))
            raise DataError(f"there is no grouping {grouping!r}; there are {there}")
        whole = {label: (label,) for label in self.labels}
        members = self.groupings.get(grouping, whole)
        return grouped_classes(self.prediction, self.target, self.labels, members)


def judgements_of(metric: Judge, data: Manifest, found: Evaluation) -> Judgements:
    """What an evaluation says of single images.

    Args:
        metric: That was judged.
        data: On what, all of it.
        found: What came out.
    """
    lost = {name for name, _ in found.unreadable}
    kept = [place for place, name in enumerate(data.names) if name not in lost]
    judged = data.take(kept)
    groupings: Groupings = getattr(getattr(metric, "config", None), "groupings", {})
    return Judgements(
        kind=metric.kind,
        labels=tuple(metric.labels),
        names=judged.names,
        files=tuple(str(image.absolute()) for image in judged.images),
        groups=judged.groups,
        prediction=found.prediction,
        target=found.target,
        groupings=groupings,
        columns=judged.columns,
        data_sha256=found.data_sha256,
    )


def to_json(judged: Judgements) -> str:
    """As JSON, in full precision, an image a line.

    Example:
        >>> one = np.array([[0.5]])
        >>> found = Judgements("regression", ("quality",), ("a",), ("/a",), ("a",), one, one)
        >>> from_json(to_json(found)).prediction.tolist()
        [[0.5]]
    """
    head = {
        "format": FORMAT,
        "kind": judged.kind,
        "labels": list(judged.labels),
        "groupings": judged.groupings,
        "columns": judged.columns,
        "data_sha256": judged.data_sha256,
    }
    columns: Sequence[Sequence[Any]] = (
        *(judged.names, judged.files, judged.groups),
        *(judged.prediction.tolist(), judged.target.tolist()),
    )
    keys = ("image", "file", "group", "prediction", "target")
    rows = [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return json.dumps(head, ensure_ascii=False)[:-1] + f', "images": [\n{lines}\n]}}\n'


def from_json(text: str) -> Judgements:
    """Judgements as :func:`to_json` wrote them.

    Raises:
        DataError: It is something else.

    Example:
        >>> from_json("{}")
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.DataError: these are no judgements of images (KeyError('format'))
    """
    try:
        plain = json.loads(text)
        if plain["format"] != FORMAT:
            raise DataError("these judgements were written by another version; make them again")
        rows = plain["images"]
        labels = tuple(str(label) for label in plain["labels"])
        classes = plain["kind"] == "classification"
        prediction = np.array([row["prediction"] for row in rows], np.float64)
        return Judgements(
            plain["kind"],
            labels,
            tuple(str(row["image"]) for row in rows),
            tuple(str(row["file"]) for row in rows),
            tuple(str(row["group"]) for row in rows),
            prediction.reshape(len(rows), len(labels)),
            np.array([row["target"] for row in rows], np.int64 if classes else np.float64),
            _groupings(plain["groupings"]),
            {name: tuple(cells) for name, cells in plain["columns"].items()},
            plain["data_sha256"],
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"these are no judgements of images ({error!r})") from error


def _groupings(plain: Mapping[str, Mapping[str, Sequence[str]]]) -> Groupings:
    return {
        name: {group: tuple(labels) for group, labels in groups.items()}
        for name, groups in plain.items()
    }
