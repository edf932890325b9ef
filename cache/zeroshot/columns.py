"""The columns of a zero-shot run's `samples.parquet`, each read whole when it is first asked for, and kept.

Importing this module imports pyarrow. Values pass through buffers, see `cache.arrow`.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import arrow
from ..errors import CacheDamaged, CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray


class Columns:
    """The table of one run. Methods may be called from any thread; arrays are read-only.

    All raise `CacheDamaged` where the file cannot be read, lacks the column, or holds what the column cannot.
    """

    def __init__(self, path: Path, count: int) -> None:
        """Open the file and read its footer.

        Args:
            path: The Parquet file.
            count: Number of rows that it must have.
        """
        self._path = path
        self._count = count
        self._lock = Lock()
        self._kept: dict[str, Any] = {}
        with self._errors():
            # Not memory-mapped, see `table.open_file`.
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
            if self._file.metadata.num_rows != count:
                raise CacheError(f"{path.name} has {self._file.metadata.num_rows} rows, {count} expected")

    def close(self) -> None:
        """Close the file, after the read that may be going on."""
        with self._lock:
            self._file.close()

    def texts(self, name: str) -> pa.ChunkedArray:
        """Return a column of strings [count]."""

        def convert(column: pa.ChunkedArray) -> pa.ChunkedArray:
            if column.type != pa.string() or column.null_count:
                raise CacheError(f"column {name!r} does not hold texts")
            return column

        found: pa.ChunkedArray = self._column(name, convert)
        return found

    def integers(self, name: str, none: int, bounds: tuple[int, int]) -> NDArray[np.int32]:
        """Return a column of integers [count].

        Args:
            name: Of the column.
            none: Stands where there is no value.
            bounds: The least value allowed, and the first that is not.
        """

        def convert(column: pa.ChunkedArray) -> NDArray[np.int32]:
            values, valid = _flat(column.cast(pa.int32()), np.int32)
            _check_bounds(name, values[valid], bounds)
            return np.where(valid, values, np.int32(none))

        found: NDArray[np.int32] = self._column(name, convert)
        return found

    def floats(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers [count], NaN where there is no value."""

        def convert(column: pa.ChunkedArray) -> NDArray[np.float64]:
            values, valid = _flat(column.cast(pa.float64()), np.float64)
            return np.where(valid, values, np.nan)

        found: NDArray[np.float64] = self._column(name, convert)
        return found

    def label_lists(self, name: str, width: int, labels: int) -> NDArray[np.int32]:
        """Return a column of lists of labels [count, width]."""

        def convert(column: pa.ChunkedArray) -> NDArray[np.int32]:
            values, valid = _flat(_entries(name, column, width).cast(pa.int32()), np.int32)
            _check_bounds(name, values, (0, labels) if valid.all() else (0, 0))
            return values.reshape(self._count, width)

        found: NDArray[np.int32] = self._column(name, convert)
        return found

    def number_lists(self, name: str, width: int) -> NDArray[np.float32]:
        """Return a column of lists of numbers [count, width]."""

        def convert(column: pa.ChunkedArray) -> NDArray[np.float32]:
            values, _ = _flat(_entries(name, column, width).cast(pa.float32()), np.float32)
            return values.reshape(self._count, width)

        found: NDArray[np.float32] = self._column(name, convert)
        return found

    def _column(self, name: str, convert: Callable[[pa.ChunkedArray], Any]) -> Any:
        with self._lock, self._errors():
            if name not in self._kept:
                if name not in self._file.schema_arrow.names:
                    raise CacheError(f"{self._path.name} has no column {name!r}")
                found = convert(self._file.read(columns=[name], use_threads=False).column(0))
                if isinstance(found, np.ndarray):
                    found.flags.writeable = False
                self._kept[name] = found
            return self._kept[name]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what Arrow raises into one line that names the file."""
        try:
            yield
        except CacheError as error:
            raise CacheDamaged(f"{self._path.parent}: {error}") from error
        except (pa.ArrowException, OSError, ValueError) as error:
            first = str(error).split("\n", 1)[0]
            raise CacheDamaged(f"{self._path}: cannot be read ({first})") from error


def _flat(column: pa.ChunkedArray, kind: type[np.generic]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a column of numbers as numpy's, and which of them are there."""
    values, valid = [np.empty(0, kind)], [np.empty(0, np.bool_)]
    for chunk in column.chunks:
        raw = pa.Array.from_buffers(chunk.type, len(chunk), [None, chunk.buffers()[1]], offset=chunk.offset)
        values.append(np.from_dlpack(raw))
        valid.append(arrow.bools(chunk.is_valid()))
    return np.concatenate(values), np.concatenate(valid)


def _entries(name: str, column: pa.ChunkedArray, width: int) -> pa.ChunkedArray:
    """Return the entries of a column of lists, one list after the other; all have the same length."""
    if not pa.types.is_list(column.type) or column.null_count:
        raise CacheError(f"column {name!r} does not hold lists")
    parts = []
    for chunk in column.chunks:
        offsets, entries = arrow.entries(chunk)
        if not np.array_equal(offsets, np.arange(len(chunk) + 1) * width):
            raise CacheError(f"column {name!r} has lists of another length than {width}")
        parts.append(entries)
    return pa.chunked_array(parts, column.type.value_type)


def _check_bounds(name: str, values: NDArray[np.int32], bounds: tuple[int, int]) -> None:
    if values.size and not bounds[0] <= values.min() <= values.max() < bounds[1]:
        raise CacheError(f"column {name!r} has numbers outside of {bounds[0]} to {bounds[1] - 1}")
