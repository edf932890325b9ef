"""Pictures that live in cells: drawn by Sixel or iTerm2, or shown by kitty's placeholders. Text erases them.

So a picture is sent again where text was written over it, and spaces are written where one has been taken away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import kitty
from .kept import Kept
from .placing import END, Cells, at, restored
from .tmux import through

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .placing import Area, Placed
    from .plate import File


@dataclass(frozen=True, slots=True)
class _Place:
    """One picture in one place."""

    file: File
    x: int
    y: int
    columns: int
    lines: int

    @property
    def area(self) -> Area:
        return self.x, self.y, self.columns, self.lines

    @property
    def name(self) -> tuple[bytes, int, int]:
        """Names the picture, in the size that it has here."""
        return self.file.name, self.columns, self.lines


class _CellsPainter:
    """What both ways have in common."""

    def __init__(self) -> None:
        self._shown: dict[_Place, Cells] = {}
        self._pending = False

    @property
    def beneath(self) -> bool:
        """Never: text erases a picture."""
        return False

    @property
    def pending(self) -> bool:
        """Whether the last `paint` left something out for its budget."""
        return self._pending

    def touched(self, area: Area | None = None) -> None:
        """See `Painter`."""
        for cells in self._shown.values():
            cells.rewrite(area)

    def forget(self) -> None:
        """See `Painter`."""
        self._shown.clear()

    def _blank(self, wanted: Iterable[_Place]) -> str:
        """Return what erases the pictures that are not wanted, but for those with another one in the same cells."""
        wanted = set(wanted)
        taken = {place.area for place in wanted}
        gone = [place for place in self._shown if place not in wanted]
        old = {place.area: self._shown.pop(place) for place in gone}
        return "".join(cells.blanked() for area, cells in old.items() if area not in taken)

    def _add(self, place: _Place) -> Cells:
        """Return the cells of a place; all of them are to be drawn if it is new."""
        if place not in self._shown:
            self._shown[place] = Cells(*place.area)
            self._shown[place].rewrite(None)
        return self._shown[place]


class InlinePainter(_CellsPainter):
    """A `Painter` by Sixel or iTerm2's images.

    Args:
        in_tmux: Whether tmux, which does not understand them, stands between us and the terminal.
    """

    def __init__(self, *, in_tmux: bool) -> None:
        super().__init__()
        self._in_tmux = in_tmux

    def paint(self, placed: Sequence[Placed], covered: Sequence[Area] = (), budget: int = 0) -> str:
        """See `Painter`. A picture that is covered in part is not drawn again before it is free."""
        wanted = {_place(item): item for item in placed}
        written = [self._blank(wanted)]
        spent = 0
        self._pending = False
        for place, item in wanted.items():
            cells = self._add(place)
            if cells.whole or item.hit(covered):
                continue
            if budget and spent and spent + place.file.size > budget:
                self._pending = True
                continue
            spent += place.file.size
            cells.restore()
            written.append(self._drawn(place))
        return restored("".join(written)) if any(written) else ""

    def erase(self) -> str:
        """See `Painter`."""
        return self.paint(())

    def leave(self) -> str:
        """See `Painter`. The terminal keeps nothing but what is on the screen."""
        self.forget()
        return END

    def _drawn(self, place: _Place) -> str:
        start = at(place.x, place.y)
        if not self._in_tmux:
            return start + "".join(place.file.parts)
        # tmux moves the terminal's cursor only when it has to, and letters wait; to erase a cell it goes there at once.
        *parts, last = place.file.parts
        return "".join([*map(through, parts), start, "\x1b[X", through(last)])


class PlaceholderPainter(_CellsPainter):
    """A `Painter` by kitty's placeholders, through tmux: each picture is one image, and all of its cells show it."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = Kept()

    def paint(self, placed: Sequence[Placed], covered: Sequence[Area] = (), budget: int = 0) -> str:
        """See `Painter`. Only the cells that are missing are written."""
        written: list[str] = []
        wanted = self._send(placed, budget, written)
        texts = [self._blank(wanted)]
        for place in wanted:
            cells = self._add(place)
            for line, column, count in cells.lost(covered):
                part = kitty.placeholders(self._kept[place.name], line, column, count)
                texts.append(at(place.x + column, place.y + line) + part)
            cells.restore(covered)
        if any(texts):
            written.append(restored("".join(texts)))
        written += map(through, map(kitty.free, self._kept.surplus({place.name for place in wanted})))
        return "".join(written)

    def touched(self, area: Area | None = None) -> None:
        """See `Painter`. A cell that counts on from the one before it is lost with that one."""
        super().touched(area)
        if area is not None:
            x, y, columns, lines = area
            for cells in self._shown.values():
                cells.doubt((x + columns, y, 1, lines))

    def forget(self) -> None:
        """See `Painter`."""
        super().forget()
        self._kept.clear()

    def erase(self) -> str:
        """See `Painter`."""
        return self.paint(())

    def leave(self) -> str:
        """See `Painter`."""
        freed = "".join(map(through, map(kitty.free, self._kept.clear())))
        self.forget()
        return END + freed

    def _send(self, placed: Sequence[Placed], budget: int, written: list[str]) -> list[_Place]:
        """Send what the terminal lacks; return what can be seen then."""
        wanted = []
        spent = 0
        self._pending = False
        for item in placed:
            place = _place(item)
            if place.name not in self._kept:
                if budget and spent and spent + place.file.size > budget:
                    self._pending = True
                    continue
                spent += place.file.size
                number = self._kept.add(place.name, place.file.weight)
                written += map(through, kitty.transmit(number, place.file.parts))
                written.append(through(kitty.prepare(number, (place.columns, place.lines))))
            self._kept.use(place.name)
            wanted.append(place)
        return wanted


def _place(item: Placed) -> _Place:
    return _Place(item.plate.layers[0].file, item.x, item.y, item.plate.columns, item.plate.lines)
