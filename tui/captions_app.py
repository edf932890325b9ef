"""The browser of captions: words to walk, the maps of attention over the picture, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on

from . import keys, messages
from .app import BrowserApp
from .parts.grids import Grids
from .parts.judging import Judging
from .parts.panels import Panels
from .parts.words import Words
from .runs import Runs
from .widgets.caption import Caption
from .widgets.details import SampleDetails

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.binding import Binding

    from .settings import Settings
    from .terminal.modes import Terminal


class CaptionBrowser(BrowserApp[Runs], inherit_bindings=False):
    """Shows one run of captions, or several as one list. For the arguments see `BrowserApp`."""

    declared: ClassVar[tuple[Binding, ...]] = keys.BINDINGS
    clicked: ClassVar[str] = "a row, a word, or one of several maps"
    judging: Judging
    details: SampleDetails

    def __init__(self, runs: Runs, settings: Settings, terminal: Terminal, reopen: Callable[[], Runs]) -> None:
        super().__init__(runs, settings, terminal, reopen)
        self.judging = Judging(self)
        self.keeping = Grids(self)
        self.words = Words(self)
        self.pictures = self.panels = Panels(self)
        self.details = SampleDetails()
        self.reading = self.caption = Caption()

    @property
    def noted(self) -> tuple[int, str] | None:
        """The selected picture in the run whose words are walked."""
        sample = self.words.sample
        return None if sample is None else (self.words.run, sample.path)

    def leave_picture(self, *, keep_word: bool) -> None:
        """Another picture was selected."""
        self.words.leave(keep_word=keep_word)

    def show_nothing(self) -> None:
        """No picture is selected."""
        self.words.show_nothing()

    def forget(self) -> None:
        """The caches were opened again."""
        self.words.forget()

    def step_back(self) -> bool:
        """Close a sheet, else deselect the word."""
        if self.panels.sheet:
            self.panels.sheet_of(self.panels.sheet)
        elif self.words.unit is not None:
            self.words.select(None)
        else:
            return False
        return True

    @on(Caption.Clicked)
    def _click_word(self, message: Caption.Clicked) -> None:
        self.words.click(message)

    @on(messages.SampleRead)
    def _take_sample(self, message: messages.SampleRead) -> None:
        self.words.take(message)
