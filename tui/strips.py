"""Lines of a frame that need not be taken apart: what is written of them is known before Textual asks.

A picture of 96 x 44 cells is 4,000 of Textual's segments, each with a style of its own: making, styling and writing
them took 30 ms of the event loop and 15 ms of the worker. Here the worker makes what is written, in one go, and a
line is made of segments only where somebody cuts it or looks into it: a toast over the picture, a terminal without
24-bit colours, a screenshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.filter import ANSIToTruecolor
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console
    from rich.segment import Segment
    from textual.color import Color
    from textual.filter import LineFilter


class LateStrip(Strip):
    """A strip whose segments are made by the first question for them.

    Args:
        make: Makes the segments.
        width: Cells.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Iterable[Segment]], width: int) -> None:
        self._make = make
        self._made: list[Segment] | None = None
        super().__init__((), width)

    @property
    def _segments(self) -> list[Segment]:
        """What all of `Strip` works with."""
        if self._made is None:
            self._made = list(self._make())
        return self._made

    @_segments.setter
    def _segments(self, _: object) -> None:
        """Take nothing from `Strip`'s constructor."""


class WrittenStrip(LateStrip):
    """A strip in 24-bit colours whose escape sequences are known.

    Args:
        written: The escape sequences, colours set back at their end.
        make: Makes the same as segments.
        width: Cells.
    """

    __slots__ = ("_written",)

    def __init__(self, written: str, make: Callable[[], Iterable[Segment]], width: int) -> None:
        super().__init__(make, width)
        self._written = written

    def render(self, console: Console) -> str:
        """Return what is written; made anew for a terminal of fewer colours."""
        return self._written if console.color_system == "truecolor" else super().render(console)

    def apply_filter(self, filter: LineFilter, background: Color) -> Strip:  # noqa: A002 (as Textual calls it)
        """Return the filtered strip; what makes colours 24 bits wide changes nothing."""
        return self if isinstance(filter, ANSIToTruecolor) else super().apply_filter(filter, background)


class StripRow(LateStrip):
    """Strips beside each other, each drawn as it is.

    Args:
        parts: The strips, from left to right.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Strip]) -> None:
        self._parts = [part for part in parts if part.cell_length]
        super().__init__(lambda: (segment for part in self._parts for segment in part), sum(map(_width, parts)))

    def render(self, console: Console) -> str:
        """Return what is written."""
        return "".join(part.render(console) for part in self._parts)

    def apply_filter(self, filter: LineFilter, background: Color) -> Strip:  # noqa: A002 (as Textual calls it)
        """Return the filtered strips."""
        return StripRow([part.apply_filter(filter, background) for part in self._parts])

    def crop(self, start: int, end: int | None = None) -> Strip:
        """Return the cells from `start` to `end`; the strips that lie between them stay whole."""
        if start <= 0 and (end is None or end >= self.cell_length):
            return self
        stop = self.cell_length if end is None else end
        kept, x = [], 0
        for part in self._parts:
            if x < stop and x + part.cell_length > start:
                kept.append(part.crop(start - x, stop - x))
            x += part.cell_length
        return StripRow(kept)


def _width(strip: Strip) -> int:
    return strip.cell_length
