"""What is written about a sample: name, scores with their ranks, the score's distribution, tokens, references.

Pure functions of frozen records and a width in cells; each returns a block of lines, an empty one for nothing to say.
"""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from . import formats, summary
from .cells import in_cells
from .flow import flow
from .formats import FAINT, MUTED, TIMES
from .histogram import draw
from .marking import matched
from .units import pieces_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cache.judgements import Judgement
    from ..cache.schema import Sample
    from .histogram import Role
    from .standings import Standing
    from .summary import Summary

Block = list[Content]

_BAR: Final = "━"
_BAR_WIDTH: Final = 10
_GAP: Final = "  "
_MARK: Final = "· "
_VALUE_WIDTH: Final = 7
_RANKED_WIDTH: Final = 42  # below it there is no room for ranks
_BARRED_WIDTH: Final = 48
_BARS_HEIGHT: Final = 2
_WIDEST_BARS: Final = 60
_ROLES: Final[dict[Role, str]] = {
    "left": "$accent",
    "whole": FAINT,
    "mark": "$text-warning bold",
    "label": MUTED,
    "": "",
}


def heading(sample: Sample, judgement: Judgement | None) -> Block:
    """Return the name and the size of the picture, and what was said of it."""
    return [named(sample.name, (sample.view.width, sample.view.height)), *said(judgement)]


def named(name: str, size: tuple[int, int]) -> Content:
    """Return the name and the (width, height) of a picture."""
    return Content.assemble((in_cells(name), "bold"), (f"  {size[0]}{TIMES}{size[1]}", MUTED))


def said(judgement: Judgement | None) -> Block:
    """Return what was said of a picture, if anything."""
    if judgement is None:
        return []
    lines = []
    if judgement.reasonable is not None:
        verdict = ("✓ reasonable", "$text-success") if judgement.reasonable else ("✗ not reasonable", "$text-error")
        lines.append(Content.assemble(("caption ", MUTED), verdict))
    if judgement.tags:
        lines.append(Content.assemble(("tags ", MUTED), in_cells(", ".join(sorted(judgement.tags)))))
    if judgement.note:
        lines.append(Content.assemble(("note ", MUTED), in_cells(judgement.note)))
    return lines


def scores(standings: Sequence[Standing], sorted_by: str, width: int) -> Block:
    """Return every score; with ranks where there is room, else in two columns; of several runs side by side."""
    if not standings:
        return [Content.styled("no scores", MUTED)]
    if any("." in standing.name for standing in standings):
        return _compared(standings, sorted_by)
    return (_table if width >= _RANKED_WIDTH else _pairs)(standings, sorted_by, width)


def distribution(found: Summary | None, standings: Sequence[Standing], width: int) -> Block:
    """Return the histogram of the score by which the list is sorted, the sample's place marked."""
    if found is None or found.histogram is None:
        return []
    value = next((standing.value for standing in standings if standing.name == found.key), None)
    lines = draw(found.histogram, min(width, _WIDEST_BARS), _BARS_HEIGHT, value)
    undefined = f", {found.histogram.undefined:,} undefined" if found.histogram.undefined else ""
    title = Content.styled(f"{found.key} of {found.of:,}{undefined}", MUTED)
    drawn = [
        Content.assemble(*((span.text, f"{_ROLES[span.role]}{' on ' + FAINT if span.backed else ''}") for span in line))
        for line in lines
    ]
    return [title, *drawn]


def left(found: Summary | None, sorted_by: str, width: int) -> Block:
    """Return the mean scores of what a filter leaves, beside those of the whole run."""
    if found is None or found.count == found.of or not found.scores:
        return []
    names = min(max(cell_len(score.name) for score in found.scores), max(0, width - 2 * (_VALUE_WIDTH + 1)))
    lines = [Content.styled(f"{found.count:,} of {found.of:,} left: {summary.LEFT}, {summary.WHOLE}", MUTED)]
    for score in found.scores:
        style = "bold $text-accent" if score.name == sorted_by else ""
        lines.append(
            Content.assemble(
                (set_cell_size(score.name, names), style),
                (f" {formats.score(score.left):>{_VALUE_WIDTH}}", "bold"),
                (f" {formats.score(score.whole):>{_VALUE_WIDTH}}", MUTED),
            )
        )
    return lines


def tokens(sample: Sample, width: int) -> Block:
    """Return the tokens with their probabilities, and the log-probability of the caption."""
    units = pieces_of(sample)
    if not units:
        return []
    total = math.fsum(sample.logprobs)
    title = Content.styled(f"{len(units)} tokens, log-probability {total:.2f}, {total / len(units):.3f} a token", MUTED)
    texts = [f"{unit.text}\u00a0{formats.percent(unit.pieces[0][1])}" for unit in units]
    lines = [title]
    for line in flow(texts, width):
        parts: list[tuple[str, str]] = []
        for place, placed in enumerate(line):
            word, _, share = placed.text.rpartition("\u00a0")
            parts += [(" " if place else "", ""), (word, "bold"), (f" {share}", MUTED)]
        lines.append(Content.assemble(*parts))
    return lines


def alternatives(sample: Sample, width: int) -> Block:
    """Return the other captions that the search has found, each behind its score; words that are new stand out."""
    if not sample.alternatives:
        return []
    count = len(sample.alternatives)
    title = "1 other caption of the search" if count == 1 else f"{count} other captions of the search"
    lines = [Content.styled(title, MUTED)]
    known = {word.casefold() for word in sample.words}
    for other in sample.alternatives:
        words = in_cells(other.caption).split()
        mark = (f"{formats.score(other.score):>{_VALUE_WIDTH}} ", MUTED)
        for line in flow(words or ["(empty)"], max(1, width - len(mark[0]))):
            parts: list[tuple[str, str]] = [mark]
            for place, placed in enumerate(line):
                style = MUTED if placed.text.casefold() in known else "bold"
                parts += [(" " if place else "", ""), (placed.text, style)]
            lines.append(Content.assemble(*parts))
            mark = (" " * len(mark[0]), "")
    return lines


def references(sample: Sample, width: int) -> Block:
    """Return what people wrote about the picture; words that the caption has too stand out."""
    if not sample.references:
        return [Content.styled("no references", MUTED)]
    count = len(sample.references)
    lines = [Content.styled("1 reference" if count == 1 else f"{count} references", MUTED)]
    for reference in sample.references:
        words = in_cells(reference).split()
        shared = matched(words, sample.words)
        mark = (_MARK, MUTED)
        for line in flow(words, width - len(_MARK)):
            parts: list[tuple[str, str]] = [mark]
            for place, placed in enumerate(line):
                parts += [(" " if place else "", ""), (placed.text, "bold" if placed.unit in shared else MUTED)]
            lines.append(Content.assemble(*parts))
            mark = (" " * len(_MARK), "")
    return lines


def _compared(standings: Sequence[Standing], sorted_by: str) -> Block:
    """Return a line a metric, with a column for each run and each difference."""
    values = {standing.name: standing.value for standing in standings}
    metrics = dict.fromkeys(name.rpartition(".")[2] for name in values)
    prefixes = dict.fromkeys(name.rpartition(".")[0] for name in values)
    width = max(map(cell_len, metrics))
    head = "".join(f" {prefix or 'a':>{_VALUE_WIDTH}}" for prefix in prefixes)
    lines = [Content.styled(" " * width + head, MUTED)]
    for metric in metrics:
        parts = [(set_cell_size(metric, width), "bold $text-accent" if sorted_by.endswith(metric) else "")]
        for prefix in prefixes:
            name = f"{prefix}.{metric}" if prefix else metric
            style = "bold $text-accent" if name == sorted_by else "bold"
            parts.append((f" {formats.score(values.get(name)):>{_VALUE_WIDTH}}", style))
        lines.append(Content.assemble(*parts))
    return lines


def _table(standings: Sequence[Standing], sorted_by: str, width: int) -> Block:
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


def _pairs(standings: Sequence[Standing], sorted_by: str, width: int) -> Block:
    """Return names and values in two columns, or in one where two do not fit."""
    rows = (len(standings) + 1) // 2
    columns = [standings[:rows], standings[rows:]]
    widths = [max((cell_len(standing.name) for standing in column), default=0) for column in columns]
    if sum(widths) + 2 * (_VALUE_WIDTH + 1) + len(_GAP) > width:
        return [_value(standing, sorted_by, max(widths)) for standing in standings]
    one, other = (
        [_value(standing, sorted_by, name_width) for standing in column]
        for column, name_width in zip(columns, widths, strict=True)
    )
    return [Content(_GAP).join(pair) for pair in zip_longest(one, other, fillvalue=Content(""))]


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
