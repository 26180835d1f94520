"""What a run said of each image it was judged on, kept beside it as JSON."""

from __future__ import annotations

from pathlib import Path

from perceptmetrics.errors import DataError, RunFolderError
from perceptmetrics.evaluation.judgements import Judgements, from_json, to_json


def judgements_file(run: Path, dataset: str, *, whole: bool = False) -> Path:
    """Where they lie: of the test part, or of all images of a set that was not trained on.

    Example:
        >>> judgements_file(Path("run"), "livec").name
        'judgements.livec.json'
    """
    return run / f"judgements.{'whole.' if whole else ''}{dataset}.json"


def keep_judgements(file: Path, judged: Judgements) -> None:
    """Writes them, whole or not at all.

    Raises:
        RunFolderError: They cannot be written.
    """
    unfinished = file.with_name(f"{file.name}.part")
    try:
        unfinished.write_text(to_json(judged), encoding="utf-8", errors="surrogateescape")
        unfinished.replace(file)
    except OSError as error:
        raise RunFolderError(
            f"{file} cannot be written ({error.strerror or error}); make room or mend its rights, "
            "and the same command goes on"
        ) from error


def kept_judgements(file: Path) -> Judgements:
    """Judgements that were kept.

    Raises:
        DataError: There are none, as beside runs of older versions, or they cannot be read.

    Example:
        >>> kept_judgements(Path("no/judgements.livec.json"))
        Traceback (most recent call last):
        ...
        perceptmetrics.errors.DataError: there is no no/judgements.livec.json: ...
    """
    try:
        return from_json(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except FileNotFoundError as error:
        raise DataError(
            f"there is no {file}: the run was judged before judgements were kept; remove "
            f"{file.parent / 'test.json'}, and the same command judges it again"
        ) from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
