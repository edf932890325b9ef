"""Half blocks as escape sequences: operations on whole arrays, where a loop over cells would hold up the event loop.

A cell says only what is not as in the cell before it: `ESC [ 38;2;r;g;b ; 48;2;r;g;b m`, and its character.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Colours = NDArray[np.uint8]

_START: Final = b"\x1b["
_ABOVE: Final = b"38;2"
_BELOW: Final = b"48;2"
_BLOCK: Final = "▀".encode()
_RESET: Final = b"\x1b[0m"
_NUMBER: Final = 4  # bytes of the longest, ";255"


def half_blocks(uppers: Colours, lowers: Colours | None) -> list[str]:
    """Return what draws lines of cells; each ends with the terminal's own colours.

    Args:
        uppers: Colours of the upper halves, [lines, width, 3].
        lowers: Colours of the lower halves, likewise; None for the terminal's background.
    """
    solid = np.zeros(uppers.shape[:2], np.bool_) if lowers is None else (uppers == lowers).all(-1)
    above = _says_above(uppers, solid)
    below = np.zeros_like(above) if lowers is None else _differs(lowers)
    some = above | below
    columns = [
        _fixed(_START, some),
        _fixed(_ABOVE, above),
        _numbers(uppers, above),
        _fixed(b";", above & below),
        _fixed(_BELOW, below),
        _numbers(uppers if lowers is None else lowers, below),
        _fixed(b"m", some),
        _fixed(_BLOCK, ~solid),
        _fixed(b" ", solid),
    ]
    texts = np.concatenate([text for text, _ in columns], axis=-1)
    used = np.concatenate([part for _, part in columns], axis=-1)
    return [(texts[line][used[line]].tobytes() + _RESET).decode() for line in range(len(texts))]


def _differs(colours: Colours) -> NDArray[np.bool_]:
    """Tell for each cell [lines, width] whether its colour is another than that of the one before it."""
    differs = np.ones(colours.shape[:2], np.bool_)
    differs[:, 1:] = (colours[:, 1:] != colours[:, :-1]).any(-1)
    return differs


def _says_above(uppers: Colours, solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which cells must say their upper colour: a blank says none, and leaves the one that was said before it."""
    lines, width = solid.shape
    last = np.maximum.accumulate(np.where(solid, -1, np.arange(width)), axis=1)
    before = np.concatenate([np.full((lines, 1), -1), last[:, :-1]], axis=1)
    said = np.take_along_axis(uppers, before[..., None], axis=1)  # where there is none, any
    same: NDArray[np.bool_] = (before >= 0) & (uppers == said).all(-1)
    return ~solid & ~same


def _fixed(text: bytes, where: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a text for each cell, [lines, width, bytes], and which of its bytes count."""
    shape = (*where.shape, len(text))
    return np.broadcast_to(np.frombuffer(text, np.uint8), shape), np.broadcast_to(where[..., None], shape)


def _numbers(colours: Colours, where: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return ";red;green;blue" for each cell, [lines, width, bytes], and which of its bytes count."""
    texts, used = _table()
    shape = (*where.shape, 3 * _NUMBER)
    return texts[colours].reshape(shape), used[colours].reshape(shape) & where[..., None]


@lru_cache(maxsize=1)
def _table() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return ";0" to ";255", [256, 4], and which of their bytes count."""
    texts = [b";%d" % number for number in range(256)]
    used = np.arange(_NUMBER) < np.asarray([len(text) for text in texts])[:, None]
    return np.frombuffer(b"".join(text.ljust(_NUMBER) for text in texts), np.uint8).reshape(256, _NUMBER), used
