"""Judgements: is the caption reasonable, does a region fit its word, tags and notes.

They are kept beside the cache (`cache.judgements`), where another browser may write them too. What is shown is a copy,
read again when the file has changed. One thread writes, in the order of the keys, since a network drive may take its
time; it also decides what a key means (the same verdict again takes it back), from what the file says by then.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ...cache.errors import Hw3Error
from ...cache.judged import captions_of
from ...cache.judgements import Judgement, Judgements
from ...cache.query import BY_JUDGEMENT
from ...cache.text import printable
from .. import messages
from ..widgets.prompt import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...cache.schema import Sample
    from ..app import BrowserApp

GOOD: Final = "✓"
BAD: Final = "✗"
OTHER: Final = "·"  # something else was said: a tag, a note, a word


class Judging:
    """What a person says of the samples.

    Args:
        app: The browser.
    """

    def __init__(self, app: BrowserApp) -> None:
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

    def of(self, run: int, sample: Sample) -> Judgement | None:
        """Return what was said of a picture in a run, if anything."""
        return self._known.get(run, {}).get(sample.path)

    def word_marks(self, run: int) -> dict[int, str]:
        """Return a sign for each judged word of the selected picture's caption in a run."""
        judgement = self.of(run, self._app.words.samples[run])
        return {} if judgement is None else {word: GOOD if fits else BAD for word, fits in judgement.fits.items()}

    def sign(self, index: int) -> str:
        """Return the sign of a picture for the list."""
        judgement = self.current.get(self._app.runs.path(index)) if self.current else None
        if judgement is None:
            return " "
        return OTHER if judgement.reasonable is None else GOOD if judgement.reasonable else BAD

    def show(self) -> None:
        """Show what was said of the selected sample."""
        words = self._app.words
        if words.sample is not None:
            self._app.details.judgement = self.of(words.run, words.sample)
            words.show()

    def show_all(self) -> None:
        """Show what was said, the signs in the list too; what is filtered by judgements, anew."""
        self.show()
        self._app.list.redraw()
        if self._app.finding.uses(BY_JUDGEMENT):
            self._app.listing.sort()

    # -- Saying it -------------------------------------------------------------------------------------------------

    def word(self, fits: int) -> None:
        """Say whether the region fits the selected word; without a word, whether the caption is reasonable."""
        sample, unit = self._app.words.sample, self._app.words.selected
        if sample is None:
            return
        if unit is None:
            self.caption(fits)
            return
        word = sample.word_of_piece[unit.tokens[0]]
        if word < 0:
            self._app.notify("this token belongs to no word", title="Nothing to judge", markup=False)
            return

        def change(store: Judgements) -> None:
            said = store.of(sample.path, sample.caption).fits.get(word)
            store.set_fits(sample.path, sample.caption, word, sample.words[word], _toggled(said, fits))

        self._write(change)

    def caption(self, reasonable: int) -> None:
        """Say whether the caption is reasonable; the same again takes it back."""
        sample = self._app.words.sample
        if sample is None:
            return

        def change(store: Judgements) -> None:
            said = store.of(sample.path, sample.caption).reasonable
            store.set_reasonable(sample.path, sample.caption, _toggled(said, reasonable))

        self._write(change)

    def tag(self) -> None:
        """Ask for the tags of the selected sample, with commas between them."""
        sample = self._app.words.sample
        if sample is None:
            return
        before = self.of(self._app.words.run, sample)
        shown = sorted(before.tags) if before is not None else []

        def done(text: str) -> None:
            tags = [tag for tag in text.split(",") if tag.strip()]
            self._write(lambda store: store.set_tags(sample.path, tags, shown))

        self._app.desk.ask(Question("tags (a, b): ", ", ".join(shown), done))

    def note(self) -> None:
        """Ask for a note on the selected sample."""
        sample = self._app.words.sample
        if sample is None:
            return
        before = self.of(self._app.words.run, sample)
        text = "" if before is None else printable(before.note)

        def done(typed: str) -> None:
            self._write(lambda store: store.set_note(sample.path, typed))

        self._app.desk.ask(Question("note: ", text, done))

    def undo(self) -> None:
        """Take the last judgement back."""
        self._write(lambda store: store.undo())

    def _write(self, change: Callable[[Judgements], object]) -> None:
        self._writer.submit(self._write_in_thread, self._app.words.run, change)

    def _write_in_thread(self, run: int, change: Callable[[Judgements], object]) -> None:
        try:
            store = self._store(run)
            before = store.fallback
            change(store)
            self._known[run] = self._read(run, store)
            self._app.post_message(messages.Judged())
            if store.fallback and not before:
                self._app.post_message(messages.Told(f"the cache's folder cannot be written: {store.file}"))
        except Hw3Error as error:
            self._app.post_message(messages.Problem("The judgement was not written", str(error)))

    def forget(self) -> None:
        """The caches were opened again, perhaps with other captions: what was said is read again."""
        self._known.clear()

    def close(self) -> None:
        """Finish what is to be written, and close the files."""
        self._writer.shutdown()
        for store in self._stores.values():
            store.close()


def _toggled(said: bool | None, verdict: int) -> bool | None:  # noqa: FBT001 (it is the verdict)
    """Return the verdict that a key means: the same again takes it back."""
    return None if said == bool(verdict) else bool(verdict)
