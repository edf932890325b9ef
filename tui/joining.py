"""Which rows of several runs are the same picture. Importing this module imports pyarrow.

A picture is known by its name, the file stem, so that runs join whose datasets keep it in different folders. A name
that some run has more than once does not say which picture it is: there the path counts, in every run. Where even a
path comes twice in a run, its first row counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .source import Source


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """The pictures that all runs have.

    Attributes:
        rows: For each run the rows [count] of the joined pictures; a range where they are its first ones in order,
            which costs no memory.
        pictures: Different pictures in all runs together.
        counts: Rows of each run when it was joined.
    """

    rows: tuple[NDArray[np.intp] | range, ...]
    pictures: int
    counts: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of joined pictures."""
        return len(self.rows[0])

    def numbers(self, run: int) -> NDArray[np.intp]:
        """Return a run's rows [count] as an array."""
        rows = self.rows[run]
        return np.arange(len(rows)) if isinstance(rows, range) else rows


def join(sources: Sequence[Source], before: Join | None = None) -> Join:
    """Join runs by picture, in the order of the first; a second or so for two million rows.

    Args:
        sources: The runs, at least one.
        before: An earlier join of the same runs, which have grown since. Its rows stay where they are, and new ones
            come behind them.
    """
    codes = _codes(sources)
    pictures = 1 + max((int(code.max()) for code in codes if len(code)), default=-1)
    rows = np.stack([_first_rows(code, pictures) for code in codes])
    known = int(np.count_nonzero((rows >= 0).any(axis=0)))
    rows = rows[:, (rows >= 0).all(axis=0)]
    rows = rows[:, np.argsort(rows[0])]
    if before is not None:
        old = np.stack([before.numbers(run) for run in range(len(sources))])
        new = ~np.any([np.isin(run, kept) for run, kept in zip(rows, old, strict=True)], axis=0)
        rows = np.concatenate([old, rows[:, new]], axis=1)
    return Join(tuple(_slim(run) for run in rows), known, tuple(len(code) for code in codes))


def take(column: pa.ChunkedArray, rows: NDArray[np.intp] | range) -> pa.ChunkedArray:
    """Return some rows of an Arrow column; a range costs nothing."""
    return column.slice(0, len(rows)) if isinstance(rows, range) else column.take(_arrow(rows))


def _codes(sources: Sequence[Source]) -> list[NDArray[np.intp]]:
    """Return for each run a number [rows] that is equal for rows that show the same picture."""
    names = [source.texts("name") for source in sources]
    codes = _encoded(names)
    most = 1 + max((int(code.max()) for code in codes if len(code)), default=-1)
    twice = np.zeros(most, np.bool_)
    for code in codes:
        twice |= np.bincount(code, minlength=most) > 1
    if twice.any():
        unclear = [np.flatnonzero(twice[code]) for code in codes]
        paths = [take(source.texts("path"), rows) for source, rows in zip(sources, unclear, strict=True)]
        for code, rows, found in zip(codes, unclear, _encoded(paths), strict=True):
            code[rows] = most + found
    return codes


def _encoded(columns: Sequence[pa.ChunkedArray]) -> list[NDArray[np.intp]]:
    """Return the texts of several columns as numbers from 0, the same number for the same text."""
    together = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    # The chunks of an encoded column share one dictionary. (From DLPack: `to_numpy` would import pandas.)
    parts = [np.from_dlpack(chunk.indices) for chunk in together.dictionary_encode().chunks]
    codes = np.concatenate([np.empty(0, np.intp), *parts])
    return np.split(codes, np.cumsum([len(column) for column in columns])[:-1])


def _first_rows(codes: NDArray[np.intp], pictures: int) -> NDArray[np.intp]:
    """Return for each picture the first row [pictures] of a run that shows it, or -1."""
    rows = np.full(pictures, -1, np.intp)
    rows[codes[::-1]] = np.arange(len(codes), dtype=np.intp)[::-1]  # of several, the last assigned stays
    return rows


def _slim(rows: NDArray[np.intp]) -> NDArray[np.intp] | range:
    count = len(rows)
    return range(count) if np.array_equal(rows, np.arange(count)) else rows.copy()


def _arrow(rows: NDArray[np.intp]) -> pa.Array:
    """Return row numbers as Arrow, made of their buffer: Arrow's own conversions would import pandas."""
    content = pa.py_buffer(np.ascontiguousarray(rows, np.int64))
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, content])
