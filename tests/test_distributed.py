"""Two processes (gloo, torchrun) train what one trains with the same global batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import distributed_run
import pytest
import tiny
import torch

from perceptmetrics.weights.adapter import load_adapter

pytest.importorskip("accelerate", reason="accelerate is not installed (extra distributed)")


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    """PLCC over the global batch, uneven shards, two datasets, both stages, kept features."""
    data = tmp_path / "data"
    data.mkdir()
    tiny.rated_folder(data)
    distributed_run.run(data, tmp_path / "one")
    script = Path(distributed_run.__file__)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run(
        [sys.executable, *torchrun, str(script), str(data), str(tmp_path / "two")],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(script.parent.parent), str(script.parent)]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (load_adapter(tmp_path / name / "adapter.safetensors") for name in ("one", "two"))
    assert one.tensors.keys() == two.tensors.keys()
    for name, tensor in one.tensors.items():
        torch.testing.assert_close(two.tensors[name], tensor, rtol=1e-4, atol=1e-5)
    records = [json.loads((tmp_path / n / "run.json").read_text()) for n in ("one", "two")]
    assert [record["machine"]["processes"] for record in records] == [1, 2]
    for ours, theirs in zip(records[0]["history"], records[1]["history"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
