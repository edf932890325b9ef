"""Photo and map as two images that the terminal lays over each other: the files, and which part of them is shown.

A terminal stretches an image over whole cells, and a picture seldom fills its last cells. So both images have a
transparent margin to the right and below, and a place on the screen shows as much of it as fills the last cells. One
photo, sent once, so keeps its shape in every place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from . import png
from .linear import for_light
from .palette import quantize
from .plate import File, Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .fit import Fit
    from .overlay import Overlay

_LEAST_MARGIN: Final = 1 / 8
_SIZES: Final = 4  # of a photo, from one size to the double one: a panel that changes a little needs no other photo
_CLEAR: Final = np.zeros((1, 4), np.uint8)


def margin_for(fitted: Fit, cell: tuple[int, int]) -> float:
    """Return the margin that fills the last cells, or more, as a share of the picture's sides."""
    width, height = fitted.pixels
    needed = max(fitted.columns * cell[0] / width, fitted.lines * cell[1] / height) - 1
    return float(2 ** math.ceil(math.log2(max(needed, _LEAST_MARGIN))))


def size_for(photo: tuple[int, int], fitted: Fit) -> tuple[int, int]:
    """Return the size (width, height) in which a photo is sent: its own, or one that is a little larger than shown."""
    shown, longest = max(fitted.pixels), max(photo)
    side = 2 ** (math.ceil(math.log2(shown) * _SIZES) / _SIZES)
    scale = min(1.0, side / longest)
    return max(1, round(photo[0] * scale)), max(1, round(photo[1] * scale))


def photo_file(photo: NDArray[np.uint8], size: tuple[int, int], margin: float, *, frugal: bool) -> File:
    """Return a photo with its margin.

    Args:
        photo: uint8 [height, width, 3].
        size: (width, height) to scale it to.
        margin: As a share of its sides.
        frugal: Whether 256 colours are enough.
    """
    if size != (photo.shape[1], photo.shape[0]):
        photo = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))
    right, below = _margin(size, margin)
    weight = (size[0] + right) * (size[1] + below) * 4
    if not frugal:
        return File.chunked(png.exact(photo, (right, below)), weight)
    indices, colours = quantize(photo, 255)
    opaque = np.full((len(colours), 1), 255, np.uint8)
    return File.chunked(_indexed(indices, np.concatenate([colours, opaque], axis=1), (right, below)), weight)


def overlay_file(over: Overlay, margin: float, *, linear: bool) -> File:
    """Return a map with its margin, for a terminal that mixes colours as light or as numbers."""
    height, width = over.indices.shape
    right, below = _margin((width, height), margin)
    colours = for_light(over.colours) if linear else over.colours
    return File.chunked(_indexed(over.indices, colours, (right, below)), (width + right) * (height + below) * 4)


def layer(file: File, size: tuple[int, int], fitted: Fit, cell: tuple[int, int]) -> Layer:
    """Return an image, of some (width, height) without its margin, as it is shown in all of the cells."""
    share_x = fitted.columns * cell[0] / fitted.pixels[0]
    share_y = fitted.lines * cell[1] / fitted.pixels[1]
    return Layer(file, (max(1, round(size[0] * share_x)), max(1, round(size[1] * share_y))))


def _margin(size: tuple[int, int], share: float) -> tuple[int, int]:
    return math.ceil(size[0] * share), math.ceil(size[1] * share)


def _indexed(indices: NDArray[np.uint8], colours: NDArray[np.uint8], margin: tuple[int, int]) -> bytes:
    padded = np.pad(indices, ((0, margin[1]), (0, margin[0])), constant_values=len(colours))
    return png.indexed(padded, np.concatenate([colours, _CLEAR]))
