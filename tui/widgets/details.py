"""The details of a picture: name, scores with their ranks, what was said of it; and what the kind of the run has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from .. import describing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ...cache.judgements import Judgement
    from ...cache.schema import Sample
    from ..describing import Block
    from ..standings import Standing
    from ..summary import Summary


class Details(VerticalScroll, can_focus=False):
    """The details panel; scrolls where they are longer than it. What is in it, `blocks` says."""

    judgement: reactive[Judgement | None] = reactive(None, init=False)
    summary: reactive[Summary | None] = reactive(None, init=False)

    def __init__(self) -> None:
        super().__init__()
        self._standings: tuple[Standing, ...] | None = None
        self._sorted_by = ""
        self._text = Static()
        self._height = 0

    def compose(self) -> ComposeResult:
        """Hold one text."""
        yield self._text

    def blocks(self, standings: tuple[Standing, ...], sorted_by: str, width: int) -> Sequence[Block]:
        """Return what is written, block by block, in lines of so many cells."""
        raise NotImplementedError

    def show_standings(self, standings: tuple[Standing, ...], sorted_by: str) -> None:
        """Show another picture; the score by which the list is sorted stands out."""
        self._standings, self._sorted_by = standings, sorted_by
        self.redraw()
        self.scroll_home(animate=False)

    def clear(self) -> None:
        """Show nothing."""
        self._standings = None
        self._text.update("")

    def show_order(self, sorted_by: str) -> None:
        """Show the same picture in another order."""
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
        if self._standings is None or not width:
            return
        blocks = self.blocks(self._standings, self._sorted_by, width)
        lines = [line for block in blocks if block for line in (*block, Content(""))]
        # Where the text stays as high as it was, the screen needs no new layout: that is a third of a key's time.
        height = len(lines) if all(line.cell_length <= width for line in lines) else 0  # 0: lines are wrapped
        self._text.update(Content("\n").join(lines[:-1]), layout=not height or height != self._height)
        self._height = height


class SampleDetails(Details):
    """Of a captioned picture: also its tokens, what else the search found, and what people wrote about it."""

    def __init__(self) -> None:
        super().__init__()
        self._samples: tuple[Sample, ...] = ()

    def show(self, samples: tuple[Sample, ...], standings: tuple[Standing, ...], sorted_by: str) -> None:
        """Show another sample, as it is in each run."""
        self._samples = samples
        self.show_standings(standings, sorted_by)

    def blocks(self, standings: tuple[Standing, ...], sorted_by: str, width: int) -> Sequence[Block]:
        """Return what is written."""
        first = self._samples[0]
        return [
            describing.heading(first, self.judgement),
            describing.scores(standings, sorted_by, width),
            describing.references(first, width),
            describing.distribution(self.summary, standings, width),
            describing.left(self.summary, sorted_by, width),
            describing.tokens(first, width),
            describing.alternatives(first, width),
        ]
