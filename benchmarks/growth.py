"""How time and memory of scoring grow: with images, their size, crops, metrics and threads.

    python benchmarks/growth.py                 # all sections, 10 minutes of one core
    python benchmarks/growth.py size crops      # these alone
    python benchmarks/growth.py page            # measures nothing, draws docs/growth/*.svg again

Every measurement is the command ``perceptmetrics score`` in a process of its own, as a user would
start it, with CPU time and peak memory as the system counts them at its end (``wait4``). Each
section is kept in ``benchmarks/results/growth.json`` as it is measured;
``benchmarks/readme_tables.py`` writes the tables of docs/growth.md from it.

* ``images``: 100 to 100,000 of them with an encoder of a few kilobytes (that of the tests), which
  costs next to nothing, and 10 to 200 with the embedded ``memorability``. They are hard links to
  JPEGs made of the 19 Kodak photographs.
* ``size``: JPEGs of 0.1 to 100 megapixels, mosaics of those photographs, since enlarged ones would
  have less detail to decode than real ones of the size. Time by the tiny encoder, on as many images
  as take about a second; memory by the embedded ``iqa`` on one.
* ``crops``: of the embedded ``iqa``, one image.
* ``metrics``: one to four of the embedded metrics together, and each alone.
* ``threads``: the embedded ``iqa`` on one thread and on two. What counts is the wall clock, so the
  machine must be idle.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import click

Section: TypeAlias = dict[str, Any]

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULT = HERE / "results" / "growth.json"
KODAK = ROOT.parent / "shared" / "data" / "tid2013" / "kodak"

NUMBERS = (100, 1_000, 10_000, 100_000)
REAL_NUMBERS = (10, 50, 200)
SIZES = {0.1: 200, 0.4: 100, 1.0: 50, 4.0: 15, 12.0: 6, 25.0: 3, 50.0: 2, 100.0: 1}
"""Megapixels -> how many images are timed."""
CROPS = (1, 5, 15, 30, 60)
METRICS = ("memorability", "affect", "aesthetics", "iqa")
TOGETHER = 2
"""Images that several metrics judge."""
TINY = "tiny"


@dataclass(frozen=True)
class Used:
    """What one process took.

    Attributes:
        cpu: Seconds of user and system, of all threads.
        wall: Seconds.
        peak: Bytes of resident memory at most.
    """

    cpu: float
    wall: float
    peak: int


@dataclass(frozen=True)
class Bench:
    """A folder with all that is scored, made once for all measurements."""

    folder: Path

    @classmethod
    def prepare(cls, folder: Path) -> Bench:
        """In a process of its own: what this one held would count as its children's memory."""
        subprocess.run([sys.executable, HERE / "growth_images.py", folder], check=True)
        return cls(folder)

    def size(self, megapixels: float) -> Path:
        """A mosaic of that size."""
        return self.folder / f"{megapixels:g}.jpg"

    def copies(self, sources: Sequence[Path], count: int) -> Path:
        """A folder with so many links to them, in turn."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for index in range(count):
            (folder / f"{index:06}.jpg").hardlink_to(sources[index % len(sources)])
        return folder

    def score(
        self, images: Path, *metrics: str, crops: int | None = None, threads: int = 1
    ) -> Used:
        """``perceptmetrics score`` on a file or a folder."""
        command = [sys.executable, "-m", "perceptmetrics", "score", str(images)]
        for name in metrics:
            command += ["-m", str(self.folder / "runs" / TINY) if name == TINY else name]
        if TINY in metrics:
            command += ["--base", str(self.folder / "base.safetensors")]
        if crops is not None:
            command += ["--crops", str(crops)]
        command += ["-o", str(self.folder / "scores.csv"), "--no-progress"]
        # Allocator settings of whoever measures change the peak; users have none.
        environ = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
        environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(self.folder / "site")])
        environ["OMP_NUM_THREADS"] = str(threads)
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environ)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise click.ClickException(f"{' '.join(command)}: exit code {process.returncode}")
        unit = 1 if sys.platform == "darwin" else 1024
        found = Used(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * unit)
        click.echo(f"{images.name} {metrics} {crops or ''} {threads}: {found}", err=True)
        return found


def images(bench: Bench) -> Section:
    """Time and peak against the number of images."""
    found: Section = {}
    for name, numbers in ((TINY, NUMBERS), ("memorability", REAL_NUMBERS)):
        sources = sorted((bench.folder / ("small" if name == TINY else "whole")).iterdir())
        found[name] = {}
        for number in numbers:
            used = bench.score(bench.copies(sources, number), name)
            found[name][str(number)] = vars(used)
    return found


def size(bench: Bench) -> Section:
    """CPU seconds of an image without the start, and peaks, against megapixels."""
    start = bench.score(bench.copies([bench.size(0.1)], 1), TINY)
    found: Section = {"start": vars(start)}
    for megapixels, count in SIZES.items():
        path = bench.size(megapixels)
        tiny = bench.score(bench.copies([path], count), TINY)
        real = bench.score(path, "iqa")
        found[f"{megapixels:g}"] = {
            "file": path.stat().st_size,
            "images": count,
            "an image": (tiny.cpu - start.cpu) / count,
            "tiny": vars(tiny),
            "iqa": vars(real),
        }
    return found


def crops(bench: Bench) -> Section:
    """CPU seconds and peak of one image against the number of crops."""
    photograph = sorted((bench.folder / "whole").iterdir())[0]
    return {str(number): vars(bench.score(photograph, "iqa", crops=number)) for number in CROPS}


def metrics(bench: Bench) -> Section:
    """The first metric, the first two, ...; and each alone."""
    folder = bench.copies(sorted((bench.folder / "whole").iterdir()), TOGETHER)
    together = [vars(bench.score(folder, *METRICS[: count + 1])) for count in range(len(METRICS))]
    alone = {name: vars(bench.score(folder, name)) for name in METRICS}
    return {"images": TOGETHER, "metrics": METRICS, "together": together, "alone": alone}


def threads(bench: Bench) -> Section:
    """Wall clock without the start, on one thread and on two, in turn."""
    sources = sorted((bench.folder / "whole").iterdir())
    few, many = bench.copies(sources, 1), bench.copies(sources, 7)
    found: Section = {"images": 6, "turns": []}
    for turn in range(2):
        seconds = {}
        for count in (1, 2) if turn % 2 else (2, 1):
            start, whole = (bench.score(x, "iqa", threads=count) for x in (few, many))
            seconds[str(count)] = {"wall": whole.wall - start.wall, "cpu": whole.cpu - start.cpu}
        found["turns"].append(seconds)
    return found


SECTIONS: Mapping[str, Callable[[Bench], Section]] = {
    "images": images,
    "size": size,
    "crops": crops,
    "metrics": metrics,
    "threads": threads,
}


def kept() -> dict[str, Any]:
    """What was measured, by section."""
    if not RESULT.is_file():
        return {}
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def keep(section: str, found: Section) -> None:
    """Keeps what a section measured, beside all others."""
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in ("torch", "numpy", "pillow")},
    }
    head = {"command": "python benchmarks/growth.py", "machine": machine}
    RESULT.write_text(json.dumps({**kept(), **head, section: found}, indent=1) + "\n", "utf-8")


@click.command()
@click.argument("sections", nargs=-1, type=click.Choice([*SECTIONS, "page"]))
def main(sections: tuple[str, ...]) -> None:
    """Measures all sections, or those that are named, and draws them."""
    wanted = [name for name in sections or SECTIONS if name != "page"]
    if wanted:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench.prepare(Path(folder))
            for section in wanted:
                keep(section, SECTIONS[section](bench))
    from growth_pictures import draw

    draw(kept())


if __name__ == "__main__":
    main()
