"""Columns between Python, Arrow and numpy.

Values pass through buffers: Arrow's own conversions import pandas where it is installed, which takes half a second.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def strings(texts: Iterable[str]) -> pa.StringArray:
    """Return an Arrow array of these texts; lone surrogates become question marks."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    offsets = np.fromiter(accumulate(map(len, encoded), initial=0), np.int32, len(encoded) + 1)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def bools(array: pa.BooleanArray) -> NDArray[np.bool_]:
    """Return an Arrow array as numpy's [len(array)]; null becomes False."""
    bits = pa.Array.from_buffers(pa.bool_(), len(array), [None, array.buffers()[1]], offset=array.offset)
    values: NDArray[np.bool_] = np.from_dlpack(bits.cast(pa.uint8())) == 1
    return values & bools(array.is_valid()) if array.null_count else values


def any_of_each(offsets: NDArray[np.int32], hits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell for each list whether it has a hit.

    Args:
        offsets: Where each list begins, and the last ends [lists + 1]; the first is 0.
        hits: The entries of all lists [offsets[-1]].
    """
    before = np.concatenate([np.zeros(1, np.int32), np.cumsum(hits, dtype=np.int32)])[offsets]
    hit: NDArray[np.bool_] = before[1:] > before[:-1]
    return hit


def entries(lists: pa.ListArray) -> tuple[NDArray[np.int32], pa.Array]:
    """Return a column of lists as (offsets [lists + 1] from 0, entries of all lists)."""
    offsets = np.from_dlpack(lists.offsets)
    return offsets - offsets[0], lists.values.slice(offsets[0], offsets[-1] - offsets[0])


def count_words(texts: pa.StringArray) -> NDArray[np.int64]:
    """Return the number of words of each text [len(texts)]: what stands between ASCII white space, as `str.split`."""
    _, offset_buffer, content = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(texts) + 1, offset=4 * texts.offset)
    if content is None:
        return np.zeros(len(texts), np.int64)
    content_bytes = np.frombuffer(content, np.uint8)[offsets[0] : offsets[-1]]
    # Differences wrap round, so that one comparison sees a range: 9 to 13, 28 to 31.
    space = (content_bytes == ord(" ")) | (content_bytes - 9 < 5) | (content_bytes - 28 < 4)  # noqa: PLR2004
    begins = ~space
    begins[1:] &= space[:-1]
    starts = offsets[:-1][offsets[:-1] < offsets[1:]] - offsets[0]  # of texts that are not empty
    begins[starts] = ~space[starts]
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(begins)])[offsets - offsets[0]]
    counts: NDArray[np.int64] = np.diff(before)
    return counts
