"""What ``growth.py`` scores: images of every size, and a metric that costs next to nothing.

    python benchmarks/growth_images.py FOLDER

``whole/`` holds the Kodak photographs as JPEGs, ``small/`` the same at 96 x 72; ``12.jpg`` is a
mosaic of 12 megapixels. ``runs/tiny`` is a run of the tests' tiny plug-in, which lies in ``site/``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from growth import KODAK, ROOT, SIZES, TINY
from PIL import Image

sys.path.insert(0, str(ROOT / "tests"))  # the tiny plug-in and its training are the tests'

QUALITY = 90


def photographs(folder: Path) -> None:
    """The Kodak photographs as they are, and small."""
    for name in ("whole", "small"):
        (folder / name).mkdir()
    for path in sorted(KODAK.glob("*.png")):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image.save(folder / "whole" / f"{path.stem}.jpg", quality=QUALITY)
        image.resize((96, 72)).save(folder / "small" / f"{path.stem}.jpg", quality=QUALITY)


def mosaic(tiles: Sequence[Image.Image], megapixels: float, path: Path) -> None:
    """Photographs at their own pixels, side by side, 4 : 3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    height = round(width * 3 / 4)
    picture = Image.new("RGB", (width, height))
    generator = np.random.default_rng(0)
    for top in range(0, height, tiles[0].height):
        for left in range(0, width, tiles[0].width):
            picture.paste(tiles[int(generator.integers(len(tiles)))], (left, top))
    picture.save(path, quality=QUALITY)


def tiny_run(folder: Path) -> None:
    """Trains the tests' tiny backbone for a moment."""
    import tiny
    import tiny_plugin

    plugin = tiny_plugin.write_plugin(folder / "site")
    base = tiny_plugin.write_base(plugin, folder / "base.safetensors")
    (folder / "rated").mkdir()
    data = tiny.rated_folder(folder / "rated")
    tiny_plugin.train_run(plugin, base, data, folder / "runs" / TINY)


def main() -> None:
    """Makes everything."""
    folder = Path(sys.argv[1])
    photographs(folder)
    tiles = [Image.open(path) for path in sorted((folder / "whole").iterdir())]
    for megapixels in SIZES:
        mosaic(tiles, megapixels, folder / f"{megapixels:g}.jpg")
    tiny_run(folder)


if __name__ == "__main__":
    main()
