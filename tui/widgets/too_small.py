"""What a terminal shows that is too small for the panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

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
        size, (columns, lines) = self.app.size, self._least
        return Content(f"{size.width}×{size.height} is too small:\nhw3-browse needs {columns}×{lines}\n(q quits)")
