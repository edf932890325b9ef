"""The distribution of a score in block characters: the whole run, what a filter leaves of it, and where one value is.

Counting touches every value and belongs in a worker; drawing is quick at any width. Nothing here knows a widget: `draw`
returns pieces of text with the role of each, and the widget has the colours. Without colours, the mark still stands
below its column.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from . import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FINE: Final = (
    2520  # many times the columns of any screen, so that uneven sums of bins are not seen; divisible by 1 to 10
)
MARK: Final = "▲"
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_FULL: Final = len(_EIGHTHS) - 1

Role = Literal["left", "whole", "mark", "label", ""]


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How often a score takes which values.

    Attributes:
        low: Smallest value of the run; NaN where none is defined.
        high: Largest.
        whole: How many pictures of the run fall into each bin [bins]; the bins divide low to high evenly.
        left: How many of those that the filter leaves [bins].
        undefined: Pictures of the run without a finite value; they are in no bin.
        undefined_left: How many of those the filter leaves.
    """

    low: float
    high: float
    whole: NDArray[np.intp]
    left: NDArray[np.intp]
    undefined: int
    undefined_left: int

    def bin_of(self, value: float | None) -> int | None:
        """Return the bin of a value, one outside in the nearest; None where there is none."""
        if value is None or not np.isfinite([value, self.low]).all():
            return None
        return int(_bins(np.array([value]), self.low, self.high, len(self.whole))[0])


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line.

    Attributes:
        text: What is written.
        role: What it stands for: "left" what the filter leaves, "whole" the rest of the run, "mark" the marked column
            and its mark, "label" a number of the axis, "" a gap.
        backed: Whether the bar of the whole run stands behind it: the background is to have the colour of "whole".
    """

    text: str
    role: Role
    backed: bool = False


def histogram(values: NDArray[np.float64], mask: NDArray[np.bool_] | None = None, bins: int = FINE) -> Histogram:
    """Count values; some 20 milliseconds for a million.

    Args:
        values: The score of each picture of the run [count], NaN where undefined.
        mask: Which pictures [count] the filter leaves; None means all.
        bins: Into how many bins the range is divided; at least as many as a drawing will have columns.
    """
    finite = np.isfinite(values)
    undefined = len(values) - int(np.count_nonzero(finite))
    undefined_left = undefined if mask is None else int(np.count_nonzero(mask & ~finite))
    defined = values[finite]
    if not len(defined):
        none = np.zeros(bins, np.intp)
        return Histogram(np.nan, np.nan, none, none, undefined, undefined_left)
    low, high = float(defined.min()), float(defined.max())
    places = _bins(defined, low, high, bins)
    whole = np.bincount(places, minlength=bins)
    left = whole if mask is None else np.bincount(places[mask[finite]], minlength=bins)
    return Histogram(low, high, whole, left, undefined, undefined_left)


def draw(counted: Histogram, width: int, height: int = 1, value: float | None = None) -> list[list[Span]]:
    """Draw a histogram: `height` lines of bars, and one below with the ends of the range and the mark.

    The tallest column fills the height; one that is not empty is at least an eighth of a line. Where the filter's bar
    ends within a cell, the whole run's behind it is drawn to the nearest end of that cell.

    Args:
        counted: The histogram.
        width: Cells of a line, which all lines fill exactly.
        height: Lines of the bars.
        value: The value to mark; None, or NaN, for no mark.
    """
    if width <= 0 or height <= 0:
        return []
    place = counted.bin_of(value)
    marked = None if place is None else place * width // len(counted.whole)
    whole, left = (_levels(counted, side, width, height) for side in (counted.whole, counted.left))
    lines = []
    for line in reversed(range(height)):
        behind, before = (np.clip(levels - line * _FULL, 0, _FULL) for levels in (whole, left))
        cells = [_cell(int(before[x]), int(behind[x]), is_marked=x == marked) for x in range(width)]
        lines.append(list(_joined(cells)))
    return [*lines, list(_joined(_axis(counted, width, marked)))]


def _bins(values: NDArray[np.float64], low: float, high: float, bins: int) -> NDArray[np.intp]:
    """Return the bin of each finite value; where all are equal, the middle one."""
    span = high / 2 - low / 2  # halves, since the difference of the largest numbers is infinite
    if span <= 0:
        return np.full(len(values), bins // 2, np.intp)
    share = np.clip((values / 2 - low / 2) / span, 0, 1)
    return np.minimum((share * bins).astype(np.intp), bins - 1)


def _levels(counted: Histogram, counts: NDArray[np.intp], width: int, height: int) -> NDArray[np.intp]:
    """Return the height of each column [width] in eighths of a line."""
    columns = np.arange(len(counts)) * width // len(counts)
    sums, most = (np.bincount(columns, side, minlength=width) for side in (counts, counted.whole))
    levels = np.rint(sums * (height * _FULL / max(1.0, most.max()))).astype(np.intp)
    return np.where(sums > 0, np.maximum(levels, 1), 0)


def _cell(left: int, whole: int, *, is_marked: bool) -> Span:
    """Return one cell of a bar, of which so many eighths are left and so many there at all."""
    if not left:
        return Span(_EIGHTHS[whole], ("mark" if is_marked else "whole") if whole else "")
    is_backed = left < _FULL and whole > left and 2 * whole >= left + _FULL
    return Span(_EIGHTHS[left], "mark" if is_marked else "left", is_backed)


def _axis(counted: Histogram, width: int, marked: int | None) -> list[Span]:
    """Return the line below the bars, a span a cell."""
    cells = [Span(" ", "")] * width
    if marked is not None:
        cells[marked] = Span(MARK, "mark")
    low, high = formats.score(counted.low), formats.score(counted.high)
    labels = [low] if low == high else [low, high]
    if np.isnan(counted.low):
        labels = ["no values"]
    lengths = [len(label) for label in labels]
    if sum(lengths) + max(lengths) >= width:  # room for both, wherever the mark is
        return cells
    # The mark is never written over: a label that would cover it stands beside it.
    start = 0 if marked is None or marked >= len(labels[0]) else marked + 1
    cells[start : start + len(labels[0])] = [Span(character, "label") for character in labels[0]]
    if len(labels) > 1:
        stop = width if marked is None or marked < width - len(high) else marked
        cells[stop - len(high) : stop] = [Span(character, "label") for character in high]
    return cells


def _joined(cells: list[Span]) -> Iterator[Span]:
    """Yield neighbouring cells of the same look as one span."""
    for (role, backed), group in groupby(cells, lambda cell: (cell.role, cell.backed)):
        yield Span("".join(cell.text for cell in group), role, backed)
