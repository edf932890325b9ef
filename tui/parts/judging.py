"""Judgements of captions: is the caption reasonable, does a region fit its word. Tags and notes are `noting`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .noting import OTHER, Noting

if TYPE_CHECKING:
    from ...cache.judgements import Judgement, Judgements
    from ..captions_app import CaptionBrowser

GOOD: Final = "✓"
BAD: Final = "✗"


class Judging(Noting):
    """What a person says of the samples.

    Args:
        app: The browser.
    """

    _app: CaptionBrowser

    def __init__(self, app: CaptionBrowser) -> None:
        super().__init__(app)

    def word_marks(self, run: int) -> dict[int, str]:
        """Return a sign for each judged word of the selected picture's caption in a run."""
        judgement = self.of(run, self._app.words.samples[run].path)
        return {} if judgement is None else {word: GOOD if fits else BAD for word, fits in judgement.fits.items()}

    def _sign(self, judgement: Judgement) -> str:
        return OTHER if judgement.reasonable is None else GOOD if judgement.reasonable else BAD

    def show(self) -> None:
        """Show what was said of the selected sample, and of its words."""
        super().show()
        if self._app.words.sample is not None:
            self._app.words.show()

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

        self._write(self._app.words.run, change)

    def caption(self, reasonable: int) -> None:
        """Say whether the caption is reasonable; the same again takes it back."""
        sample = self._app.words.sample
        if sample is None:
            return

        def change(store: Judgements) -> None:
            said = store.of(sample.path, sample.caption).reasonable
            store.set_reasonable(sample.path, sample.caption, _toggled(said, reasonable))

        self._write(self._app.words.run, change)


def _toggled(said: bool | None, verdict: int) -> bool | None:  # noqa: FBT001 (it is the verdict)
    """Return the verdict that a key means: the same again takes it back."""
    return None if said == bool(verdict) else bool(verdict)
