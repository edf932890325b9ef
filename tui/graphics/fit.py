"""How large a picture is shown: as large as its panel allows, in its own shape."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fit:
    """The size of a picture on the screen. It begins in the upper left corner of its cells.

    Attributes:
        pixels: (width, height) of the picture.
        columns: Cells that it covers from left to right, the last one perhaps in part.
        lines: Cells that it covers from top to bottom, the last one perhaps in part.
        room: (width, height) of these cells in pixels.
    """

    pixels: tuple[int, int]
    columns: int
    lines: int
    room: tuple[int, int]

    def with_margin(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the (width, height) of the picture in another size and the margin that fills its last cells."""
        (width, height), (room_width, room_height) = self.pixels, self.room
        return max(1, round(size[0] * room_width / width)), max(1, round(size[1] * room_height / height))


def fit(size: tuple[int, int], cells: tuple[int, int], cell_pixels: tuple[int, int], longest: int = 0) -> Fit:
    """Return the largest size that keeps a picture's shape, within half a pixel.

    Args:
        size: (width, height) of the picture.
        cells: (columns, lines) of the panel, at least one each.
        cell_pixels: (width, height) of a cell.
        longest: Pixels that no side may exceed; 0 for no bound.
    """
    width, height = size
    cell_width, cell_height = cell_pixels
    most_width, most_height = cells[0] * cell_width, cells[1] * cell_height
    scale = min(most_width / width, most_height / height)
    if longest:
        scale = min(scale, longest / max(width, height))
    shown_width = min(most_width, max(1, round(width * scale)))
    shown_height = min(most_height, max(1, round(height * scale)))
    columns, lines = math.ceil(shown_width / cell_width), math.ceil(shown_height / cell_height)
    return Fit((shown_width, shown_height), columns, lines, (columns * cell_width, lines * cell_height))
