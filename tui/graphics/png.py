"""PNG files small enough to be typed into a terminal: of few colours, or of all, both with transparent parts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHANNEL: Final = 256
_LEVEL: Final = 6  # of zlib; in photos the next three levels find nothing more, in twice the time


def indexed(indices: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """Return a picture of few colours.

    Args:
        indices: The colour of each pixel, uint8 [height, width].
        colours: RGBA, not premultiplied, uint8 [count, 4], at most 256.
    """
    image = Image.fromarray(indices)
    image.putpalette(colours[:, :3].tobytes())
    return _saved(image, transparency=colours[:, 3].tobytes(), compress_level=9)


def exact(pixels: NDArray[np.uint8], margin: tuple[int, int]) -> bytes:
    """Return a picture in its own colours, with a transparent margin and without a fourth channel.

    Args:
        pixels: uint8 [height, width, 3].
        margin: (right, bottom), pixels.
    """
    clear = _unused(pixels)
    canvas = np.empty((pixels.shape[0] + margin[1], pixels.shape[1] + margin[0], 3), np.uint8)
    canvas[...] = clear
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    return _saved(Image.fromarray(canvas), transparency=clear, compress_level=_LEVEL)


def _unused(pixels: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return the darkest colour that no pixel has: terminals blur it into the picture's last row and column."""
    packed = pixels.astype(np.intp) @ np.asarray([1, _CHANNEL, _CHANNEL**2])
    taken = np.zeros(packed.size + 1, np.bool_)  # one of so many colours must be free
    taken[packed[packed <= packed.size]] = True
    free = int(np.argmin(taken))
    return free % _CHANNEL, free // _CHANNEL % _CHANNEL, free // _CHANNEL**2


def _saved(image: Image.Image, *, transparency: bytes | tuple[int, int, int], compress_level: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=transparency, compress_level=compress_level)
    return stream.getvalue()
