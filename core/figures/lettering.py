"""Text in figures, measured with the figure's own font, so that none runs out of its place."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

POINTS: Final = 72.0  # to the inch
_LINE: Final = 1.35  # height of a line over its font size
_SUBPIXELS: Final = 64.0  # FreeType's unit
_ANY_SIZE: Final = 12.0


def drawable(text: str) -> str:
    """Return a text safe to draw; U+FFFD stands for what the font lacks (matplotlib would warn each time)."""
    font = _font(_ANY_SIZE)
    return "".join(sign if font.get_char_index(ord(sign)) else "\ufffd" for sign in printable(text))


def height_of(lines: Sequence[str], size: float) -> float:
    """Return how high lines of a font size in points are, in inches."""
    return len(lines) * line_height(size)


def line_height(size: float) -> float:
    """Return how high a line of a font size in points is, in inches."""
    return size * _LINE / POINTS


def wrap(text: str, size: float, width: float) -> list[str]:
    """Break a text into drawable lines of at most `width` inches; a word longer than a line is broken too."""
    lines: list[str] = []
    for line in map(drawable, text.splitlines()):
        natural = _width(line, size)
        if natural <= width:
            lines.append(line)
            continue
        characters = max(int(len(line) * width / natural), 1)  # of average width
        wrapped = textwrap.wrap(line, characters)
        while characters > 1 and any(_width(part, size) > width for part in wrapped):
            characters = characters * 9 // 10
            wrapped = textwrap.wrap(line, characters)
        lines += wrapped
    return lines


def fit(text: str, width: float, size: float, smallest: float) -> tuple[str, float]:
    """Return a drawable text, cut if it must be, and the font size at which it fits into `width` inches.

    Args:
        text: One line.
        width: In inches.
        size: Font size in points where there is room.
        smallest: The least font size; a text that is too long for it is cut.
    """
    text = drawable(text)
    natural = _width(text, size)
    if natural <= width:
        return text, size
    size = max(size * width / natural, smallest)
    while len(text) > 1 and _width(text, size) > width:
        text = text[: len(text) * 9 // 10 - 1] + "…"
    return text, size


def write(figure: Figure, top: float, lines: Sequence[str], size: float, *, left: float) -> None:
    """Write lines, never as mathematics: a caption may hold a $.

    Args:
        figure: Where to.
        top: Of the first line, in inches from the upper edge.
        lines: Drawable.
        size: Font size in points.
        left: Where lines begin, in inches.
    """
    wide, tall = figure.get_size_inches()
    for number, line in enumerate(lines):
        down = top + number * line_height(size)
        figure.text(left / wide, 1 - down / tall, line, fontsize=size, va="top", parse_math=False)


def _font(size: float) -> FT2Font:
    """Return the figure's font, to measure with."""
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415 (only for figures)

    font = get_font(findfont(FontProperties()))
    font.set_size(size, POINTS)
    return font


def _width(text: str, size: float) -> float:
    """Return how wide a text is in inches."""
    from matplotlib.ft2font import LoadFlags  # noqa: PLC0415

    font = _font(size)
    font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    return font.get_width_height()[0] / _SUBPIXELS / POINTS
