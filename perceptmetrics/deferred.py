"""Packages that are imported at their first use, not when the line is read.

Specifications of tasks and metrics name functions that work on arrays: views, statistics. Listing
them must not pay for numpy and Pillow, whose import takes as long as all the rest. PEP 810 will
give Python ``lazy import``; until then, where a module that specifications name needs an array
package::

    if TYPE_CHECKING:
        import numpy as np
    else:
        np = Deferred("numpy")
"""

from __future__ import annotations

import importlib
from typing import Any


class Deferred:
    """Stands for a module, and imports it when an attribute is asked for.

    Args:
        name: Of the module.

    Example:
        >>> Deferred("math").sqrt(9)
        3.0
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # What is found is kept, so that the next look-up is an ordinary one.
        found = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, found)
        return found

    def __reduce__(self) -> tuple[type[Deferred], tuple[str]]:
        return Deferred, (self._name,)

    def __repr__(self) -> str:
        return f"Deferred({self._name!r})"
