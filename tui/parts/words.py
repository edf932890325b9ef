"""The caption: which word, or token, is selected, and in which run's caption.

A word can be chosen before its caption has been read (keys come quickly): until then the number is kept as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import marking
from ..units import Unit, units_of
from ..widgets.caption import Entry

if TYPE_CHECKING:
    from ...cache.schema import Sample
    from .. import messages
    from ..captions_app import CaptionBrowser
    from ..widgets.caption import Caption


class Words:
    """The words of the selected picture's caption.

    Args:
        app: The browser.
    """

    def __init__(self, app: CaptionBrowser) -> None:
        self._app = app
        self.unit: int | None = None
        self.by_pieces = False
        self.run = 0
        self._index: int | None = None
        self._samples: tuple[Sample, ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether the caption panel shows the selected picture, and not yet the one before."""
        return self._index is not None and self._index == self._app.listing.index

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The selected picture in each run; empty before they have been read."""
        return self._samples if self.is_read else ()

    @property
    def sample(self) -> Sample | None:
        """The selected picture in the run whose words are walked."""
        return self._samples[self.run] if self.is_read else None

    @property
    def units(self) -> tuple[Unit, ...]:
        """The words, or tokens, of the caption that is walked; none before it has been read."""
        sample = self.sample
        return () if sample is None else units_of(sample, by_pieces=self.by_pieces)

    @property
    def selected(self) -> Unit | None:
        """The selected word; None where there is none, or it is not known yet."""
        units = self.units
        return units[self.unit] if self.unit is not None and self.unit < len(units) else None

    def leave(self, *, keep_word: bool) -> None:
        """Another picture was selected."""
        if not keep_word:
            self.unit = None

    def forget(self) -> None:
        """The cache was opened again: what was read may have changed."""
        self._index, self._samples = None, ()

    def show_nothing(self) -> None:
        """No picture is selected."""
        self.forget()
        self._app.caption.entries = ()
        self._app.details.clear()
        self._app.panels.show_state()

    def take(self, message: messages.SampleRead) -> None:
        """Show the texts of a picture, unless another one has been selected meanwhile."""
        if message.index != self._app.listing.index:
            return
        self._index, self._samples = message.index, message.samples
        if self.unit is not None:  # chosen before it was known how many there are
            self.unit = min(self.unit, len(self.units) - 1) if self.units else None
        self.show()
        self._app.details.show(message.samples, message.standings, self._app.listing.key)
        self._app.judging.show()
        self._app.panels.show_state()

    def show(self) -> None:
        """Show the captions with the selected word, the words that differ, and the judgements."""
        samples = self.samples
        first = [unit.text for unit in units_of(samples[0], by_pieces=False)] if samples else []
        entries = []
        for run, sample in enumerate(samples):
            units = units_of(sample, by_pieces=self.by_pieces)
            other = first if run else [unit.text for unit in units_of(samples[-1], by_pieces=False)]
            own = [unit.text for unit in units_of(sample, by_pieces=False)]
            differing = marking.differing(own, other)[0] if len(samples) > 1 and not self.by_pieces else frozenset()
            label = self._app.runs.called(run) if len(samples) > 1 else ""
            marks = {} if self.by_pieces else self._app.judging.word_marks(run)
            entries.append(Entry(label, units, self.unit if run == self.run else None, differing, marks))
        self._app.caption.entries = tuple(entries)

    def select(self, unit: int | None) -> None:
        """Select a word; its map comes back with it."""
        self.unit = unit
        self._app.panels.map_shown = True
        self.show()
        self._app.panels.ask()

    def step(self, count: int) -> None:
        """Select the next or previous word; before the first there is none, the plain picture (<BOS>)."""
        place = (-1 if self.unit is None else self.unit) + count
        if self.is_read:
            place = min(place, len(self.units) - 1)
        self.select(None if place < 0 else place)

    def edge(self, place: int) -> None:
        """Select the first (0) or the final (-1) word."""
        if self.units:
            self.select(range(len(self.units))[place])

    def jump(self) -> None:
        """Ask for a letter, and go to the next word that begins with it."""
        self._app.desk.ask_letter("to the next word that begins with ...", self.jump_to)

    def jump_to(self, letter: str) -> None:
        """Go to the next word that begins with a letter, round the caption's end."""
        count = len(self.units)
        start = 0 if self.unit is None else self.unit + 1
        places = [(start + offset) % count for offset in range(count)]
        found = next((place for place in places if self.units[place].text.casefold().startswith(letter)), None)
        if found is not None:
            self.select(found)

    def click(self, message: Caption.Clicked) -> None:
        """Select the word under the mouse, in whichever run's caption it is."""
        if self.is_read:
            self.run = message.entry
            self.select(message.unit)

    def pieces(self) -> None:
        """Change between words and tokens; what is selected stays in the same place of the caption."""
        if self.sample is None:
            return
        token = self.selected.tokens[:1] if self.selected is not None else ()
        self.by_pieces = not self.by_pieces
        place = (number for number, unit in enumerate(self.units) if set(token) & set(unit.tokens))
        self._app.panels.drop_pins()  # their numbers count words, or tokens
        self.select(next(place, None))

    def next_run(self) -> None:
        """Walk the words of the next run's caption; the same word stays selected where it has one."""
        if self.is_read:
            self.walk((self.run + 1) % len(self.samples))

    def walk(self, run: int) -> None:
        """Walk the words of a run's caption; the same word stays selected where it has one."""
        if run == self.run or not self.is_read:
            return
        before = [unit.text for unit in self.units]
        self.run = run
        after = [unit.text for unit in self.units]
        self.select(None if self.unit is None else marking.aligned(before, after, self.unit))
