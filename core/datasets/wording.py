"""How errors about datasets name things: one safe line, a few names of many."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ...cache.text import printable

_SHOWN: Final = 3  # names listed in an error


def show(path: Path) -> str:
    """Return a path as text for a terminal."""
    return printable(str(path))


def found(value: object) -> str:
    """Return a value that was not expected, cut short."""
    return printable(repr(value))[:60]


def first(names: Iterable[str]) -> str:
    """List the first few names of many."""
    listed = list(names)
    shown = ", ".join(printable(name) for name in listed[:_SHOWN])
    return f"{shown}, ..." if len(listed) > _SHOWN else shown
