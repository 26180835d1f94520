"""What scoring holds does not grow with the number of images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import repeat
from pathlib import Path

import pytest
import tiny
from PIL import Image

import perceptmetrics as pm
from perceptmetrics.scoring.files import find_images
from perceptmetrics.scoring.rows import Together, score_images
from perceptmetrics.views import RandomCrops, View

STATM = Path("/proc/self/statm")
PAGE = 4096
HEIGHT, WIDTH, FEW, MANY = 192, 256, 50, 400


def held() -> int:
    """Bytes of memory that this process holds."""
    return int(STATM.read_text().split()[1]) * PAGE


def most_held(path: Path, images: int, metric: pm.Metric, together: Together | None) -> int:
    """The most bytes at hand while one file is scored again and again."""
    most = [held()]

    def noted() -> Iterator[str]:
        for image in repeat(str(path), images):
            most.append(held())
            yield image

    scored = 0
    for rows in score_images({"tiny": metric}, find_images(noted()), chunk=10, together=together):
        assert not any(row.error for row in rows)
        scored += len(rows)
        most.append(held())
    assert scored == images
    return max(most)


@pytest.mark.skipif(not STATM.exists(), reason="no /proc tells what this process holds")
# Of the second, what travels to the model is the picture, whole: as many bytes as three cuts.
@pytest.mark.parametrize("view", [tiny.VIEW, RandomCrops(128, HEIGHT, 3)], ids=["centre", "crops"])
# The command asks a group, with threads that read or without; a library may ask the metric alone.
@pytest.mark.parametrize("readers", [0, 2, None], ids=["command", "command, 2 readers", "alone"])
def test_four_hundred_images_take_no_more_memory_than_fifty(
    tmp_path: Path, view: View, readers: int | None
) -> None:
    path = tmp_path / "photograph.jpg"
    Image.fromarray(tiny.photograph(HEIGHT, WIDTH)).save(path)
    metric = tiny.metric(view=view, batch_size=8)
    group = pm.MetricGroup({"tiny": metric})
    together = None if readers is None else partial(group.in_chunks, readers=readers)
    few = most_held(path, FEW, metric, together)
    many = most_held(path, MANY, metric, together)
    kept = (MANY - FEW) * HEIGHT * WIDTH * 3  # were the pictures not let go: 52 MB
    assert many - few < kept / 3
