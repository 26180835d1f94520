"""Every error that perceptmetrics raises on purpose.

One family, so that a caller can write ``except PerceptError`` and a command line can turn any
of them into one line. Each message says what was wrong, what was expected and what to do. The
builtin that a Python programmer would expect (``ValueError``, ``LookupError``, ...) is a parent
as well, so that code written without us in mind still catches the right thing.
"""

from __future__ import annotations


class PerceptError(Exception):
    """Base of all errors of ours; its text is one helpful line."""


class OptionError(PerceptError, ValueError):
    """An argument has a value that cannot be used."""


class UnknownNameError(PerceptError, LookupError):
    """A metric, task, backbone or weights entry of that name does not exist."""


class DuplicateNameError(PerceptError, ValueError):
    """Two plug-ins claim one name."""


class PluginError(PerceptError):
    """An installed plug-in could not be loaded, or is not what its group holds."""


class ImageError(PerceptError, ValueError):
    """One image could not be used.

    Attributes:
        item: What the caller would call it: a path, or ``images[3]``.
        reason: What is wrong with it and what to do.

    Example:
        >>> str(ImageError("a.jpg", "the file ends early; copy it again"))
        'a.jpg: the file ends early; copy it again'
    """

    def __init__(self, item: str, reason: str) -> None:
        super().__init__(f"{item}: {reason}")
        self.item = item
        self.reason = reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str]]:
        return type(self), (self.item, self.reason)


class DataError(PerceptError, ValueError):
    """A manifest or a dataset is not what it should be."""


class WeightsError(PerceptError):
    """Weights could not be used."""


class WeightsMissingError(WeightsError, FileNotFoundError):
    """Weights are not on this machine and could not be fetched."""

    # FileNotFoundError formats itself from (errno, text); ours is one plain line.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class WeightsMismatchError(WeightsError, ValueError):
    """Weights are there but are not the ones expected: names, shapes or hash differ."""


class TrainingError(PerceptError):
    """Training could not go on, and wrote no adapter; the text says where and why."""


class RunFolderError(TrainingError):
    """A run folder cannot be used: it is another run's, damaged, or cannot be written."""
