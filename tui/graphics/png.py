"""PNG files small enough to be typed into a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEVEL: Final = 6  # of zlib; in photos the next three levels find nothing more, in twice the time


def indexed(indices: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """Return a picture of few colours.

    Args:
        indices: The colour of each pixel, uint8 [height, width].
        colours: RGB or RGBA (not premultiplied), uint8 [count, 3 or 4], at most 256.
    """
    image = Image.fromarray(indices)
    image.putpalette(colours[:, :3].tobytes())
    stream = io.BytesIO()
    transparency = {} if colours.shape[1] == 3 else {"transparency": colours[:, 3].tobytes()}  # noqa: PLR2004 (RGB)
    image.save(stream, "PNG", compress_level=9, **transparency)
    return stream.getvalue()


def exact(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8 [height, width, 3], in its own colours."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=_LEVEL)
    return stream.getvalue()
