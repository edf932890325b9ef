"""The board of attention maps: layer, head, colours, pinned maps, sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.content import Content

from ...cache.schema import RAW_MAPS
from ...cache.text import printable
from .. import colormap, formats, messages
from ..formats import MUTED
from ..tiles import Focus, Wanted, heads_of
from .pictures import Pictures

if TYPE_CHECKING:
    from ...cache.codec import Head
    from ...cache.schema import AttentionShape
    from ..captions_app import CaptionBrowser
    from ..darkroom import Darkroom
    from ..tiles import Board, Sheet
    from ..widgets.board import BoardView

_NO_MAPS: Final = "this run has no attention maps"


class Panels(Pictures[Wanted, "Darkroom"]):
    """The maps on the board.

    Args:
        app: The browser.
    """

    _app: CaptionBrowser

    def __init__(self, app: CaptionBrowser) -> None:
        super().__init__(app)
        self.map_shown = True
        shapes = [source.manifest.attention for source in app.runs.sources]
        self._layer = next((shape.layers - 1 for shape in shapes if shape), 0)
        self._head: Head = "mean"
        self.colormap = app.settings.colormap
        self.opacity = app.settings.opacity
        self.sheet: Sheet = ""
        self._pages = (0, 1)  # the one that is shown, and how many there are
        self._pins: dict[tuple[int, int], tuple[Focus, ...]] = {}

    # -- What is shown ---------------------------------------------------------------------------------------------

    @property
    def layer(self) -> int:
        """The selected layer; another run may have fewer."""
        return min(self._layer, self._shape.layers - 1) if self._shape else self._layer

    @property
    def head(self) -> Head:
        """The selected head; another run may have fewer."""
        return min(self._head, self._shape.heads - 1) if self._shape and isinstance(self._head, int) else self._head

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
        if self._shape is None:
            self._tell_no_maps()
            return
        self.map_shown = not self.map_shown
        self.ask()

    def change_layer(self, step: int) -> None:
        """Look at another decoder layer."""
        if self._shape is None:
            self._tell_no_maps()
            return
        self._layer = max(0, min(self.layer + step, self._shape.layers - 1))
        self.ask()

    def change_head(self, step: int) -> None:
        """Look at another head: mean, max, then one head after the other."""
        if self._shape is None:
            self._tell_no_maps()
            return
        heads = heads_of(self._shape)
        place = heads.index(self.head) if self.head in heads else 0
        self._head = heads[(place + step) % len(heads)]
        self.ask()

    @property
    def _shape(self) -> AttentionShape | None:
        """Layers and heads of the run whose words are walked; None where it has no maps."""
        return self._app.runs.sources[self._app.words.run].manifest.attention

    def _tell_no_maps(self) -> None:
        self._app.notify(_NO_MAPS, title="No maps", markup=False)

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
        if self._shape is None:
            self._tell_no_maps()
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
        if self._shape is None:
            self._tell_no_maps()
            return
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
            self.sheet if self._shape else "",  # another run may have had one
            (columns, lines),
            app.pixels.cell,
            self.colormap,
            self.opacity,
            app.no_color,
        )

    def ask(self) -> None:
        """Ask for what the state says."""
        # Several maps take the details' place where the terminal is narrow.
        self._app.screen.set_class(bool(self.sheet or self.pins or len(self._app.runs.sources) > 1), "-many")
        super().ask()

    def forget(self) -> None:
        """The cache was opened again."""
        super().forget()
        self._pins.clear()

    def _open_room(self) -> Darkroom:
        from ..darkroom import Darkroom  # noqa: PLC0415 (imports Pillow: not before the first frame)

        return Darkroom(self._app.runs, self._app.pixels.encoder())

    def _read(self, wanted: Wanted, room: Darkroom) -> Board:
        from ..standings import standings  # noqa: PLC0415
        from ..tiles import plan  # noqa: PLC0415

        app = self._app
        samples = room.samples(wanted.index)
        if not app.words.is_read or app.words.samples != samples:
            app.post_message(messages.SampleRead(wanted.index, samples, standings(app.runs, wanted.index)))
        return plan(wanted, samples, [source.manifest.attention for source in app.runs.sources])

    def _shown(self, message: messages.Developed) -> None:
        chosen = next(place for place, tile in enumerate(message.board.tiles) if tile.selected)
        finished = message.prints[chosen]
        self._app.status.span = None if finished is None else finished.span
        self._app.status.colormap = self.colormap
        pages = message.board.page, message.board.pages
        if pages != self._pages:
            self._pages = pages
            self.show_state()

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
            text = text if self._shape else _NO_MAPS
            self._app.status.state = Content.styled(text + turned, MUTED)
            return
        pieces = " + ".join(f"{text} {formats.percent(share)}" for text, share in unit.pieces)
        self._app.status.state = Content.assemble(
            (unit.text, "bold $text-accent"),
            (f"  {pieces}" if len(unit.pieces) > 1 else f"  {pieces.rpartition(' ')[2]}", MUTED),
            f"  {self._where}",
            (f"  {len(self.pins)} pinned" if self.pins else "", MUTED),
            (turned, MUTED),
        )

    @property
    def _where(self) -> str:
        """The layer and head of the map that is shown, or why none is."""
        if self._shape is None:
            return _NO_MAPS
        if not self.map_shown:
            return "map off (m)"
        maps = self._app.runs.sources[self._app.words.run].manifest.maps
        kind = "" if maps == RAW_MAPS else f"{printable(maps)}, "
        head = f"head {self.head + 1}" if isinstance(self.head, int) else f"{self.head} of heads"
        of_heads = f", {head}" if self._shape.heads > 1 else ""
        return f"{kind}layer {self.layer + 1}/{self._shape.layers}{of_heads}"
