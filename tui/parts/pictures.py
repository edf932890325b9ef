"""The pictures on the board: asked for by whatever changes them, made in a worker, shown when they are ready.

A key changes the state and asks for pictures. Requests wait a moment while keys come quickly and a newer one
overtakes an older one, so that a held key never queues up pictures. What is wanted is a frozen record, by the kind of
the run: `tiles.Wanted` for captions with their maps, `classes.portrait.Wanted` for a picture with its bars.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from textual.worker import get_current_worker

from ...cache.errors import Hw3Error
from .. import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer

    from ..app import BrowserApp
    from ..darkroom import PhotoRoom
    from ..prints import Print
    from ..tiles import Board
    from ..widgets.board import BoardView

DEBOUNCE: Final = 0.04  # seconds; a little more than the pause between the repeats of a held key
NO_PICTURES: Final = "no pictures (--graphics none)"
_QUIET: Final = 0.15  # after so many seconds without a key, the next one is answered at once
_FLUSH: Final = 0.15  # a sheet of many maps is shown part by part, so often

WantedT = TypeVar("WantedT")
RoomT = TypeVar("RoomT", bound="PhotoRoom")


class Pictures(ABC, Generic[WantedT, RoomT]):
    """Asks for pictures and shows them.

    Args:
        app: The browser.
    """

    _app: BrowserApp[Any]

    def __init__(self, app: BrowserApp[Any]) -> None:
        self._app = app
        self.wanted: WantedT | None = None
        self.timer: Timer | None = None
        self._last_asked = 0.0
        self._room: RoomT | None = None  # made in the first worker: Pillow is not needed for the first frame

    # -- By the kind of the run ------------------------------------------------------------------------------------

    @abstractmethod
    def _wish(self) -> WantedT | None:
        """Return what the state says is to be shown; None where there is no picture, or no room."""

    @abstractmethod
    def _open_room(self) -> RoomT:
        """Return a new darkroom for what is open; in a worker."""

    @abstractmethod
    def _read(self, wanted: WantedT, room: RoomT) -> Board:
        """Read a picture's texts and post them; return the tiles that are wanted; in a worker."""

    @abstractmethod
    def show_state(self) -> None:
        """Say in the status line what the selected picture shows, unless it points at a wrong filter."""

    @abstractmethod
    def click(self, message: BoardView.Clicked) -> None:
        """Select the picture under the mouse."""

    def _shown(self, message: messages.Developed) -> None:
        """Pictures have come: say what belongs to them."""

    # -- The way of a picture --------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask for what the state says: at once after a pause, else when the keys have paused."""
        self.wanted = self._wish()
        if self.wanted is None:
            return
        self.show_state()
        now = monotonic()
        pause, self._last_asked = now - self._last_asked, now
        if self.timer is not None:
            self.timer.stop()
        if pause > _QUIET:
            self._start()
        else:
            self.timer = self._app.set_timer(DEBOUNCE, self._start)

    def _start(self) -> None:
        self.timer = None
        wanted = self.wanted
        if wanted is not None:
            self._app.run_worker(lambda: self._develop(wanted), thread=True, exclusive=True, group="picture")

    def _develop(self, wanted: WantedT) -> None:
        """Read a picture's texts and make it, in a thread; a newer wish stops this one between two steps."""
        from ..darkroom import Cancelled  # noqa: PLC0415 (imports Pillow: not before the first frame)

        app, worker = self._app, get_current_worker()
        room = self._room = self._room or self._open_room()
        try:
            board = self._read(wanted, room)
            if app.terminal.mode == "none":
                app.post_message(messages.NotDeveloped(wanted, NO_PICTURES))
            else:
                self._print(wanted, board, room, lambda: worker.is_cancelled)
        except Cancelled:
            return
        except Hw3Error as error:
            app.post_message(messages.NotDeveloped(wanted, str(error)))

    def _print(self, wanted: WantedT, board: Board, room: RoomT, is_cancelled: Callable[[], bool]) -> None:
        prints: list[Print | None] = [None] * len(board.tiles)
        flushed = monotonic()
        for place, tile in enumerate(board.tiles):
            prints[place] = room.make(tile.request, is_cancelled)
            if monotonic() - flushed > _FLUSH:
                self._app.post_message(messages.Developed(wanted, board, prints))
                flushed = monotonic()
        self._app.post_message(messages.Developed(wanted, board, prints))

    def take(self, message: messages.Developed) -> None:
        """Show the pictures, unless others are wanted by now."""
        if message.wanted == self.wanted:
            self._app.board.show(message.board, message.prints)
            self._shown(message)

    def fail(self, message: messages.NotDeveloped) -> None:
        """Say why there is no picture."""
        if message.wanted == self.wanted:
            self.show_problem(message.problem)

    def show_nothing(self) -> None:
        """The filter has left no picture."""
        self.wanted = None
        self._app.show_nothing()
        self.show_problem("nothing is left by the filter: Backspace clears it")

    def show_problem(self, problem: str) -> None:
        """Show one line of text instead of pictures."""
        self._app.board.fail(problem)
        self._app.status.span = None

    def develop_anew(self) -> None:
        """Make the pictures again: what is around them has another colour."""
        self._room = None
        self.ask()

    def forget(self) -> None:
        """The run was opened again."""
        self._room, self.wanted = None, None
