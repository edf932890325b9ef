"""How large a picture is shown: as large as its panel allows, in its own shape."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fit:
    """The size of a picture on the screen.

    Attributes:
        pixels: (width, height) in pixels of the screen.
        columns: Cells that it covers from left to right, the last one perhaps in part.
        lines: Cells that it covers from top to bottom, the last one perhaps in part.
    """

    pixels: tuple[int, int]
    columns: int
    lines: int


def fit(
    size: tuple[int, int], cells: tuple[int, int], cell_pixels: tuple[int, int], *, longest: int = 0, band: int = 1
) -> Fit:
    """Return the largest size that keeps a picture's shape, within half a pixel.

    Args:
        size: (width, height) of the picture.
        cells: (columns, lines) of the panel, at least one each.
        cell_pixels: (width, height) of a cell.
        longest: Pixels that no side may exceed; 0 for no bound.
        band: The terminal fills so many rows of pixels at a time (six for Sixel), and none of them may leave the panel.
    """
    width, height = size
    cell_width, cell_height = cell_pixels
    room_width = cells[0] * cell_width
    room_height = max(cells[1] * cell_height // band, 1) * band
    scale = min(room_width / width, room_height / height)
    if longest:
        scale = min(scale, longest / max(width, height))
    shown_width = min(room_width, max(1, round(width * scale)))
    shown_height = min(room_height, max(1, round(height * scale)))
    filled = math.ceil(shown_height / band) * band
    return Fit((shown_width, shown_height), math.ceil(shown_width / cell_width), math.ceil(filled / cell_height))
