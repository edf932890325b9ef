"""The board of attention maps: layer, head, colours, pinned maps, sheets; and the worker that makes the pictures.

A key changes the state and asks for pictures. Requests wait a moment while keys come quickly and a newer one
overtakes an older one, so that a held key never queues up pictures.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from textual.content import Content
from textual.worker import get_current_worker

from ...cache.errors import Hw3Error
from .. import colormap, formats, messages
from ..formats import MUTED
from ..tiles import Focus, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer

    from ...cache.codec import Head
    from ...cache.schema import AttentionShape
    from ..app import BrowserApp
    from ..darkroom import Darkroom
    from ..prints import Print
    from ..tiles import Board, Sheet
    from ..widgets.board import BoardView

DEBOUNCE: Final = 0.04  # seconds; a little more than the pause between the repeats of a held key
_QUIET: Final = 0.15  # after so many seconds without a key, the next one is answered at once
_FLUSH: Final = 0.15  # a sheet of many maps is shown part by part, so often


class Panels:
    """The maps on the board.

    Args:
        app: The browser.
    """

    def __init__(self, app: BrowserApp) -> None:
        self._app = app
        self.map_shown = True
        self._layer = app.runs.manifest.attention.layers - 1
        self._head: Head = "mean"
        self.colormap = app.settings.colormap
        self.opacity = app.settings.opacity
        self.sheet: Sheet = ""
        self._pages = (0, 1)  # the one that is shown, and how many there are
        self._pins: dict[tuple[int, int], tuple[Focus, ...]] = {}
        self.wanted: Wanted | None = None
        self.timer: Timer | None = None
        self._last_asked = 0.0
        self._darkroom: Darkroom | None = None  # made in the first worker: Pillow is not needed for the first frame

    # -- What is shown ---------------------------------------------------------------------------------------------

    @property
    def layer(self) -> int:
        """The selected layer; another run may have fewer."""
        return min(self._layer, self._shape.layers - 1)

    @property
    def head(self) -> Head:
        """The selected head; another run may have fewer."""
        return min(self._head, self._shape.heads - 1) if isinstance(self._head, int) else self._head

    @property
    def focus(self) -> Focus:
        """The selected map; layer and head do not tell plain pictures apart."""
        return Focus(self._app.words.unit, self.layer, self.head)

    @property
    def pins(self) -> tuple[Focus, ...]:
        """The pinned maps of the selected picture, in the run whose words are walked."""
        return self._pins.get(self._place, ())

    @property
    def _place(self) -> tuple[int, int]:
        index = self._app.listing.index
        return (-1 if index is None else index), self._app.words.run

    def toggle_map(self) -> None:
        """Show the map of the selected word, or the plain picture; without a word, select the first."""
        if self._app.words.unit is None:
            self._app.words.step(1)
            return
        self.map_shown = not self.map_shown
        self.ask()

    def change_layer(self, step: int) -> None:
        """Look at another decoder layer."""
        self._layer = max(0, min(self.layer + step, self._shape.layers - 1))
        self.ask()

    def change_head(self, step: int) -> None:
        """Look at another head: mean, max, then one head after the other."""
        heads: list[Head] = ["mean", "max", *range(self._shape.heads)]
        self._head = heads[(heads.index(self.head) + step) % len(heads)]
        self.ask()

    @property
    def _shape(self) -> AttentionShape:
        return self._app.runs.sources[self._app.words.run].manifest.attention

    def fade(self, step: int) -> None:
        """Lay the map over the picture more or less strongly."""
        self.opacity = colormap.next_opacity(self.opacity, step)
        self._app.desk.remember(opacity=self.opacity)
        self.ask()

    def next_colours(self) -> None:
        """Use the next colour map."""
        self.colormap = colormap.next_name(self.colormap)
        self._app.desk.remember(colormap=self.colormap)
        self.ask()

    # -- Several maps ----------------------------------------------------------------------------------------------

    def pin(self) -> None:
        """Let the selected map stay beside the others, or let it go again; in a sheet, mark it in its place."""
        if not self._app.words.is_read or self._app.words.unit is None:
            self._app.notify("select a word first: → or f", title="Nothing to pin", markup=False)
            return
        focus, pins = self.focus, self.pins
        self._pins[self._place] = tuple(pin for pin in pins if pin != focus) if focus in pins else (*pins, focus)
        self.ask()

    def unpin(self) -> None:
        """Let all pinned maps of this picture go."""
        self._pins.pop(self._place, None)
        self.ask()

    def drop_pins(self) -> None:
        """Forget all pinned maps, of every picture."""
        self._pins.clear()

    def walk(self, step: int) -> None:
        """Select the next pinned map."""
        if self.pins:
            place = self.pins.index(self.focus) + step if self.focus in self.pins else min(0, step)
            self.look_at(self.pins[place % len(self.pins)])

    def look_at(self, focus: Focus) -> None:
        """Select a word, a layer and a head at once."""
        self._layer, self._head = focus.layer, focus.head
        self._app.words.select(focus.unit)

    def sheet_of(self, what: Sheet) -> None:
        """Show all words, or all layers and heads of the selected word; once more goes back."""
        if what == "heads" and self._app.words.unit is None:
            self._app.words.step(1)
        self.sheet = "" if self.sheet == what else what
        self.ask()

    def click(self, message: BoardView.Clicked) -> None:
        """Select the map under the mouse; on the selected one of a sheet, open it alone."""
        tile = message.tile
        if tile.selected and self.sheet:
            self.sheet = ""
        self.look_at(tile.focus)
        self._app.words.walk(tile.run)

    # -- The pictures ----------------------------------------------------------------------------------------------

    def _wish(self) -> Wanted | None:
        app, index = self._app, self._app.listing.index
        columns, lines = app.board.area
        if index is None or not columns or not lines or not app.listing.ordering:
            return None
        return Wanted(
            index,
            tuple(app.runs.at(run, index) for run in range(len(app.runs.sources))),
            app.words.run,
            tuple(app.runs.titles),
            self.focus,
            self.pins,
            app.words.by_pieces,
            self.map_shown,
            self.sheet,
            (columns, lines),
            app.pixels.cell,
            self.colormap,
            self.opacity,
            app.no_color,
        )

    def ask(self) -> None:
        """Ask for what the state says: at once after a pause, else when the keys have paused."""
        # Several maps take the details' place where the terminal is narrow.
        self._app.screen.set_class(bool(self.sheet or self.pins or len(self._app.runs.sources) > 1), "-many")
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

    def develop_anew(self) -> None:
        """Make the pictures again: what is around them has another colour."""
        self._darkroom = None
        self.ask()

    def forget(self) -> None:
        """The cache was opened again."""
        self._darkroom, self.wanted = None, None
        self._pins.clear()

    def _develop(self, wanted: Wanted) -> None:
        """Read a sample and make its pictures, in a thread; a newer wish stops this one between two steps."""
        from ..darkroom import Cancelled  # noqa: PLC0415 (imports Pillow: not before the first frame)
        from ..standings import standings  # noqa: PLC0415
        from ..tiles import plan  # noqa: PLC0415

        app, worker = self._app, get_current_worker()
        darkroom = self._room()
        try:
            samples = darkroom.samples(wanted.index)
            if not app.words.is_read or app.words.samples != samples:
                app.post_message(messages.SampleRead(wanted.index, samples, standings(app.runs, wanted.index)))
            board = plan(wanted, samples, [source.manifest.attention for source in app.runs.sources])
            self._print(wanted, board, darkroom, lambda: worker.is_cancelled)
        except Cancelled:
            return
        except Hw3Error as error:
            app.post_message(messages.NotDeveloped(wanted, str(error)))

    def _print(self, wanted: Wanted, board: Board, darkroom: Darkroom, is_cancelled: Callable[[], bool]) -> None:
        prints: list[Print | None] = [None] * len(board.tiles)
        flushed = monotonic()
        for place, tile in enumerate(board.tiles):
            prints[place] = darkroom.make(tile.request, is_cancelled)
            if monotonic() - flushed > _FLUSH:
                self._app.post_message(messages.Developed(wanted, board, prints))
                flushed = monotonic()
        self._app.post_message(messages.Developed(wanted, board, prints))

    def _room(self) -> Darkroom:
        from ..darkroom import Darkroom  # noqa: PLC0415

        self._darkroom = self._darkroom or Darkroom(self._app.runs, self._app.pixels.encoder())
        return self._darkroom

    def take(self, message: messages.Developed) -> None:
        """Show the pictures, unless others are wanted by now."""
        if message.wanted != self.wanted:
            return
        self._app.board.show(message.board, message.prints)
        chosen = next(place for place, tile in enumerate(message.board.tiles) if tile.selected)
        finished = message.prints[chosen]
        self._app.status.span = None if finished is None else finished.span
        self._app.status.colormap = self.colormap
        pages = message.board.page, message.board.pages
        if pages != self._pages:
            self._pages = pages
            self.show_state()

    def fail(self, message: messages.NotDeveloped) -> None:
        """Say why there is no picture."""
        if message.wanted == self.wanted:
            self.show_problem(message.problem)

    def show_nothing(self) -> None:
        """The filter has left no picture."""
        self.wanted = None
        self._app.words.show_nothing()
        self.show_problem("nothing is left by the filter: Backspace clears it")

    def show_problem(self, problem: str) -> None:
        """Show one line of text instead of pictures."""
        self._app.board.fail(problem)
        self._app.status.span = None

    def show_state(self) -> None:
        """Say in the status line what the selected map shows, unless it points at a wrong filter."""
        words = self._app.words
        if self._app.finding.problem is not None:
            self._app.status.state = self._app.finding.problem
            return
        if not words.is_read:
            if self._app.listing.index is None:
                self._app.status.state = Content("")
            return
        page, pages = self._pages
        turned = f"  page {page + 1}/{pages}" if pages > 1 else ""
        unit = words.selected
        if unit is None:
            text = "no word selected (<BOS>)" if words.units else ""
            self._app.status.state = Content.styled(text + turned, MUTED)
            return
        pieces = " + ".join(f"{text} {formats.percent(share)}" for text, share in unit.pieces)
        head = f"head {self.head + 1}" if isinstance(self.head, int) else f"{self.head} of heads"
        self._app.status.state = Content.assemble(
            (unit.text, "bold $text-accent"),
            (f"  {pieces}" if len(unit.pieces) > 1 else f"  {pieces.rpartition(' ')[2]}", MUTED),
            f"  layer {self.layer + 1}/{self._shape.layers}, {head}" if self.map_shown else "  map off (m)",
            (f"  {len(self.pins)} pinned" if self.pins else "", MUTED),
            (turned, MUTED),
        )
