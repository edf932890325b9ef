"""The browser: one screen, made of widgets that show and parts that do (`parts/`).

The app routes: a key names a part's verb (`keys`), a click or a worker's message goes to the part that understands it.
Workers read and post messages; only parts, called from here, change widgets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events, on
from textual.actions import parse
from textual.app import App
from textual.binding import BindingsMap
from textual.containers import Container, Vertical
from textual.screen import Screen

from . import keys, messages
from .cells import in_cells
from .keyboard import Keyboard
from .keymap import keymap
from .ordering import default_key
from .parts.desk import Desk
from .parts.finding import Finding
from .parts.judging import Judging
from .parts.keeping import Keeping
from .parts.listing import Listing
from .parts.panels import Panels
from .parts.pixels import Pixels
from .parts.words import Words
from .process import end_with_terminal, exit_on_signals
from .widgets.board import BoardView
from .widgets.caption import Caption
from .widgets.chooser import Chooser
from .widgets.details import Details
from .widgets.help import Help
from .widgets.key_line import KeyLine
from .widgets.prompt import Prompt
from .widgets.sample_list import RANK, ListHead, SampleList
from .widgets.status_line import StatusLine
from .widgets.title_bar import TitleBar
from .widgets.too_small import TooSmall

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rich.console import RenderableType
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from .runs import Runs
    from .settings import Settings
    from .terminal.modes import Terminal

LEAST_WIDTH: Final = 60
LEAST_HEIGHT: Final = 16
_TERMINAL_CHECK: Final = 2.0  # seconds


class BrowserScreen(Screen[None], inherit_bindings=False):
    """The one screen, without Textual's own keys: Tab walks pinned maps here, not the focus."""


class BrowserApp(App[None], inherit_bindings=False):
    """Shows one run, or several as one list.

    Args:
        runs: The runs; closed by the caller, unless `reopen` has replaced them.
        settings: How it looks and works.
        terminal: What the terminal can do.
        reopen: Opens the same caches again.
    """

    CSS_PATH = "app.tcss"
    TITLE = "hw3-browse"
    ENABLE_COMMAND_PALETTE = False  # ours is docked: a modal one would repaint the screen, pictures included
    ALLOW_SELECT = False  # the terminal's own selection (with Shift) copies; a click chooses words
    BINDINGS: ClassVar[list[BindingType]] = []  # see __init__: the user may have keys of their own
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 (Textual declares it so)
        (0, "-small"),
        (LEAST_WIDTH, "-narrow"),
        (110, "-wide"),
        (200, "-huge"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LEAST_HEIGHT, "-high")]  # noqa: RUF012

    def __init__(self, runs: Runs, settings: Settings, terminal: Terminal, reopen: Callable[[], Runs]) -> None:
        super().__init__()
        self.crash: Exception | None = None
        self.runs = runs
        self.settings = settings
        self.terminal = terminal
        self.reopen = reopen
        self.keys = keys.mapped(keymap(settings, keys.BINDINGS, {keys.ALWAYS.key}))
        self._bindings = BindingsMap([keys.ALWAYS, *(binding for binding in self.keys if binding.key)])
        self.pixels = Pixels(self, terminal)
        self.finding = Finding(self, settings.filter)
        self.judging = Judging(self)
        self.keeping = Keeping(self)
        self.listing = Listing(self, settings.sort or default_key(runs.score_names), reverse=settings.reverse)
        self.words = Words(self)
        self.panels = Panels(self)
        self.desk = Desk(self)
        self.theme = _theme(settings, terminal, self.available_themes)

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

    def get_default_screen(self) -> Screen[None]:
        """Return the screen."""
        return BrowserScreen(id="_default")

    def compose(self) -> ComposeResult:
        """Lay out the panels; the order fits the grids of app.tcss."""
        self.title_bar = TitleBar()
        self.list_head = ListHead()
        self.list = SampleList(lambda: self.runs, self.judging.sign, lambda index: index in self.keeping.marked)
        self.help_panel = Help(self.keys)
        self.chooser = Chooser()
        self.board = BoardView(self.pixels.painter)
        self.details = Details()
        self.caption = Caption()
        self.status = StatusLine()
        self.prompt = Prompt()
        yield self.title_bar
        with Container(id="body"):
            with Vertical(id="list-pane"):
                yield self.list_head
                yield self.list
            with Container(id="side"):
                yield self.help_panel
                yield self.chooser
            yield self.board
            yield self.details
            yield self.caption
        yield self.status
        yield KeyLine(self.keys, frozenset(self.settings.keys))
        yield self.prompt
        yield TooSmall((LEAST_WIDTH, LEAST_HEIGHT))

    def on_mount(self) -> None:
        """Show what is known, and read the rest after the first frame."""
        self.show_run()
        self.title_bar.order = "sorting ..."
        self.status.monochrome = self.no_color
        self.list.focus()
        self.call_after_refresh(self.listing.sort)
        self.app_resume_signal.subscribe(self, lambda _: self.pixels.come_back())
        if not self.is_headless:
            self.set_interval(_TERMINAL_CHECK, lambda: end_with_terminal(self))
        self.call_after_refresh(self.desk.watch)

    def show_run(self) -> None:
        """Say in the first line which run this is."""
        self.title_bar.run = _run_name(self.runs)
        if self.runs.notice:
            self.notify(self.runs.notice, title="Compared runs", markup=False)

    def press_early_keys(self) -> None:
        """Do what was typed while the terminal was asked what it can do."""
        for message in Keyboard().feed(self.terminal.typed.decode("utf-8", "ignore")):
            if isinstance(message, events.Key):
                self.post_message(message)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Write a frame."""
        super()._display(screen, renderable)
        self.pixels.note_frame(renderable)

    def on_resize(self) -> None:
        """Fit the pictures to letters of another size."""
        self.pixels.note_size()

    def complain(self, title: str, problem: str) -> None:
        """Say that something did not work."""
        self.notify(in_cells(problem), title=title, severity="error", markup=False)

    # -- Keys ------------------------------------------------------------------------------------------------------

    def action_do(self, verb: str, *arguments: int | str) -> None:
        """Do what a key means: "part.verb"."""
        part, _, name = verb.partition(".")
        getattr(getattr(self, part), name)(*arguments)

    def do_action(self, action: str) -> None:
        """Do what a key does, by its action: for menus."""
        arguments: tuple[Any, ...] = parse(action)[2]
        self.action_do(*arguments)

    async def on_event(self, event: events.Event) -> None:
        """Let each key take effect before the next one is looked at.

        Textual sends keys through the queues of the focused widget and of all around it. Over a slow line many come
        at once ("/dogs"), and would still mean what they meant before the first of them.
        """
        if isinstance(event, events.Key) and not event.is_forwarded:
            self.app_focus = True
            await self._press(event)
        elif isinstance(event, events.Paste) and not event.is_forwarded:
            self.desk.paste(event.text)
        else:
            await super().on_event(event)

    async def _press(self, event: events.Key) -> None:
        if await self._check_bindings(event.key, priority=True):
            return
        if self._is_too_small:
            if event.key not in self._blind_keys:
                return
        elif self.desk.take_key(event):
            return
        await self._check_bindings(event.key)

    @property
    def _is_too_small(self) -> bool:
        """Whether no panel is seen: keys would do what one does not see."""
        return self.screen.has_class("-small") or self.screen.has_class("-low")

    @property
    def _blind_keys(self) -> set[str]:
        """The keys that work where nothing is seen."""
        idents = {"program.quit", "program.suspend"}
        return {key for binding in self.keys if binding.id in idents for key in binding.key.split(",")}

    @on(ListHead.Clicked)
    def _sort_by_head(self, message: ListHead.Clicked) -> None:
        if message.key == RANK:
            self.listing.turn()
        elif message.key != "caption":
            self.listing.sort_by(message.key)

    @on(SampleList.Clicked)
    def _click_row(self, message: SampleList.Clicked) -> None:
        self.listing.go(message.position)

    @on(Caption.Clicked)
    def _click_word(self, message: Caption.Clicked) -> None:
        self.words.click(message)

    @on(BoardView.Clicked)
    def _click_picture(self, message: BoardView.Clicked) -> None:
        self.panels.click(message)

    @on(BoardView.Resized)
    def _fit_pictures(self) -> None:
        self.panels.ask()

    @on(Chooser.Chosen)
    def _choose(self, message: Chooser.Chosen) -> None:
        self.desk.take_choice(message.choice)

    # -- What workers found ----------------------------------------------------------------------------------------

    @on(messages.Ordered)
    def _take_order(self, message: messages.Ordered) -> None:
        self.listing.take(message)

    @on(messages.Summed)
    def _take_summary(self, message: messages.Summed) -> None:
        self.listing.take_summary(message)

    @on(messages.SampleRead)
    def _take_sample(self, message: messages.SampleRead) -> None:
        self.words.take(message)

    @on(messages.Developed)
    def _take_pictures(self, message: messages.Developed) -> None:
        self.panels.take(message)

    @on(messages.NotDeveloped)
    def _take_failure(self, message: messages.NotDeveloped) -> None:
        self.panels.fail(message)

    @on(messages.Saving)
    def _show_saving(self, message: messages.Saving) -> None:
        self.keeping.tell_progress(message)

    @on(messages.Saved)
    def _show_saved(self, message: messages.Saved) -> None:
        self.keeping.tell_saved(message)

    @on(messages.NotSaved)
    def _show_not_saved(self, message: messages.NotSaved) -> None:
        self.keeping.tell_not_saved(message)

    @on(messages.Judged)
    def _show_judged(self) -> None:
        self.judging.show_all()

    @on(messages.Grown)
    def _show_grown(self) -> None:
        self.show_run()
        self.listing.sort()

    @on(messages.Replaced)
    def _tell_replaced(self) -> None:
        self.desk.tell_replaced()

    @on(messages.Reopened)
    def _take_runs(self, message: messages.Reopened) -> None:
        self.desk.take(message)

    @on(messages.Told)
    def _tell(self, message: messages.Told) -> None:
        self.notify(in_cells(message.text), markup=False)

    @on(messages.Problem)
    def _complain(self, message: messages.Problem) -> None:
        self.complain(message.title, message.problem)
        self.listing.stay()

    @on(messages.CannotGoOn)
    def _end(self, message: messages.CannotGoOn) -> None:
        self.exit(return_code=2, message=message.problem)


def _theme(settings: Settings, terminal: Terminal, available: Collection[str]) -> str:
    """Return the theme to begin with: the chosen one, else dark or light as the terminal is."""
    if settings.theme in available:
        return settings.theme
    is_dark = terminal.is_dark
    if is_dark is None:
        is_dark = not _prefers_light(os.environ.get("COLORFGBG", ""))
    return "textual-dark" if is_dark else "textual-light"


def _run_name(runs: Runs) -> str:
    """Return how the run is called in the first line: its dataset, or its folder where the plan has no name for it."""
    if len(runs.sources) > 1:
        return f"{', '.join(runs.called(run) for run in range(len(runs.sources)))} · {len(runs):,} pictures"
    dataset = runs.manifest.plan.get("dataset")
    name = dataset.get("name") if isinstance(dataset, dict) else None
    return in_cells(str(name or Path(runs.folder).name)) + f" · {runs.progress}"


def _prefers_light(colorfgbg: str) -> bool:
    """Return whether a terminal that tells its colours ("foreground;background") has a light background."""
    background = colorfgbg.rpartition(";")[2]
    return background in {"7", "15"}
