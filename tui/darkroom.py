"""From a request to a finished picture, in cells or in real pixels: runs in a worker thread and touches no widget.

Decoded photos, scaled photos and finished pictures are kept, the least recently used are dropped, so that going back
to a word or a neighbour costs nothing and the memory stays flat.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from textual.cache import LRUCache

from . import raster
from .colormap import table
from .prints import Print

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL import Image

    from ..cache.codec import Attention
    from ..cache.schema import Sample
    from .graphics.encoder import Encoder
    from .prints import Request
    from .runs import Runs

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_SAMPLES: Final = 256
_PHOTOS: Final = 24  # about 0.6 MB each
_ATTENTIONS: Final = 8  # a few MB each
_PRINTS: Final = 96


class Cancelled(Exception):
    """The request was overtaken by a newer one."""


class Darkroom:
    """Makes pictures of one or several runs.

    Args:
        runs: Where samples, previews and attention come from.
        encoder: Makes plates for the terminal's graphics; None: pictures are cells.
    """

    def __init__(self, runs: Runs, encoder: Encoder | None = None) -> None:
        self._runs = runs
        self._encoder = encoder
        self._lock = Lock()  # Textual's cache is not safe for threads
        self._samples: LRUCache[tuple[int, int], Sample] = LRUCache(_SAMPLES)
        self._photos: LRUCache[tuple[int, int], Image.Image] = LRUCache(_PHOTOS)
        self._attentions: LRUCache[tuple[int, int], Attention] = LRUCache(_ATTENTIONS)
        self._scaled: LRUCache[tuple[int, int, tuple[int, int]], NDArray[np.uint8]] = LRUCache(_PHOTOS)
        self._prints: LRUCache[Request, Print] = LRUCache(_PRINTS)

    def samples(self, index: int) -> tuple[Sample, ...]:
        """Return the texts and scores of a picture (row of the joined list) in each run.

        Raises:
            CacheError: They cannot be read.
        """
        return tuple(self._sample(run, self._runs.at(run, index)) for run in range(len(self._runs.sources)))

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
        source = self._runs.sources[request.run]
        image = self._kept(self._photos, place, lambda: raster.decode(source.preview(request.index)))
        _go_on(is_cancelled)
        grid = None
        if request.tokens:
            attention = self._kept(self._attentions, place, lambda: source.attention(request.index))
            grid = attention.word_map(request.tokens, request.layer, request.head)
            _go_on(is_cancelled)
        span = None if grid is None else (float(grid.min()), float(grid.max()))
        if self._encoder is not None:
            return self._plate(self._encoder, request, image, grid, span)
        return self._cells(request, image, grid, span)

    def _cells(
        self, request: Request, image: Image.Image, grid: NDArray[np.float32] | None, span: tuple[float, float] | None
    ) -> Print:
        size = raster.fit(image.size, request.cells)
        place = request.run, request.index
        pixels = self._kept(self._scaled, (*place, size), lambda: raster.scale(image, size))
        if grid is not None:
            # The sample's view maps the grid to the original picture, of which the preview is a smaller copy.
            values, seen = self._sample(*place).view.place(raster.levels(grid), *size)
            pixels = raster.blend(
                pixels,
                values,
                seen,
                colours=table(request.colormap),
                opacity=request.opacity,
                monochrome=request.monochrome,
            )
        strips = tuple(raster.half_blocks(pixels))
        return Print(request, size[0], len(strips), strips, None, span)

    def _plate(
        self,
        encoder: Encoder,
        request: Request,
        image: Image.Image,
        grid: NDArray[np.float32] | None,
        span: tuple[float, float] | None,
    ) -> Print:
        from .graphics.overlay import overlay  # noqa: PLC0415 (only where there are graphics)

        place = request.run, request.index
        over = None
        if grid is not None:
            view = self._sample(*place).view
            over = overlay(raster.levels(grid), view, request.opacity, table(request.colormap))
        plate = encoder.encode(place, np.asarray(image), over, request.cells)
        return Print(request, plate.columns, plate.lines, (), plate, span)

    def _sample(self, run: int, index: int) -> Sample:
        return self._kept(self._samples, (run, index), lambda: self._runs.sources[run].sample(index))

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
