"""A menu at the side: type to narrow it, arrows and Enter or a click to choose, Esc to go back.

It stands where the list stands and covers no picture. It draws only the lines in sight, so a long menu costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.style import Style
    from textual import events

_HEAD = 2  # lines: the title, and what was typed


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a menu.

    Attributes:
        text: What it says.
        hint: What stands at the right: a key, or the present state.
        act: What happens when it is chosen.
    """

    text: str
    hint: str
    act: Callable[[], object]


class Chooser(Widget):
    """The menu. Others give it keys, so that it needs no focus."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"chooser--title", "chooser--cursor", "chooser--hint"}

    class Chosen(Message):
        """The mouse chose a line, or nothing: the menu is not needed any more.

        Attributes:
            choice: What was chosen; None: nothing.
        """

        def __init__(self, choice: Choice | None) -> None:
            self.choice = choice
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._title = ""
        self._choices: Sequence[Choice] = ()
        self._typed = ""
        self._cursor = 0

    def open(self, title: str, choices: Sequence[Choice], current: str = "") -> None:
        """Show a menu, with the choice of this text selected."""
        self._title, self._choices, self._typed = title, choices, ""
        self._cursor = next((place for place, choice in enumerate(choices) if choice.text == current), 0)
        self.refresh()

    @property
    def left(self) -> list[Choice]:
        """The choices that hold every word that was typed."""
        words = self._typed.casefold().split()
        return [choice for choice in self._choices if all(word in choice.text.casefold() for word in words)]

    @property
    def _top(self) -> int:
        return max(0, self._cursor - max(1, self.size.height - _HEAD) + 1)

    @property
    def selected(self) -> Choice | None:
        """What Enter chooses."""
        return next(iter(self.left[self._cursor :]), None)

    def press(self, key: events.Key) -> None:
        """Narrow the menu, or walk in it."""
        page = max(1, self.size.height - _HEAD)
        moves = {"down": 1, "up": -1, "ctrl+n": 1, "ctrl+p": -1, "pagedown": page, "pageup": -page}
        if key.key in moves:
            self._move(moves[key.key])
        elif key.key == "backspace":
            self._narrow(self._typed[:-1])
        elif key.is_printable and key.character is not None:
            self.type(key.character)

    def type(self, text: str) -> None:
        """Narrow the menu to what holds this text, too."""
        self._narrow(self._typed + printable(text))

    def on_click(self, event: events.Click) -> None:
        """Report the line under the mouse; the first one goes back."""
        place = event.get_content_offset(self)
        if place is None:
            return
        choice = next(iter(self.left[place.y - _HEAD + self._top :]), None) if place.y >= _HEAD else None
        if choice is not None or place.y == 0:
            self.post_message(self.Chosen(choice))

    def on_mouse_scroll_down(self) -> None:
        """Walk down."""
        self._move(1)

    def on_mouse_scroll_up(self) -> None:
        """Walk up."""
        self._move(-1)

    def _move(self, step: int) -> None:
        self._cursor = max(0, min(self._cursor + step, len(self.left) - 1))
        self.refresh()

    def _narrow(self, typed: str) -> None:
        self._typed, self._cursor = typed, 0
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return a line: the title, what was typed, the choices in sight."""
        width, plain = self.size.width, self.rich_style
        if y == 0:
            return self._line(self._title, "Esc", width, self.get_component_rich_style("chooser--title"))
        if y == 1:
            return self._line(f"> {self._typed}▏", "", width, plain)
        place, left = y - _HEAD + self._top, self.left
        if place >= len(left):
            text = "nothing is called so" if not left and y == _HEAD else ""
            return self._line(text, "", width, self.get_component_rich_style("chooser--hint"))
        chosen = place == self._cursor
        style = self.get_component_rich_style("chooser--cursor") if chosen else plain
        return self._line(f"{'▌' if chosen else ' '}{left[place].text}", left[place].hint, width, style)

    def _line(self, text: str, hint: str, width: int, style: Style) -> Strip:
        room = max(0, width - cell_len(hint) - 1)
        return Strip([Segment(set_cell_size(text, room) + " " + hint, style)]).adjust_cell_length(width, style)
