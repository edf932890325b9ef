"""What the darkroom is asked for, and what it gives: records without Pillow, so that the first frame need not wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.strip import Strip

    from ..cache.codec import Head
    from .graphics.plate import Plate


@dataclass(frozen=True, slots=True)
class Request:
    """One picture to be made.

    Attributes:
        run: Which of the runs.
        index: The picture's row in that run's own cache.
        tokens: The tokens whose mean map is laid over it; none: the plain picture.
        layer: Decoder layer, from 0.
        head: One head, or the mean or the maximum over heads.
        cells: (columns, lines) of room.
        colormap: Colours of the map.
        opacity: Of the map over the picture, 0 to 1.
        monochrome: Whether the terminal shows no colours.
    """

    run: int
    index: int
    tokens: tuple[int, ...]
    layer: int
    head: Head
    cells: tuple[int, int]
    colormap: str
    opacity: float
    monochrome: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """A finished picture: lines of cells, or a plate for the terminal's graphics.

    Attributes:
        request: What was asked for.
        width: Cells of each line.
        height: Lines.
        strips: Its lines of cells; empty where there is a plate.
        plate: Its pixels, for a terminal that shows them.
        span: Lowest and highest attention of a patch, or None for the plain picture.
    """

    request: Request
    width: int
    height: int
    strips: tuple[Strip, ...]
    plate: Plate | None
    span: tuple[float, float] | None
