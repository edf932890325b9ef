"""Where pictures are on the screen, and which of their cells text has been written over since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .plate import Plate

END: Final = "\x1b\\"  # of whatever sequence was being written when the program had to stop
Area = tuple[int, int, int, int]  # x, y, columns, lines, from 0; a `textual.geometry.Region` is one


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A plate on the screen.

    Attributes:
        plate: The picture.
        x: Column of its left edge, from 0.
        y: Line of its upper edge, from 0.
    """

    plate: Plate
    x: int
    y: int

    def hit(self, areas: Sequence[Area]) -> bool:
        """Tell whether any of the areas has a cell in common with it."""
        return any(
            x < self.x + self.plate.columns
            and self.x < x + columns
            and y < self.y + self.plate.lines
            and self.y < y + lines
            for x, y, columns, lines in areas
        )


class Cells:
    """The cells under a picture.

    Args:
        x: The left column.
        y: The upper line.
        columns: How many from left to right.
        lines: How many from top to bottom.
    """

    def __init__(self, x: int, y: int, columns: int, lines: int) -> None:
        self._x = x
        self._y = y
        self._rewritten = np.zeros((lines, columns), np.bool_)
        self._doubtful = np.zeros((lines, columns), np.bool_)

    @property
    def whole(self) -> bool:
        """Whether no text was written over any of them."""
        return not self._rewritten.any()

    def rewrite(self, area: Area | None) -> None:
        """Note that text was written over an area of the screen; None for all of it."""
        if area is None:
            self._rewritten[...] = True
        else:
            self._within(self._rewritten, area)[...] = True

    def doubt(self, area: Area) -> None:
        """Note that the picture may not be seen in an area any more, though no text was written there."""
        self._within(self._doubtful, area)[...] = True

    def restore(self, covered: Sequence[Area] = ()) -> None:
        """Note that the picture is there again, but for what is covered."""
        taken = ~self._free(covered)
        self._rewritten &= taken
        self._doubtful &= taken

    def lost(self, covered: Sequence[Area]) -> Iterator[tuple[int, int, int]]:
        """Return runs (line, column, count) within the picture that are not seen, and not covered either."""
        return _runs((self._rewritten | self._doubtful) & self._free(covered))

    def blanked(self) -> str:
        """Return what writes spaces over all cells of the picture that text was not written over."""
        runs = _runs(~self._rewritten)
        return "".join(f"{at(self._x + column, self._y + line)}{' ' * count}" for line, column, count in runs)

    def _free(self, covered: Sequence[Area]) -> NDArray[np.bool_]:
        free = np.ones_like(self._rewritten)
        for area in covered:
            self._within(free, area)[...] = False
        return free

    def _within(self, mask: NDArray[np.bool_], area: Area) -> NDArray[np.bool_]:
        x, y, columns, lines = area
        left, top = max(0, x - self._x), max(0, y - self._y)
        return mask[top : max(top, y + lines - self._y), left : max(left, x + columns - self._x)]


def at(x: int, y: int) -> str:
    """Return what moves the cursor to a cell, counted from 0."""
    return f"\x1b[{y + 1};{x + 1}H"


def restored(sequence: str) -> str:
    """Return a sequence that leaves the cursor, and the colours of what is written next, as they were."""
    return f"\x1b7\x1b[m{sequence}\x1b8"


def _runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    for line, row in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        for start, end in edges.reshape(-1, 2).tolist():
            yield line, start, end - start
