"""The theme to begin with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from .settings import Settings
    from .terminal.modes import Terminal


def first_theme(settings: Settings, terminal: Terminal, available: Collection[str]) -> str:
    """Return the theme to begin with: the chosen one, else dark or light as the terminal is."""
    if settings.theme in available:
        return settings.theme
    is_dark = terminal.is_dark
    if is_dark is None:
        is_dark = not _prefers_light(os.environ.get("COLORFGBG", ""))
    return "textual-dark" if is_dark else "textual-light"


def _prefers_light(colorfgbg: str) -> bool:
    """Return whether a terminal that tells its colours ("foreground;background") has a light background."""
    background = colorfgbg.rpartition(";")[2]
    return background in {"7", "15"}
