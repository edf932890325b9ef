"""The caption: words, of which one may be selected, by key or by click; one caption for each run that is compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from ..flow import flow, line_of, unit_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.style import Style
    from textual import events

    from ..flow import Line, Placed
    from ..units import Unit


@dataclass(frozen=True, slots=True)
class Entry:
    """One caption.

    Attributes:
        label: The run that it is of; "" where there is one run.
        units: Its words, or tokens.
        selected: The selected one.
        differing: Words that the other run's caption does not have.
        marks: A sign behind a word that has been judged.
    """

    label: str
    units: tuple[Unit, ...]
    selected: int | None = None
    differing: frozenset[int] = frozenset()
    marks: Mapping[int, str] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """What is shown of each word."""
        return [unit.text + self.marks.get(place, "") for place, unit in enumerate(self.units)]


class Caption(Widget, can_focus=True):
    """The words of the captions in lines; if they do not fit, the lines around the selected word."""

    FOCUS_ON_CLICK = False  # a line that is typed, or a menu, goes on
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "caption--selected",
        "caption--empty",
        "caption--differing",
        "caption--label",
    }

    class Clicked(Message):
        """The mouse chose a word, or the space beside the words.

        Attributes:
            entry: Which of the captions.
            unit: Index of the word; None beside the words.
        """

        def __init__(self, entry: int, unit: int | None) -> None:
            self.entry = entry
            self.unit = unit
            super().__init__()

    entries: reactive[tuple[Entry, ...]] = reactive(())

    @property
    def lines(self) -> tuple[tuple[int, Line], ...]:
        """The words at their places: for each line the caption that it belongs to."""
        room = self.size.width - self._indent
        return tuple((number, line) for number, entry in enumerate(self.entries) for line in self._flow(entry, room))

    @staticmethod
    def _flow(entry: Entry, room: int) -> tuple[Line, ...]:
        return flow(entry.texts, room) or ((),)

    @property
    def _indent(self) -> int:
        """Cells before the words: the widest label."""
        return max((cell_len(entry.label) + 2 for entry in self.entries if entry.label), default=0)

    @property
    def top(self) -> int:
        """The first line in sight: the selected word is always seen."""
        start = 0
        for entry in self.entries:
            lines = self._flow(entry, self.size.width - self._indent)
            if entry.selected is not None:
                return max(0, start + line_of(lines, entry.selected) - self.size.height + 1)
            start += len(lines)
        return 0

    def on_click(self, event: events.Click) -> None:
        """Report the word under the mouse."""
        place = event.get_content_offset(self)
        lines = self.lines
        if place is None or place.y + self.top >= len(lines):
            return
        number, line = lines[place.y + self.top]
        self.post_message(self.Clicked(number, unit_at([line], place.x - self._indent, 0)))

    def render_line(self, y: int) -> Strip:
        """Return a line in sight."""
        width, plain = self.size.width, self.rich_style
        lines, number = self.lines, y + self.top
        if number >= len(lines):
            return Strip.blank(width, plain)
        place, line = lines[number]
        entry = self.entries[place]
        segments = self._label(entry, is_first=number == 0 or lines[number - 1][0] != place)
        if not entry.units:
            segments.append(Segment("(empty caption)", self.get_component_rich_style("caption--empty")))
        x = 0
        for placed in line:
            segments.append(Segment(" " * (placed.x - x), plain))
            segments.append(Segment(placed.text, self._style(entry, placed)))
            x = placed.x + placed.width
        return Strip(segments).adjust_cell_length(width, plain)

    def _label(self, entry: Entry, *, is_first: bool) -> list[Segment]:
        if not self._indent:
            return []
        text = entry.label if is_first else ""
        padding = " " * (self._indent - cell_len(text))
        return [Segment(text + padding, self.get_component_rich_style("caption--label"))]

    def _style(self, entry: Entry, placed: Placed) -> Style:
        if placed.unit == entry.selected:
            return self.get_component_rich_style("caption--selected")
        if placed.unit in entry.differing:
            return self.get_component_rich_style("caption--differing")
        return self.rich_style
