"""The shape of the paper's ablations on the ratings that this machine has.

    python benchmarks/ablations.py run            # frozen encoders: five folds, features kept
    python benchmarks/ablations.py run --trained  # also LoRA and full fine-tuning: hours on a CPU
    python benchmarks/ablations.py table          # docs/ablations.md out of what is there

Each arm is one ``perceptmetrics sweep``: the same command with other options. Runs land in
``benchmarks/runs/ablations`` (not in git), their figures in ``benchmarks/results/ablations.json``.
A run that was stopped goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data"
RUNS = HERE / "runs" / "ablations"
RESULTS = HERE / "results" / "ablations.json"
PAGE = HERE.parent / "docs" / "ablations.md"


@dataclass(frozen=True)
class Arm:
    """One row: the same command with other options."""

    name: str
    backbone: str
    strategy: str
    head: str
    folds: int
    options: tuple[str, ...]

    @property
    def trained(self) -> bool:
        """Whether the encoder trains, which takes hours on a CPU."""
        return self.strategy != "frozen"


_FROZEN = ("--learning-rates", "1e-4,5e-4,1e-3", "--epochs", "40")
_TRAINED = ("--learning-rates", "5e-4", "--epochs", "4", "--schedule", "one-cycle")
ARMS = (
    Arm("CLIP B/16, frozen, MLP", "clip-b16", "frozen", "mlp", 5, _FROZEN),
    Arm("CLIP B/16, frozen, linear", "clip-b16", "frozen", "linear", 5, _FROZEN),
    Arm("DINOv2 S/14, frozen, MLP", "dinov2-s14", "frozen", "mlp", 5, _FROZEN),
    Arm("DINOv2 S/14, frozen, linear", "dinov2-s14", "frozen", "linear", 5, _FROZEN),
    Arm("CLIP B/16, LoRA, MLP", "clip-b16", "lora", "mlp", 1, _TRAINED),
    Arm("CLIP B/16, full, MLP", "clip-b16", "full", "mlp", 1, _TRAINED),
    Arm("DINOv2 S/14, LoRA, MLP", "dinov2-s14", "lora", "mlp", 1, _TRAINED),
)
DATASETS = {"lnsim": "lnsim", "oasis": "oasis", "oasis-beauty": "oasis"}


@click.group()
def main() -> None:
    """Measures ablations and writes their table."""


@main.command()
@click.option("--trained", is_flag=True, help="Also the arms that train the encoder.")
@click.option("--dataset", "only", type=click.Choice(sorted(DATASETS)), multiple=True)
def run(trained: bool, only: tuple[str, ...]) -> None:
    """Sweeps every arm on every dataset; what is done is skipped."""
    measured: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for arm in ARMS:
        if arm.trained and not trained:
            continue
        for dataset in only or DATASETS:
            out = RUNS / f"{arm.backbone}-{arm.strategy}-{arm.head}" / dataset
            command = sweep_command(arm, dataset)
            print(" ".join(command))
            arguments = [*command[1:], "--out", str(out)]
            subprocess.run([sys.executable, "-m", "perceptmetrics", *arguments], check=True)
            found = json.loads((out / "sweep.json").read_text())
            measured.setdefault(arm.name, {"arm": asdict(arm)})[dataset] = {
                "command": " ".join(command),
                "chosen": [r["learning_rate"] for r in found["runs"] if r["chosen"]],
                "figures": [
                    figure
                    for figure in found["over folds"][dataset]
                    if figure["measure"] in ("SRCC", "PLCC") and not figure["scale"]
                ],
            }
            RESULTS.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def sweep_command(arm: Arm, dataset: str) -> list[str]:
    """The command of one arm, as a user would type it."""
    return [
        *("perceptmetrics", "sweep", "--dataset", dataset, f"../shared/data/{DATASETS[dataset]}"),
        *("--backbone", arm.backbone, "--strategy", arm.strategy, "--head", arm.head),
        *("--folds", str(arm.folds), "--no-augmentation", *arm.options),
    ]


@main.command()
def table() -> None:
    """Writes the page."""
    measured = json.loads(RESULTS.read_text())
    columns = [(d, f["output"]) for d in DATASETS for f in _srcc(next(iter(measured.values())), d)]
    lines = [
        "# Ablations on the ratings we have",
        "",
        "Mean test SRCC over folds, with a bootstrap interval over the folds. The shape of the",
        "paper's Tables 7 and A.8 on LNSIM (memorability) and OASIS (valence, arousal, beauty): no",
        "image is on two sides, the learning rate of each fold was chosen on its validation part.",
        "`python benchmarks/ablations.py run` measures it again; a cell without an interval is one",
        "fold.",
        "",
        "| arm | folds | " + " | ".join(output for _, output in columns) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, one in measured.items():
        cells = [
            next((_cell(f) for f in _srcc(one, dataset) if f["output"] == output), "not run")
            for dataset, output in columns
        ]
        lines.append(f"| {name} | {one['arm']['folds']} | " + " | ".join(cells) + " |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _srcc(one: dict[str, Any], dataset: str) -> list[dict[str, Any]]:
    return [f for f in one.get(dataset, {}).get("figures", []) if f["measure"] == "SRCC"]


def _cell(figure: dict[str, Any]) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


if __name__ == "__main__":
    main()
