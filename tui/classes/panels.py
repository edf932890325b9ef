"""The picture on the board, and the part that chooses the prompt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.content import Content

from ..arrange import Rect
from ..cells import in_cells
from ..formats import MUTED
from ..parts.pictures import Pictures
from ..prints import Request
from ..tiles import Board, Focus, Tile
from ..widgets.chooser import Choice
from . import describing
from .messages import PictureRead

if TYPE_CHECKING:
    from ..darkroom import PhotoRoom
    from ..widgets.board import BoardView
    from .app import ClassBrowser
    from .guess import Classified, Guess

_NO_MAP = Focus(None, 0, "mean")


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that decides what is shown.

    Attributes:
        index: The picture.
        prompt: Whose ranks the details have.
        area: (columns, lines) of the board.
        cell: (width, height) of a terminal cell in pixels.
        monochrome: Whether the terminal shows no colours.
    """

    index: int
    prompt: int
    area: tuple[int, int]
    cell: tuple[int, int]
    monochrome: bool


class Portrait(Pictures[Wanted, "PhotoRoom"]):
    """The selected picture.

    Args:
        app: The browser.
    """

    _app: ClassBrowser

    def __init__(self, app: ClassBrowser) -> None:
        super().__init__(app)

    def _wish(self) -> Wanted | None:
        app, index = self._app, self._app.listing.index
        columns, lines = app.board.area
        if index is None or not columns or not lines or not app.listing.ordering:
            return None
        return Wanted(index, app.runs.prompt, (columns, lines), app.pixels.cell, app.no_color)

    def _open_room(self) -> PhotoRoom:
        from ..darkroom import PhotoRoom  # noqa: PLC0415 (imports Pillow: not before the first frame)

        return PhotoRoom(self._app.runs.sources, self._app.pixels.encoder())

    def _read(self, wanted: Wanted, room: PhotoRoom) -> Board:  # noqa: ARG002 (it makes the pictures alone)
        from ..standings import standings  # noqa: PLC0415
        from .guess import read  # noqa: PLC0415

        app, view = self._app, self._app.runs.by(wanted.prompt)
        app.post_message(PictureRead(wanted.prompt, read(view.run, wanted.index), standings(view, wanted.index)))
        request = Request(0, wanted.index, (), 0, "mean", wanted.area, "", 0.0, wanted.monochrome)
        rect = Rect(0, 0, *wanted.area)
        return Board((Tile(0, _NO_MAP, "", rect, request, selected=True, pinned=False),))

    def click(self, message: BoardView.Clicked) -> None:
        """One picture has nothing to choose."""

    def show_state(self) -> None:
        """Say in the status line what the picture was taken for, and how good the prompt is."""
        status = self._app.status
        if self._app.finding.problem is not None:
            status.state = self._app.finding.problem
            return
        guess = self._app.guesses.guess
        summary = self._app.runs.run.prompts[self._app.runs.prompt].summary
        accuracy = "" if summary is None else f"  prompt {self._app.runs.prompt + 1}: {describing.accuracy(summary)}"
        if guess is None:
            status.state = Content.styled(accuracy.strip(), MUTED)
            return
        status.state = Content.assemble(
            describing.sign(guess), " ", (guess.best.label, "bold $text-accent"), (accuracy, MUTED)
        )


class Guesses:
    """By which prompt the list is sorted and the bars are drawn, and what the prompts made of the picture.

    Args:
        app: The browser.
    """

    def __init__(self, app: ClassBrowser) -> None:
        self._app = app
        self._picture: Classified | None = None

    @property
    def picture(self) -> Classified | None:
        """The selected picture; None before it has been read."""
        found = self._picture
        return found if found is not None and found.index == self._app.listing.index else None

    @property
    def guess(self) -> Guess | None:
        """What the current prompt made of it; None likewise."""
        return None if self.picture is None else self.picture.guesses[self._app.runs.prompt]

    def take(self, message: PictureRead) -> None:
        """Show what was read, unless another picture or prompt is wanted by now."""
        app = self._app
        if message.picture.index != app.listing.index or message.prompt != app.runs.prompt:
            return
        self._picture = message.picture
        app.details.show(message.picture, app.runs, message.standings, app.listing.key)
        self.show()
        app.judging.show()
        app.pictures.show_state()

    def show(self) -> None:
        """Show the bars."""
        self._app.bars.prompt = describing.prompt_line(self._app.runs.run.prompts, self._app.runs.prompt)
        self._app.bars.guess = self.guess

    def forget(self) -> None:
        """The run was opened again."""
        self._picture = None

    def show_nothing(self) -> None:
        """No picture is selected."""
        self.forget()
        self.show()
        self._app.details.clear()
        self._app.pictures.show_state()

    # -- The prompt ------------------------------------------------------------------------------------------------

    def step(self, count: int) -> None:
        """Ask by the next prompt, round the last."""
        self.use((self._app.runs.prompt + count) % len(self._app.runs.run.prompts))

    def choose(self) -> None:
        """Open the menu of prompts."""
        known = self._app.runs.run.prompts
        texts = [f"{number}  {in_cells(prompt.name)}" for number, prompt in enumerate(known, 1)]
        choices = [
            Choice(text, "" if prompt.summary is None else f"{prompt.summary.accuracy:.1%}", partial(self.use, number))
            for number, (text, prompt) in enumerate(zip(texts, known, strict=True))
        ]
        self._app.desk.choose("Prompt", choices, texts[self._app.runs.prompt])

    def use(self, prompt: int) -> None:
        """Ask by another prompt: the list is sorted by what it says; the picture stays."""
        app = self._app
        if prompt == app.runs.prompt:
            return
        app.runs = app.runs.by(prompt)
        app.details.summary = None  # its figures are those of the prompt before
        self.show()
        app.listing.sort()
        app.pictures.ask()
