"""The browser: one screen, made of widgets that show and parts that do (`parts/`).

The app routes: a key names a part's verb (`keys`), a click or a worker's message goes to the part that understands it.
Workers read and post messages; only parts, called from here, change widgets.

`BrowserApp` has what runs of all kinds have: the list, search and filter, the board, notes and marks, the help, the
process. What a picture of a kind of run is shown by, its subclasses add: `captions_app.CaptionBrowser` the caption,
`classes.app.ClassBrowser` the bars of a zero-shot run.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

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
from .parts.listing import Listing
from .parts.others import Others
from .parts.pixels import Pixels
from .process import end_with_terminal, exit_on_signals
from .themes import first_theme
from .visits import Visit
from .widgets.board import BoardView
from .widgets.chooser import Chooser
from .widgets.help import Help
from .widgets.key_line import KeyLine
from .widgets.prompt import Prompt
from .widgets.sample_list import RANK, TEXT, ListHead, SampleList
from .widgets.status_line import StatusLine
from .widgets.title_bar import TitleBar
from .widgets.too_small import TooSmall

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from textual.app import ComposeResult
    from textual.binding import Binding, BindingType
    from textual.widget import Widget

    from .parts.keeping import Keeping
    from .parts.noting import Noting
    from .parts.pictures import Pictures
    from .settings import Settings
    from .source import Listed
    from .terminal.modes import Terminal
    from .widgets.details import Details

LEAST_WIDTH: Final = 60
LEAST_HEIGHT: Final = 16
_TERMINAL_CHECK: Final = 2.0  # seconds

RunsT = TypeVar("RunsT", bound="Listed")


class BrowserScreen(Screen[None], inherit_bindings=False):
    """The one screen, without Textual's own keys: Tab walks pinned maps here, not the focus."""


class BrowserApp(App[None], Generic[RunsT], inherit_bindings=False):
    """Shows what is open as one list, and a picture of it.

    Args:
        runs: What is open; closed by the caller, unless `reopen` has replaced it.
        settings: How it looks and works.
        terminal: What the terminal can do.
        reopen: Opens the same again.

    Attributes:
        declared: The keys that such a run has, as declared.
        clicked: What a click chooses, for the help.
        judging: The part for tags and notes, and for verdicts where there are any.
        keeping: The part for figures, marks and the clipboard.
        pictures: The part for the board.
        details: The panel that tells more of a picture.
        reading: The panel below or beside the board: the caption, or the bars.
        successor: What to browse when this app has ended; None: nothing.
    """

    declared: ClassVar[tuple[Binding, ...]] = ()
    clicked: ClassVar[str] = "a row"
    judging: Noting
    keeping: Keeping
    pictures: Pictures[Any, Any]
    details: Details
    reading: Widget

    CSS_PATH = Path(__file__).with_name("app.tcss")  # of browsers in other folders, too
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

    def __init__(self, runs: RunsT, settings: Settings, terminal: Terminal, reopen: Callable[[], RunsT]) -> None:
        super().__init__()
        self.crash: Exception | None = None
        self.runs = runs
        self.settings = settings
        self.terminal = terminal
        self.reopen = reopen
        self.successor: Listed | None = None
        others = keys.idents() - {binding.id or "" for binding in self.declared}
        self.keys = keys.mapped(self.declared, keymap(settings, self.declared, {keys.ALWAYS.key}, others))
        self._bindings = BindingsMap([keys.ALWAYS, *(binding for binding in self.keys if binding.key)])
        self.pixels = Pixels(self, terminal)
        self.finding = Finding(self, settings.filter)
        self.listing = Listing(self, settings.sort or default_key(runs.score_names), reverse=settings.reverse)
        self.desk = Desk(self)
        self.others = Others(self)
        self.theme = first_theme(settings, terminal, self.available_themes)

    # -- What a kind of run has of its own -------------------------------------------------------------------------

    @property
    @abstractmethod
    def noted(self) -> tuple[int, str] | None:
        """The selected picture, as tags and notes name it: number of the run, path there. None: not read yet."""

    @abstractmethod
    def leave_picture(self, *, keep_word: bool) -> None:
        """Another picture was selected: by walking, or (`keep_word`) because the list has changed."""

    @abstractmethod
    def show_nothing(self) -> None:
        """No picture is selected."""

    @abstractmethod
    def forget(self) -> None:
        """The run was opened again: what was read of it may have changed."""

    def visit(self) -> Visit:
        """Return where one is, so that one can come back."""
        listing = self.listing
        name = None if listing.index is None else self.runs.name(listing.index)
        return Visit(listing.key, listing.reverse, self.finding.expression, name, None)

    def resume(self, visit: Visit) -> None:
        """Begin where one was; before the first frame."""
        self.listing.begin_at(None if visit.name is None else self.runs.find(visit.name))

    def step_back(self) -> bool:
        """Close or deselect what the keys have opened in the picture's panels; tell whether there was anything."""
        return False

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
        self.help_panel = Help(self.keys, self.clicked)
        self.chooser = Chooser()
        self.board = BoardView(self.pixels.painter)
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
            yield self.reading
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
        self.title_bar.run = self.runs.title
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
        elif message.key != TEXT:
            self.listing.sort_by(message.key)

    @on(SampleList.Clicked)
    def _click_row(self, message: SampleList.Clicked) -> None:
        self.listing.go(message.position)

    @on(BoardView.Clicked)
    def _click_picture(self, message: BoardView.Clicked) -> None:
        self.pictures.click(message)

    @on(BoardView.Resized)
    def _fit_pictures(self) -> None:
        self.pictures.ask()

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

    @on(messages.Developed)
    def _take_pictures(self, message: messages.Developed) -> None:
        self.pictures.take(message)

    @on(messages.NotDeveloped)
    def _take_failure(self, message: messages.NotDeveloped) -> None:
        self.pictures.fail(message)

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

    @on(messages.RunsFound)
    def _show_runs(self, message: messages.RunsFound) -> None:
        self.others.take(message.runs)

    @on(messages.Opened)
    def _leave(self, message: messages.Opened) -> None:
        self.others.leave_for(message)

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
