"""The screen around the pictures: help, menus, the typed line, themes, reload, and the ways out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from textual.content import Content

from ...cache.errors import Hw3Error
from .. import messages
from ..formats import MUTED
from ..settings import remember
from ..widgets.chooser import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.binding import Binding

    from ..app import BrowserApp
    from ..source import Listed
    from ..widgets.prompt import Question

_DARK, _LIGHT = "textual-dark", "textual-light"
_POLL = 2.0  # seconds between two looks at what other processes have written


class Desk:
    """Panels and lines that come and go.

    Args:
        app: The browser.
    """

    def __init__(self, app: BrowserApp[Any]) -> None:
        self._app = app
        self._asking: Callable[[str], None] | None = None
        self._told = False

    # -- The panel at the side -------------------------------------------------------------------------------------

    def help(self) -> None:
        """Open or close the help."""
        self._show_side("-help", on=not self._app.screen.has_class("-help"))

    def choose(self, title: str, choices: Sequence[Choice], current: str = "") -> None:
        """Open a menu; what is chosen happens, and the menu closes."""
        if self._app.screen.has_class("-asking"):
            self.close_prompt()
        self._show_side("-menu", on=True)
        self._app.chooser.open(title, choices, current)

    def palette(self) -> None:
        """Open the list of all commands."""
        self.choose("Commands", [self._command(binding) for binding in self._app.keys])

    def _command(self, binding: Binding) -> Choice:
        hint = binding.key_display or binding.key
        return Choice(binding.tooltip, hint, lambda: self._app.do_action(binding.action))

    def take_choice(self, choice: Choice | None) -> None:
        """Close the menu, and do what was chosen, if anything."""
        self._show_side("-menu", on=False)
        if choice is not None:
            choice.act()

    def _show_side(self, panel: str, *, on: bool) -> None:
        for name in ("-help", "-menu"):
            self._app.screen.set_class(on and name == panel, name)
        self._app.screen.set_class(on, "-side")

    def scroll(self, pages: int) -> None:
        """Scroll the help where it is open, else the details."""
        panel = self._app.help_panel if self._app.screen.has_class("-help") else self._app.details
        panel.scroll_relative(y=pages * max(1, panel.size.height // 2), animate=False)

    # -- The typed line --------------------------------------------------------------------------------------------

    def ask(self, question: Question) -> None:
        """Open the typed line."""
        if self._app.screen.has_class("-menu"):
            self.take_choice(None)
        self._app.screen.add_class("-asking")
        self._app.prompt.open(question)

    def close_prompt(self) -> None:
        """Close the typed line."""
        self._app.screen.remove_class("-asking")
        self._app.prompt.close()
        self._app.finding.point_at(None)
        self._app.screen.set_focus(self._app.list)

    def ask_letter(self, what: str, then: Callable[[str], None]) -> None:
        """Take the next key as a letter."""
        self._asking = then
        self._app.status.state = Content.styled(what, MUTED)

    # -- What is pressed -------------------------------------------------------------------------------------------

    def take_key(self, key: events.Key) -> bool:
        """Give a key to what waits for one: a letter, a menu, the typed line; tell whether it was taken."""
        if self._asking is not None:
            return self._take_letter(key)
        screen = self._app.screen
        if screen.has_class("-menu"):
            self._press_in_menu(key)
            return True
        return screen.has_class("-asking") and self._type(key)

    def _take_letter(self, key: events.Key) -> bool:
        """Take a letter; another key does what it always does, but for Esc."""
        then, self._asking = self._asking, None
        self._app.pictures.show_state()
        if then is not None and key.is_printable and key.character is not None:
            then(key.character.casefold())
            return True
        return key.key == "escape"

    def _press_in_menu(self, key: events.Key) -> None:
        chooser = self._app.chooser
        if key.key == "escape":
            self.take_choice(None)
        elif key.key != "enter":
            chooser.press(key)
        elif chooser.selected is not None:
            self.take_choice(chooser.selected)

    def _type(self, key: events.Key) -> bool:
        """Type a key in the line, take it or go back; keys for which it has no use keep their meaning."""
        prompt = self._app.prompt
        if key.key == "enter":
            if prompt.take():
                self.close_prompt()
        elif key.key == "escape":
            prompt.go_back()
            self.close_prompt()
        else:
            return prompt.type(key.character if key.is_printable else None)
        return True

    def paste(self, text: str) -> None:
        """Type a pasted text, where something is typed; it is never taken for keys."""
        screen = self._app.screen
        if screen.has_class("-menu"):
            self._app.chooser.type(text.strip())
        elif screen.has_class("-asking"):
            self._app.prompt.type(text.strip())

    def back(self) -> None:
        """Go one step back: close the help, else what the picture's panels have open, else clear search and filter."""
        app = self._app
        if app.screen.has_class("-side"):
            self._show_side("", on=False)
        elif not app.step_back():
            app.finding.clear()

    # -- Themes ----------------------------------------------------------------------------------------------------

    def toggle_theme(self) -> None:
        """Change between the dark and the light theme."""
        self.use_theme(_LIGHT if self._app.current_theme.dark else _DARK)

    def use_theme(self, name: str) -> None:
        """Use a theme now and at the next start."""
        self._app.theme = name
        self.remember(theme=name)
        if self._app.pixels.painter is not None:
            self._app.call_after_refresh(self._app.pictures.develop_anew)

    def remember(self, **changes: str | float) -> None:
        """Remember something for the next start; the disk may take its time."""
        self._app.run_worker(lambda: remember(**changes), thread=True, group="memory", exit_on_error=False)

    def choose_theme(self) -> None:
        """Open the menu of themes."""
        choices = [
            Choice(name, "dark" if theme.dark else "light", partial(self.use_theme, name))
            for name, theme in sorted(self._app.available_themes.items())
        ]
        self.choose("Theme", choices, self._app.theme)

    # -- The cache on disk -----------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Look from time to time at what other processes have written."""
        self._app.set_interval(_POLL, self._look)

    def _look(self) -> None:
        self._app.run_worker(self._look_in_thread, thread=True, exclusive=True, group="watch")

    def _look_in_thread(self) -> None:
        app = self._app
        try:
            if app.listing.refresh():
                app.post_message(messages.Grown())
            if app.runs.replaced() and not self._told:
                self._told = True
                app.post_message(messages.Replaced())
            app.judging.look()
        except Hw3Error:
            return  # a network drive that is away for a moment; whoever needs the file says so

    def tell_replaced(self) -> None:
        """The cache has been finished, or computed anew: open a finished one at once, else say how."""
        if self._app.runs.is_live:
            self.reload()
        else:
            self._app.notify("R opens the new one", title="The cache was computed anew", markup=False)

    def reload(self) -> None:
        """Open the cache again; selection, order and filter stay."""
        self._app.title_bar.order = "opening ..."
        self._app.run_worker(self._reopen, thread=True, exclusive=True, group="reload")

    def _reopen(self) -> None:
        app, old = self._app, self._app.runs
        try:
            runs = app.reopen()
            runs.join()
            marked = {new for index in sorted(app.keeping.marked) if (new := _again(old, runs, index)) is not None}
        except Hw3Error as error:
            app.post_message(messages.Problem("The cache cannot be opened again", str(error)))
            return
        app.post_message(messages.Reopened(runs, marked))

    def take(self, message: messages.Reopened) -> None:
        """Use what was opened; the picture of the same name stays selected."""
        app, self._told = self._app, False
        old, app.runs = app.runs, message.runs
        try:
            index = None if app.listing.index is None else _again(old, app.runs, app.listing.index)
        except Hw3Error:  # it has gone meanwhile: sorting will say so
            index = None
        app.listing.forget(index)
        app.keeping.marked = set(message.marked)
        app.judging.forget()
        old.close()
        app.details.summary = None
        app.forget()
        app.pictures.forget()
        app.show_run()
        app.listing.sort()

    # -- The ways out ----------------------------------------------------------------------------------------------

    def quit(self) -> None:
        """End the browser."""
        self._app.exit()

    def suspend(self) -> None:
        """Go to the shell."""
        self._app.pixels.leave()  # here, since Textual's signal arrives after the stop
        self._app.action_suspend_process()


def _again(old: Listed, new: Listed, index: int) -> int | None:
    """Return where the picture of the same name is in caches that have been opened again."""
    return new.find(old.name(index))
