"""Colours for attention: the jet-like map of the assignment's figures, as a table of 256 colours."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The corner points of matplotlib's "jet" (position, value), so that the panel and a saved figure agree in colour.
_RED: Final = ((0.0, 0.0), (0.35, 0.0), (0.66, 1.0), (0.89, 1.0), (1.0, 0.5))
_GREEN: Final = ((0.0, 0.0), (0.125, 0.0), (0.375, 1.0), (0.64, 1.0), (0.91, 0.0), (1.0, 0.0))
_BLUE: Final = ((0.0, 0.5), (0.11, 1.0), (0.34, 1.0), (0.65, 0.0), (1.0, 0.0))
LEVELS: Final = 256


@lru_cache(maxsize=1)
def jet() -> NDArray[np.uint8]:
    """Return the colours from low to high: [256, 3], RGB."""
    steps = np.linspace(0, 1, LEVELS)
    channels = [np.interp(steps, *np.asarray(corners).T) for corners in (_RED, _GREEN, _BLUE)]
    return np.asarray(np.rint(np.stack(channels, axis=1) * 255), np.uint8)


def colours(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the colour of each value in [0, 1] (others are clipped): [..., 3], RGB."""
    levels = np.rint(np.clip(values, 0, 1) * (LEVELS - 1)).astype(np.intp)
    return np.asarray(jet()[levels])
