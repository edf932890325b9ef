"""The first line: which run, in which order, and where in it one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from ..cells import in_cells

if TYPE_CHECKING:
    from textual.app import RenderResult


class TitleBar(Widget):
    """One line: the run at the left, order and filter in the middle, the position at the right."""

    run: reactive[str] = reactive("")
    order: reactive[str] = reactive("")
    filter: reactive[str] = reactive("")
    place: reactive[str] = reactive("")

    def render(self) -> RenderResult:
        """Draw it; in a narrow terminal the run's name is cut first, then the filter."""
        place = Content(f"{self.place} ")
        order = Content.assemble((self.order, "bold $text-accent"), (self._filter, "bold $text-warning"))
        order = order.truncate(max(0, self.size.width - place.cell_length - 4), ellipsis=True)
        room = max(0, self.size.width - order.cell_length - place.cell_length - 4)
        run = Content.styled(f" {self.run}", "bold").truncate(room, ellipsis=True)
        left = Content.assemble(run, "  ", order)
        gap = self.size.width - left.cell_length - place.cell_length
        return Content.assemble(left, " " * max(1, gap), place)

    @property
    def _filter(self) -> str:
        return f"  {in_cells(self.filter)}" if self.filter else ""
