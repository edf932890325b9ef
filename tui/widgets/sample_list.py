"""The list of samples: rank, score, caption. Virtual: it makes only the lines in sight, whatever the number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import set_cell_size
from rich.segment import Segment
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from ...cache.text import printable
from .. import formats

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.style import Style
    from textual import events
    from textual.app import RenderResult

    from ..ordering import Ordering

MARK: Final = "▌"
_KEPT_LINES: Final = 512
_SCORE_WIDTH: Final = 7
_LEAST_RANK_WIDTH: Final = 4


@dataclass(frozen=True, slots=True)
class Columns:
    """The widths of the columns, in cells, shared by the list and its head."""

    rank: int = _LEAST_RANK_WIDTH
    score: int = _SCORE_WIDTH

    @classmethod
    def of(cls, ordering: Ordering) -> Columns:
        """Return columns that hold every rank of a list; no score column where it is not sorted by one."""
        rank = max(_LEAST_RANK_WIDTH, len(str(len(ordering))))
        return cls(rank, 0 if ordering.values is None else max(_SCORE_WIDTH, len(ordering.key) + 2))

    def join(self, rank: str, score: str, rest: str) -> str:
        """Return a line without its mark."""
        middle = f"  {score:>{self.score}}" if self.score else ""
        return f"{rank:>{self.rank}}{middle}  {rest}"


class ListHead(Widget):
    """The heads of the columns. A click on the score asks for the next order."""

    DEFAULT_CSS = "ListHead { height: 1; }"

    class Clicked(Message):
        """The head of the score column was clicked."""

    columns: reactive[Columns] = reactive(Columns())
    key: reactive[str] = reactive("")
    descending: reactive[bool] = reactive(default=True)

    def render(self) -> RenderResult:
        """Draw the heads, with an arrow at the one by which the list is sorted."""
        arrow = "↓" if self.descending else "↑"
        return " " + self.columns.join("rank", f"{self.key} {arrow}" if self.columns.score else "", "caption")

    def on_click(self) -> None:
        """Report it."""
        self.post_message(self.Clicked())


class SampleList(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows in the order of an `Ordering`, one of them selected.

    Args:
        caption: Returns the caption of a picture by its index, quickly.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"list--cursor", "list--rank", "list--score"}

    class Clicked(Message):
        """The mouse chose a row.

        Attributes:
            position: The row, from 0.
        """

        def __init__(self, position: int) -> None:
            self.position = position
            super().__init__()

    cursor: reactive[int] = reactive(0, repaint=False)

    def __init__(self, caption: Callable[[int], str], *, id: str | None = None) -> None:  # noqa: A002 (as in Textual)
        super().__init__(id=id)
        self._caption = caption
        self._ordering: Ordering | None = None
        self._columns = Columns()
        self._lines: LRUCache[tuple[int, bool, int], Strip] = LRUCache(_KEPT_LINES)

    def show(self, ordering: Ordering, position: int) -> None:
        """Take another order, with the row to select in it."""
        self._ordering = ordering
        self._columns = Columns.of(ordering)
        self._lines.clear()
        self.virtual_size = Size(0, len(ordering))
        self.cursor = position
        # Half a page above the selected row, also where the row's number stayed and nothing else would scroll.
        self.scroll_to(y=max(0, position - self.size.height // 2), animate=False)
        self.refresh()

    @property
    def page(self) -> int:
        """Rows in sight, at least one."""
        return max(1, self.size.height)

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw the two rows that changed, and bring the new one in sight."""
        self.refresh_line(old)
        self.refresh_line(new)
        self._reveal(new)

    def _reveal(self, position: int) -> None:
        top = self.scroll_offset.y
        if position < top:
            self.scroll_to(y=position, animate=False)
        elif position >= top + self.page:
            self.scroll_to(y=position - self.page + 1, animate=False)

    def on_resize(self) -> None:
        """Keep the selected row in sight."""
        self._lines.clear()
        self._reveal(self.cursor)

    def notify_style_update(self) -> None:
        """Forget lines in the old theme's colours."""
        self._lines.clear()
        super().notify_style_update()

    def on_click(self, event: events.Click) -> None:
        """Report the row under the mouse."""
        position = event.y + self.scroll_offset.y
        if self._ordering and position < len(self._ordering):
            self.post_message(self.Clicked(position))

    def render_line(self, y: int) -> Strip:
        """Return a line in sight."""
        position = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if self._ordering is None or position >= len(self._ordering):
            return Strip.blank(width, self.rich_style)
        key = position, position == self.cursor, width
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = self._row(self._ordering, position, width)
        return found

    def _row(self, ordering: Ordering, position: int, width: int) -> Strip:
        caption = printable(self._caption(ordering.index_at(position)))
        rank = formats.rank(ordering.rank_at(position))
        columns = self._columns
        parts: list[tuple[str, Style]]
        if position == self.cursor:
            line = columns.join(rank, formats.score(ordering.value_at(position)), caption)
            parts = [(MARK + line, self.get_component_rich_style("list--cursor"))]
        else:
            parts = [(f" {rank:>{columns.rank}}", self.get_component_rich_style("list--rank"))]
            if columns.score:
                score = formats.score(ordering.value_at(position))
                parts.append((f"  {score:>{columns.score}}", self.get_component_rich_style("list--score")))
            parts.append((f"  {caption}", self.rich_style))
        return _cut(parts, width)


def _cut(parts: list[tuple[str, Style]], width: int) -> Strip:
    """Return styled texts as a line of exactly `width` cells, with an ellipsis where it was cut."""
    strip = Strip([Segment(text, style) for text, style in parts])
    if strip.cell_length <= width:
        return strip.adjust_cell_length(width, parts[-1][1])
    kept = strip.crop(0, max(0, width - 1))
    padding = Segment(set_cell_size("…", width - kept.cell_length), parts[-1][1])
    return Strip([*kept, padding], width)
