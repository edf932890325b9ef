"""Writes plates to the screen: knows what the terminal shows and keeps, and sends no more than what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .way import Way, abilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..terminal.modes import Terminal
    from .placing import Area, Placed


class Painter(Protocol):
    """What the terminal shows in pixels. Methods return what is to be written to it, in one piece and in their order.

    A text that is written over a picture may erase it there: `touched` must hear of it before the next `paint`.
    """

    @property
    def beneath(self) -> bool:
        """Whether text with a background of its own is seen over a picture and does it no harm."""

    @property
    def pending(self) -> bool:
        """Whether the last `paint` left something out for its budget: paint again when the line is free."""

    def paint(self, placed: Sequence[Placed], covered: Sequence[Area] = (), budget: int = 0) -> str:
        """Return what turns the screen into one with these pictures; "" if it is one.

        Args:
            placed: All pictures that are to be seen. They do not overlap, and leave the last line of the screen free.
            covered: Where text lies over them, such as a menu or a notice: nothing is drawn there.
            budget: About how many characters may be sent for images; at least one picture is. 0 for no bound.
        """

    def touched(self, area: Area | None = None) -> None:
        """Note that text was written over an area of the screen; None for all of it."""

    def erase(self) -> str:
        """Return what takes all pictures away. Where images are kept in the terminal, they stay there."""

    def forget(self) -> None:
        """Note that the terminal was reset, or another one took its place: it shows and keeps nothing any more."""

    def leave(self) -> str:
        """Return what frees all that the terminal keeps, whatever was being written; to be written before the end."""


def painter_for(terminal: Terminal) -> Painter:
    """Return a painter for a terminal whose mode is one of "kitty", "iterm2" and "sixel".

    Raises:
        ValueError: The mode is another one.
    """
    from .cells_painter import InlinePainter, PlaceholderPainter  # noqa: PLC0415 (only what the terminal needs)
    from .layers_painter import LayersPainter  # noqa: PLC0415

    able = abilities(terminal)
    if able.way is Way.LAYERS:
        return LayersPainter(in_tmux=able.in_tmux, beneath=able.beneath)
    return PlaceholderPainter() if able.way is Way.PLACEHOLDERS else InlinePainter(in_tmux=able.in_tmux)
