"""Speed and memory beside the official way, in ratios: both in one process, in turn.

    make bench-speed                                  # all of it, and docs/speed.md
    python benchmarks/speed.py forward start          # these alone
    python benchmarks/speed.py forward --busy         # CPU seconds only, beside other work

The official way is transformers and peft, unmerged, in float32 (``speed_models.py``). Weights are
random and of full size; both sides have the same, and must agree before a second is counted: scores
within 1e-5; our gradients within 5e-5, as a share of the largest of their tensor, of those that the
official model has in float64, and how far either side is from them is kept. A ratio is the median
over pairs, with quartiles. CPU seconds of one thread are little moved by other work on the machine;
seconds on the wall need a machine that does nothing else. Each section is kept in
``results/speed.json`` as it is measured. What cannot be measured on a machine is said so there.
"""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone
from pathlib import Path

import click
from readme_tables import with_tables
from speed_measure import machine
from speed_sections import SECTIONS

HERE = Path(__file__).parent
RESULT = HERE / "results" / "speed.json"
PAGE = HERE.parent / "docs" / "speed.md"


@click.command()
@click.argument("sections", nargs=-1, type=click.Choice([*SECTIONS]))
@click.option("--pairs", type=click.IntRange(min=1), help="Instead of each section's own number.")
@click.option("--busy", is_flag=True, help="The machine does other work: CPU seconds only.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULT)
def main(sections: tuple[str, ...], pairs: int | None, busy: bool, out: Path) -> None:
    """Measures and writes the results."""
    for name in sections or SECTIONS:
        measure, rounds = SECTIONS[name]
        began = time.perf_counter()
        found = measure(pairs or rounds, not busy)
        kept = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
        options = (f" --pairs {pairs}" if pairs else "") + (" --busy" if busy else "")
        kept[name] = {
            **found,
            "measured": {
                "command": f"python benchmarks/speed.py {name}{options}",
                "at": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
                "minutes": round((time.perf_counter() - began) / 60, 1),
                "load": round(os.getloadavg()[0], 1),
                "machine": machine(),
            },
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        click.echo(json.dumps({name: found}, indent=1))
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
