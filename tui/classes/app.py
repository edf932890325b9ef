"""The browser of a zero-shot run: the picture, the bars of its most probable classes, and prompts to switch between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on

from .. import keys
from ..app import BrowserApp
from ..parts.noting import Noting
from ..widgets.bars import Bars
from .details import ClassDetails
from .keeping import Charts
from .messages import PictureRead
from .panels import Guesses, Portrait
from .view import ClassView

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.binding import Binding
    from textual.screen import Screen

    from ..settings import Settings
    from ..terminal.modes import Terminal
    from ..visits import Visit


class ClassBrowser(BrowserApp[ClassView], inherit_bindings=False):
    """Shows a zero-shot run by one of its prompts. For the arguments see `BrowserApp`."""

    declared: ClassVar[tuple[Binding, ...]] = keys.CLASS_BINDINGS
    details: ClassDetails

    def __init__(
        self, runs: ClassView, settings: Settings, terminal: Terminal, reopen: Callable[[], ClassView]
    ) -> None:
        super().__init__(runs, settings, terminal, lambda: reopen().by(self.runs.prompt))
        self.judging = Noting(self)
        self.keeping = Charts(self)
        self.guesses = Guesses(self)
        self.pictures = Portrait(self)
        self.details = ClassDetails()
        self.reading = self.bars = Bars()

    def get_default_screen(self) -> Screen[None]:
        """Return the screen, laid out for bars."""
        screen = super().get_default_screen()
        screen.add_class("-bars")
        return screen

    @property
    def noted(self) -> tuple[int, str] | None:
        """The selected picture in the one run."""
        picture = self.guesses.picture
        return None if picture is None else (0, picture.path)

    def leave_picture(self, *, keep_word: bool) -> None:
        """Another picture was selected: nothing is kept of the one before."""

    def show_nothing(self) -> None:
        """No picture is selected."""
        self.guesses.show_nothing()

    def forget(self) -> None:
        """The run was opened again."""
        self.guesses.forget()

    def visit(self) -> Visit:
        """Return where one is, and by which prompt."""
        return replace(super().visit(), prompt=self.runs.prompt)

    def resume(self, visit: Visit) -> None:
        """Begin where one was, by the same prompt."""
        super().resume(visit)
        if visit.prompt is not None:
            self.runs = self.runs.by(visit.prompt)

    @on(PictureRead)
    def _take_picture(self, message: PictureRead) -> None:
        self.guesses.take(message)
