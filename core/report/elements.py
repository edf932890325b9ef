"""Builds HTML in which nothing can be forgotten to be escaped: a text becomes markup here and nowhere else.

Why no template library: the light install has none (jinja2 comes with torch), and a page of tables and figures that is
made of a tree is a dozen functions. In templates escaping is a setting that `|safe` undoes; here only `element` and
`join` can make a `Markup`, and both escape whatever is none.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_VOID: Final = frozenset({"br", "img", "meta", "wbr"})


class Markup(str):
    """HTML that is finished; any other text is still to be escaped."""

    __slots__ = ()


def join(children: Iterable[str]) -> Markup:
    """Return pieces one behind the other: markup as it is, texts printable and escaped."""
    return Markup("".join(child if isinstance(child, Markup) else _escaped(child) for child in children))


def element(tag: str, *children: str, **attributes: str | int | None) -> Markup:
    """Return an element.

    >>> element("td", "a < b", class_="number")
    '<td class="number">a &lt; b</td>'

    Args:
        tag: Its name.
        children: Markup and texts.
        attributes: None leaves one out; "_" stands for "-", and at the end for nothing, so that Python's own words can
            be written.
    """
    names = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    head = tag + "".join(f' {name}="{_escaped(str(value))}"' for name, value in names)
    return Markup(f"<{head}>" if tag in _VOID else f"<{head}>{join(children)}</{tag}>")


def style_sheet(rules: str) -> Markup:
    """Return our own style sheet as an element; its text is not escaped, as HTML wants it."""
    return Markup(f"<style>\n{rules}</style>")


def _escaped(text: str) -> str:
    return escape(printable(text))
