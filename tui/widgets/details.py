"""The details of a sample: name, scores with their ranks, judgements, tokens, and what people wrote about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from .. import describing

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ...cache.judgements import Judgement
    from ...cache.schema import Sample
    from ..standings import Standing
    from ..summary import Summary


class Details(VerticalScroll, can_focus=False):
    """The details panel; scrolls where they are longer than it."""

    judgement: reactive[Judgement | None] = reactive(None, init=False)
    summary: reactive[Summary | None] = reactive(None, init=False)

    def __init__(self) -> None:
        super().__init__()
        self._samples: tuple[Sample, ...] = ()
        self._standings: tuple[Standing, ...] = ()
        self._sorted_by = ""
        self._text = Static()
        self._height = 0

    def compose(self) -> ComposeResult:
        """Hold one text."""
        yield self._text

    def show(self, samples: tuple[Sample, ...], standings: tuple[Standing, ...], sorted_by: str) -> None:
        """Show another sample; the score by which the list is sorted stands out."""
        self._samples, self._standings, self._sorted_by = samples, standings, sorted_by
        self.redraw()
        self.scroll_home(animate=False)

    def clear(self) -> None:
        """Show nothing."""
        self._samples = ()
        self._text.update("")

    def show_order(self, sorted_by: str) -> None:
        """Show the same sample in another order."""
        self._sorted_by = sorted_by
        self.redraw()

    def watch_judgement(self) -> None:
        """Show what was said."""
        self.redraw()

    def watch_summary(self) -> None:
        """Show what the filter leaves."""
        self.redraw()

    def on_resize(self) -> None:
        """Set the columns anew."""
        self.redraw()

    def redraw(self) -> None:
        """Write the text again."""
        width = self.scrollable_content_region.width
        if not self._samples or not width:
            return
        blocks = [
            describing.heading(self._samples[0], self.judgement),
            describing.scores(self._standings, self._sorted_by, width),
            describing.references(self._samples[0], width),
            describing.distribution(self.summary, self._standings, width),
            describing.left(self.summary, self._sorted_by, width),
            describing.tokens(self._samples[0], width),
        ]
        lines = [line for block in blocks if block for line in (*block, Content(""))]
        # Where the text stays as high as it was, the screen needs no new layout: that is a third of a key's time.
        height = len(lines) if all(line.cell_length <= width for line in lines) else 0  # 0: lines are wrapped
        self._text.update(Content("\n").join(lines[:-1]), layout=not height or height != self._height)
        self._height = height
