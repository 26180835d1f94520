"""What a task is: outputs, loss, head, views and measures. A value; nothing to subclass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from perceptmetrics.errors import OptionError
from perceptmetrics.heads import MLP_HEAD, HeadSpec
from perceptmetrics.views import View

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor"], "Tensor"]
Measure = Callable[["npt.NDArray[Any]", "npt.NDArray[Any]"], float]


@dataclass(frozen=True)
class Task:
    """One perceptual judgement, as the trainer and ``create_metric`` need to know it.

    Attributes:
        name: By which ``create_metric`` and ``train --task`` find it.
        kind: ``regression`` (scores) or ``classification`` (probabilities).
        outputs: Names of the scores, or the class labels in index order.
        loss: (prediction (N, K), target) -> scalar tensor. The target is (N, K) standardised
            ratings, or (N,) int64 classes.
        train_view, eval_view: What the encoder sees of an image.
        measures: Named functions (prediction, target) -> figure, on arrays; the first one chooses
            the best epoch, higher is better. For regression they are applied to each output and
            averaged.
        head: The head that is built when no other is asked for.
        average: How the paper sums up splits: the median for quality, else the mean.
        replicas: Cuts of each training image per epoch.
        scale_free: The loss leaves scale and offset of the output open (PLCC), so the trainer
            fits them on the validation ratings afterwards; ranks do not depend on them.
        higher_is_better: Whether more is better; ``None`` where neither is: an arousing image is
            not a better one, and classes have no order.
        score_range: The scale of the ratings, if it has ends.
        direction: What a higher score means.
        unit: What a score counts.
        groupings: Coarser views of the classes: name -> {group -> labels}.
        default_metric: The metric that ``create_metric(name)`` means; the task's own embedded
            adapter when empty.
        paper: Reference.

    Raises:
        OptionError: No output, no measure, or a classification task with fewer than two classes.
    """

    name: str
    kind: Literal["regression", "classification"]
    outputs: tuple[str, ...]
    loss: Loss
    train_view: View
    eval_view: View
    measures: Mapping[str, Measure]
    head: HeadSpec = MLP_HEAD
    average: Literal["median", "mean"] = "mean"
    replicas: int = 1
    scale_free: bool = False
    score_range: tuple[float, float] | None = None
    direction: str = "higher is better"
    unit: str = ""
    higher_is_better: bool | None = True
    groupings: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    default_metric: str = ""
    paper: str = "Zalcher et al., Don't Judge Before You CLIP"

    def __post_init__(self) -> None:
        if len(self.outputs) < (2 if self.kind == "classification" else 1):
            raise OptionError(
                f"task {self.name!r} has {len(self.outputs)} outputs; a regression task needs at "
                "least one, a classification task at least two"
            )
        for grouping, groups in self.groupings.items():
            labels = [label for group in groups.values() for label in group]
            if sorted(labels) != sorted(self.outputs):
                raise OptionError(
                    f"grouping {grouping!r} of task {self.name!r} must hold every class once"
                )
        if not self.measures:
            raise OptionError(f"task {self.name!r} has no measure to choose the best epoch by")

    @property
    def selects_by(self) -> str:
        """Name of the measure that chooses the best epoch."""
        return next(iter(self.measures))
