"""From a request to a finished picture, in cells or in real pixels: runs in a worker thread and touches no widget.

Decoded photos, scaled photos and finished pictures are kept, the least recently used are dropped, so that going back
to a word or a neighbour costs nothing and the memory stays flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from textual.cache import LRUCache

from . import raster
from .colormap import table
from .prints import Print

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from ..cache.codec import Attention
    from ..cache.geometry import View
    from ..cache.schema import Sample
    from .graphics.encoder import Encoder
    from .prints import Request
    from .runs import Runs
    from .source import Noted

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_SAMPLES: Final = 256
_PHOTOS: Final = 24  # about 0.6 MB each
_ATTENTIONS: Final = 8  # a few MB each
_PRINTS: Final = 96


class Cancelled(Exception):
    """The request was overtaken by a newer one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Map:
    """Attention [rows, columns], and how the grid lies on the picture."""

    grid: NDArray[np.float32]
    view: View

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest attention of a patch."""
        return float(self.grid.min()), float(self.grid.max())


class PhotoRoom:
    """Makes plain pictures, of runs of any kind.

    Args:
        sources: Where previews come from: the runs, by their number.
        encoder: Makes plates for the terminal's graphics; None: pictures are cells.
    """

    def __init__(self, sources: Sequence[Noted], encoder: Encoder | None = None) -> None:
        self._previewed = sources
        self._encoder = encoder
        self._lock = Lock()  # Textual's cache is not safe for threads
        self._photos: LRUCache[tuple[int, int], Image.Image] = LRUCache(_PHOTOS)
        self._scaled: LRUCache[tuple[int, int, tuple[int, int]], NDArray[np.uint8]] = LRUCache(_PHOTOS)
        self._prints: LRUCache[Request, Print] = LRUCache(_PRINTS)

    def make(self, request: Request, is_cancelled: Callable[[], bool] = lambda: False) -> Print:
        """Make a picture.

        Args:
            request: What it shall show.
            is_cancelled: Asked between the steps.

        Raises:
            CacheError: Preview or attention cannot be read.
            Cancelled: `is_cancelled` said so.
        """
        return self._kept(self._prints, request, lambda: self._develop(request, is_cancelled))

    def _develop(self, request: Request, is_cancelled: Callable[[], bool]) -> Print:
        _go_on(is_cancelled)
        place = request.run, request.index
        source = self._previewed[request.run]
        image = self._kept(self._photos, place, lambda: raster.decode(source.preview(request.index)))
        _go_on(is_cancelled)
        over = self._map(request)
        _go_on(is_cancelled)
        if self._encoder is not None:
            return self._plate(self._encoder, request, image, over)
        return self._cells(request, image, over)

    def _map(self, request: Request) -> _Map | None:  # noqa: ARG002 (for those that have maps)
        """Return what lies over the picture, if anything."""
        return None

    def _cells(self, request: Request, image: Image.Image, over: _Map | None) -> Print:
        size = raster.fit(image.size, request.cells)
        place = request.run, request.index
        pixels = self._kept(self._scaled, (*place, size), lambda: raster.scale(image, size))
        if over is not None:
            # The sample's view maps the grid to the original picture, of which the preview is a smaller copy.
            values, seen = over.view.place(raster.levels(over.grid), *size)
            pixels = raster.blend(
                pixels,
                values,
                seen,
                colours=table(request.colormap),
                opacity=request.opacity,
                monochrome=request.monochrome,
            )
        strips = tuple(raster.half_blocks(pixels))
        return Print(request, size[0], len(strips), strips, None, None if over is None else over.span)

    def _plate(self, encoder: Encoder, request: Request, image: Image.Image, over: _Map | None) -> Print:
        from .graphics.overlay import overlay  # noqa: PLC0415 (only where there are graphics)

        laid = None
        if over is not None:
            laid = overlay(raster.levels(over.grid), over.view, request.opacity, table(request.colormap))
        plate = encoder.encode((request.run, request.index), np.asarray(image), laid, request.cells)
        return Print(request, plate.columns, plate.lines, (), plate, None if over is None else over.span)

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


class Darkroom(PhotoRoom):
    """Makes pictures of one or several runs of captions, with maps of attention over them.

    Args:
        runs: Where samples, previews and attention come from.
        encoder: Makes plates for the terminal's graphics; None: pictures are cells.
    """

    def __init__(self, runs: Runs, encoder: Encoder | None = None) -> None:
        super().__init__(runs.sources, encoder)
        self._runs = runs
        self._samples: LRUCache[tuple[int, int], Sample] = LRUCache(_SAMPLES)
        self._attentions: LRUCache[tuple[int, int], Attention | None] = LRUCache(_ATTENTIONS)

    def samples(self, index: int) -> tuple[Sample, ...]:
        """Return the texts and scores of a picture (row of the joined list) in each run.

        Raises:
            CacheError: They cannot be read.
        """
        return tuple(self._sample(run, self._runs.at(run, index)) for run in range(len(self._runs.sources)))

    def _map(self, request: Request) -> _Map | None:
        if not request.tokens:
            return None
        place = request.run, request.index
        source = self._runs.sources[request.run]
        attention = self._kept(self._attentions, place, lambda: source.attention(request.index))
        if attention is None:
            return None
        grid = attention.word_map(request.tokens, request.layer, request.head)
        return _Map(grid, self._sample(*place).view)

    def _sample(self, run: int, index: int) -> Sample:
        return self._kept(self._samples, (run, index), lambda: self._runs.sources[run].sample(index))


def _go_on(is_cancelled: Callable[[], bool]) -> None:
    if is_cancelled():
        raise Cancelled
