"""What a terminal shows that is too small for the panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from ..formats import TIMES

if TYPE_CHECKING:
    from textual.app import RenderResult


class TooSmall(Widget):
    """Says how small the terminal is, and how large it must be.

    Args:
        least: The smallest (columns, lines) that will do.
    """

    def __init__(self, least: tuple[int, int]) -> None:
        super().__init__()
        self._least = least

    def render(self) -> RenderResult:
        """Draw it."""
        found, needed = (f"{columns}{TIMES}{lines}" for columns, lines in (self.app.size, self._least))
        return Content(f"{found} is too small:\nhw3-browse needs {needed}\n(q quits)")
