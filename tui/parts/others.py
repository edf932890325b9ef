"""Other runs: the menu of those that are known, and the way to one of them.

A browser shows one kind of run from its first frame to its last. To go to another run is to open that one, here, where
a failure costs nothing, and then to end with it as `successor`: the command starts the browser that fits.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...cache.errors import Hw3Error
from ...cache.known import runs_in
from ...cache.places import caches_dir, last_cache
from .. import messages
from ..titles import titles_of
from ..widgets.chooser import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...cache.known import KnownRun
    from ..app import BrowserApp


class Others:
    """The runs that lie beside the open ones or the one written last, or among the user's caches.

    Args:
        app: The browser.
    """

    def __init__(self, app: BrowserApp[Any]) -> None:
        self._app = app

    @property
    def _open(self) -> set[Path]:
        return {source.folder.resolve() for source in self._app.runs.sources}

    def choose(self) -> None:
        """Look for runs, in a thread, and open a menu of them."""
        self._app.run_worker(self._find, thread=True, exclusive=True, group="others")

    def _find(self) -> None:
        here, last = self._open, last_cache()
        places = [*(folder.parent for folder in here), caches_dir().resolve(), *([last.parent] if last else [])]
        found = runs_in(places)
        self._app.post_message(messages.RunsFound([run for run in found if run.folder.resolve() not in here]))

    def take(self, found: Sequence[KnownRun]) -> None:
        """Open the menu."""
        if not found:
            self._app.notify("hw3-browse RUN opens one anywhere", title="No other run is known", markup=False)
            return
        titles = titles_of([run.folder for run in found])
        choices = [
            Choice(title, _hint(run), partial(self._go, run.folder)) for title, run in zip(titles, found, strict=True)
        ]
        self._app.desk.choose("Browse another run", choices)

    def _go(self, folder: Path) -> None:
        self._app.title_bar.order = "opening ..."
        self._app.run_worker(lambda: self._start(folder), thread=True, exclusive=True, group="others")

    def _start(self, folder: Path) -> None:
        from ..opening import open_runs  # noqa: PLC0415 (it imports the browsers)

        try:
            self._app.post_message(messages.Opened(open_runs([folder])))
        except Hw3Error as error:
            self._app.post_message(messages.Problem("The run cannot be opened", str(error)))

    def leave_for(self, message: messages.Opened) -> None:
        """End this browser; the next one shows what was opened."""
        self._app.successor = message.runs
        self._app.exit()


def _hint(run: KnownRun) -> str:
    return f"{run.kind}, {'not finished' if run.count is None else f'{run.count:,} pictures'}"
