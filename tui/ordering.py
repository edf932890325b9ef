"""The order of the list: a frozen snapshot, built in a worker and carried to the widgets by message.

Ranks count from the best of the whole run, 1, whichever way the list runs and whatever a filter leaves of it, so that
a picture keeps its rank when the list is turned round or filtered. Pictures for which the score is undefined have no
rank and come last either way. Ties keep the dataset's order.

A *row* is a place in the list, from 0; a *slot* is a place in the run's order, best first, before any filter.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from ..cache.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .source import Scored

BY_NAME: Final = "name"
BY_INDEX: Final = "index"
_PREFERRED: Final = "clipscore"


@dataclass(frozen=True, slots=True, eq=False)
class Ordering:
    """The pictures of a run in the order of the list, all or those that a filter leaves.

    Attributes:
        key: Score by which they are sorted; or "name" or "index".
        reverse: Whether the worst (for names: the last) comes first.
        best_first: Indices of all pictures of the run [of].
        values: The score of each picture of the run [of] by index; None where sorted by name or index.
        ranked: How many pictures of the run have a rank; they are the first in `best_first`.
        left: Slots of the pictures that a filter leaves [count], ascending; None where there is no filter.
        ranked_left: How many pictures of the list have a rank.
    """

    key: str
    reverse: bool
    best_first: NDArray[np.intp]
    values: NDArray[np.float64] | None
    ranked: int
    left: NDArray[np.intp] | None
    ranked_left: int

    @classmethod
    def build(cls, source: Scored, key: str, *, reverse: bool = False, mask: NDArray[np.bool_] | None = None) -> Self:
        """Sort the pictures of a source; takes a moment for a million of them.

        Args:
            source: The run.
            key: A score, "name" or "index".
            reverse: Worst first.
            mask: Which pictures [count] are left in the list; None means all.

        Raises:
            UsageError: There is no such score.
        """
        check_key(key, source.score_names)
        values = source.scores(key) if key in source.score_names else None
        best_first = source.order(key)
        ranked = len(best_first) if values is None else int(np.count_nonzero(~np.isnan(values)))
        return cls(key, reverse, best_first, values, ranked, None, ranked).filtered(mask)

    def filtered(self, mask: NDArray[np.bool_] | None) -> Self:
        """Return the same order of the run under another filter, or under none; sorts nothing.

        Raises:
            ValueError: The mask is of another number of pictures.
        """
        if mask is None:
            return replace(self, left=None, ranked_left=self.ranked)
        if len(mask) != self.of:
            raise ValueError(f"expected a mask of {self.of} pictures, found {len(mask)}")
        left = np.flatnonzero(mask[self.best_first])
        return replace(self, left=left, ranked_left=int(np.searchsorted(left, self.ranked)))

    def turned(self) -> Self:
        """Return the same order the other way round; costs nothing."""
        return replace(self, reverse=not self.reverse)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.of if self.left is None else len(self.left)

    @property
    def of(self) -> int:
        """The number of pictures in the run."""
        return len(self.best_first)

    def index_at(self, position: int) -> int:
        """Return the index of the picture at a row of the list, from 0."""
        return int(self.best_first[self._slot(position)])

    def rank_at(self, position: int) -> int | None:
        """Return the rank in the run of the picture at a row, from 1 for the best; None where it has none."""
        slot = self._slot(position)
        return slot + 1 if slot < self.ranked else None

    def value_at(self, position: int) -> float | None:
        """Return the score of the picture at a row; None where sorted by name or index."""
        return None if self.values is None else float(self.values[self.index_at(position)])

    def position_of(self, index: int) -> int:
        """Return the row of a picture.

        Raises:
            ValueError: There is no such picture in the list.
        """
        position = self.nearest(index)
        if position == len(self) or self.index_at(position) != index:
            raise ValueError(f"picture {index} is not in the list: the filter leaves {len(self)} of {self.of}")
        return position

    def nearest(self, index: int) -> int:
        """Return the row of a picture, or where it would be: that of the next picture that is left, else of the last.

        0 for an empty list.

        Raises:
            ValueError: There is no such picture in the run.
        """
        slots = np.flatnonzero(self.best_first == index)
        if not len(slots):
            raise ValueError(f"no picture {index} in a run of {self.of}")
        return self._row_near(int(slots[0]))

    def row_of_rank(self, rank: int) -> int:
        """Return the row of the picture with a rank, or where it would be, as `nearest`.

        A rank beyond an end means the one at that end.
        """
        return self._row_near(max(0, min(rank, self.ranked) - 1))

    def _row_near(self, slot: int) -> int:
        """Return the row of a slot, or else of the next one that is left."""
        backwards = self.reverse and slot < self.ranked
        if self.left is None:
            return self.ranked - 1 - slot if backwards else slot
        place = int(np.searchsorted(self.left, slot, "right" if backwards else "left"))
        return max(0, min(self.ranked_left - place if backwards else place, len(self) - 1))

    def _slot(self, position: int) -> int:
        """Return the slot of a row."""
        if not 0 <= position < len(self):
            raise IndexError(f"no row {position} in a list of {len(self)}")
        if self.reverse and position < self.ranked_left:
            position = self.ranked_left - 1 - position
        return position if self.left is None else int(self.left[position])

    @property
    def label(self) -> str:
        """The order in words, for the header."""
        if self.key == BY_INDEX:
            return "dataset order, last first" if self.reverse else "dataset order"
        if self.key == BY_NAME:
            return "by name, Z first" if self.reverse else "by name, A first"
        return f"by {self.key}, {'worst' if self.reverse else 'best'} first"


def keys_of(score_names: Sequence[str]) -> tuple[str, ...]:
    """Return everything a list can be sorted by, in the order in which the sort key walks through it."""
    return (*score_names, BY_NAME, BY_INDEX)


def default_key(score_names: Sequence[str]) -> str:
    """Return what the list is sorted by when nobody asks: CLIPScore, else the first score, else the dataset's order."""
    if _PREFERRED in score_names:
        return _PREFERRED
    return score_names[0] if score_names else BY_INDEX


def check_key(key: str, score_names: Sequence[str]) -> None:
    """Check a sort key.

    Raises:
        UsageError: The cache has no such score; the message says what was probably meant, and what there is.
    """
    known = keys_of(score_names)
    if key in known:
        return
    close = difflib.get_close_matches(key.lower(), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"cannot sort by {key!r}: {hint}this cache has {', '.join(known)}")


def standing(values: NDArray[np.float64], index: int, *, higher_is_better: bool) -> tuple[int | None, int]:
    """Return the rank of one picture in a column of scores [count], and how many pictures have one.

    The rank equals that of an `Ordering` by this score, without sorting.
    """
    of = int(np.count_nonzero(~np.isnan(values)))
    value = values[index]
    if np.isnan(value):
        return None, of
    better = values > value if higher_is_better else values < value
    return int(np.count_nonzero(better) + np.count_nonzero(values[:index] == value)) + 1, of
