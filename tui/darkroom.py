"""From a request to a picture in cells: runs in a worker thread and touches no widget.

Decoded photos, scaled photos and finished pictures are kept, the least recently used are dropped, so that going back
to a word or a neighbour costs nothing and the memory stays flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from textual.cache import LRUCache

from . import raster
from .units import units_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from textual.strip import Strip

    from ..cache.codec import Attention, Head
    from ..cache.schema import Sample
    from .source import Source

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_SAMPLES: Final = 256
_PHOTOS: Final = 24  # about 0.6 MB each
_ATTENTIONS: Final = 8  # a few MB each
_PRINTS: Final = 32


@dataclass(frozen=True, slots=True)
class Request:
    """What the picture panel shall show.

    Attributes:
        index: The picture.
        unit: The word, or token, whose map is laid over it; a number beyond the last means the last. None: the plain
            picture.
        by_pieces: Whether `unit` counts tokens instead of words.
        layer: Decoder layer, from 0.
        head: One head, or the mean or the maximum over heads.
        cells: (columns, lines) of the panel.
        monochrome: Whether the terminal shows no colours.
    """

    index: int
    unit: int | None
    by_pieces: bool
    layer: int
    head: Head
    cells: tuple[int, int]
    monochrome: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """A finished picture.

    Attributes:
        request: What was asked for.
        strips: Its lines of cells.
        width: Cells of each line.
        span: Lowest and highest attention of a patch, or None for the plain picture.
    """

    request: Request
    strips: list[Strip]
    width: int
    span: tuple[float, float] | None


class Cancelled(Exception):
    """The request was overtaken by a newer one."""


class Darkroom:
    """Makes pictures of a source.

    Args:
        source: Where samples, previews and attention come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = Lock()  # Textual's cache is not safe for threads
        self._samples: LRUCache[int, Sample] = LRUCache(_SAMPLES)
        self._photos: LRUCache[int, Image.Image] = LRUCache(_PHOTOS)
        self._attentions: LRUCache[int, Attention] = LRUCache(_ATTENTIONS)
        self._scaled: LRUCache[tuple[int, tuple[int, int]], NDArray[np.uint8]] = LRUCache(_PHOTOS)
        self._prints: LRUCache[Request, Print] = LRUCache(_PRINTS)

    def sample(self, index: int) -> Sample:
        """Return the texts and scores of a picture.

        Raises:
            CacheDamaged: They cannot be read.
        """
        return self._kept(self._samples, index, lambda: self._source.sample(index))

    def make(self, request: Request, is_cancelled: Callable[[], bool] = lambda: False) -> Print:
        """Make a picture.

        Args:
            request: What it shall show.
            is_cancelled: Asked between the steps.

        Raises:
            CacheDamaged: Preview or attention cannot be read.
            Cancelled: `is_cancelled` said so.
        """
        return self._kept(self._prints, request, lambda: self._develop(request, is_cancelled))

    def _develop(self, request: Request, is_cancelled: Callable[[], bool]) -> Print:
        index = request.index
        image = self._kept(self._photos, index, lambda: raster.decode(self._source.preview(index)))
        _go_on(is_cancelled)
        size = raster.fit(image.size, request.cells)
        pixels = self._kept(self._scaled, (index, size), lambda: raster.scale(image, size))
        _go_on(is_cancelled)
        span = None
        tokens = self._tokens(request)
        if tokens:
            attention = self._kept(self._attentions, index, lambda: self._source.attention(index))
            grid = attention.word_map(tokens, request.layer, request.head)
            span = float(grid.min()), float(grid.max())
            # The sample's view maps the grid to the original picture, of which the preview is a smaller copy.
            values, seen = self.sample(index).view.place(raster.levels(grid), *size)
            pixels = raster.blend(pixels, values, seen, monochrome=request.monochrome)
            _go_on(is_cancelled)
        return Print(request, raster.half_blocks(pixels), size[0], span)

    def _tokens(self, request: Request) -> tuple[int, ...]:
        """Return the tokens whose mean map is shown; the sample may be one that no panel has shown yet."""
        if request.unit is None:
            return ()
        units = units_of(self.sample(request.index), by_pieces=request.by_pieces)
        return units[min(request.unit, len(units) - 1)].tokens if units else ()

    def _kept(self, kept: LRUCache[_Key, _Value], key: _Key, make: Callable[[], _Value]) -> _Value:
        """Return what is kept under a key, else make and keep it. Made outside of the lock: others need not wait."""
        with self._lock:
            found = kept.get(key)
        if found is not None:
            return found
        made = make()
        with self._lock:
            kept[key] = made
        return made


def _go_on(is_cancelled: Callable[[], bool]) -> None:
    if is_cancelled():
        raise Cancelled
