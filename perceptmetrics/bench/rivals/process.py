"""A rival's process as its parent sees it: started, asked, timed, and ended whatever it does."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from perceptmetrics.errors import PluginError

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 300.0
GRACE = 10.0  # seconds that a process has to end when it has said its last


@dataclass(frozen=True)
class Answer:
    """What a rival said of one image.

    Attributes:
        scores: One for each output; empty where there is an error.
        error: Why there are none.
        seconds, cpu_seconds: What it took, as measured over there.
        peak_bytes: The most memory that the process held so far; 0 where nobody knows.
    """

    scores: tuple[float, ...]
    error: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Ready:
    """What a rival said when it was loaded.

    Attributes:
        seconds, cpu_seconds: Of loading, imports and weights together.
        peak_bytes: The most memory so far.
        python: Its version over there.
        versions: Of the packages that were asked for.
        higher_is_better: As its scorer says; ``None`` where it does not.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    python: str
    versions: Mapping[str, str]
    higher_is_better: bool | None


class RivalProcess:
    """A worker that is running; to be used in a ``with`` statement.

    Args:
        python: The interpreter.
        scorer: The file with ``load``.
        options: For it.
        environ: Variables of the process.
        patience: Seconds without an answer after which it is ended.

    Raises:
        PluginError: It cannot be started, does not load, dies, or gives no answer in time; the text
            is one line that says which.
    """

    def __init__(
        self,
        python: Path,
        scorer: Path,
        options: Mapping[str, str],
        *,
        environ: Mapping[str, str],
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        command = [str(python), str(WORKER), str(scorer), json.dumps(dict(options))]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=dict(environ),
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            self._said.close()
            raise _not_started(python, error) from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.ready = self._started()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RivalProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, image: Path) -> Answer:
        """Scores one image.

        Raises:
            PluginError: The process died, or gave no answer in time; it is ended.
        """
        with contextlib.suppress(OSError):  # it is dead: the answer that is missing says so
            self._write(json.dumps(str(image)))
        said = self._answer(f"on {image.name}")
        scores = tuple(float(one) for one in said.get("scores", ()))
        error = str(said.get("error", "" if scores else "gave neither scores nor an error"))
        return Answer(scores, error, *_cost(said))

    def close(self) -> None:
        """Ends the process and whatever it started."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:  # pragma: no cover - Windows
                    self._process.kill()
        self._process.wait()
        # A grandchild that left the group may hold the pipe open: it is not waited for.
        self._reader.join(timeout=GRACE)
        read = None if self._reader.is_alive() else self._process.stdout
        for stream in (self._process.stdin, read, self._said):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _write(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        """In a thread: a pipe has no time limit of its own."""
        for line in self._process.stdout or ():
            try:
                said = json.loads(line)
            except ValueError:
                continue  # something that is not the worker prints, a wrapper of the interpreter
            if isinstance(said, dict) and "peak_bytes" in said:
                self._answers.put(said)
        self._answers.put(None)

    def _answer(self, where: str) -> dict[str, Any]:
        try:
            said = self._answers.get(timeout=self._patience)
        except queue.Empty:
            self.close()
            raise PluginError(
                f"gave no answer {where} within {self._patience:g} s and was ended; "
                "--rival-timeout gives it longer"
            ) from None
        if said is None:
            self._answers.put(None)  # for whoever asks again
            try:
                status = self._process.wait(timeout=GRACE)
            except subprocess.TimeoutExpired:
                self.close()
                raise PluginError(f"closed its output {where} and was ended") from None
            last = self._last_words()
            raise PluginError(f"ended {where} ({_ending(status)})" + (f": {last}" if last else ""))
        return said

    def _started(self) -> Ready:
        said = self._answer("while loading")
        if "failed" in said:
            raise PluginError(f"does not load: {said['failed']}")
        higher = said.get("higher_is_better")
        return Ready(
            *_cost(said),
            str(said.get("python", "")),
            {str(name): str(one) for name, one in dict(said.get("versions", {})).items()},
            None if higher is None else bool(higher),
        )

    def _last_words(self) -> str:
        """The last line that it printed."""
        with contextlib.suppress(OSError, ValueError):
            self._said.seek(0, os.SEEK_END)
            self._said.seek(max(0, self._said.tell() - 2000))
            lines = self._said.read().decode("utf-8", "replace").split("\n")
            return next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")
        return ""


def _cost(said: Mapping[str, Any]) -> tuple[float, float, int]:
    return float(said["seconds"]), float(said["cpu_seconds"]), int(said["peak_bytes"])


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def environ_of(*, network: bool) -> dict[str, str]:
    """The variables of a rival's process: ours, without what leads its Python to our packages.

    Args:
        network: Whether it may fetch its weights.

    Example:
        >>> "PYTHONPATH" in environ_of(network=False)
        False
    """
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    if not network:
        # Said too, and not only enforced: a library that knows does not try for a minute.
        environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return environ


def installed_in(
    python: Path, environ: Mapping[str, str], *, patience: float = PATIENCE
) -> tuple[str, ...]:
    """The version of a Python, and all that is installed in it; no rival is loaded.

    Args:
        python: The interpreter.
        environ: Variables of the process.
        patience: Seconds.

    Raises:
        PluginError: It cannot be started, fails, or gives no answer in time.

    Example:
        >>> any(one.startswith("numpy ") for one in installed_in(Path(sys.executable), os.environ))
        True
    """
    try:
        done = subprocess.run(
            [str(python), str(WORKER), "--installed"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=dict(environ),
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PluginError(
            f"{python} did not say within {patience:g} s what is installed; --rival-timeout gives "
            "it longer"
        ) from None
    except OSError as error:
        raise _not_started(python, error) from error
    last = (done.stdout.splitlines() or [""])[-1]  # a wrapper may have printed before
    try:
        return tuple(str(one) for one in json.loads(last))
    except (ValueError, TypeError):
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise PluginError(f"{python} does not say what is installed: {said}") from None


def _not_started(python: Path, error: OSError) -> PluginError:
    return PluginError(
        f"{python} cannot be started ({error.strerror or error}); give the Python in which the "
        "rival is installed"
    )


def own_environ() -> dict[str, str]:
    """The variables of a process of ours: it finds what this one finds, plug-ins too."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def check_scores(answer: Answer, outputs: Sequence[str]) -> Answer:
    """An answer with another number of scores is an error.

    Example:
        >>> check_scores(Answer((1.0, 2.0), "", 0.1, 0.1, 0), ["quality"]).error
        'gave 2 scores, expected 1 (quality)'
    """
    if answer.error or len(answer.scores) == len(outputs):
        return answer
    named = ", ".join(outputs)
    said = f"gave {len(answer.scores)} scores, expected {len(outputs)} ({named})"
    return Answer((), said, answer.seconds, answer.cpu_seconds, answer.peak_bytes)
