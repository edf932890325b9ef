"""What stands where in a figure: blocks one below the other, each a title, rows of labelled pictures, small print.

Lengths are in inches, font sizes in points; the resolution changes nothing but the number of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...cache.errors import UsageError
from . import lettering
from .painting import Ground, find_colormap

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from PIL import Image

    from ...cache.geometry import View

DPI: Final = 168
_LEAST_DPI: Final = 40
_MOST_DPI: Final = 600  # forty cells are half a gigabyte then

_CELL: Final = 2.0  # width of a picture
_TALLEST: Final = 2.0  # a cell is at most this many times as high as wide
_FLATTEST: Final = 0.4
_GAP: Final = 0.08
_MARGIN: Final = 0.12
_BETWEEN: Final = 0.2  # two blocks
_LABEL: Final = 0.26
_DETAIL: Final = 0.16
_TITLE_SIZE: Final = 12.0
_LABEL_SIZE: Final = 11.0
_SMALLEST_LABEL: Final = 6.0
_DETAIL_SIZE: Final = 8.0
_SMALLEST_DETAIL: Final = 5.0
_NOTE_SIZE: Final = 8.0
_PAD: Final = 3.0  # points between a picture and its label
_FEWEST_COLUMNS: Final = 2  # a title needs some room, also over a single picture


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """One cell of a figure.

    Attributes:
        label: Stands over it.
        values: [rows, cols], non-negative; coloured from 0 to its own maximum.
        detail: A small line between label and picture; none where empty.
    """

    label: str
    values: NDArray[np.floating]
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One picture of a figure: plain, then once for each map with that map over it.

    Attributes:
        image: The whole picture, at any resolution.
        maps: In reading order.
        view: Where the maps lie on the picture.
        title: Text over the block; wrapped, and line breaks are kept.
        note: Small text under the block.
        first: Label of the plain picture.
    """

    image: Image.Image
    maps: Sequence[Map]
    view: View
    title: str
    note: str = ""
    first: str = "<BOS>"


@dataclass(frozen=True, slots=True)
class Style:
    """How a figure is drawn.

    Attributes:
        columns: The most pictures in a row.
        colormap: Name of a matplotlib colour map.
        opacity: Of the maps over the picture, 0 to 1.
        dpi: Pixels to the inch; a picture is two inches wide.
    """

    columns: int = 5
    colormap: str = "jet"
    opacity: float = 0.5
    dpi: int = DPI

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: One is out of range.
        """
        if self.columns < 1 or not 0 <= self.opacity <= 1:
            raise UsageError(f"columns must be positive and opacity 0 to 1, found {self.columns} and {self.opacity}")
        check_dpi(self.dpi)

    @property
    def side(self) -> int:
        """Pixels of the longer side of a cell's picture."""
        return round(_CELL * self.dpi)


def check_dpi(dpi: int) -> None:
    """Check the resolution of a figure.

    Raises:
        UsageError: It is out of range.
    """
    if not _LEAST_DPI <= dpi <= _MOST_DPI:
        raise UsageError(f"a figure has {_LEAST_DPI} to {_MOST_DPI} dots per inch, found {dpi}")


def attention_grid(
    image: Image.Image,
    maps: Sequence[tuple[str, NDArray[np.floating]]],
    view: View,
    *,
    title: str,
    note: str = "",
    columns: int = 5,
    colormap: str = "jet",
    opacity: float = 0.5,
    dpi: int = DPI,
    first: str = "<BOS>",
) -> Figure:
    """Draw a picture plain, then once for each map, given by label and values, with that map over it.

    For the arguments see `Block`, `Map` and `Style`.

    Returns:
        A figure with one axes a cell, in order; give it to `save_figure`.

    Raises:
        UsageError: There is no such colour map, or a number is out of range.
        ValueError: A map does not have the shape of the view's grid.
    """
    block = Block(image, [Map(label, values) for label, values in maps], view, title, note, first)
    return draw([block], Style(columns, colormap, opacity, dpi))


def draw(blocks: Sequence[Block], style: Style) -> Figure:
    """Draw blocks one below the other; one for each run compares the runs.

    Returns:
        A figure with one axes a cell, in order; give it to `save_figure`.

    Raises:
        UsageError: There is no such colour map.
        ValueError: There is no block, or a map does not have the shape of its view's grid.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (slow, and only for figures)

    most = max(1 + len(block.maps) for block in blocks)
    columns = min(style.columns, max(most, _FEWEST_COLUMNS))
    wide = 2 * _MARGIN + columns * _CELL + (columns - 1) * _GAP
    parts = [_Part(block, columns, wide - 2 * _MARGIN) for block in blocks]
    tall = 2 * _MARGIN + sum(part.height for part in parts) + _BETWEEN * (len(parts) - 1)
    figure = Figure(figsize=(wide, tall), dpi=style.dpi, facecolor="white")
    top = _MARGIN
    for part in parts:
        part.draw(figure, top, style)
        top += part.height + _BETWEEN
    return figure


class _Part:
    """A block with its measures.

    Attributes:
        height: In inches.
    """

    def __init__(self, block: Block, columns: int, width: float) -> None:
        self._block = block
        self._columns = columns
        self._heading = lettering.wrap(block.title, _TITLE_SIZE, width)
        self._footing = lettering.wrap(_small_print(block), _NOTE_SIZE, width)
        # All cells are of one height; only very thin pictures leave a part of theirs empty.
        shape = block.image.height / block.image.width
        self._picture = _CELL * min(max(shape, _FLATTEST), _TALLEST)
        self._detail = _DETAIL if any(cell.detail for cell in block.maps) else 0.0
        self._row = _LABEL + self._detail + self._picture + _GAP
        self._rows = -(-(1 + len(block.maps)) // columns)
        self.height = (
            lettering.height_of(self._heading, _TITLE_SIZE)
            + self._rows * self._row
            + lettering.height_of(self._footing, _NOTE_SIZE)
        )

    def draw(self, figure: Figure, top: float, style: Style) -> None:
        """Draw it, `top` inches below the upper edge."""
        block = self._block
        colors = find_colormap(style.colormap)
        ground = Ground(block.image, block.view, style.side)
        lettering.write(figure, top, self._heading, _TITLE_SIZE, left=_MARGIN)
        top += lettering.height_of(self._heading, _TITLE_SIZE)
        self._cell(figure, top, 0, ground.plain, label=block.first)
        for position, cell in enumerate(block.maps, 1):
            pixels = ground.under(cell.values, colors, style.opacity)
            self._cell(figure, top, position, pixels, label=cell.label, detail=cell.detail)
        lettering.write(figure, top + self._rows * self._row, self._footing, _NOTE_SIZE, left=_MARGIN)

    def _cell(
        self, figure: Figure, top: float, position: int, pixels: NDArray[np.uint8], *, label: str, detail: str = ""
    ) -> None:
        """Add a labelled picture; `top` is that of the block's first row."""
        row, column = divmod(position, self._columns)
        left = _MARGIN + column * (_CELL + _GAP)
        bottom = top + row * self._row + _LABEL + self._detail + self._picture
        wide, tall = figure.get_size_inches()
        axes = figure.add_axes(
            (left / wide, 1 - bottom / tall, _CELL / wide, self._picture / tall), frameon=False, xticks=[], yticks=[]
        )
        axes.imshow(pixels)  # aspect "equal": a picture keeps its shape
        raised = _DETAIL * lettering.POINTS if detail else 0.0
        text, size = lettering.fit(label, _CELL, _LABEL_SIZE, _SMALLEST_LABEL)
        axes.set_title(text, fontsize=size, pad=_PAD + raised, parse_math=False)
        if detail:
            text, size = lettering.fit(detail, _CELL, _DETAIL_SIZE, _SMALLEST_DETAIL)
            axes.annotate(
                text,
                (0.5, 1.0),
                xytext=(0, _PAD),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                va="baseline",
                fontsize=size,
                parse_math=False,
            )


def _small_print(block: Block) -> str:
    """Return the note, and what the colours and the hatching mean."""
    parts = [block.note] if block.note else []
    if block.maps:
        parts.append("colour: from 0 to the maximum of each map")
        view = block.view
        if view.visible() != (0.0, 0.0, float(view.width), float(view.height)):
            parts.append("hatched: cut off, not seen by the model")
    return "; ".join(parts)
