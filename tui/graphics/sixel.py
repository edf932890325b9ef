"""Sixel: pictures as printable characters, six rows of pixels in each line of them, one colour after the other.

    ESC P 0;1;0 q  "1;1;width;height  #0;2;r;g;b ...   then for each band of six rows, and each colour in it,
    #colour, characters "?" to "~" (six bits, the top row lowest), "$" back to the left, "-" down to the next band

A run of n equal characters is "!n" and the character. All steps are operations on whole arrays: Python's own loops
would take seconds where this takes milliseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BAND: Final = 6  # rows of pixels
WIDEST: Final = 1024  # pixels
_EMPTY: Final = ord("?")
_PATTERNS: Final = 1 << _BAND


def sixel(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> str:
    """Return the sequence that draws a picture with its top left corner at the cursor.

    Args:
        indices: The colour of each pixel, uint8 [height, width], no more than `WIDEST` wide.
        palette: RGB, uint8 [count, 3], no more than the terminal has registers.
    """
    height, width = indices.shape
    percent = (palette.astype(np.uint16) * 100 + 127) // 255
    registers = "".join(f"#{number};2;{red};{green};{blue}" for number, (red, green, blue) in enumerate(percent))
    return f'\x1bP0;1;0q"1;1;{width};{height}{registers}{_bands(indices)}\x1b\\'


def _bands(indices: NDArray[np.uint8]) -> str:
    """Return the characters of all bands."""
    band, colour, column, pattern = _characters(indices)
    # A run: neighbours of the same band and colour with equal patterns.
    joined = (
        (band[1:] == band[:-1])
        & (colour[1:] == colour[:-1])
        & (column[1:] == column[:-1] + 1)
        & (pattern[1:] == pattern[:-1])
    )
    starts = np.flatnonzero(np.concatenate([[True], ~joined]))
    lengths = np.diff(np.append(starts, len(column)))
    band, colour, column, pattern = band[starts], colour[starts], column[starts], pattern[starts]
    # Where another colour, or another band, begins; and the empty columns before each run.
    new_band = np.concatenate([[False], band[1:] != band[:-1]])
    fresh = np.concatenate([[True], new_band[1:] | (colour[1:] != colour[:-1])])
    ends = np.concatenate([[0], (column + lengths)[:-1]])
    gaps = column - np.where(fresh, 0, ends)
    switches = np.where(fresh, 1 + colour + 256 * np.where(new_band, 2, 1), 0)
    switches[0] = 1 + colour[0]
    tokens = np.stack([switches, *_run(gaps, np.zeros_like(pattern)), *_run(lengths, pattern)], axis=1).ravel()
    texts, sizes = _tokens()
    used = np.arange(texts.shape[1]) < sizes[tokens, None]
    return bytes(texts[tokens][used].data).decode("ascii")


def _characters(indices: NDArray[np.uint8]) -> tuple[NDArray[np.intp], ...]:
    """Return (band, colour, column, pattern) of each character that is not empty, in the order of their writing."""
    height, width = indices.shape
    rows = np.arange(height)[:, None]
    # Sorting one number does it all: band, colour, column and the row within the band, each in bits of its own.
    shift = width.bit_length()
    keys = ((rows // _BAND << 8 | indices.astype(np.int64)) << shift | np.arange(width)) << 3 | rows % _BAND
    ordered = np.sort(keys, axis=None)
    places = ordered >> 3
    starts = np.flatnonzero(np.concatenate([[True], places[1:] != places[:-1]]))
    pattern = np.bitwise_or.reduceat(1 << (ordered & 7), starts)
    places = places[starts]
    groups = places >> shift
    return groups >> 8, groups & 255, places & ((1 << shift) - 1), pattern


# The table of all texts that can be needed: nothing; then for each colour the switch to it at the very start, in the
# same band and in the next one; then the counts of runs, from 0; then each character once, twice and three times.
_COUNTS: Final = 1 + 3 * 256
_BODIES: Final = _COUNTS + WIDEST + 1
_UNCOUNTED: Final = 3  # "xxx" is as short as "!3x"


@lru_cache(maxsize=1)
def _tokens() -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Return the texts, uint8 [count, longest], and how much of each is used, [count]."""
    texts = [b""]
    texts += [b"%s#%d" % (before, colour) for before in (b"", b"$", b"-") for colour in range(256)]
    texts += [b"!%d" % count for count in range(WIDEST + 1)]
    texts += [bytes([_EMPTY + pattern]) * times for times in (1, 2, 3) for pattern in range(_PATTERNS)]
    sizes = np.asarray([len(text) for text in texts])
    table = np.frombuffer(b"".join(text.ljust(int(sizes.max()), b"\0") for text in texts), np.uint8)
    return table.reshape(len(texts), -1), sizes


def _run(lengths: NDArray[np.intp], pattern: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the tokens for the count and for the characters of runs of some lengths, 0 for no run."""
    counted = lengths > _UNCOUNTED
    times = np.where(counted, 1, lengths)
    return np.where(counted, _COUNTS + lengths, 0), np.where(times > 0, _BODIES + (times - 1) * _PATTERNS + pattern, 0)
