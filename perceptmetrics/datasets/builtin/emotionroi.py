"""EmotionROI: which of six emotions a Flickr photograph evokes (section 4.3, Table 4)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perceptmetrics.datasets.base import Dataset

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split

IMAGES = "images"
SOURCE = "http://chenlab.ece.cornell.edu/downloads.html: EmotionROI, unpack all of it"
LAYOUT = """\
images/anger/1.jpg ... images/disgust/ images/fear/ images/joy/ images/sadness/ images/surprise/
training_testing_split/training.txt (optional)
training_testing_split/testing.txt (optional)"""


def _read(root: Path) -> Manifest:
    """The folder is the label; rows by class, then by number, as there is no label file."""
    import numpy as np

    from perceptmetrics.datasets.labels import rated_images
    from perceptmetrics.errors import DataError
    from perceptmetrics.tasks.builtin.emotion import EMOTION_6

    names, labels = [], []
    for place, label in enumerate(EMOTION_6.outputs):
        folder = root / IMAGES / label
        files = [
            path.name
            for path in (folder.iterdir() if folder.is_dir() else ())
            if path.suffix.lower() in (".jpg", ".jpeg") and not path.name.startswith(".")
        ]
        if not files:
            raise DataError(
                f"emotionroi: there are no images in {folder}; expected one folder for each of "
                f"{', '.join(EMOTION_6.outputs)}; to be had at: {SOURCE}"
            )
        names += [f"{label}/{file}" for file in sorted(files, key=_by_number)]
        labels += [place] * len(files)
    targets = np.array(labels, np.int64)
    return rated_images(root, IMAGES, names, targets, dataset="emotionroi", source=SOURCE)


def _by_number(file: str) -> tuple[int, str]:
    """``2.jpg`` before ``10.jpg``, on every file system.

    Example:
        >>> sorted(["10.jpg", "2.jpg"], key=_by_number)
        ['2.jpg', '10.jpg']
    """
    stem = file.split(".")[0]
    return (int(stem) if stem.isdecimal() else -1, file)


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    """The paper's five random 75/5/20, then the official split where its two lists are there."""
    from perceptmetrics.data.protocols import published_split, random_splits

    drawn = random_splits(data, "emotionroi")
    lists = [root / "training_testing_split" / file for file in ("training.txt", "testing.txt")]
    if not all(path.exists() for path in lists):
        return drawn
    names = frozenset(data.names)
    training, test = (_listed(path, names) for path in lists)
    source = "EmotionROI's training.txt and testing.txt"
    official = published_split(data, "emotionroi", "official", training, test, source=source)
    return (*drawn, official)


def _listed(path: Path, names: frozenset[str]) -> list[str]:
    """``anger/1.jpg`` of each line; what follows it, or ``images/`` before it, is left out."""
    from perceptmetrics.datasets.labels import text_lines
    from perceptmetrics.errors import DataError

    listed = []
    for number, line in text_lines(path):
        entry = "/".join(line.split()[0].replace("\\", "/").split("/")[-2:])
        if entry not in names:
            raise DataError(
                f"{path}, line {number}: there is no image {entry!r}; expected EMOTION/NUMBER.jpg "
                f"as in {IMAGES}/, get the file or the images again"
            )
        listed.append(entry)
    return listed


EMOTIONROI = Dataset(
    name="emotionroi",
    title="EmotionROI",
    task="emotion-6",
    read=_read,
    splits=_splits,
    count=1_980,
    source=SOURCE,
    layout=LAYOUT,
    score_range=None,
    direction="one of six emotions: joy and surprise positive, four negative",
    paper="Peng et al. 2016, Where Do Emotions Come From? Predicting the Emotion Stimuli Map",
    protocol_splits=5,
)
