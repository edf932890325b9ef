"""What people say of the pictures of any run: tags and notes. Verdicts on captions are `judging`'s.

They are kept beside the run (`cache.judgements`), where another browser may write them too. What is shown is a copy,
read again when the file has changed. One thread writes, in the order of the keys, since a network drive may take its
time; it also decides what a key means (the same verdict again takes it back), from what the file says by then.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from ...cache.errors import Hw3Error
from ...cache.judged import captions_of
from ...cache.judgements import Judgement, Judgements
from ...cache.query import BY_JUDGEMENT
from ...cache.text import printable
from .. import messages
from ..widgets.prompt import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..app import BrowserApp

OTHER: Final = "·"  # something was said that has no sign of its own: a tag, a note, a word


class Noting:
    """Tags and notes.

    Args:
        app: The browser.
    """

    _app: BrowserApp[Any]

    def __init__(self, app: BrowserApp[Any]) -> None:
        self._app = app
        self._writer = ThreadPoolExecutor(1, "judging")
        self._stores: dict[int, Judgements] = {}
        self._known: dict[int, Mapping[str, Judgement]] = {}

    # -- What was said ---------------------------------------------------------------------------------------------

    @property
    def current(self) -> Mapping[str, Judgement]:
        """The judgements of the first run, by the picture's path."""
        return self._known.get(0, {})

    def look(self) -> None:
        """Read what has been written since the last look; in a worker thread.

        Raises:
            JudgementsError: The file cannot be used.
        """
        changed = False
        for run in range(len(self._app.runs.sources)):
            store = self._store(run)
            if store.changed() or run not in self._known:
                self._known[run] = self._read(run, store)
                changed = True
        if changed:
            self._app.post_message(messages.Judged())

    def _store(self, run: int) -> Judgements:
        if run not in self._stores:
            self._stores[run] = Judgements.beside(self._app.runs.sources[run].folder)
        return self._stores[run]

    def _read(self, run: int, store: Judgements) -> Mapping[str, Judgement]:
        return store.current(captions_of(self._app.runs.sources[run]))

    def of(self, run: int, path: str) -> Judgement | None:
        """Return what was said of a picture in a run, if anything."""
        return self._known.get(run, {}).get(path)

    def sign(self, index: int) -> str:
        """Return the sign of a picture for the list."""
        judgement = self.current.get(self._app.runs.path(index)) if self.current else None
        return " " if judgement is None else self._sign(judgement)

    def _sign(self, judgement: Judgement) -> str:  # noqa: ARG002 (for those that know more of it)
        return OTHER

    def show(self) -> None:
        """Show what was said of the selected picture."""
        noted = self._app.noted
        if noted is not None:
            self._app.details.judgement = self.of(*noted)

    def show_all(self) -> None:
        """Show what was said, the signs in the list too; what is filtered by judgements, anew."""
        self.show()
        self._app.list.redraw()
        if self._app.finding.uses(BY_JUDGEMENT):
            self._app.listing.sort()

    # -- Saying it -------------------------------------------------------------------------------------------------

    def tag(self) -> None:
        """Ask for the tags of the selected picture, with commas between them."""
        noted = self._app.noted
        if noted is None:
            return
        run, path = noted
        before = self.of(run, path)
        shown = sorted(before.tags) if before is not None else []

        def done(text: str) -> None:
            tags = [tag for tag in text.split(",") if tag.strip()]
            self._write(run, lambda store: store.set_tags(path, tags, shown))

        self._app.desk.ask(Question("tags (a, b): ", ", ".join(shown), done))

    def note(self) -> None:
        """Ask for a note on the selected picture."""
        noted = self._app.noted
        if noted is None:
            return
        run, path = noted
        before = self.of(run, path)
        text = "" if before is None else printable(before.note)

        def done(typed: str) -> None:
            self._write(run, lambda store: store.set_note(path, typed))

        self._app.desk.ask(Question("note: ", text, done))

    def undo(self) -> None:
        """Take the last judgement back."""
        noted = self._app.noted
        self._write(0 if noted is None else noted[0], lambda store: store.undo())

    def _write(self, run: int, change: Callable[[Judgements], object]) -> None:
        self._writer.submit(self._write_in_thread, run, change)

    def _write_in_thread(self, run: int, change: Callable[[Judgements], object]) -> None:
        try:
            store = self._store(run)
            before = store.fallback
            change(store)
            self._known[run] = self._read(run, store)
            self._app.post_message(messages.Judged())
            if store.fallback and not before:
                self._app.post_message(messages.Told(f"the run's folder cannot be written: {store.file}"))
        except Hw3Error as error:
            self._app.post_message(messages.Problem("The judgement was not written", str(error)))

    def forget(self) -> None:
        """The runs were opened again, perhaps with other captions: what was said is read again."""
        self._known.clear()

    def close(self) -> None:
        """Finish what is to be written, and close the files."""
        self._writer.shutdown()
        for store in self._stores.values():
            store.close()
