"""The line in which one types: a search, a filter, a rank, a note. It takes the place of the footer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import on
from textual.containers import Horizontal
from textual.suggester import Suggester
from textual.widgets import Input, Label

from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        prefix: What stands before the text.
        value: The text that stands there already.
        done: Gets the text at Enter; where it returns False, the line stays open.
        changed: Gets the text while it is typed.
        back: Called at Esc.
        suggest: Gets the text while it is typed, and returns what it may become: → takes the first.
    """

    prefix: str
    value: str
    done: Callable[[str], bool | None]
    changed: Callable[[str], object] | None = None
    back: Callable[[], object] | None = None
    suggest: Callable[[str], Sequence[str]] | None = None


class _Suggestions(Suggester):
    """What the typed text may become.

    Args:
        suggest: Returns it, the likeliest first.
    """

    def __init__(self, suggest: Callable[[str], Sequence[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._suggest = suggest

    async def get_suggestion(self, value: str) -> str | None:
        """Return the likeliest."""
        return next(iter(self._suggest(value)), None)


class Prompt(Horizontal):
    """What is asked, and the text that is typed."""

    def __init__(self) -> None:
        super().__init__()
        self._label = Label("", markup=False)
        self._input = Input(compact=True, select_on_focus=False)
        self._question: Question | None = None

    def compose(self) -> ComposeResult:
        """Hold the question and the text."""
        yield self._label
        yield self._input

    def open(self, question: Question) -> None:
        """Ask for a text."""
        self._label.update(f" {question.prefix}")
        self._question = None  # setting the text is no typing
        self._input.suggester = None if question.suggest is None else _Suggestions(question.suggest)
        self._input.value = question.value
        self._input.cursor_position = len(question.value)
        self._question = question
        self.screen.set_focus(self._input)

    def close(self) -> None:
        """Ask no more."""
        self._question = None

    def type(self, text: str | None) -> bool:
        """Type a text; None for a key that is no text: returned is whether it needs no further meaning."""
        self.screen.set_focus(self._input)  # it loses it where the terminal was too small for a moment
        if text is None:
            return False
        self._input.replace(printable(text), *self._input.selection)
        return True

    def take(self) -> bool:
        """Take what was typed; tell whether it will do."""
        return self._question is None or self._question.done(self._input.value) is not False

    def go_back(self) -> None:
        """Take nothing of what was typed."""
        if self._question is not None and self._question.back is not None:
            self._question.back()

    def cells_before(self, position: int) -> int:
        """Return the cells between the left edge and a character of the text, for a caret above it."""
        return self._label.size.width + cell_len(self._input.value[:position]) - self._input.scroll_offset.x

    @on(Input.Changed)
    def _tell(self, message: Input.Changed) -> None:
        message.stop()
        question = self._question
        # Messages take their time: it may be an older text, or that of the question before.
        if question is not None and question.changed is not None and message.value == self._input.value:
            question.changed(message.value)

    def on_show(self) -> None:
        """Show where one types."""
        self.screen.set_focus(self._input)
