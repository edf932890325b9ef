"""The details of a sample: its name, its scores with their ranks, and what people wrote about the picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ...cache.text import printable
from .. import formats
from ..flow import flow
from ..formats import FAINT, MUTED, TIMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ...cache.schema import Sample

_BAR: Final = "━"
_BAR_WIDTH: Final = 10
_GAP: Final = "  "
_MARK: Final = "· "
_VALUE_WIDTH: Final = 7
_RANKED_WIDTH: Final = 42  # below it there is no room for ranks
_BARRED_WIDTH: Final = 48


@dataclass(frozen=True, slots=True)
class Standing:
    """One score of a sample and where that puts it in the run.

    Attributes:
        name: The score.
        value: Its value, NaN where undefined.
        rank: From 1 for the best; None where undefined.
        of: How many samples have a rank.
    """

    name: str
    value: float
    rank: int | None
    of: int


class Details(VerticalScroll, can_focus=False):
    """The details panel; scrolls where they are longer than it."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (as in Textual)
        super().__init__(id=id)
        self._shown: tuple[Sample, tuple[Standing, ...], str] | None = None
        self._text = Static()

    def compose(self) -> ComposeResult:
        """Hold one text."""
        yield self._text

    def show(self, sample: Sample, standings: Sequence[Standing], sorted_by: str) -> None:
        """Show another sample; the score by which the list is sorted stands out."""
        self._shown = sample, tuple(standings), sorted_by
        self._redraw()
        self.scroll_home(animate=False)

    def on_resize(self) -> None:
        """Set the columns anew."""
        self._redraw()

    def _redraw(self) -> None:
        width = self.scrollable_content_region.width
        if self._shown and width:
            self._text.update(describe(*self._shown, width))


def describe(sample: Sample, standings: Sequence[Standing], sorted_by: str, width: int) -> Content:
    """Return the details as text for a panel of `width` cells; a narrow one has the scores in two columns, unranked."""
    size = f"{sample.view.width}{TIMES}{sample.view.height}"
    heading = Content.assemble((printable(sample.name), "bold"), (f"  {size}", MUTED))
    table = (_table if width >= _RANKED_WIDTH else _pairs)(standings, sorted_by, width)
    scores = table if standings else [Content.styled("no scores", MUTED)]
    return Content("\n").join([heading, Content(""), *scores, Content(""), *_references(sample.references, width)])


def _table(standings: Sequence[Standing], sorted_by: str, width: int) -> list[Content]:
    name_width = max((cell_len(standing.name) for standing in standings), default=0)
    rank_width = max((len(_place(standing)) for standing in standings), default=0)
    lines = []
    for standing in standings:
        place = Content.styled(f"  {_place(standing):>{rank_width}}", MUTED)
        line = Content.assemble(_value(standing, sorted_by, name_width), place)
        if width >= _BARRED_WIDTH:
            full = _share(standing)
            line = Content.assemble(line, ("  " + _BAR * full, "$accent"), (_BAR * (_BAR_WIDTH - full), FAINT))
        lines.append(line)
    return lines


def _pairs(standings: Sequence[Standing], sorted_by: str, width: int) -> list[Content]:
    """Return names and values in two columns, or in one where two do not fit."""
    rows = (len(standings) + 1) // 2
    columns = [standings[:rows], standings[rows:]]
    widths = [max((cell_len(standing.name) for standing in column), default=0) for column in columns]
    if sum(widths) + 2 * (_VALUE_WIDTH + 1) + len(_GAP) > width:
        return [_value(standing, sorted_by, max(widths)) for standing in standings]
    left, right = (
        [_value(standing, sorted_by, name_width) for standing in column]
        for column, name_width in zip(columns, widths, strict=True)
    )
    return [Content(_GAP).join(pair) for pair in zip_longest(left, right, fillvalue=Content(""))]


def _value(standing: Standing, sorted_by: str, name_width: int) -> Content:
    style = "bold $text-accent" if standing.name == sorted_by else ""
    value = f" {formats.score(standing.value):>{_VALUE_WIDTH}}"
    return Content.assemble((set_cell_size(standing.name, name_width), style), (value, "bold"))


def _place(standing: Standing) -> str:
    return f"{formats.rank(standing.rank)} of {standing.of}"


def _share(standing: Standing) -> int:
    """Return how much of the bar is full: all of it for the best of the run, nothing for the worst."""
    if standing.rank is None:
        return 0
    behind = standing.of - standing.rank
    return round(_BAR_WIDTH * behind / max(1, standing.of - 1))


def _references(references: Sequence[str], width: int) -> list[Content]:
    if not references:
        return [Content.styled("no references", MUTED)]
    lines = [Content.styled("1 reference" if len(references) == 1 else f"{len(references)} references", MUTED)]
    for reference in references:
        mark = (_MARK, MUTED)
        for line in flow(printable(reference).split(), width - len(_MARK)):
            lines.append(Content.assemble(mark, " ".join(placed.text for placed in line)))
            mark = (" " * len(_MARK), "")
    return lines
