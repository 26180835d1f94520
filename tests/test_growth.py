"""What scoring holds does not grow with the number of images."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

import pytest
import tiny
from PIL import Image

from perceptmetrics.scoring.files import find_images
from perceptmetrics.scoring.rows import score_images
from perceptmetrics.views import RandomCrops, View

STATM = Path("/proc/self/statm")
PAGE = 4096


@pytest.mark.skipif(not STATM.exists(), reason="no /proc tells what this process holds")
@pytest.mark.parametrize("view", [tiny.VIEW, RandomCrops(32, 48, 4)], ids=["centre", "crops"])
def test_four_hundred_images_take_no_more_memory_than_fifty(tmp_path: Path, view: View) -> None:
    height, width, few, many = 192, 256, 50, 400
    path = tmp_path / "photograph.jpg"
    Image.fromarray(tiny.photograph(height, width)).save(path)
    found = find_images(repeat(str(path), many))
    held, scored = [], 0
    for rows in score_images({"tiny": tiny.metric(view=view)}, found, chunk=10):
        scored += len(rows)
        if scored >= few:
            held.append(int(STATM.read_text().split()[1]) * PAGE)
    assert scored == many
    kept = (many - few) * height * width * 3  # were the pictures not let go: 52 MB
    assert max(held) - held[0] < kept / 3
