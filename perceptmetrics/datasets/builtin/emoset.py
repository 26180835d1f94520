"""EmoSet-118K: which of eight emotions an image evokes (section 4.3, Table 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perceptmetrics.datasets.base import Dataset

if TYPE_CHECKING:
    from perceptmetrics.data.manifest import Manifest
    from perceptmetrics.data.split import Split

SIDES = ("train", "val", "test")
SOURCE = "https://vcc.tech/EmoSet: EmoSet-118K.zip, by a request form"
LAYOUT = """\
image/EMOTION/EMOTION_00000.jpg ...
train.json
val.json
test.json"""


def _read(root: Path) -> Manifest:
    import numpy as np

    from perceptmetrics.datasets.labels import rated_images
    from perceptmetrics.tasks.builtin.emotion import EMOTION

    index = {label: place for place, label in enumerate(EMOTION.outputs)}
    listed = [entry for side in SIDES for entry in _entries(root, side, index)]
    return rated_images(
        root,
        "",
        [name for name, _ in listed],
        np.array([label for _, label in listed], np.int64),
        dataset="emoset",
        source=SOURCE,
    )


def _entries(root: Path, side: str, index: Mapping[str, int]) -> list[tuple[str, int]]:
    """Image path and class index of each entry of one JSON file.

    An entry is emotion, image path, annotation path; some copies have an id after the emotion.
    """
    from perceptmetrics.datasets.labels import label_file
    from perceptmetrics.errors import DataError

    path = label_file(root, f"{side}.json", dataset="emoset", source=SOURCE, layout=LAYOUT)
    try:
        listed: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}; expected EmoSet's JSON list") from error
    if listed == []:
        raise DataError(f"{path} lists no image; expected EmoSet's JSON list, get the file again")
    found = []
    for number, entry in enumerate(listed if isinstance(listed, list) else [listed], 1):
        fields = entry if isinstance(entry, list) else []
        image = fields[-2] if len(fields) in (3, 4) else None
        label = index.get(fields[0]) if fields and isinstance(fields[0], str) else None
        if label is None or not isinstance(image, str):
            raise DataError(
                f"{path}, entry {number}: {json.dumps(entry)[:120]}, expected [emotion, image "
                f"path, annotation path] with an emotion among {', '.join(index)}"
            )
        found.append((image.replace("\\", "/"), label))
    return found


def _splits(data: Manifest, root: Path) -> tuple[Split, ...]:
    """The official 80/5/15."""
    from perceptmetrics.data.protocols import published_split
    from perceptmetrics.tasks.builtin.emotion import EMOTION

    index = {label: place for place, label in enumerate(EMOTION.outputs)}
    training, validation, test = (
        [name for name, _ in _entries(root, side, index)] for side in SIDES
    )
    source = "EmoSet's train.json, val.json, test.json"
    return (published_split(data, "emoset", "official", training, test, validation, source=source),)


EMOSET = Dataset(
    name="emoset",
    title="EmoSet-118K",
    task="emotion",
    read=_read,
    splits=_splits,
    count=118_102,
    source=SOURCE,
    layout=LAYOUT,
    score_range=None,
    direction="one of eight emotions: four positive, four negative",
    paper="Yang et al. 2023, EmoSet: A Large-Scale Visual Emotion Dataset with Rich Attributes",
)
