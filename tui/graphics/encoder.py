"""From pixels to plates: all that is slow about pictures in pixels is done here, in a worker thread."""

from __future__ import annotations

import base64
import io
import zlib
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from . import iterm2, layers, png
from .fit import Fit, fit
from .overlay import lay_over
from .palette import quantize
from .plate import File, Layer, Plate
from .sixel import BAND, LONGEST, sixel
from .way import Way, abilities

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from ..terminal.modes import Terminal
    from .overlay import Overlay

_PHOTOS: Final = 48  # about 150 KB each
_SHARP: Final = 448  # pixels of the longer side: a smaller photo is enlarged so far before a map is drawn into it
_FRUGAL_LONGEST: Final = 448
_FRUGAL_COLOURS: Final = 64
_QUALITY: Final = {True: 75, False: 90}  # of a JPEG; where to save bytes, and where not


class Encoder:
    """Makes plates for a terminal; its methods may be called from several threads at once.

    Args:
        terminal: What the terminal can do; its mode is one of "kitty", "iterm2" and "sixel".
        frugal: Send about a third of the bytes, for a slow line: photos in 256 colours, Sixel in 64.

    Raises:
        ValueError: The terminal shows no pixels.
    """

    def __init__(self, terminal: Terminal, *, frugal: bool = False) -> None:
        self._able = abilities(terminal)
        self._cell = terminal.cell
        self._colours = min(terminal.sixel_colours, _FRUGAL_COLOURS) if frugal else terminal.sixel_colours
        self._frugal = frugal
        self._lock = Lock()
        self._files: OrderedDict[Hashable, File] = OrderedDict()

    def fit(self, size: tuple[int, int], cells: tuple[int, int]) -> Fit:
        """Return how large a picture of (width, height) becomes in a panel of (columns, lines)."""
        if self._able.way is Way.SIXEL:
            return fit(size, cells, self._cell, longest=_FRUGAL_LONGEST if self._frugal else LONGEST, band=BAND)
        return fit(size, cells, self._cell)

    def encode(self, key: Hashable, photo: NDArray[np.uint8], overlay: Overlay | None, cells: tuple[int, int]) -> Plate:
        """Return a picture, in its own shape and as large as the panel allows.

        Args:
            key: Names the photo, so that its file is found again when only the overlay is another.
            photo: uint8 [height, width, 3].
            overlay: What lies over it, or None.
            cells: (columns, lines) of the panel, at least one each.
        """
        fitted = self.fit((photo.shape[1], photo.shape[0]), cells)
        if self._able.way is Way.LAYERS:
            found = self._two_images(key, photo, overlay, fitted)
        else:
            file = {Way.SIXEL: self._sixel, Way.ITERM2: self._iterm2}.get(self._able.way, self._one_image)
            found = (Layer(file(photo, overlay, fitted), fitted.pixels),)
        return Plate(fitted.columns, fitted.lines, found)

    def _two_images(
        self, key: Hashable, photo: NDArray[np.uint8], overlay: Overlay | None, fitted: Fit
    ) -> tuple[Layer, ...]:
        size = layers.size_for((photo.shape[1], photo.shape[0]), fitted)
        margin = layers.margin_for(fitted, self._cell)
        file = self._photo((key, size, margin), photo, size, margin)
        found = (layers.layer(file, size, fitted, self._cell),)
        if overlay is None:
            return found
        rows, columns = overlay.indices.shape
        over = layers.overlay_file(overlay, margin, linear=self._able.linear)
        return (*found, layers.layer(over, (columns, rows), fitted, self._cell))

    def _photo(self, key: Hashable, photo: NDArray[np.uint8], size: tuple[int, int], margin: float) -> File:
        # The sum notices a photo that has changed, such as one of a cache that was made anew.
        checked = key, zlib.crc32(np.ascontiguousarray(photo).data)
        with self._lock:
            file = self._files.get(checked)
            if file is not None:
                self._files.move_to_end(checked)
                return file
        file = layers.photo_file(photo, size, margin, frugal=self._frugal)
        with self._lock:
            self._files[checked] = file
            if len(self._files) > _PHOTOS:
                self._files.popitem(last=False)
        return file

    def _one_image(self, photo: NDArray[np.uint8], overlay: Overlay | None, fitted: Fit) -> File:
        pixels = _drawn(photo, overlay, _sharp((photo.shape[1], photo.shape[0]), fitted))
        if self._frugal:
            indices, colours = quantize(pixels, 256)
            opaque = np.full((len(colours), 1), 255, np.uint8)
            return File.chunked(png.indexed(indices, np.concatenate([colours, opaque], axis=1)), indices.size * 4)
        return File.chunked(png.exact(pixels, (0, 0)), pixels.size)

    def _iterm2(self, photo: NDArray[np.uint8], overlay: Overlay | None, fitted: Fit) -> File:
        pixels = _drawn(photo, overlay, _sharp((photo.shape[1], photo.shape[0]), fitted))
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY[self._frugal])
        control = iterm2.keys(fitted, self._cell, stream.tell())
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        return File.drawn(*(iterm2.parts if self._able.in_tmux else iterm2.whole)(control, data))

    def _sixel(self, photo: NDArray[np.uint8], overlay: Overlay | None, fitted: Fit) -> File:
        pixels = _drawn(photo, overlay, fitted.pixels)
        return File.drawn(sixel(pixels, self._colours))


def _sharp(photo: tuple[int, int], fitted: Fit) -> tuple[int, int]:
    """Return the size for a photo with a map in it: its own, or more where patches would have blurred borders."""
    longest = max(fitted.pixels)
    side = min(longest, max(*photo, _SHARP))
    return max(1, round(fitted.pixels[0] * side / longest)), max(1, round(fitted.pixels[1] * side / longest))


def _drawn(photo: NDArray[np.uint8], overlay: Overlay | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    pixels = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))
    return pixels if overlay is None else lay_over(pixels, overlay)
