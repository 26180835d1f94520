"""Features of a frozen encoder, computed once and kept: one file of rows, mapped into memory.

Where the encoder does not change (strategy ``frozen``; the second stage of section 3.2) and a
view always cuts alike, an image's embedding is the same in every epoch and every run. It is
computed once and kept under the hash of the encoder's weights, the view and the image's bytes,
so neither a moved file nor another split computes it again.

What is not kept: the training cuts of a random view, which are new in every epoch and are encoded
in every epoch. Where training cuts are kept, those that validate are too: a constant seed draws
them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock

from perceptmetrics.data.batches import to_tensor
from perceptmetrics.errors import TrainingError
from perceptmetrics.images import load_image
from perceptmetrics.metric import DEFAULT_SEED
from perceptmetrics.model import PerceptualModel
from perceptmetrics.views import View
from perceptmetrics.weights.digest import sha256_of_file

Features = npt.NDArray[np.float32]

FORMAT = 1  # raised when the same key would mean other numbers


class FeatureCache:
    """Rows of features on disk, found by the hash of the image.

    Rows are appended, and an image is entered into the index after its row is on disk, so a kill
    at any moment costs the last row and nothing else. Who writes holds :attr:`lock`, as
    :func:`features_of` does.

    Args:
        folder: Holds all caches.
        encoder_sha256: Of all that decides an embedding: tensors, architecture, LoRA's scale.
        view: What is cut.
        width: Length D of an embedding.

    Example:
        >>> import tempfile
        >>> from perceptmetrics.views import CentreCrop
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache = FeatureCache(Path(folder), "0" * 64, CentreCrop(), width=4)
        ...     cache.append("an image's hash", np.ones((1, 4), np.float32))
        ...     cache.rows(["an image's hash"]).shape
        (1, 1, 4)
    """

    def __init__(self, folder: Path, encoder_sha256: str, view: View, width: int) -> None:
        described = json.dumps([FORMAT, encoder_sha256, view.to_dict(), DEFAULT_SEED, width])
        name = hashlib.sha256(described.encode()).hexdigest()[:32]
        self.shape = (view.count, width)
        self._rows, self._index = folder / name / "rows.f32", folder / name / "index.txt"
        try:
            self._rows.parent.mkdir(parents=True, exist_ok=True)
            self._rows.touch()
            self._index.touch()
            (folder / name / "key.json").write_text(described + "\n", encoding="utf-8")
        except OSError as error:
            raise _unwritable(folder, error) from error
        self.lock = FileLock(folder / name / "lock")
        self.refresh()

    def refresh(self) -> None:
        """Reads the index again: another process may have written."""
        found = self._index.read_bytes()
        whole = found[: found.rfind(b"\n") + 1].decode()  # half a line is what a kill left
        count = self._rows.stat().st_size // self._bytes
        entered = (line.split(" ") for line in whole.splitlines())
        self._places = {sha: int(row) for sha, row in entered if int(row) < count}

    @property
    def _bytes(self) -> int:
        return 4 * self.shape[0] * self.shape[1]

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places

    def append(self, sha256: str, features: Features) -> None:
        """Keeps one image's features, (cuts, D).

        Raises:
            TrainingError: The disk is full.
        """
        place = self._rows.stat().st_size // self._bytes
        try:
            with self._rows.open("r+b") as rows:
                rows.seek(place * self._bytes)  # over what a kill left of a row
                rows.write(np.ascontiguousarray(features, np.float32).tobytes())
            with self._index.open("r+b") as index:
                index.truncate(index.read().rfind(b"\n") + 1)  # over half a line, too
                index.seek(0, 2)
                index.write(f"{sha256} {place}\n".encode())
        except OSError as error:
            raise _unwritable(self._rows.parent, error) from error
        self._places[sha256] = place

    def rows(self, sha256s: Sequence[str]) -> Features:
        """The features of those images, (N, cuts, D).

        They stay on disk where the images lie in the cache one after the other, as they do after
        :func:`features_of` filled it.
        """
        places = np.asarray([self._places[sha] for sha in sha256s], np.int64)
        count = self._rows.stat().st_size // self._bytes
        mapped = np.memmap(self._rows, np.float32, "r", shape=(count, *self.shape))
        if len(places) and (np.diff(places) == 1).all():
            return mapped[places[0] : places[-1] + 1]
        chosen: Features = mapped[places]
        return chosen


def features_of(
    model: PerceptualModel,
    images: Sequence[Path],
    view: View,
    cache: FeatureCache,
    *,
    batch_size: int = 32,
    progress: Callable[[Iterator[Path], int], Iterator[Path]] = lambda paths, count: paths,
) -> Features:
    """Every image's features: from the cache, or computed into it.

    Args:
        model: Its encoder is used in eval mode.
        images: Paths.
        view: What is cut.
        cache: Made for this encoder and this view.
        batch_size: Cuts in one forward.
        progress: Wraps the images that are still to be encoded, given their number.

    Returns:
        (N, cuts, D) float32.

    Raises:
        ImageError: An image cannot be read.
        TrainingError: The cache cannot be written.
    """
    hashes = [sha256_of_file(path) for path in images]
    with cache.lock:  # two runs that want the same features compute them once
        cache.refresh()
        _fill(model, images, hashes, view, cache, batch_size, progress)
    return cache.rows(hashes)


def _fill(
    model: PerceptualModel,
    images: Sequence[Path],
    hashes: Sequence[str],
    view: View,
    cache: FeatureCache,
    batch_size: int,
    progress: Callable[[Iterator[Path], int], Iterator[Path]],
) -> None:
    missing = {sha: path for sha, path in zip(hashes, images, strict=True) if sha not in cache}
    training = model.training
    model.eval()
    waiting: list[tuple[str, npt.NDArray[np.uint8]]] = []

    def flush() -> None:
        cuts = to_tensor(np.concatenate([cut for _, cut in waiting])).to(model.device)
        with torch.no_grad():
            embedded = torch.cat(
                [model.encoder(model.normalise(part)) for part in cuts.split(batch_size)]
            )
        rows = embedded.float().cpu().numpy().reshape(len(waiting), *cache.shape)
        for (sha, _), row in zip(waiting, rows, strict=True):
            cache.append(sha, row)
        waiting.clear()

    by_path = {path: sha for sha, path in missing.items()}
    for path in progress(iter(missing.values()), len(missing)):
        generator = np.random.default_rng(DEFAULT_SEED)
        waiting.append((by_path[path], view.cut(load_image(path), generator)))
        if len(waiting) * view.count >= batch_size:
            flush()
    if waiting:
        flush()
    model.train(training)


def _unwritable(folder: Path, error: OSError) -> TrainingError:
    return TrainingError(
        f"the feature cache {folder} cannot be written ({error.strerror}); make room, or name "
        "another folder with --feature-cache"
    )
