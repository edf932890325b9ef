"""Pictures of two images, photo and map, which kitty lays over each other: each is sent once, and placed at will.

Text does not erase them: they lie under the cells, and are seen where cells have no background of their own.

Around tmux, which knows nothing of them and moves cells as it likes, each picture has an anchor: a placeholder in its
first cell, which tmux takes for a letter. The terminal shows the images where it finds the anchor.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from . import kitty
from .kept import Kept
from .placing import END, Cells, at, restored
from .tmux import through

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .placing import Area, Placed
    from .plate import Layer

_DEPTHS: Final = 16  # more than a picture has images
_Spot = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Place:
    """One image in one place."""

    layer: Layer
    depth: int
    spot: _Spot
    cells: tuple[int, int]

    @property
    def name(self) -> bytes:
        return self.layer.file.name


class LayersPainter:
    """A `Painter` by two images.

    Args:
        in_tmux: Whether tmux stands between us and the terminal.
        beneath: Whether the terminal draws below backgrounds as it should. Else pictures lie over the text, and one
            that is to be covered goes for so long.
    """

    def __init__(self, *, in_tmux: bool, beneath: bool) -> None:
        self._in_tmux = in_tmux
        self._beneath = beneath
        self._lowest = kitty.BELOW_CELLS - _DEPTHS if beneath else 1
        self._kept = Kept()
        self._shown: dict[_Place, int] = {}
        self._anchors: dict[_Spot, Cells] = {}
        self._numbers = count(1)
        self._pending = False

    @property
    def beneath(self) -> bool:
        """Whether text with a background of its own is seen over a picture."""
        return self._beneath

    @property
    def pending(self) -> bool:
        """Whether the last `paint` left something out for its budget."""
        return self._pending

    def paint(self, placed: Sequence[Placed], covered: Sequence[Area] = (), budget: int = 0) -> str:
        """See `Painter`. Where text is seen over pictures, only the cell of an anchor must be free of it."""
        written: list[str] = []
        if not self._beneath:
            placed = [item for item in placed if not item.hit(covered)]
        wanted = self._send(placed, budget, written)
        come = [place for place in wanted if place not in self._shown]
        gone = [place for place in self._shown if place not in wanted]
        spots = {place.spot for place in wanted} if self._in_tmux else set()
        self._prepare_anchors(spots, written)
        self._put(come, gone, written)
        self._take_away(gone, written)
        self._move_anchors(spots, covered, written)
        needed = {place.name for place in wanted} | spots
        self._command(map(kitty.free, self._kept.surplus(needed)), written)
        return "".join(written)

    def touched(self, area: Area | None = None) -> None:
        """See `Painter`."""
        for cells in self._anchors.values():
            cells.rewrite(area)

    def erase(self) -> str:
        """See `Painter`."""
        return self.paint(())

    def forget(self) -> None:
        """See `Painter`."""
        self._kept.clear()
        self._shown.clear()
        self._anchors.clear()

    def leave(self) -> str:
        """See `Painter`."""
        written = [END]
        self._command(map(kitty.free, self._kept.clear()), written)
        self.forget()
        return "".join(written)

    # -- Images ----------------------------------------------------------------------------------------------------

    def _send(self, placed: Sequence[Placed], budget: int, written: list[str]) -> dict[_Place, None]:
        """Send what the terminal lacks; return what can be seen then, in order."""
        wanted: dict[_Place, None] = {}
        spent = 0
        self._pending = False
        for item in placed:
            files = [layer.file for layer in item.plate.layers]
            missing = [file for file in files if file.name not in self._kept]
            cost = sum(file.size for file in missing)
            # A map is small, and a photo must not lose it: only whole pictures are put off.
            if budget and spent and files[0] in missing and spent + cost > budget:
                self._pending = True
                continue
            spent += cost
            for file in missing:
                self._command(kitty.transmit(self._kept.add(file.name, file.weight), file.parts), written)
            for depth, layer in enumerate(item.plate.layers, self._lowest):
                self._kept.use(layer.file.name)
                wanted[_Place(layer, depth, (item.x, item.y), (item.plate.columns, item.plate.lines))] = None
        return wanted

    def _put(self, come: Sequence[_Place], gone: list[_Place], written: list[str]) -> None:
        """Show images where they are not shown yet; an image that leaves another place is moved."""
        puts = []
        for place in come:
            number = self._moved(place, gone) or next(self._numbers)
            self._shown[place] = number
            put = kitty.Put(self._kept[place.name], number, place.cells, place.layer.source, place.depth)
            if self._in_tmux:
                puts.append(through(kitty.put(put, self._kept[place.spot])))
            else:
                puts.append(at(*place.spot) + kitty.put(put))
        if puts:
            written.append("".join(puts) if self._in_tmux else restored("".join(puts)))

    def _moved(self, place: _Place, gone: list[_Place]) -> int:
        """Return the number of a place that this one takes over, 0 if there is none."""
        for old in gone:
            if (old.name, old.depth) == (place.name, place.depth):
                gone.remove(old)
                return self._shown.pop(old)
        return 0

    def _take_away(self, gone: Sequence[_Place], written: list[str]) -> None:
        numbers = [(self._kept[place.name], self._shown.pop(place)) for place in gone]
        self._command((kitty.take_away(image, number) for image, number in numbers), written)

    def _command(self, commands: Iterable[str], written: list[str]) -> None:
        written += map(through, commands) if self._in_tmux else commands

    # -- Anchors ---------------------------------------------------------------------------------------------------

    def _prepare_anchors(self, spots: set[_Spot], written: list[str]) -> None:
        """Give each new spot a transparent pixel, which a placeholder can show, and whose place images can follow."""
        for spot in sorted(spots - self._anchors.keys()):
            number = self._kept.add(spot)
            self._command(kitty.transmit(number, *kitty.CLEAR_PIXEL), written)
            self._command([kitty.prepare(number, (1, 1))], written)
            self._anchors[spot] = Cells(*spot, 1, 1)
            self._anchors[spot].rewrite(None)

    def _move_anchors(self, spots: set[_Spot], covered: Sequence[Area], written: list[str]) -> None:
        """Write the placeholders that are missing, and remove those of spots that no picture has any more."""
        texts = []
        for spot in sorted(self._anchors.keys() - spots):
            texts.append(self._anchors.pop(spot).blanked())
            self._command([kitty.free(self._kept.drop(spot))], written)
        for spot, cells in self._anchors.items():
            texts += [at(*spot) + kitty.placeholders(self._kept[spot], 0, 0, 1) for _ in cells.lost(covered)]
            cells.restore(covered)
        if any(texts):
            written.append(restored("".join(texts)))
