"""The browser: one screen, its state, and the workers that read for it.

The state is small: the order of the list, the selected row, the selected word, layer and head. A key changes it and
asks for a picture; a worker thread reads and posts a message; only the handlers here change widgets. Requests wait a
moment while keys come quickly and a newer one overtakes an older one, so that a held key never queues up pictures.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on, work
from textual.app import App
from textual.containers import Container, Vertical
from textual.content import Content
from textual.worker import get_current_worker

from ..cache.errors import Hw3Error
from ..cache.text import printable
from . import formats, keys, messages
from .formats import MUTED
from .ordering import BY_NAME, Ordering, keys_of, standing
from .process import end_with_terminal, exit_on_signals
from .units import Unit, units_of
from .widgets.caption import Caption
from .widgets.details import Details, Standing
from .widgets.help import Help
from .widgets.key_line import KeyLine
from .widgets.picture import Picture
from .widgets.sample_list import Columns, ListHead, SampleList
from .widgets.status_line import StatusLine
from .widgets.title_bar import TitleBar
from .widgets.too_small import TooSmall

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer

    from ..cache.codec import Head
    from ..cache.schema import Sample
    from .darkroom import Darkroom, Request
    from .source import Source

LEAST_WIDTH: Final = 60
LEAST_HEIGHT: Final = 16
DEBOUNCE: Final = 0.04  # seconds; a little more than the pause between the repeats of a held key
_TERMINAL_CHECK: Final = 2.0  # seconds
_QUIET: Final = 0.15  # after so many seconds without a key, the next one is answered at once


class BrowserApp(App[None], inherit_bindings=False):
    """Shows one cache.

    Args:
        source: The cache.
        key: Score by which the list is sorted at first.
        reverse: Whether the worst comes first.
        figures: Folder for saved grids.
    """

    CSS_PATH = "app.tcss"
    TITLE = "hw3-browse"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False  # the terminal's own selection (with Shift) copies; a click chooses words
    BINDINGS: ClassVar[list[BindingType]] = list(keys.BINDINGS)
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 (Textual declares it so)
        (0, "-small"),
        (LEAST_WIDTH, "-narrow"),
        (110, "-wide"),
        (200, "-huge"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LEAST_HEIGHT, "-high")]  # noqa: RUF012

    def __init__(self, source: Source, key: str, *, reverse: bool = False, figures: Path | None = None) -> None:
        super().__init__()
        self.crash: Exception | None = None
        self._source = source
        self._key = key
        self._reverse = reverse
        self._figures = figures or Path("hw3-figures")
        self._darkroom: Darkroom | None = None  # made in the first worker: Pillow is not needed for the first frame
        self._ordering: Ordering | None = None
        self._sample: Sample | None = None
        self._standings: tuple[Standing, ...] = ()
        self._unit: int | None = None
        self._by_pieces = False
        self._map_shown = True
        self._layer = source.manifest.attention.layers - 1
        self._head: Head = "mean"
        self._wanted: Request | None = None
        self._timer: Timer | None = None
        self._last_asked = 0.0
        if _prefers_light(os.environ.get("COLORFGBG", "")):
            self.theme = "textual-light"

    # -- The process -----------------------------------------------------------------------------------------------

    def on_load(self) -> None:
        """Handle signals before the terminal is changed."""
        exit_on_signals(self)

    def _handle_exception(self, error: Exception) -> None:
        """Keep a crash for the log, and end without Textual's page of traceback in the user's terminal."""
        self.crash = self.crash or error
        super()._handle_exception(error)

    def _print_error_renderables(self) -> None:
        if self.crash is None:
            super()._print_error_renderables()

    # -- Widgets ---------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Lay out the panels; the order fits the grids of app.tcss."""
        yield TitleBar()
        with Container(id="body"):
            with Vertical(id="list-pane"):
                yield ListHead()
                yield SampleList(self._source.caption, id="list")
            yield Help()
            yield Picture()
            yield Details()
            yield Caption()
        yield StatusLine()
        yield KeyLine()
        yield TooSmall((LEAST_WIDTH, LEAST_HEIGHT))

    def on_mount(self) -> None:
        """Show what is known, and read the rest after the first frame."""
        self._title.run = _run_name(self._source)
        self._title.order = "sorting …"
        self._status.monochrome = self.no_color
        self._list.focus()
        self.call_after_refresh(self._sort)
        if not self.is_headless:
            self.set_interval(_TERMINAL_CHECK, lambda: end_with_terminal(self))

    @property
    def _title(self) -> TitleBar:
        return self.query_one(TitleBar)

    @property
    def _list(self) -> SampleList:
        return self.query_one(SampleList)

    @property
    def _picture(self) -> Picture:
        return self.query_one(Picture)

    @property
    def _caption(self) -> Caption:
        return self.query_one(Caption)

    @property
    def _status(self) -> StatusLine:
        return self.query_one(StatusLine)

    # -- The list --------------------------------------------------------------------------------------------------

    @work(thread=True, exclusive=True, group="sort")
    def _sort(self) -> None:
        worker = get_current_worker()
        try:
            ordering = Ordering.build(self._source, self._key, reverse=self._reverse)
        except Hw3Error as error:
            self.post_message(messages.CannotGoOn(str(error)))
            return
        if not worker.is_cancelled:
            self.post_message(messages.Ordered(ordering))

    @on(messages.CannotGoOn)
    def _end(self, message: messages.CannotGoOn) -> None:
        self.exit(return_code=2, message=message.problem)

    @on(messages.Ordered)
    def _show_order(self, message: messages.Ordered) -> None:
        if message.ordering.key == self._key:
            self._take_order(message.ordering)

    def _take_order(self, ordering: Ordering) -> None:
        """Show another order; the selected sample stays selected, at its new row."""
        ordering = ordering if ordering.reverse == self._reverse else ordering.turned()
        old, position = self._ordering, 0
        if old is not None:
            position = ordering.position_of(old.index_at(self._list.cursor))
        self._ordering = ordering
        head = self.query_one(ListHead)
        head.columns, head.key, head.descending = Columns.of(ordering), ordering.key, _descends(self._source, ordering)
        self._list.show(ordering, position)
        self._title.order = ordering.label
        self._show_place()
        if old is None:
            self._ask()
        elif self._sample is not None:
            self.query_one(Details).show(self._sample, self._standings, self._key)

    def _show_place(self) -> None:
        if self._ordering is None:
            return
        count = len(self._ordering)
        rank = formats.rank(self._ordering.rank_at(self._list.cursor))
        self._title.place = f"rank {rank} of {count:,}"

    def _go(self, position: int) -> None:
        """Select a row of the list, without a word; a row beyond an end means the one at that end."""
        position = max(0, min(position, len(self._source) - 1))
        if self._ordering and position != self._list.cursor:
            self._list.cursor = position
            self._unit = None
            self._show_place()
            self._ask()

    @on(SampleList.Clicked)
    def _click_row(self, message: SampleList.Clicked) -> None:
        self._go(message.position)

    def action_sample(self, step: int) -> None:
        """Go some rows down or up."""
        self._go(self._list.cursor + step)

    def action_page(self, pages: int) -> None:
        """Go pages down or up."""
        self._go(self._list.cursor + pages * self._list.page)

    def action_top(self) -> None:
        """Go to the first row."""
        self._go(0)

    def action_last(self) -> None:
        """Go to the last row."""
        self._go(len(self._source) - 1)

    @on(ListHead.Clicked)
    def action_reverse(self) -> None:
        """Turn the list round."""
        self._reverse = not self._reverse
        if self._ordering is not None:
            self._take_order(self._ordering)

    def action_sort(self, step: int) -> None:
        """Sort by another score."""
        known = keys_of(self._source.score_names)
        self._key = known[(known.index(self._key) + step) % len(known)]
        self._title.order = f"sorting by {self._key} …"
        self._sort()

    # -- The caption -----------------------------------------------------------------------------------------------

    @property
    def _units(self) -> tuple[Unit, ...]:
        return self._caption.units

    @property
    def _is_read(self) -> bool:
        """Whether the caption panel shows the selected sample, and not yet the one before."""
        return self._sample is not None and self._wanted is not None and self._sample.index == self._wanted.index

    def _select_unit(self, unit: int | None) -> None:
        """Select a word; the map comes back with it."""
        self._unit = unit
        self._map_shown = True
        self._caption.selected = unit
        self._ask()

    def action_word(self, step: int) -> None:
        """Select the next or previous word; before the first there is none, the plain picture (<BOS>)."""
        place = (-1 if self._unit is None else self._unit) + step
        if self._is_read:
            place = min(place, len(self._units) - 1)
        self._select_unit(None if place < 0 else place)

    def action_word_edge(self, place: int) -> None:
        """Select the first (0) or the final (-1) word."""
        if self._is_read and self._units:
            self._select_unit(range(len(self._units))[place])

    @on(Caption.Clicked)
    def _click_word(self, message: Caption.Clicked) -> None:
        if self._is_read:
            self._select_unit(message.unit)

    def action_pieces(self) -> None:
        """Change between words and tokens; what is selected stays in the same place of the caption."""
        if self._sample is None or not self._is_read:
            return
        token = self._units[self._unit].tokens[:1] if self._unit is not None else ()
        self._by_pieces = not self._by_pieces
        self._show_caption(self._sample)
        place = (number for number, unit in enumerate(self._units) if set(token) & set(unit.tokens))
        self._select_unit(next(place, None))

    def _show_caption(self, sample: Sample) -> None:
        units = units_of(sample, by_pieces=self._by_pieces)
        if self._unit is not None:  # chosen before it was known how many there are
            self._unit = min(self._unit, len(units) - 1) if units else None
        self._caption.units, self._caption.selected = units, self._unit

    # -- The map ---------------------------------------------------------------------------------------------------

    def action_toggle_map(self) -> None:
        """Show the map of the selected word, or the plain picture; without a word, select the first."""
        if self._unit is None:
            self.action_word(1)
            return
        self._map_shown = not self._map_shown
        self._ask()

    def action_layer(self, step: int) -> None:
        """Look at another decoder layer."""
        self._layer = max(0, min(self._layer + step, self._source.manifest.attention.layers - 1))
        self._ask()

    def action_head(self, step: int) -> None:
        """Look at another head: mean, max, then one head after the other."""
        heads: list[Head] = ["mean", "max", *range(self._source.manifest.attention.heads)]
        self._head = heads[(heads.index(self._head) + step) % len(heads)]
        self._ask()

    def _request(self) -> Request | None:
        """Return what the picture panel shall show now."""
        from .darkroom import Request  # noqa: PLC0415 (imports Pillow: not before the first frame)

        columns, lines = self._picture.cells
        if not self._ordering or not columns or not lines:
            return None
        return Request(
            self._ordering.index_at(self._list.cursor),
            self._unit if self._map_shown else None,
            self._by_pieces,
            self._layer,
            self._head,
            (columns, lines),
            self.no_color,
        )

    @on(Picture.Resized)
    def _ask(self) -> None:
        """Ask for what the state says: at once after a pause, else when the keys have paused."""
        self._wanted = self._request()
        if self._wanted is None:
            return
        self._show_state()
        now = monotonic()
        pause, self._last_asked = now - self._last_asked, now
        if self._timer is not None:
            self._timer.stop()
        if pause > _QUIET:
            self._read()
        else:
            self._timer = self.set_timer(DEBOUNCE, self._read)

    def _read(self) -> None:
        self._timer = None
        if self._wanted is not None:
            self._develop(self._wanted)

    @work(thread=True, exclusive=True, group="picture")
    def _develop(self, request: Request) -> None:
        """Read a sample and make its picture, in a thread; a newer request stops this one between two steps."""
        from .darkroom import Cancelled, Darkroom  # noqa: PLC0415

        worker = get_current_worker()
        darkroom = self._darkroom = self._darkroom or Darkroom(self._source)
        try:
            if self._sample is None or self._sample.index != request.index:
                sample = darkroom.sample(request.index)
                self.post_message(messages.SampleRead(sample, _standings(self._source, sample)))
            finished = darkroom.make(request, lambda: worker.is_cancelled)
        except Cancelled:
            return
        except Hw3Error as error:
            self.post_message(messages.NotPrinted(request, str(error)))
            return
        self.post_message(messages.Printed(finished))

    @on(messages.SampleRead)
    def _show_sample(self, message: messages.SampleRead) -> None:
        if self._wanted is None or message.sample.index != self._wanted.index:
            return
        self._sample, self._standings = message.sample, message.standings
        self._show_caption(message.sample)
        self.query_one(Details).show(message.sample, message.standings, self._key)
        self._show_state()

    @on(messages.Printed)
    def _show_print(self, message: messages.Printed) -> None:
        if message.finished.request == self._wanted:
            self._picture.show(message.finished)
            self._status.span = message.finished.span

    @on(messages.NotPrinted)
    def _show_problem(self, message: messages.NotPrinted) -> None:
        if message.request == self._wanted:
            self._picture.fail(printable(message.problem))
            self._status.span = None

    def _show_state(self) -> None:
        """Say what the picture panel shows."""
        if not self._is_read:
            return
        if self._unit is None or self._unit >= len(self._units):
            text = "no word selected (<BOS>)" if self._units else ""
            self._status.state = Content.styled(text, MUTED)
            return
        unit = self._units[self._unit]
        layers = self._source.manifest.attention.layers
        head = f"head {self._head + 1}" if isinstance(self._head, int) else f"{self._head} of heads"
        pieces = " + ".join(f"{text} {formats.percent(share)}" for text, share in unit.pieces)
        self._status.state = Content.assemble(
            (unit.text, "bold $text-accent"),
            (f"  {pieces}" if len(unit.pieces) > 1 else f"  {pieces.rpartition(' ')[2]}", MUTED),
            f"  layer {self._layer + 1}/{layers}, {head}" if self._map_shown else "  map off (m)",
        )

    # -- Keeping ---------------------------------------------------------------------------------------------------

    def action_save(self) -> None:
        """Save the grid of the selected sample."""
        if self._ordering:
            self._status.state = Content.styled("saving the grid …", MUTED)
            self._save(self._ordering.index_at(self._list.cursor), self._layer, self._head)

    @work(thread=True, group="save")
    def _save(self, index: int, layer: int, head: Head) -> None:
        from .saving import save_grid  # noqa: PLC0415 (imports matplotlib)

        try:
            path = save_grid(self._source, index, self._figures, layer=layer, head=head, score=self._key)
        except (Hw3Error, OSError, ImportError) as error:
            self.post_message(messages.NotSaved(str(error)))
        else:
            self.post_message(messages.Saved(path))

    @on(messages.Saved)
    def _tell_saved(self, message: messages.Saved) -> None:
        path = printable(str(message.path))
        self.notify(path, title="Grid saved", markup=False)
        self._status.state = Content.assemble(("saved ", "bold $text-success"), path)

    @on(messages.NotSaved)
    def _tell_not_saved(self, message: messages.NotSaved) -> None:
        self.notify(printable(message.problem), title="The grid was not saved", severity="error", markup=False)
        self._show_state()

    # -- The screen ------------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        """Open or close the help."""
        self.screen.toggle_class("-help")

    async def action_back(self) -> None:
        """Close the help, else deselect the word."""
        if self.screen.has_class("-help"):
            self.action_help()
        elif self._unit is not None:
            self._select_unit(None)

    def action_scroll_details(self, pages: int) -> None:
        """Scroll the help where it is open, else the details."""
        panel = self.query_one(Help) if self.screen.has_class("-help") else self.query_one(Details)
        panel.scroll_relative(y=pages * max(1, panel.size.height // 2), animate=False)

    def action_toggle_theme(self) -> None:
        """Change between the dark and the light theme."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"


def _run_name(source: Source) -> str:
    """Return how the run is called in the first line: its dataset, or its folder where the plan has no name for it."""
    dataset = source.manifest.plan.get("dataset")
    name = dataset.get("name") if isinstance(dataset, dict) else None
    return printable(str(name or source.folder.name)) + f" · {len(source):,} pictures"


def _standings(source: Source, sample: Sample) -> tuple[Standing, ...]:
    """Return every score of a sample with its rank in the run."""
    result = []
    for score in source.manifest.scores:
        rank, of = standing(source.scores(score.name), sample.index, higher_is_better=score.higher_is_better)
        result.append(Standing(score.name, sample.scores.get(score.name, float("nan")), rank, of))
    return tuple(result)


def _descends(source: Source, ordering: Ordering) -> bool:
    """Return whether the values in the list go down."""
    higher = {score.name: score.higher_is_better for score in source.manifest.scores}
    return higher.get(ordering.key, ordering.key != BY_NAME) != ordering.reverse


def _prefers_light(colorfgbg: str) -> bool:
    """Return whether a terminal that tells its colours ("foreground;background") has a light background."""
    background = colorfgbg.rpartition(";")[2]
    return background in {"7", "15"}
