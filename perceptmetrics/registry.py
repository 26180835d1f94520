"""Where plug-ins are found: our own folder of files, and entry points of installed packages.

A registry maps names to values of one type. It finds them in three places, in this order:

1. every module of one package of ours (``perceptmetrics/tasks/*.py``): whatever value of the
   right type stands at the module's top level. One new file is one new plug-in.
2. entry points of a group (``perceptmetrics.tasks``) from any installed package.
3. :meth:`Registry.register`, for notebooks and scripts.

Nothing is imported before the first look-up, and the modules that are then imported hold
specifications only, so listing names never loads torch.

Nobody wins a name by being found first. Two values under one name are an error: at once for our
own files and for :meth:`Registry.register`; when the name is asked for where an installed package
brings the second, so that all other names go on working.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.metadata
import pkgutil
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from perceptmetrics.errors import DuplicateNameError, PluginError, UnknownNameError


class Named(Protocol):
    """What a registry holds: a value that knows its own name."""

    @property
    def name(self) -> str:
        """The name by which it is found."""


T = TypeVar("T", bound=Named)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that nothing has, with the nearest names that exist.

    Example:
        >>> str(unknown_name("metric", "memorabilty", ["iqa", "memorability"]))
        "no metric is called 'memorabilty': did you mean 'memorability'?"
    """
    names = sorted(known)
    by_lower = {known_name.lower(): known_name for known_name in names}
    matches = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.5)
    near = [by_lower[match] for match in matches]
    hint = (
        "did you mean " + " or ".join(repr(match) for match in near) + "?"
        if near
        else "there are " + ", ".join(names)
    )
    return UnknownNameError(f"no {kind} is called {name!r}: {hint}")


class Registry(Generic[T]):
    """Names to plug-ins of one type.

    Args:
        kind: What one entry is called in messages: ``"task"``.
        value_type: The class that every entry must be an instance of.
        package: Our package whose modules hold the built-in entries.
        group: The entry-point group of other packages' entries. Such an entry point resolves to
            one value, or to a tuple or list of them.

    Example:
        >>> from perceptmetrics.tasks import TASKS
        >>> "memorability" in TASKS.names()
        True
    """

    def __init__(self, kind: str, value_type: type[T], *, package: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._value_type = value_type
        self._package = package
        self._lock = threading.RLock()
        self._entries: dict[str, T] = {}
        self._origin: dict[str, str] = {}  # of every name seen, also of those taken twice
        self._broken: dict[str, PluginError | DuplicateNameError] = {}
        self._loaded = False

    def get(self, name: str) -> T:
        """The entry of that name.

        Raises:
            UnknownNameError: No such name; the text suggests the nearest.
            DuplicateNameError: An installed plug-in claims a name that is taken.
            PluginError: An installed plug-in of that name cannot be loaded.
        """
        with self._lock:
            self._load()
            if name in self._entries:
                return self._entries[name]
            if name in self._broken:
                raise self._broken[name]
            raise unknown_name(self.kind, name, self._entries)

    def names(self) -> list[str]:
        """All names that can be had, sorted."""
        return [value.name for value in self.values()]

    def values(self) -> list[T]:
        """All entries, sorted by name."""
        with self._lock:
            self._load()
            return [self._entries[name] for name in sorted(self._entries)]

    def __contains__(self, name: object) -> bool:
        with self._lock:
            self._load()
            return name in self._entries

    def __iter__(self) -> Iterator[T]:
        return iter(self.values())

    @property
    def broken(self) -> dict[str, PluginError | DuplicateNameError]:
        """Installed plug-ins that cannot be used.

        By the name of the entry point that could not be loaded, or by the name that is taken
        twice.
        """
        with self._lock:
            self._load()
            return dict(self._broken)

    def register(self, value: T, *, origin: str = "register()") -> T:
        """Adds an entry and returns it.

        Raises:
            PluginError: The value is not of this registry's type.
            DuplicateNameError: The name is taken.
        """
        with self._lock:
            self._load()
            self._add(value, origin)
            return value

    def _add(self, value: T, origin: str) -> None:
        if not isinstance(value, self._value_type):
            raise PluginError(
                f"{origin} gives a {type(value).__name__}, but a {self.kind} plug-in must be a "
                f"{self._value_type.__module__}.{self._value_type.__qualname__}"
            )
        if value.name in self._origin:
            raise DuplicateNameError(
                f"two {self.kind} plug-ins are called {value.name!r}: one from "
                f"{self._origin[value.name]}, one from {origin}; rename or uninstall one of them"
            )
        self._entries[value.name] = value
        self._origin[value.name] = origin

    def _load(self) -> None:
        """Fills the registry once; the caller holds the lock."""
        if self._loaded:
            return
        self._loaded = True  # before the imports, which may ask this registry themselves
        try:
            self._load_package()
            for point in _entry_points(tuple(sys.path)).select(group=self.group):
                self._load_entry_point(point)
        except BaseException:
            # Half a registry would answer "no such name" from now on. The next look-up tries again.
            self._loaded = False
            for found in (self._entries, self._origin, self._broken):
                found.clear()
            raise

    def _load_package(self) -> None:
        package = importlib.import_module(self._package)
        for module_info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{self._package}.{module_info.name}")
            for value in vars(module).values():
                if isinstance(value, self._value_type) and not self._has(value):
                    self._add(value, module.__name__)

    def _load_entry_point(self, point: importlib.metadata.EntryPoint) -> None:
        # One broken plug-in must not take the others down: it is kept, and raised when asked for.
        origin = f"the entry point {point.name!r} = {point.value!r} of {_distribution(point)}"
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001 - a foreign module may raise anything
            self._broken[point.name] = PluginError(
                f"{origin} could not be loaded ({type(error).__name__}: {error}); "
                "update or uninstall that package"
            )
            return
        for value in loaded if isinstance(loaded, (tuple, list)) else (loaded,):
            try:
                if not self._has(value):
                    self._add(value, origin)
            except PluginError as error:
                self._broken[point.name] = error
            except DuplicateNameError as error:
                # Neither is given: which of them was found first says nothing about which is meant.
                self._entries.pop(value.name, None)
                self._broken[value.name] = error

    def _has(self, value: object) -> bool:
        """Whether it is this very value that was found before: one file may import another's."""
        return any(entry is value for entry in self._entries.values())


@functools.lru_cache(maxsize=1)
def _entry_points(path: tuple[str, ...]) -> Any:  # EntryPoints; Python 3.10 has another name
    # Every installed package is looked at: once for all registries, and anew where the path grew.
    return importlib.metadata.entry_points()


def _distribution(point: importlib.metadata.EntryPoint) -> str:
    return f"package {point.dist.name}" if point.dist is not None else "an unknown package"
