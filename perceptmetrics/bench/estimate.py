"""How long a training will take: its multiply-adds, over what this machine does in a second.

The multiply-adds are counted, the speed is measured: on runs that were trained here before, else
on one matrix product now. Both are rough, and what is printed says from where it is.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from perceptmetrics.adaptation import Strategy
from perceptmetrics.backbones import Backbone
from perceptmetrics.tasks import Task
from perceptmetrics.training.writing import write_text
from perceptmetrics.views import View

PACE_FILE = "pace.json"
# Encoder passes that one training cut costs: forward, gradients of activations, of weights.
PASSES: dict[Strategy, int] = {"frozen": 1, "lora": 2, "full": 3}
SHARE_OF_PRODUCT = 0.5  # of a bare matrix product's speed that an encoder was taken to reach


@dataclass(frozen=True)
class Part:
    """What one dataset brings into a training.

    Attributes:
        task: What is judged.
        replicas: Cuts of a training image per epoch.
        training, validation, test: Images.
    """

    task: Task
    replicas: int
    training: int
    validation: int
    test: int


def multiply_adds(spec: Backbone, side: int) -> float:
    """Multiply-adds of one forward pass over a square cut, but for its small parts.

    Args:
        spec: The encoder.
        side: Of the cut, in pixels.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> round(multiply_adds(BACKBONES.get("clip-l14"), 224) / 1e9)
        81
    """
    tokens = (side // spec.patch_size) ** 2 + spec.class_token + spec.registers
    matrices = spec.depth * (4 * spec.width**2 + 2 * spec.width * spec.hidden_width)
    attention = spec.depth * 2 * tokens * spec.width
    patches = 3 * spec.patch_size**2 * spec.width
    return float(tokens * (matrices + attention + patches))


def run_cost(
    spec: Backbone,
    strategy: Strategy,
    parts: Sequence[Part],
    *,
    epochs: int,
    second_stage: bool = False,
    replicas: int | None = None,
    augment: bool = True,
) -> float:
    """Multiply-adds of one run, from the first epoch to the test part.

    Args:
        spec: The encoder.
        strategy: What of it trains.
        parts: The datasets.
        epochs: All of them; early stopping makes it less.
        second_stage: Each head is trained once more, on an encoder that keeps still.
        replicas: In place of the datasets' own.
        augment: Train on the training view, else on what scoring sees.

    Example:
        >>> from perceptmetrics.backbones import BACKBONES
        >>> from perceptmetrics.tasks import TASKS
        >>> part = Part(TASKS.get("memorability"), 1, 1500, 100, 400)
        >>> runs = [
        ...     run_cost(BACKBONES.get("clip-b16"), s, [part], epochs=40)
        ...     for s in ("frozen", "lora")
        ... ]
        >>> round(runs[1] / runs[0], 1)  # a frozen encoder sees each middle crop once
        59.3
    """
    total = 0.0
    for part in parts:
        scoring = part.task.eval_view
        train_view = part.task.train_view if augment else scoring
        cut, judged = cut_cost(spec, train_view), cut_cost(spec, scoring) * scoring.count
        cuts = part.training * (replicas or part.replicas) * cut
        # Features of cuts that never change are kept: every epoch but the first is nearly free.
        kept = not train_view.draws
        stages = [(PASSES[strategy], strategy == "frozen" and kept)]
        if second_stage:
            stages.append((PASSES["frozen"], kept))
        for passes, once in stages:
            seen = part.training * cut if once else cuts
            total += (1 if once else epochs) * (passes * seen + part.validation * judged)
        total += (part.validation + part.test) * judged
    return total


def judging_cost(spec: Backbone, task: Task, images: int) -> float:
    """Multiply-adds of judging so many images."""
    return images * task.eval_view.count * cut_cost(spec, task.eval_view)


def cut_cost(spec: Backbone, view: View) -> float:
    """Multiply-adds of one forward pass over a cut of a view."""
    return multiply_adds(spec, int(getattr(view, "size", spec.image_size)))


@dataclass(frozen=True)
class Pace:
    """Runs that were timed on one machine.

    Attributes:
        backbone: The encoder.
        strategy: What of it trained.
        device, precision: As given.
        machine: Its name.
        multiply_adds: Of the epochs that were really trained.
        seconds: Of wall time, reading and judging included.
    """

    backbone: str
    strategy: str
    device: str
    precision: str
    machine: str
    multiply_adds: float
    seconds: float


@dataclass(frozen=True)
class Speed:
    """Multiply-adds in a second.

    Attributes:
        value: ``None`` where nothing is known.
        how: How it is known, in words.
    """

    value: float | None
    how: str

    def seconds(self, cost: float) -> float | None:
        """Of wall time for a number of multiply-adds.

        Example:
            >>> Speed(1e9, "as an example").seconds(6e10), Speed(None, "not").seconds(1.0)
            (60.0, None)
        """
        return None if self.value is None else cost / self.value


def read_paces(out: Path) -> tuple[Pace, ...]:
    """What was timed in a bench folder; nothing where the record is absent or damaged."""
    try:
        return tuple(Pace(**one) for one in json.loads((out / PACE_FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def add_pace(out: Path, pace: Pace) -> None:
    """Adds a record to a bench folder; a kill leaves the old file or the new one.

    Raises:
        RunFolderError: It cannot be written.
    """
    records = [asdict(one) for one in (*read_paces(out), pace)]
    write_text(out / PACE_FILE, json.dumps(records, indent=1) + "\n")


def speed_of(
    paces: Sequence[Pace], backbone: str, strategy: str, device: str, precision: str
) -> Speed:
    """How fast this machine trains: by the nearest runs that were timed, else by a product.

    Args:
        paces: What was timed; that of other machines, devices and precisions does not count.
        backbone: Of what is to be trained.
        strategy: Likewise.
        device: Where it will run.
        precision: How.

    Example:
        >>> pace = Pace("clip-b16", "lora", "cpu", "fp32", platform.node(), 6e12, 100.0)
        >>> found = speed_of([pace], "dinov2-s14", "lora", "cpu", "fp32")
        >>> found.value, found.how
        (60000000000.0, 'measured on 1 timed training of other encoders or strategies here')
    """
    here = (device, precision, platform.node())
    alike = [one for one in paces if (one.device, one.precision, one.machine) == here]
    same = [one for one in alike if (one.backbone, one.strategy) == (backbone, strategy)]
    seconds = sum(one.seconds for one in same or alike)
    if seconds > 0:
        count = len(same or alike)
        timed = f"{count} timed training{'s' * (count != 1)}"
        what = f"of {backbone}, {strategy}" if same else "of other encoders or strategies"
        value = sum(one.multiply_adds for one in same or alike) / seconds
        return Speed(value, f"measured on {timed} {what} here")
    if device != "cpu":
        return Speed(None, f"not known on {device} before a first training is timed")
    return Speed(
        SHARE_OF_PRODUCT * _product_speed(),
        "rough: half the speed of a matrix product, measured now, with nothing else on the "
        "machine; no training was timed here yet",
    )


def _product_speed() -> float:
    """Multiply-adds in a second of a float32 product of an encoder's size, in numpy's threads.

    The fastest of many: other work on the machine slows some of them.
    """
    import numpy as np

    left, right = np.ones((197, 768), np.float32), np.ones((768, 768), np.float32)
    left @ right  # the first one starts threads
    fastest, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < 0.2:
        start = time.perf_counter()
        left @ right
        fastest = min(fastest, time.perf_counter() - start)
    return left.shape[0] * right.size / fastest
