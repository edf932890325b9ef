"""How numbers and lesser texts are written: the same in the list, the details and the plain text."""

from __future__ import annotations

import math
from typing import Final

UNDEFINED: Final = "\u2013"
TIMES: Final = "\u00d7"
_LARGE: Final = 10

# Styles of Textual's Content for what stands back ("$text-muted" is resolved against a widget's own colours only).
MUTED: Final = "$foreground 60%"
FAINT: Final = "$foreground 20%"


def score(value: float | None) -> str:
    """Write a score: four decimals, two from ten on, a dash where it is undefined."""
    if value is None or math.isnan(value):
        return UNDEFINED
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.2f}"


def rank(value: int | None) -> str:
    """Write a rank, a dash where there is none."""
    return UNDEFINED if value is None else str(value)


def percent(share: float) -> str:
    """Write a share of one with two or three significant digits, a dash where it is not known."""
    if math.isnan(share):
        return UNDEFINED
    value = share * 100
    return f"{value:.0f}%" if value >= _LARGE else f"{value:.1f}%"
