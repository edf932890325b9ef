"""Random access to `samples.parquet`, a million rows long if need be, in little memory.

Row groups are decoded when a row of theirs is asked for; the decoded ones are kept in two small LRU stores,
one for single columns (what a list shows) and one for whole groups (what a sample needs). Importing this
module imports pyarrow.

Arrow's conversions from Python objects and to numpy (`pa.scalar`, `to_numpy`) import pandas where it is
installed, which takes half a second and 50 MB; values pass through buffers instead, here and in `arrow`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from contextlib import contextmanager
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import arrow, table
from .errors import CacheDamaged, CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow.parquet as pq
    from numpy.typing import NDArray

    from .schema import Sample

# A list in random order shows a screenful of different groups; so many rows have about 20 MB of captions.
_COLUMN_ROWS: Final = 262_144
_WHOLE_ROWS: Final = 8_192  # about 8 MB
_SCAN_ROWS: Final = 65_536


class Samples:
    """The rows of one cache. Methods may be called from any thread."""

    def __init__(
        self, path: Path, count: int, score_names: Sequence[str], check_not_replaced: Callable[[], None]
    ) -> None:
        """Open the file and read its footer.

        Args:
            path: The Parquet file.
            count: Number of rows that it must have.
            score_names: Columns of scores that it must have.
            check_not_replaced: Raises where another file has taken the place of this one.

        Raises:
            CacheDamaged: It cannot be read, or has other rows or columns.
        """
        self._path = path
        self._count = count
        self._score_names = tuple(score_names)
        self._check_not_replaced = check_not_replaced
        self._lock = Lock()
        self._columns: OrderedDict[tuple[int, str | None], pa.Table] = OrderedDict()
        self._groups: OrderedDict[tuple[int, str | None], pa.Table] = OrderedDict()
        self._texts_lock = Lock()  # of its own: who reads a row need not wait for a whole column
        self._texts: dict[str, pa.ChunkedArray] = {}
        self._file = self._open()
        metadata = self._file.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._starts = [0, *accumulate(sizes)]
        self._longest = max([1, *sizes])

    def close(self) -> None:
        """Close the file, after the read that may be going on."""
        with self._lock:
            self._file.close()

    def cell(self, column: str, index: int) -> Any:
        """Return one value of a column, for lists; reads no other column.

        Raises:
            IndexError: There is no such row.
            CacheDamaged: The file cannot be read.
        """
        group, row = self._locate(index)
        return self._decoded(self._columns, group, column, _COLUMN_ROWS).column(0)[row].as_py()

    def sample(self, index: int) -> Sample:
        """Return a whole row; raises as `cell`."""
        group, row = self._locate(index)
        record = self._decoded(self._groups, group, None, _WHOLE_ROWS).slice(row, 1).to_pylist()[0]
        try:
            sample = table.to_sample(record, self._score_names)
            sample.check()
        except (TypeError, ValueError, CacheError) as error:
            raise CacheDamaged(f"{self._path}: row {index} makes no sense ({error})") from error
        return sample

    def scores(self, name: str) -> NDArray[np.float64]:
        """Return a column of scores, NaN where undefined; read anew each time."""
        values = np.full(self._count, np.nan)
        start = 0
        for column in self._batches(name):
            stop = start + len(column)
            present = np.from_dlpack(column.is_valid().cast(pa.uint8())) == 1
            raw = pa.Array.from_buffers(column.type, len(column), [None, column.buffers()[1]], offset=column.offset)
            values[start:stop][present] = np.from_dlpack(raw)[present]
            start = stop
        return values

    def texts(self, column: str) -> pa.ChunkedArray:
        """Return a whole column of texts [count], read in one go and kept; raises as `Cache.texts`."""
        with self._texts_lock:
            if column not in self._texts:
                kind = self._file.schema_arrow.field(column).type
                self._texts[column] = pa.chunked_array(list(self._batches(column)), kind)
            return self._texts[column]

    def order_of_names(self, *, reverse: bool) -> NDArray[np.int64]:
        """Return the rows sorted by name (code points), equal names by row number."""
        names = pa.chunked_array(list(self._batches("name")), pa.string())
        direction = "descending" if reverse else "ascending"
        return np.from_dlpack(pc.sort_indices(names, sort_keys=[("", direction)])).astype(np.int64)

    def find(self, name: str) -> int | None:
        """Return the first row of this name, or None."""
        needle = arrow.strings([name])[0]
        start = 0
        for column in self._batches("name"):
            if (found := pc.index(column, needle).as_py()) >= 0:
                return start + int(found)
            start += len(column)
        return None

    def _batches(self, column: str) -> Iterator[pa.Array]:
        """Yield a whole column in pieces, from a file of its own: nobody who reads a row waits for it."""
        with self._open(self._file.metadata) as file:
            self._check_not_replaced()  # if it was, that is not the footer of what has been opened now
            with self._errors():
                for batch in file.iter_batches(_SCAN_ROWS, columns=[column], use_threads=False):
                    yield batch.column(0)

    def _locate(self, index: int) -> tuple[int, int]:
        """Return the row group of a row, and the row's place in it."""
        if not 0 <= index < self._count:
            raise IndexError(f"picture {index} is not among the {self._count} of {self._path.parent}")
        group = bisect_right(self._starts, index) - 1
        return group, index - self._starts[group]

    def _decoded(
        self, store: OrderedDict[tuple[int, str | None], pa.Table], group: int, column: str | None, most: int
    ) -> pa.Table:
        """Return a row group, of one column or of all, from the store, which keeps so many rows, or from the file."""
        key = group, column
        with self._lock, self._errors():
            if key in store:
                store.move_to_end(key)
                return store[key]
            columns = None if column is None else [column]
            store[key] = self._file.read_row_group(group, columns=columns, use_threads=False)
            if len(store) > max(1, most // self._longest):
                store.popitem(last=False)
            return store[key]

    def _open(self, footer: pq.FileMetaData | None = None) -> pq.ParquetFile:
        with self._errors():
            return table.open_file(self._path, self._count, self._score_names, footer)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what Arrow raises into one line that names the file."""
        try:
            yield
        except CacheError as error:
            raise CacheDamaged(f"{self._path.parent}: {error}") from error
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise CacheDamaged(f"{self._path.parent}: {self._path.name} cannot be read ({reason})") from error
