"""Words set in lines of a given width, and back: which word is at a cell. Widths are terminal cells, not characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, chop_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST: Final = 2  # a wide character takes two cells


@dataclass(frozen=True, slots=True)
class Placed:
    """A word, or a part of one that is longer than a line, at its place.

    Attributes:
        unit: Index of the word.
        x: First cell.
        text: What is shown.
        width: Cells that it takes.
    """

    unit: int
    x: int
    text: str
    width: int


Line = tuple[Placed, ...]


def flow(texts: Sequence[str], width: int) -> tuple[Line, ...]:
    """Set words one space apart in lines of at most `width` cells.

    A word moves to the next line as a whole; one that is longer than a line is cut at the line's end.

    Args:
        texts: The words, none empty, sanitized.
        width: Cells of a line; taken as 2 where smaller.
    """
    width = max(width, NARROWEST)
    lines: list[list[Placed]] = []
    x = width + 1  # so that the first word starts the first line
    for unit, text in enumerate(texts):
        parts = chop_cells(text, width) if cell_len(text) > width else [text]
        for part in parts:
            cells = cell_len(part)
            if x + cells > width:
                lines.append([])
                x = 0
            lines[-1].append(Placed(unit, x, part, cells))
            x += cells + 1
    return tuple(tuple(line) for line in lines)


def unit_at(lines: Sequence[Line], x: int, y: int) -> int | None:
    """Return the index of the word that covers a cell, or None between words and outside."""
    if not 0 <= y < len(lines):
        return None
    return next((placed.unit for placed in lines[y] if placed.x <= x < placed.x + placed.width), None)


def line_of(lines: Sequence[Line], unit: int) -> int:
    """Return the line in which a word starts; 0 for a word that is not there."""
    return next((y for y, line in enumerate(lines) if any(placed.unit == unit for placed in line)), 0)
