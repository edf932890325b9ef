"""The caption: words, of which one may be selected, by key or by click."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from ..flow import flow, line_of, unit_at

if TYPE_CHECKING:
    from textual import events

    from ..flow import Line
    from ..units import Unit


class Caption(Widget, can_focus=True):
    """The words (or tokens) of one caption in lines; if they do not fit, the lines around the selected word."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"caption--selected", "caption--empty"}

    class Clicked(Message):
        """The mouse chose a word, or the space beside the words.

        Attributes:
            unit: Index of the word; None beside the words.
        """

        def __init__(self, unit: int | None) -> None:
            self.unit = unit
            super().__init__()

    units: reactive[tuple[Unit, ...]] = reactive(())
    selected: reactive[int | None] = reactive(None)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The words at their places."""
        return flow([unit.text for unit in self.units], self.size.width)

    @property
    def top(self) -> int:
        """The first line in sight: the selected word is always seen."""
        if self.selected is None:
            return 0
        return max(0, line_of(self.lines, self.selected) - self.size.height + 1)

    def on_click(self, event: events.Click) -> None:
        """Report the word under the mouse."""
        place = event.get_content_offset(self)
        if place is not None:
            self.post_message(self.Clicked(unit_at(self.lines, place.x, place.y + self.top)))

    def render_line(self, y: int) -> Strip:
        """Return a line in sight."""
        width, plain = self.size.width, self.rich_style
        if not self.units:
            text = "(empty caption)" if y == 0 else ""
            return Strip([Segment(text, self.get_component_rich_style("caption--empty"))]).adjust_cell_length(
                width, plain
            )
        lines, number = self.lines, y + self.top
        if number >= len(lines):
            return Strip.blank(width, plain)
        chosen = self.get_component_rich_style("caption--selected")
        segments: list[Segment] = []
        x = 0
        for placed in lines[number]:
            segments.append(Segment(" " * (placed.x - x), plain))
            segments.append(Segment(placed.text, chosen if placed.unit == self.selected else plain))
            x = placed.x + placed.width
        return Strip(segments).adjust_cell_length(width, plain)
