"""The real ratings read as what their README says they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.tasks import TASKS

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("task", "csv", "images", "low", "high"),
    [
        ("memorability", "lnsim/lnsim.csv", 2106, 0.14, 0.95),
        ("affect", "oasis/oasis.csv", 642, 1, 7),
        ("aesthetics", "oasis/oasis.csv", 642, 1, 7),
    ],
)
def test_a_rated_set_is_read(
    shared_data: Path, task: str, csv: str, images: int, low: float, high: float
) -> None:
    data = read_manifest(shared_data / csv, TASKS.get(task))
    assert len(data) == images
    assert data.targets.shape == (images, len(TASKS.get(task).outputs))
    assert low - 0.005 <= data.targets.min() <= data.targets.max() <= high + 0.005


def test_tid2013_is_split_by_reference_image(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "tid2013" / "manifest.csv").read_text().splitlines()
    names = [line.split(",")[0] for line in lines[1:]]
    for name in names:  # the pictures themselves are not needed for the split
        (tmp_path / name).write_bytes(name.encode())
    data = read_manifest(
        shared_data / "tid2013" / "manifest.csv",
        TASKS.get("iqa"),
        images=tmp_path,
        group_column="ref_name",
    )
    first, second = split_by_group(data.groups, 0.2, seed=0)
    assert len(data) == 380
    assert {data.groups[i] for i in first}.isdisjoint(data.groups[i] for i in second)
    assert len(second) == 80
