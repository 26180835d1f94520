"""From what a page shows to HTML: the templates of this package, everything escaped."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from perceptmetrics.errors import OptionError
from perceptmetrics.report.view import Page

if TYPE_CHECKING:
    from jinja2 import Environment


def why_no_page() -> str:
    """What is missing to make a page, as a line; empty where nothing is.

    Example:
        >>> why_no_page() in ("", "no page: pip install 'perceptmetrics[report]' makes one")
        True
    """
    if find_spec("jinja2") is None:
        return "no page: pip install 'perceptmetrics[report]' makes one"
    return ""


def to_html(page: Page) -> str:
    """The page as one HTML file that needs nothing beside it. The same page gives the same bytes.

    Raises:
        OptionError: Jinja is not installed.

    Example:
        >>> page = Page("perceptmetrics bench", "A <b>", "today", ("It works.",), ())
        >>> "<h1>A &lt;b&gt;</h1>" in to_html(page)
        True
    """
    if missing := why_no_page():
        raise OptionError(missing)
    return _environment().get_template("page.html.j2").render(page=page) + "\n"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("perceptmetrics.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
