"""Keeping what was found: saved figures, marked pictures, and text for the clipboard."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from textual.content import Content
from textual.worker import get_current_worker

from ...cache.errors import Hw3Error
from ...cache.text import printable
from .. import messages
from ..cells import in_cells
from ..formats import MUTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..app import BrowserApp
    from ..saving import Outcome

    IsCancelled = Callable[[], bool]


class Keeping(ABC):
    """What is saved, marked and copied. Which figures there are depends on the kind of the run.

    Args:
        app: The browser.
    """

    _app: BrowserApp[Any]

    def __init__(self, app: BrowserApp[Any]) -> None:
        self._app = app
        self.marked: set[int] = set()

    # -- Figures ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def save(self) -> None:
        """Save the figure of the selected picture."""

    @abstractmethod
    def save_marked(self) -> None:
        """Save the figures, or the one figure, of all marked pictures."""

    @property
    def marked_in_order(self) -> list[int]:
        """The marked pictures, in the order of the list."""
        ordering = self._app.listing.ordering
        return sorted(self.marked, key=lambda index: 0 if ordering is None else ordering.nearest(index))

    def _start(self, save: Callable[[IsCancelled], Outcome]) -> None:
        """Save figures in a worker, and tell what came of it."""
        app = self._app
        app.status.state = Content.styled("saving ...", MUTED)
        app.run_worker(lambda: self._save(save), thread=True, group="save")

    def _save(self, save: Callable[[IsCancelled], Outcome]) -> None:
        worker = get_current_worker()
        try:
            outcome = save(lambda: worker.is_cancelled)
            self._app.post_message(messages.Saved(outcome.files, outcome.problems))
        except (Hw3Error, OSError, ImportError) as error:
            self._app.post_message(messages.NotSaved(str(error)))

    def _tell(self, done: int, total: int) -> None:
        self._app.post_message(messages.Saving(done, total))

    def tell_progress(self, message: messages.Saving) -> None:
        """Say how far it is."""
        self._app.status.state = Content.styled(f"saving {message.done + 1} of {message.total} ...", MUTED)

    def tell_saved(self, message: messages.Saved) -> None:
        """Say where the figures are, and what could not be saved."""
        if message.problems:
            more = f" (and {len(message.problems) - 1} more)" if len(message.problems) > 1 else ""
            self._app.complain("Not all figures were saved", f"{message.problems[0]}{more}")
        if not message.paths:
            self._app.pictures.show_state()
            return
        first = message.paths[0]
        many = len(message.paths) > 1
        where = in_cells(f"{len(message.paths)} figures in {first.parent}" if many else str(first))
        self._app.notify(where, title="Saved", markup=False)
        self._app.status.state = Content.assemble(("saved ", "bold $text-success"), where)

    def tell_not_saved(self, message: messages.NotSaved) -> None:
        """Say why there is no figure."""
        self._app.complain("The figure was not saved", message.problem)
        self._app.pictures.show_state()

    # -- Marks -----------------------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Mark the selected picture, or take its mark away, and go on to the next one."""
        index = self._app.listing.index
        if index is None:
            return
        self.marked ^= {index}
        self._app.list.redraw()
        self._app.listing.step(1)
        if self._app.finding.uses({"marked"}):
            self._app.listing.sort()

    # -- The clipboard ---------------------------------------------------------------------------------------------

    def copy(self, what: str) -> None:
        """Copy the caption, the name or the path through the terminal (OSC 52)."""
        text = self._copied(what)
        if text is not None:
            self._app.copy_to_clipboard(printable(text))
            self._app.notify(in_cells(text), title=f"Copied the {what}", markup=False)

    def _copied(self, what: str) -> str | None:
        """Return what is copied of the selected picture: "name", "path", or what the kind of the run has."""
        noted, index = self._app.noted, self._app.listing.index
        if noted is None or index is None:
            return None
        run, path = noted
        if what == "name":
            return str(self._app.runs.name(index))
        return str(self._app.runs.sources[run].image_file(self._app.runs.at(run, index)) or path)
