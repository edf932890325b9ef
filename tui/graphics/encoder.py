"""From pixels to plates: all that is slow about pictures in pixels is done here, in a worker thread."""

from __future__ import annotations

import base64
import io
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from ..enlarging import is_sharp, multiple, resized
from . import iterm2, layers, png
from .fit import Fit, fit
from .kitty import MOST_PLACEHOLDERS
from .margin import add_margin, few_colours
from .overlay import lay_over
from .plate import File, Layer, Plate
from .sixel import sixel
from .way import Way, abilities

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from ..terminal.modes import Colour, Terminal
    from .overlay import Overlay

_PHOTOS: Final = 48  # about 150 KB each
_SHARP: Final = 448  # pixels of the longer side: a smaller photo is enlarged so far before a map is drawn into it
_BLACK: Final = 0, 0, 0


@dataclass(frozen=True, slots=True)
class _Thrift:
    """How much is spent on a picture.

    Attributes:
        few: Whether a PNG has 256 colours and no more.
        jpeg: Quality of a JPEG.
        sixel_colours: Most of them.
        sixel_longest: Pixels of the longer side of a Sixel picture, which the terminal cannot enlarge. Its bytes grow
            with its area: 640 x 427 pixels take some 300 KB, 448 x 299 in fewer colours a third of that.
    """

    few: bool
    jpeg: int
    sixel_colours: int
    sixel_longest: int


_GENEROUS: Final = _Thrift(few=False, jpeg=90, sixel_colours=256, sixel_longest=640)
_FRUGAL: Final = _Thrift(few=True, jpeg=75, sixel_colours=64, sixel_longest=448)


class Encoder:
    """Makes plates for a terminal; its methods may be called from several threads at once.

    Args:
        terminal: What the terminal can do; its mode is one of "kitty", "iterm2" and "sixel".
        background: The panel's colour: a picture's last cells are filled with it. Not given: the terminal's own.
        frugal: Send about a third of the bytes, for a slow line: photos in 256 colours, Sixel in 64.

    Raises:
        ValueError: The terminal shows no pixels.
    """

    def __init__(self, terminal: Terminal, *, background: Colour | None = None, frugal: bool = False) -> None:
        self._able = abilities(terminal)
        self._cell = terminal.cell
        self._registers = max(2, terminal.sixel_colours)
        self._background = background or terminal.background or _BLACK
        self._thrift = _FRUGAL if frugal else _GENEROUS
        self._lock = Lock()
        self._files: OrderedDict[Hashable, File] = OrderedDict()

    def fit(self, size: tuple[int, int], cells: tuple[int, int]) -> Fit:
        """Return how large a picture of (width, height) becomes in a panel of (columns, lines)."""
        if self._able.way is Way.PLACEHOLDERS:
            cells = min(cells[0], MOST_PLACEHOLDERS), min(cells[1], MOST_PLACEHOLDERS)
        return fit(size, cells, self._cell, self._thrift.sixel_longest if self._able.way is Way.SIXEL else 0)

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
        margin = layers.margin_for(fitted)
        file = self._photo((key, size, margin), photo, size, margin)
        found = (layers.layer(file, size, fitted),)
        if overlay is None:
            return found
        rows, columns = overlay.indices.shape
        over = layers.overlay_file(overlay, margin, linear=self._able.linear)
        return (*found, layers.layer(over, (columns, rows), fitted))

    def _photo(self, key: Hashable, photo: NDArray[np.uint8], size: tuple[int, int], margin: float) -> File:
        # The sum notices a photo that has changed, such as one of a cache that was made anew.
        checked = key, zlib.crc32(np.ascontiguousarray(photo).data)
        with self._lock:
            file = self._files.get(checked)
            if file is not None:
                self._files.move_to_end(checked)
                return file
        file = layers.photo_file(photo, size, margin, self._background, frugal=self._thrift.few)
        with self._lock:
            self._files[checked] = file
            if len(self._files) > _PHOTOS:
                self._files.popitem(last=False)
        return file

    def _one_image(self, photo: NDArray[np.uint8], overlay: Overlay | None, fitted: Fit) -> File:
        pixels = _drawn(photo, overlay, _sharp(photo, fitted))
        canvas = fitted.with_margin((pixels.shape[1], pixels.shape[0]))
        if self._thrift.few:
            file = png.indexed(*few_colours(pixels, 256, canvas, self._background))
        else:
            file = png.exact(add_margin(pixels, canvas, self._background))
        return File.chunked(file, canvas[0] * canvas[1] * 4)

    def _iterm2(self, photo: NDArray[np.uint8], overlay: Overlay | None, fitted: Fit) -> File:
        pixels = _drawn(photo, overlay, _sharp(photo, fitted))
        canvas = fitted.with_margin((pixels.shape[1], pixels.shape[0]))
        stream = io.BytesIO()
        Image.fromarray(add_margin(pixels, canvas, self._background)).save(stream, "JPEG", quality=self._thrift.jpeg)
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        draw = iterm2.parts if self._able.in_tmux else iterm2.whole
        return File.drawn(*draw(iterm2.keys(fitted, stream.tell()), data))

    def _sixel(self, photo: NDArray[np.uint8], overlay: Overlay | None, fitted: Fit) -> File:
        pixels = _drawn(photo, overlay, fitted.pixels)
        most = min(self._registers, self._thrift.sixel_colours)
        return File.drawn(sixel(*few_colours(pixels, most, fitted.room, self._background)))


def _sharp(photo: NDArray[np.uint8], fitted: Fit) -> tuple[int, int]:
    """Return the size for a photo that may have a map in it: its own, or more where borders would be blurred."""
    own = photo.shape[1], photo.shape[0]
    if is_sharp(own, fitted.pixels):
        return multiple(own, fitted.pixels)
    longest = max(fitted.pixels)
    side = min(longest, max(*photo.shape[:2], _SHARP))
    return max(1, round(fitted.pixels[0] * side / longest)), max(1, round(fitted.pixels[1] * side / longest))


def _drawn(photo: NDArray[np.uint8], overlay: Overlay | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    pixels = np.asarray(resized(Image.fromarray(photo), size))
    return pixels if overlay is None else lay_over(pixels, overlay)
