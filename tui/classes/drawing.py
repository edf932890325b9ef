"""The bars of the most probable classes, in cells: text, bar, probability; the true class ticked.

Pure functions of frozen records and a width; the tick and the place tell the true class without colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from ..formats import MUTED
from .view import RIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .guess import Bar, Guess

_FULL: Final = "━"
_HALF: Final = "╸"
_PERCENT: Final = 6  # cells: "100 %", "< .01%"
_MARK: Final = 2
_MOST_TEXT: Final = 0.6  # of the width
_TRUE_STYLE: Final = "$text-success"
_LEAST_SHOWN: Final = 0.0001


def bars(guess: Guess, width: int) -> list[Content]:
    """Return a line for each of a guess's classes, of at most `width` cells.

    The whole prompts stand there if they fit beside a bar, else the classes alone.
    """
    texts = _texts(guess.bars, width)
    column = max(map(cell_len, texts))
    room = max(0, width - _MARK - column - 1 - _PERCENT - 1)
    lines = (_line(bar, text, column, room) for bar, text in zip(guess.bars, texts, strict=True))
    return [line.truncate(width) for line in lines]


def line(share: float, cells: int) -> str:
    """Return a bar of so many cells, filled to half of one; what is more than nothing has that half at least.

    >>> line(0.5, 5)
    '━━╸  '
    """
    halves = round(min(max(share, 0.0), 1.0) * cells * 2) or int(share > 0 and cells > 0)
    return (_FULL * (halves // 2) + _HALF * (halves % 2)).ljust(cells)


def percent(share: float) -> str:
    """Return a probability in at most six cells.

    >>> [percent(share) for share in (0.97312, 0.004211, 0.0000004, 1.0)]
    ['97.3%', '0.42%', '<.01%', '100%']
    """
    if 0 < share < _LEAST_SHOWN:
        return "<.01%"
    value = 100 * share
    if value >= 99.95 or not value:  # noqa: PLR2004 (rounds to 100.0)
        return f"{value:.0f}%"
    return f"{value:.1f}%" if value >= 1 else f"{value:.2f}%"


def _texts(shown: Sequence[Bar], width: int) -> list[str]:
    most = max(1, int(_MOST_TEXT * width))
    whole = [bar.text + _place(bar, number) for number, bar in enumerate(shown, 1)]
    short = [bar.label + _place(bar, number) for number, bar in enumerate(shown, 1)]
    texts = whole if max(map(cell_len, whole)) <= most else short
    return [text if cell_len(text) <= most else f"{set_cell_size(text, most - 1).rstrip()}…" for text in texts]


def _place(bar: Bar, number: int) -> str:
    """Return the place of a class that stands behind others because it is the true one."""
    return f" (place {bar.place:,})" if bar.place > number else ""


def _line(bar: Bar, text: str, column: int, room: int) -> Content:
    style = _TRUE_STYLE if bar.is_true else ""
    colour = "$success" if bar.is_true else "$accent"
    return Content.assemble(
        (f"{RIGHT} " if bar.is_true else "  ", style),
        (set_cell_size(text, column), f"bold {style}".strip() if bar.is_true or bar.place == 1 else MUTED),
        " ",
        (line(bar.probability, room), colour),
        (f" {percent(bar.probability):>{_PERCENT}}", "bold" if bar.place == 1 else MUTED),
    )
