"""What a contestant said, line by line in a file: nothing that it scored is lost or asked twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perceptmetrics.bench.rivals.process import Answer, Ready
from perceptmetrics.errors import RunFolderError


@dataclass
class Kept:
    """Scores as they come, in memory, and in a file where one is named.

    A line is written as soon as it is there, so that a rival that dies, or Ctrl-C, costs the image
    at hand and no other. Errors are not kept: what failed is asked again.

    Attributes:
        file: Of JSON lines; ``None`` keeps nothing.
        answers: Name of an image -> what was said of it; those with scores.
        ready: What was said at the last start, if there was one.
    """

    file: Path | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    ready: Ready | None = None

    @classmethod
    def read(cls, file: Path | None) -> Kept:
        """What a file holds; a line that was cut off is not there.

        Raises:
            RunFolderError: It is there and cannot be read.

        Example:
            >>> Kept.read(Path("no/file.jsonl")).answers
            {}
        """
        kept = cls(file)
        if file is None:
            return kept
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return kept
        except OSError as error:
            raise RunFolderError(
                f"{file} cannot be read ({error.strerror or error}); mend its rights, or remove it"
            ) from error
        for line in lines:
            try:
                plain = json.loads(line)
                if "image" in plain:
                    name, scores = plain.pop("image"), tuple(map(float, plain.pop("scores")))
                    kept.answers[name] = Answer(scores, **plain)
                else:
                    kept.ready = Ready(**plain)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        return kept

    def start(self, ready: Ready) -> None:
        """Keeps what was said at a start.

        Raises:
            RunFolderError: The file cannot be written.
        """
        self.ready = ready
        self._append(asdict(ready))

    def add(self, name: str, answer: Answer) -> None:
        """Keeps the scores of an image.

        Raises:
            RunFolderError: The file cannot be written.
        """
        self.answers[name] = answer
        self._append({"image": name, **asdict(answer)})

    def _append(self, plain: Mapping[str, Any]) -> None:
        if self.file is None:
            return
        try:
            with self.file.open("a+b") as stream:
                # Behind a line that was cut off this one would be lost with it.
                if stream.tell():
                    stream.seek(-1, 2)
                    if stream.read(1) != b"\n":
                        stream.write(b"\n")
                stream.write(json.dumps(plain).encode() + b"\n")
        except OSError as error:
            raise RunFolderError(
                f"{self.file} cannot be written ({error.strerror or error}); make room or mend its "
                "rights, and the same command goes on"
            ) from error
