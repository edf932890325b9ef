"""The list of samples: signs, rank, scores, a text (the caption).

Virtual: it makes only the lines in sight, however many rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.cache import LRUCache
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from ...cache.errors import Hw3Error
from .. import formats
from ..cells import in_cells
from ..ordering import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.style import Style
    from textual import events
    from textual.app import RenderResult

    from ..ordering import Ordering
    from ..source import Listed

CURSOR: Final = "▌"
MARKED: Final = "●"
_KEPT_LINES: Final = 512
_SCORE_WIDTH: Final = 7
_LEAST_RANK_WIDTH: Final = 4
_LEAST_TEXT: Final = 10  # cells; rather fewer scores than a shorter one
_GAP: Final = 2
_SIGNS: Final = 2
RANK: Final = "rank"
TEXT: Final = "text"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns behind the signs.

    Attributes:
        rank: Cells for ranks.
        scores: The scores that are shown where there is room, each with its cells.
        key: The one by which the list is sorted; it is always shown.
        text: What stands over the text, which has the rest of the line.
        names_from: Cells of the list from which on names have a column.
        name_width: Cells of that column.
    """

    rank: int
    scores: tuple[tuple[str, int], ...]
    key: str = ""
    text: str = ""
    names_from: int = 0
    name_width: int = 0

    @classmethod
    def of(cls, ordering: Ordering, runs: Listed) -> Columns:
        """Return columns that hold every rank; the score of the order, in each of several runs, and the difference."""
        rank = max(_LEAST_RANK_WIDTH, len(str(ordering.of)))
        names = runs.beside(ordering.key) if ordering.values is not None else ()
        scores = tuple((name, max(_SCORE_WIDTH, len(_label(name, names)) + 2)) for name in names)
        return cls(rank, scores, ordering.key, runs.row_head, runs.names_from, runs.name_width)

    def label(self, name: str) -> str:
        """Return what stands over a column."""
        if name == TEXT:
            return self.text
        return _label(name, [score for score, _ in self.scores])

    def head(self, width: int) -> list[tuple[str, int]]:
        """Return the name and the cells of each column, the text's last, for a list of so many cells."""
        named = [(BY_NAME, self.name_width)] if width >= self.names_from else []
        room = width - _SIGNS - _LEAST_TEXT - sum(cells + _GAP for _, cells in [(RANK, self.rank), *named])
        shown = set()
        for name, cells in sorted(self.scores, key=lambda score: score[0] != self.key):
            room -= cells + _GAP
            if room >= 0 or name == self.key:
                shown.add(name)
        return [(RANK, self.rank), *(score for score in self.scores if score[0] in shown), *named, (TEXT, 0)]


class ListHead(Widget):
    """The heads of the columns. A click on one sorts by it; on that of the order, it turns the list round."""

    DEFAULT_CSS = "ListHead { height: 1; }"

    class Clicked(Message):
        """The head of a column was clicked.

        Attributes:
            key: The score; or "name"; or "rank" for the present order.
        """

        def __init__(self, key: str) -> None:
            self.key = key
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._columns = Columns(_LEAST_RANK_WIDTH, ())
        self._key = ""
        self._arrow = ""

    def show(self, columns: Columns, key: str, *, descending: bool) -> None:
        """Take the columns of another order."""
        self._columns, self._key, self._arrow = columns, key, "↓" if descending else "↑"
        self.refresh()

    def _cells(self) -> list[tuple[str, str]]:
        """Return the key and the text of each head, as wide as it stands."""
        cells = []
        for name, width in self._columns.head(self.size.width):
            label = self._columns.label(name)
            text = f"{label} {self._arrow}" if name == self._key else label
            left = name in {BY_NAME, TEXT}
            cells.append((name, "  " + (f"{text:<{width}}" if left else f"{text:>{width}}")))
        return cells

    def render(self) -> RenderResult:
        """Draw the heads, with an arrow at the one by which the list is sorted."""
        return Content(" " * (_SIGNS - 1) + "".join(text for _, text in self._cells()))

    def on_click(self, event: events.Click) -> None:
        """Report which it was."""
        cells = self._cells()
        ends = accumulate(len(text) for _, text in cells)
        key = next((key for (key, _), end in zip(cells, ends, strict=True) if event.x - _SIGNS + 1 < end), TEXT)
        self.post_message(self.Clicked(RANK if key == self._key else key))


class SampleList(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows in the order of an `Ordering`, one of them selected.

    Args:
        runs: Returns what is open: name and text of a picture by its index, quickly.
        sign: Returns the sign, one cell, of a picture's judgement.
        is_marked: Tells whether a picture is marked.
    """

    FOCUS_ON_CLICK = False  # a line that is typed, or a menu, goes on
    COMPONENT_CLASSES: ClassVar[set[str]] = {"list--cursor", "list--rank", "list--score", "list--sign"}

    class Clicked(Message):
        """The mouse chose a row.

        Attributes:
            position: The row, from 0.
        """

        def __init__(self, position: int) -> None:
            self.position = position
            super().__init__()

    cursor: reactive[int] = reactive(0, repaint=False)

    def __init__(
        self, runs: Callable[[], Listed], sign: Callable[[int], str], is_marked: Callable[[int], bool]
    ) -> None:
        super().__init__(id="list")
        self._runs, self._sign, self._is_marked = runs, sign, is_marked
        self._ordering: Ordering | None = None
        self._columns = Columns(_LEAST_RANK_WIDTH, ())
        self._lines: LRUCache[tuple[int, bool, int], Strip] = LRUCache(_KEPT_LINES)

    def show(self, ordering: Ordering, columns: Columns, position: int) -> None:
        """Take another order, with the row to select in it."""
        self._ordering, self._columns = ordering, columns
        self._lines.clear()
        self.virtual_size = Size(0, len(ordering))
        self.cursor = position
        # Half a page above the selected row, also where the row's number stayed and nothing else would scroll.
        self._scroll(max(0, position - self.size.height // 2))
        self.refresh()

    def clear(self) -> None:
        """Show nothing; the place in the list stays."""
        self._ordering = None
        self.redraw()

    def redraw(self) -> None:
        """Draw the rows again: signs or marks have changed."""
        self._lines.clear()
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
            self._scroll(position)
        elif position >= top + self.page:
            self._scroll(position - self.page + 1)

    def _scroll(self, top: int) -> None:
        # By force: where the list has just become longer than its panel, it has no scroll bar yet.
        self.scroll_to(y=top, animate=False, force=True)

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
            try:
                found = self._lines[key] = self._row(self._ordering, position, width)
            except Hw3Error as error:
                return self._unreadable(position, str(error), width)
        return found

    def _unreadable(self, position: int, problem: str, width: int) -> Strip:
        chosen = position == self.cursor
        style = self.get_component_rich_style("list--cursor" if chosen else "list--rank")
        return _cut([(f"{CURSOR if chosen else ' '}  cannot be read: {in_cells(problem)}", style)], width)

    def _row(self, ordering: Ordering, position: int, width: int) -> Strip:
        index, runs = ordering.index_at(position), self._runs()
        styles = {name: self.get_component_rich_style(f"list--{name}") for name in ("rank", "score", "sign", "cursor")}
        chosen = position == self.cursor
        first = MARKED if self._is_marked(index) else CURSOR if chosen else " "
        parts = [(first + self._sign(index), styles["sign"])]
        for name, cells in self._columns.head(self.size.width):
            if name == TEXT:
                parts.append((f" {in_cells(runs.row(index))}", self.rich_style))
            elif name == RANK:
                parts.append((f"{formats.rank(ordering.rank_at(position)):>{cells}} ", styles["rank"]))
            elif name == BY_NAME:
                parts.append((f" {_fit(in_cells(runs.name(index)), cells)} ", styles["rank"]))
            else:
                value = runs.value(name, index)
                parts.append((f" {formats.score(value):>{cells}} ", styles["score"]))
        if chosen:
            parts = [(text, styles["cursor"]) for text, _ in parts]
        return _cut(parts, width)


def _label(name: str, names: Sequence[str]) -> str:
    """Return the short name of a score beside others: "diff" behind "clipscore" means diff.clipscore."""
    return name.removesuffix(f".{names[0]}") if names else name


def _fit(text: str, cells: int) -> str:
    """Return a text in so many cells, cut with an ellipsis."""
    return set_cell_size(text, cells) if cell_len(text) <= cells else set_cell_size(text, cells - 1) + "…"


def _cut(parts: list[tuple[str, Style]], width: int) -> Strip:
    """Return styled texts as a line of exactly `width` cells, with an ellipsis where it was cut."""
    strip = Strip([Segment(text, style) for text, style in parts])
    if strip.cell_length <= width:
        return strip.adjust_cell_length(width, parts[-1][1])
    kept = strip.crop(0, max(0, width - 1))
    padding = Segment(set_cell_size("…", width - kept.cell_length), parts[-1][1])
    return Strip([*kept, padding], width)
