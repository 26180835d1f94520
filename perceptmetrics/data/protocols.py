"""How the paper divides its datasets (section 5), as :class:`~perceptmetrics.data.split.Split`.

Every protocol is a pure function of the rated images. All keep groups whole, the distortions of
one photograph say, and say in ``Split.source`` how they were drawn. The draws are
``random.Random(3407).shuffle``, whose sequence has been the same since Python 3.2, and
:func:`~perceptmetrics.data.splits.split_by_group`; tests pin both.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from perceptmetrics.data.manifest import Manifest
from perceptmetrics.data.split import Split
from perceptmetrics.data.splits import split_by_group
from perceptmetrics.errors import DataError, OptionError

LODA_SEED = 3407
LODA_COUNT = 10
LODA_TRAINING = 0.8
# The paper's addition to LoDa: the best epoch is not chosen on the test images.
VALIDATION_OF_TRAINING = 0.1


def loda_splits(data: Manifest, dataset: str) -> tuple[Split, ...]:
    """LoDa's ten 80/20 splits of photographs that share no source: LIVEC, KonIQ, SPAQ, FLIVE.

    As LoDa draws them (Xu et al. 2024a): seed 3407, ``list(range(n))`` in the order of the label
    file, the same list shuffled ten times in a row, its first ``round(0.8 * n)`` for training. Of
    these, 10 % are held out for validation, as the paper does.

    Args:
        data: In the order of the label file, on which the draw depends.
        dataset: Its name, for the splits.

    Returns:
        ``loda-1`` to ``loda-10``.

    Raises:
        DataError: Images share a group, or there are fewer than 3.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> names = tuple(f"{i}.jpg" for i in range(10))
        >>> data = Manifest(tuple(map(Path, names)), names, np.zeros((10, 1)), names, "")
        >>> splits = loda_splits(data, "mine")
        >>> len(splits), splits[0].test
        (10, ('0.jpg', '6.jpg'))
    """
    if len(set(data.groups)) < len(data):
        raise DataError(
            f"{dataset}: some of its {len(data)} images share a group, so a split by image would "
            "put one source on two sides; split by reference image"
        )
    source = (
        f"LoDa: random.seed({LODA_SEED}), list(range({len(data)})) shuffled; first 80 % training, "
        "of which 10 % for validation"
    )
    return _eighty_twenty(data, dataset, data.groups, "loda", source)


def loda_reference_splits(data: Manifest, dataset: str) -> tuple[Split, ...]:
    """Ten 80/20 splits by reference image, for synthetic distortions: KADID, TID2013, LIVE.

    The sorted reference names are shuffled ten times in a row with LoDa's seed. For KADID-10k
    these are LoDa's own splits; LoDa's of TID2013 and LIVE hang on Python's hash seed and cannot
    be had again. Of the training references, 10 % are held out for validation.

    Args:
        data: With the reference image of each as its group, in any order.
        dataset: Its name, for the splits.

    Returns:
        ``reference-1`` to ``reference-10``.

    Raises:
        DataError: There are fewer than 3 reference images.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> names = tuple(f"i{photo}_{level}.png" for photo in range(5) for level in range(3))
        >>> photos = tuple(name[:2] for name in names)
        >>> data = Manifest(tuple(map(Path, names)), names, np.zeros((15, 1)), photos, "")
        >>> loda_reference_splits(data, "mine")[0].test
        ('i0_0.png', 'i0_1.png', 'i0_2.png')
    """
    references = sorted(set(data.groups))
    source = (
        f"random.seed({LODA_SEED}), {len(references)} sorted reference names shuffled; first 80 % "
        "training, of which 10 % for validation"
    )
    return _eighty_twenty(data, dataset, references, "reference", source)


def random_splits(
    data: Manifest,
    dataset: str,
    *,
    count: int = 5,
    training: float = 0.75,
    validation: float = 0.05,
) -> tuple[Split, ...]:
    """Random splits by group, 75/5/20 as the paper splits EmotionROI and THINGS.

    Args:
        data: In any order.
        dataset: Its name, for the splits.
        count: How many splits; the first ones of more are the same.
        training: Share of the groups that train.
        validation: Share that chooses the best epoch; the rest is the test.

    Returns:
        ``random-1`` to ``random-COUNT``. Tests of different splits overlap; see
        :func:`fold_splits` for those that do not.

    Raises:
        OptionError: The shares leave nothing for one side, or ``count`` is below 1.
        DataError: There are fewer than 3 groups.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> names = tuple(f"{i}.jpg" for i in range(20))
        >>> data = Manifest(tuple(map(Path, names)), names, np.zeros((20, 1)), names, "")
        >>> split = random_splits(data, "mine")[4]
        >>> split.name, len(split.training), len(split.validation), len(split.test)
        ('random-5', 15, 1, 4)
    """
    if training <= 0 or validation <= 0 or training + validation >= 1:
        raise OptionError(
            f"training {training} and validation {validation}: expected shares above 0 that leave "
            "something for the test"
        )
    if count < 1:
        raise OptionError(f"count is {count}, expected at least 1 split")
    groups = _groups(data, dataset, least=3)
    # Few groups round to an empty side; each side keeps one.
    first = min(max(1, round(training * len(groups))), len(groups) - 2)
    second = min(first + max(1, round(validation * len(groups))), len(groups) - 1)
    source = (
        f"random.seed({LODA_SEED}), {len(groups)} sorted groups shuffled; {training:.0%} training, "
        f"{validation:.0%} validation, the rest test"
    )
    return tuple(
        _split(
            data,
            dataset,
            f"random-{number}",
            _members(data, drawn[:first]),
            _members(data, drawn[first:second]),
            _members(data, drawn[second:]),
            source,
        )
        for number, drawn in enumerate(_shuffled(groups, count), 1)
    )


def fold_splits(data: Manifest, dataset: str, *, folds: int = 5) -> tuple[Split, ...]:
    """Cross-validation by group: every image is in the test of one fold.

    Args:
        data: In any order.
        dataset: Its name, for the splits.
        folds: How many, at least 2.

    Returns:
        ``fold-1`` to ``fold-FOLDS``; 10 % of what is not test is held out for validation.

    Raises:
        OptionError: Fewer than 2 folds.
        DataError: There are fewer groups than folds, or fewer than 3.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> names = tuple(f"{i}.jpg" for i in range(20))
        >>> data = Manifest(tuple(map(Path, names)), names, np.zeros((20, 1)), names, "")
        >>> sorted(name for s in fold_splits(data, "mine") for name in s.test) == sorted(names)
        True
    """
    if folds < 2:
        raise OptionError(f"folds is {folds}, expected at least 2")
    groups = _groups(data, dataset, least=max(3, folds))
    (drawn,) = _shuffled(groups, 1)
    source = (
        f"random.seed({LODA_SEED}), {len(groups)} sorted groups shuffled, every {folds}th to the "
        "test; 10 % of the rest for validation"
    )
    splits = []
    for fold in range(folds):
        test = drawn[fold::folds]
        rest = _members(data, set(drawn).difference(test))
        splits.append(
            _held_out(data, dataset, f"fold-{fold + 1}", rest, _members(data, test), source)
        )
    return tuple(splits)


def published_split(
    data: Manifest,
    dataset: str,
    name: str,
    training: Sequence[str],
    test: Sequence[str],
    validation: Sequence[str] = (),
    source: str = "",
) -> Split:
    """A split that the authors of a dataset published.

    Args:
        data: The rated images.
        dataset: Its name.
        name: Of this split: ``official``, ``fold-3``.
        training: Names of images, see :attr:`Manifest.names`.
        test: Names.
        validation: Names; where there are none, 10 % of the training groups are held out, the
            same ones each time.
        source: Who published it, and in which file.

    Returns:
        The split. Images of the data that it does not name are on no side.

    Raises:
        DataError: It names an image that the data lacks, or an image or a group is on two sides.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> names = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
        >>> data = Manifest(tuple(map(Path, names)), names, np.zeros((4, 1)), names, "")
        >>> split = published_split(data, "mine", "official", names[:3], names[3:])
        >>> len(split.training), len(split.validation), split.test
        (2, 1, ('d.jpg',))
    """
    if validation:
        return _split(data, dataset, name, training, validation, test, source)
    note = "10 % of training for validation"
    return _held_out(
        data, dataset, name, training, test, "; ".join(part for part in (source, note) if part)
    )


def _eighty_twenty(
    data: Manifest, dataset: str, groups: Sequence[str], name: str, source: str
) -> tuple[Split, ...]:
    if len(groups) < 3:
        raise DataError(f"{dataset} has {len(groups)} groups of images; a split needs at least 3")
    first = round(LODA_TRAINING * len(groups))
    return tuple(
        _held_out(
            data,
            dataset,
            f"{name}-{number}",
            _members(data, drawn[:first]),
            _members(data, drawn[first:]),
            source,
        )
        for number, drawn in enumerate(_shuffled(groups, LODA_COUNT), 1)
    )


def _shuffled(items: Sequence[str], count: int) -> Iterator[list[str]]:
    """The list shuffled again and again, as LoDa does; each state of it."""
    drawn = list(items)
    # The global generator after random.seed(3407), without touching the global one.
    generator = random.Random(LODA_SEED)
    for _ in range(count):
        generator.shuffle(drawn)
        yield list(drawn)


def _groups(data: Manifest, dataset: str, least: int) -> list[str]:
    groups = sorted(set(data.groups))
    if len(groups) < least:
        raise DataError(
            f"{dataset} has {len(groups)} groups of images; such splits need at least {least}"
        )
    return groups


def _members(data: Manifest, groups: Iterable[str]) -> list[str]:
    """Names of the images in these groups."""
    wanted = set(groups)
    return [name for name, group in zip(data.names, data.groups, strict=True) if group in wanted]


def _held_out(
    data: Manifest,
    dataset: str,
    name: str,
    training: Sequence[str],
    test: Sequence[str],
    source: str,
) -> Split:
    """A split whose validation images are 10 % of the training groups."""
    group_of = dict(zip(data.names, data.groups, strict=True))
    _check_known(group_of, dataset, name, training)
    kept, held = split_by_group(
        [group_of[image] for image in training], VALIDATION_OF_TRAINING, LODA_SEED
    )
    return _split(
        data, dataset, name, [training[i] for i in kept], [training[i] for i in held], test, source
    )


def _split(
    data: Manifest,
    dataset: str,
    name: str,
    training: Sequence[str],
    validation: Sequence[str],
    test: Sequence[str],
    source: str,
) -> Split:
    """The split, if no group is on two sides."""
    group_of = dict(zip(data.names, data.groups, strict=True))
    split = Split(dataset, name, tuple(training), tuple(validation), tuple(test), source)
    side_of: dict[str, str] = {}
    for side in ("training", "validation", "test"):
        names: tuple[str, ...] = getattr(split, side)
        _check_known(group_of, dataset, name, names)
        for image in names:
            other = side_of.setdefault(group_of[image], side)
            if other != side:
                raise DataError(
                    f"split {name!r} of {dataset} puts {image!r} ({side}) and another image of "
                    f"its group {group_of[image]!r} ({other}) on two sides"
                )
    return split


def _check_known(group_of: dict[str, str], dataset: str, split: str, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in group_of]
    if unknown:
        raise DataError(
            f"split {split!r} of {dataset} names {len(unknown)} images that are not among the "
            f"{len(group_of)} rated ones, such as {unknown[0]!r}; check that lists and labels are "
            "of one release"
        )
