"""How several pictures share an area of cells: in rows, as large as they can be, on several pages if they must.

Pure arithmetic: nothing here knows what a tile shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GAP: Final = 1  # columns between two tiles, so that pictures that fill theirs stay apart
LEAST: Final = (12, 6)


@dataclass(frozen=True, slots=True)
class Rect:
    """Some cells: `columns` from column `x` on, in `lines` from line `y` on, both from 0."""

    x: int
    y: int
    columns: int
    lines: int

    def contains(self, x: int, y: int) -> bool:
        """Tell whether a cell belongs to it."""
        return self.x <= x < self.x + self.columns and self.y <= y < self.y + self.lines


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where tiles lie. Every page has the same places; the last page may leave some of them empty.

    Attributes:
        count: Number of tiles.
        rects: The places of a page in reading order, all of one size, label lines included.
        across: Places in a row.
        label_lines: The first lines of each place, for its label; the picture has the rest.
    """

    count: int
    rects: tuple[Rect, ...]
    across: int
    label_lines: int

    @property
    def per_page(self) -> int:
        """How many tiles a full page has; at least one where there are tiles."""
        return len(self.rects)

    @property
    def pages(self) -> int:
        """How many pages there are; none of them is empty."""
        return -(-self.count // self.per_page) if self.count else 0

    def page_of(self, tile: int) -> int:
        """Return the page on which a tile is."""
        return self._checked(tile) // self.per_page

    def tiles(self, page: int) -> range:
        """Return the tiles of a page; they lie in `rects`, from the first on."""
        return range(min(page * self.per_page, self.count), min((page + 1) * self.per_page, self.count))

    def rect(self, tile: int) -> Rect:
        """Return the place of a tile on its page, label lines included."""
        return self.rects[self._checked(tile) % self.per_page]

    def picture(self, tile: int) -> Rect:
        """Return the place of a tile's picture, below its label."""
        rect = self.rect(tile)
        labelled = min(self.label_lines, rect.lines)
        return Rect(rect.x, rect.y + labelled, rect.columns, rect.lines - labelled)

    def tile_at(self, x: int, y: int, page: int = 0) -> int | None:
        """Return the tile of a page to which a cell of the area belongs, its label included; None between tiles."""
        places = zip(self.tiles(page), self.rects, strict=False)
        return next((tile for tile, rect in places if rect.contains(x, y)), None)

    def _checked(self, tile: int) -> int:
        if not 0 <= tile < self.count:
            raise IndexError(f"no tile {tile} among {self.count}")
        return tile


def arrange(
    count: int,
    area: tuple[int, int],
    shape: tuple[int, int],
    cell: tuple[int, int],
    *,
    label_lines: int = 1,
    least: tuple[int, int] = LEAST,
    groups: int = 1,
) -> Arrangement:
    """Lay out tiles so that their pictures become as large as they can be without losing their shape.

    Tiles that would get less room than `least` go to further pages, of about equally many tiles each. A single
    tile takes the whole area, without a label.

    Args:
        count: Number of tiles.
        area: (columns, lines) of the area.
        shape: (width, height) of the pictures, in any unit.
        cell: (width, height) of a terminal's cell, in any unit.
        label_lines: Lines over each picture.
        least: (columns, lines) that a picture gets at least, as long as the area has them at all.
        groups: So many tiles, one after the other, always share a row, also where that leaves them less than
            `least`: 2 for the pairs of two runs.
    """
    if count <= 1:
        return Arrangement(count, (Rect(0, 0, *area),) * count, 1, 0)
    columns, lines = area
    groups = max(1, min(groups, count))
    widest = max(1, (columns + GAP) // (least[0] + GAP) // groups) * groups
    deepest = max(1, lines // (least[1] + label_lines))
    per_page = _per_page(count, widest * deepest, groups)
    choices = [
        (across, down) for across in range(groups, widest + 1, groups) if (down := -(-per_page // across)) <= deepest
    ]

    def merit(choice: tuple[int, int]) -> tuple[float, int]:
        """Larger pictures first, then fewer empty places."""
        across, down = choice
        wide, high = _room(area, choice, label_lines)
        return min(wide * cell[0] / shape[0], high * cell[1] / shape[1]), -across * down

    across, down = max(choices, key=merit)
    wide, high = max(0, (columns + GAP) // across - GAP), lines // down
    rects = tuple(Rect(place % across * (wide + GAP), place // across * high, wide, high) for place in range(per_page))
    return Arrangement(count, rects, across, label_lines)


def _per_page(count: int, most: int, groups: int) -> int:
    """Return how many tiles a page gets, whole groups, so that pages are about equally full."""
    pages = -(-count // most)
    even = -(-count // pages)
    return min(-(-even // groups) * groups, count)


def _room(area: tuple[int, int], choice: tuple[int, int], label_lines: int) -> tuple[int, int]:
    """Return the (columns, lines) that each picture gets."""
    (columns, lines), (across, down) = area, choice
    return max(0, (columns + GAP) // across - GAP), max(0, lines // down - label_lines)
