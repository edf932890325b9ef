"""The rows of a live cache in memory: what a list shows of each picture, in Arrow columns that grow.

A million rows take about 150 MB. `Rows` never changes; `Table.add` makes new ones, so that nobody who reads
waits for the thread that adds. Importing this module imports pyarrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import arrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

TEXTS: Final = ("name", "path", "caption")
_LARGEST_CHUNK: Final = 65_536  # rows


class Row(NamedTuple):
    """What is kept of a picture.

    Attributes:
        picture: Position in the dataset, from 0.
        name: File stem.
        path: File, relative to the dataset's image folder.
        caption: The generated caption.
        logprob: Its log-probability, natural, summed over its tokens; NaN where none are known.
    """

    picture: int
    name: str
    path: str
    caption: str
    logprob: float


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The pictures captioned so far, in the order in which they came.

    Attributes:
        pictures: Position of each in the dataset, int32 [count].
        texts: For each of `TEXTS` its column [count].
        logprobs: As in `Row`, float64 [count]; read-only.
    """

    pictures: NDArray[np.int32]
    texts: Mapping[str, pa.ChunkedArray]
    logprobs: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.pictures)


class Table:
    """Grows rows; one thread at a time adds.

    Attributes:
        rows: What has been added so far.
    """

    def __init__(self, total: int) -> None:
        """Begin without rows.

        Args:
            total: Number of pictures of the dataset.
        """
        self._place_of = np.zeros(total, np.int32)  # 1 + row; 0 for a picture that has not come
        self.rows = Rows(np.empty(0, np.int32), dict.fromkeys(TEXTS, pa.chunked_array([], pa.string())), np.empty(0))

    def add(self, arrived: Sequence[Row]) -> int:
        """Append pictures; one that is there already keeps its row and is changed.

        Returns:
            The number of rows that are new or have changed.

        Raises:
            ValueError: A picture is not in the dataset.
        """
        latest = {row.picture: row for row in arrived}
        total = len(self._place_of)
        if latest and not 0 <= min(latest) <= max(latest) < total:
            raise ValueError(f"there are {total} pictures, but captions of {min(latest)} to {max(latest)}")
        new = [row for row in latest.values() if not self._place_of[row.picture]]
        changed = {int(place) - 1: row for row in latest.values() if (place := self._place_of[row.picture])}
        before = self.rows
        pictures = np.concatenate([before.pictures, np.fromiter((row.picture for row in new), np.int32, len(new))])
        logprobs = np.concatenate([before.logprobs, [row.logprob for row in new]])
        for index, row in changed.items():
            logprobs[index] = row.logprob
        logprobs.flags.writeable = False
        texts = {}
        for name in TEXTS:
            column = with_appended(before.texts[name], arrow.strings(getattr(row, name) for row in new))
            texts[name] = with_changed(column, {index: getattr(row, name) for index, row in changed.items()})
        self._place_of[pictures[len(before) :]] = np.arange(len(before), len(pictures), dtype=np.int32) + 1
        self.rows = Rows(pictures, texts, logprobs)
        return len(latest)


def with_appended(column: pa.ChunkedArray, values: pa.Array) -> pa.ChunkedArray:
    """Return the column with more values at its end.

    Neighbours are joined while the earlier is no longer than the later, so that even one row at a time leaves a
    handful of chunks, and each value is copied a handful of times.
    """
    chunks = column.chunks
    while chunks and len(chunks[-1]) <= len(values) and len(chunks[-1]) + len(values) <= _LARGEST_CHUNK:
        values = pa.concat_arrays([chunks.pop(), values])
    return pa.chunked_array([*chunks, values] if len(values) else chunks, column.type)


def with_changed(column: pa.ChunkedArray, values: Mapping[int, str]) -> pa.ChunkedArray:
    """Return the column with other texts in some rows."""
    if not values:
        return column
    mask = np.zeros(len(column), np.uint8)
    mask[list(values)] = 1
    bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
    marked = pa.Array.from_buffers(pa.bool_(), len(column), [None, bits])
    return pc.replace_with_mask(column, marked, arrow.strings([values[row] for row in sorted(values)]))


def order_of(column: pa.ChunkedArray, *, reverse: bool) -> NDArray[np.int64]:
    """Return the rows of a column of strings sorted by code points, equal ones by row number."""
    direction = "descending" if reverse else "ascending"
    return np.from_dlpack(pc.sort_indices(column, sort_keys=[("", direction)])).astype(np.int64)


def find(column: pa.ChunkedArray, text: str) -> int | None:
    """Return the first row of a column of strings that equals a text, or None."""
    found = int(pc.index(column, arrow.strings([text])[0]).as_py())
    return found if found >= 0 else None


def no_lists() -> pa.ChunkedArray:
    """Return an empty column of lists of strings."""
    return pa.chunked_array([], pa.list_(pa.string()))


def lists(values: Sequence[Sequence[str]]) -> pa.ListArray:
    """Return an Arrow array of these lists of strings."""
    offsets = np.fromiter(accumulate(map(len, values), initial=0), np.int32, len(values) + 1)
    entries = arrow.strings(text for texts in values for text in texts)
    return pa.Array.from_buffers(pa.list_(pa.string()), len(values), [None, pa.py_buffer(offsets)], children=[entries])
