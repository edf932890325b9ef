"""The board: finished pictures at their places, in lines of cells or, where the terminal can, in real pixels.

In cells a picture is part of the frame that Textual draws. Real pixels lie over cells that are left in the terminal's
own background; they are written after a frame, by a painter that knows what the terminal shows already and what a
frame has rewritten, so that nothing is sent twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from rich.cells import set_cell_size
from rich.segment import Segment
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets._toast import Toast

from ..strips import StripRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.style import Style
    from textual import events

    from ..graphics.painter import Painter
    from ..graphics.placing import Placed
    from ..prints import Print
    from ..tiles import Board, Tile

PINNED = "•"
_BUDGET = 1 << 17  # bytes: of a sheet of maps so much is sent at once, so that the next key need not wait for all
_PAUSE = 0.02  # seconds
_SYNCHRONIZED = "\x1b[?2026h", "\x1b[?2026l"  # the terminal shows a picture and its label at once
# Not around more bytes: a terminal ends the update by itself after a while (kitty 0.26 after 2 s), and on a slow line
# or a busy machine that would be in the midst of a picture's data, which is then lost.
_SYNCHRONIZED_MOST = 1 << 14


class BoardView(Widget):
    """A panel for pictures. It never makes one: others are asked for them by `Resized`.

    Args:
        painter: Writes real pixels; None: pictures are cells.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"board--label", "board--selected"}

    class Resized(Message):
        """There is room for pictures of another size."""

    class Clicked(Message):
        """The mouse chose a picture among several."""

        def __init__(self, tile: Tile) -> None:
            self.tile = tile
            super().__init__()

    def __init__(self, painter: Painter | None = None) -> None:
        super().__init__()
        self._painter = painter
        self._tiles: tuple[Tile, ...] = ()
        self._prints: tuple[Print | None, ...] = ()
        self._problem = ""
        self._will_paint = False
        self._lines: dict[int, Strip] = {}

    @property
    def area(self) -> tuple[int, int]:
        """Room for pictures: (columns, lines); zero before the first layout."""
        return self.size.width, self.size.height

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """What is shown."""
        return self._tiles

    @property
    def shown(self) -> Print | None:
        """The picture that the keys act on."""
        pairs = zip(self._tiles, self._prints, strict=True)
        return next((finished for tile, finished in pairs if tile.selected), None)

    def show(self, board: Board, prints: Sequence[Print | None]) -> None:
        """Show pictures; one that is not ready yet is left empty, unless its place shows one already."""
        old, self._tiles, self._problem = self._tiles, board.tiles, ""
        before, self._prints = self._prints, tuple(prints)
        if [tile.rect for tile in old] != [tile.rect for tile in board.tiles] or not before:
            self.refresh()
            return
        for place, tile in enumerate(board.tiles):
            self._refresh_tile(tile, old[place], before[place], self._prints[place])
        self._paint_soon()

    def _refresh_tile(self, tile: Tile, old: Tile, before: Print | None, now: Print | None) -> None:
        """Draw again what is different: the label, the picture in cells, neither."""
        rect = tile.rect
        if _label(tile) != _label(old) or tile.selected != old.selected:
            self.refresh(Region(rect.x, rect.y, rect.columns, 1))
        if before is not now and not (_has_plate(before) and _has_plate(now) and _same_size(before, now)):
            self.refresh(Region(rect.x, rect.y, rect.columns, rect.lines))

    def fail(self, problem: str) -> None:
        """Show one line of text instead of pictures."""
        self._tiles, self._prints, self._problem = (), (), problem
        self.refresh()

    def on_resize(self) -> None:
        """Ask for pictures of the new size."""
        self.post_message(self.Resized())

    def on_click(self, event: events.Click) -> None:
        """Report the picture under the mouse."""
        if len(self._tiles) > 1:
            tile = next((tile for tile in self._tiles if tile.rect.contains(event.x, event.y)), None)
            if tile is not None:
                self.post_message(self.Clicked(tile))

    # -- Cells -----------------------------------------------------------------------------------------------------

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Draw lines again."""
        for y in {y for region in regions for y in region.line_range} if regions else tuple(self._lines):
            self._lines.pop(y, None)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return lines as they are: Textual's own way takes each picture apart, for borders that there are not."""
        return [self._line(y).crop(crop.x, crop.right) for y in crop.line_range]

    def _line(self, y: int) -> Strip:
        found = self._lines.get(y)
        if found is None or found.cell_length != self.size.width:
            found = self.render_line(y)
            for line_filter in self.get_line_filters():
                found = found.apply_filter(line_filter, self.background_colors[1])
            self._lines[y] = found
        return found

    def render_line(self, y: int) -> Strip:
        """Return a line of the panel."""
        width, height = self.size
        background = self.rich_style
        if not self._tiles:
            text = self._problem[:width].center(width) if y == height // 2 else " " * width
            return Strip([Segment(text, background)], width)
        parts: list[Strip] = []
        x = 0
        for tile, finished in zip(self._tiles, self._prints, strict=True):
            if tile.rect.y <= y < tile.rect.y + tile.rect.lines:
                parts.append(Strip.blank(tile.rect.x - x, background))
                parts += self._tile_line(tile, finished, y - tile.rect.y, background)
                x = tile.rect.x + tile.rect.columns
        return StripRow([*parts, Strip.blank(width - x, background)])

    def _tile_line(self, tile: Tile, finished: Print | None, y: int, background: Style) -> list[Strip]:
        columns = tile.rect.columns
        if tile.label:
            if y == 0:
                style = self.get_component_rich_style("board--selected" if tile.selected else "board--label")
                return [Strip([Segment(set_cell_size(_label(tile), columns), style)], columns)]
            y -= 1
        if finished is None:
            return [Strip.blank(columns, background)]
        left, top = _margins(tile, finished)
        if not top <= y < top + finished.height:
            return [Strip.blank(columns, background)]
        if finished.plate is None:
            middle = finished.strips[y - top]
        else:
            # Under the pixels: the terminal's own background, where they lie beneath the cells.
            is_beneath = self._painter is not None and self._painter.beneath
            middle = Strip.blank(finished.width, None if is_beneath else background)
        right = columns - left - finished.width
        return [Strip.blank(left, background), middle, Strip.blank(right, background)]

    # -- Pixels ----------------------------------------------------------------------------------------------------

    def touched(self, areas: Iterable[Region]) -> None:
        """Note that cells were written in these areas of the screen: pixels that lay over them may be gone."""
        if self._painter is not None:
            for area in areas:
                self._painter.touched(area)
            self._paint_soon()

    def _paint_soon(self) -> None:
        if self._painter is not None and not self._will_paint:
            self._will_paint = True
            self.call_after_refresh(self._paint)

    def _paint(self) -> None:
        """Write what the terminal does not show yet, or does not show any more."""
        self._will_paint = False
        driver = self.app._driver  # noqa: SLF001 (Textual has no public way to write after a frame)
        if self._painter is None or driver is None:
            return
        covered = [] if self._painter.beneath else [toast.region for toast in self.screen.query(Toast)]
        written = self._painter.paint(self._placed(), covered, _BUDGET)
        if written:
            before, after = _SYNCHRONIZED if len(written) < _SYNCHRONIZED_MOST else ("", "")
            driver.write(f"{before}{written}{after}")
        if self._painter.pending:
            self.set_timer(_PAUSE, self._paint_soon)

    def _placed(self) -> list[Placed]:
        from ..graphics.placing import Placed  # noqa: PLC0415 (only where the terminal shows pixels)

        if not self.is_on_screen:
            return []
        corner = self.region.offset
        placed = []
        for tile, finished in zip(self._tiles, self._prints, strict=True):
            if finished is not None and finished.plate is not None:
                left, top = _margins(tile, finished)
                label = 1 if tile.label else 0
                placed.append(
                    Placed(finished.plate, corner.x + tile.rect.x + left, corner.y + tile.rect.y + label + top)
                )
        return placed

    def on_hide(self) -> None:
        """Take the pixels away with the panel."""
        self._paint_soon()


def _label(tile: Tile) -> str:
    return f"{'▌' if tile.selected else ' '}{tile.label}{f' {PINNED}' if tile.pinned else ''}"


def _margins(tile: Tile, finished: Print) -> tuple[int, int]:
    """Return the cells left of a picture and the lines above it: in the middle of its place, or below its label."""
    top = 0 if tile.label else max(0, (tile.rect.lines - finished.height) // 2)
    return max(0, (tile.rect.columns - finished.width) // 2), top


def _has_plate(finished: Print | None) -> bool:
    return finished is not None and finished.plate is not None


def _same_size(first: Print | None, second: Print | None) -> bool:
    return first is not None and second is not None and (first.width, first.height) == (second.width, second.height)
