"""A CSV is read as a person means it, and refused where it could mean two things."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from perceptmetrics.data.manifest import read_manifest
from perceptmetrics.errors import DataError


def test_spaces_around_cells_and_lines_of_spaces_say_nothing(tmp_path: Path) -> None:
    tiny.rated_folder(tmp_path)
    path = tmp_path / "c.csv"
    path.write_text('  \nimage , score, ref\n00.png , 1 ,  r\n   \n"01.png", 2, "a, b " \n\t\n')
    data = read_manifest(path, tiny.TASK, group_column="ref")
    assert data.names == ("00.png", "01.png")
    assert data.targets.tolist() == [[1], [2]]
    assert data.groups == ("r", "a, b")
    path.write_text("image\tscore\n00.png\t1\n\t\n01.png \t2\n \t \n")
    assert read_manifest(path, tiny.TASK).names == ("00.png", "01.png")
    path.write_text("image,score\n00.png,1\n,\n")
    with pytest.raises(DataError, match=r"c\.csv, line 3: there is no image"):
        read_manifest(path, tiny.TASK)


@pytest.mark.parametrize(
    "header", ["image,score,score", "image, score ,score", "image,image,score"]
)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, header: str) -> None:
    tiny.rated_folder(tmp_path)
    (tmp_path / "d.csv").write_text(f"{header}\n00.png,1,2\n")
    twice = "image" if header.startswith("image,image") else "score"
    with pytest.raises(DataError, match=f"d.csv has 2 columns '{twice}'; expected names that diff"):
        read_manifest(tmp_path / "d.csv", tiny.TASK)


def test_columns_without_a_name_at_the_end_are_nobodys(tmp_path: Path) -> None:
    tiny.rated_folder(tmp_path)
    (tmp_path / "e.csv").write_text("image,score,,\n00.png,1,,\n01.png,2,,\n")
    assert read_manifest(tmp_path / "e.csv", tiny.TASK).targets.tolist() == [[1], [2]]
