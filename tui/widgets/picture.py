"""The picture panel: shows finished lines of cells in its middle, or one line of text where there is no picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from ..darkroom import Print


class Picture(Widget):
    """A panel for one picture. It never makes one: others are asked for it by `Resized`."""

    class Resized(Message):
        """There is room for a picture of another size."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (as in Textual)
        super().__init__(id=id)
        self._print: Print | None = None
        self._problem = ""

    @property
    def cells(self) -> tuple[int, int]:
        """Room for a picture: (columns, lines); zero before the first layout."""
        return self.size.width, self.size.height

    @property
    def shown(self) -> Print | None:
        """The picture that is shown."""
        return self._print

    def show(self, finished: Print) -> None:
        """Show a picture."""
        self._print, self._problem = finished, ""
        self.refresh()

    def fail(self, problem: str) -> None:
        """Show one line of text instead of a picture."""
        self._print, self._problem = None, problem
        self.refresh()

    def on_resize(self) -> None:
        """Ask for a picture of the new size."""
        self.post_message(self.Resized())

    def render_line(self, y: int) -> Strip:
        """Return a line of the panel."""
        width, height = self.size
        background = self.rich_style
        if self._print is None:
            text = self._problem[:width].center(width) if y == height // 2 else " " * width
            return Strip([Segment(text, background)])
        lines = self._print.strips
        line = y - max(0, (height - len(lines)) // 2)
        if not 0 <= line < len(lines):
            return Strip.blank(width, background)
        left = max(0, (width - self._print.width) // 2)
        margin = Strip.blank(left, background)
        # An odd last row of pixels leaves lower halves to the panel's background.
        return Strip.join([margin, lines[line].apply_style(background)]).adjust_cell_length(width, background)
