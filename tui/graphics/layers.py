"""Photo and map as two images that the terminal lays over each other: the files, and which part of them is shown.

A terminal stretches an image over whole cells, and a picture seldom fills its last cells. So both images have a margin
to the right and below, and a place on the screen shows as much of it as fills the last cells. One photo, sent once, so
keeps its shape in every place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from ..enlarging import is_sharp, multiple, resized
from . import png
from .linear import for_light
from .margin import add_margin, add_margin_to_indices, few_colours
from .plate import File, Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..terminal.modes import Colour
    from .fit import Fit
    from .overlay import Overlay

_LEAST_MARGIN: Final = 1 / 8
_SIZES: Final = 4  # of a photo, from one size to the double one: a panel that changes a little needs no other photo
_CLEAR: Final = 0, 0, 0, 0


def margin_for(fitted: Fit) -> float:
    """Return the margin that fills the last cells, or more, as a share of the picture's sides."""
    needed = max(room / shown for room, shown in zip(fitted.room, fitted.pixels, strict=True)) - 1
    return float(2 ** math.ceil(math.log2(max(needed, _LEAST_MARGIN))))


def size_for(photo: tuple[int, int], fitted: Fit) -> tuple[int, int]:
    """Return the size (width, height) in which a photo is sent: its own, or one that is a little larger than shown.

    A tiny one is sent enlarged, since the terminal would blur it.
    """
    if is_sharp(photo, fitted.pixels):
        return multiple(photo, fitted.pixels)
    shown, longest = max(fitted.pixels), max(photo)
    side = 2 ** (math.ceil(math.log2(shown) * _SIZES) / _SIZES)
    scale = min(1.0, side / longest)
    return max(1, round(photo[0] * scale)), max(1, round(photo[1] * scale))


def photo_file(
    photo: NDArray[np.uint8], size: tuple[int, int], margin: float, background: Colour, *, frugal: bool
) -> File:
    """Return a photo with its margin.

    Args:
        photo: uint8 [height, width, 3].
        size: (width, height) to scale it to.
        margin: As a share of its sides.
        background: The margin's colour.
        frugal: Whether 256 colours are enough.
    """
    if size != (photo.shape[1], photo.shape[0]):
        photo = np.asarray(resized(Image.fromarray(photo), size))
    canvas = _canvas(size, margin)
    if frugal:
        return File.chunked(png.indexed(*few_colours(photo, 256, canvas, background)), canvas[0] * canvas[1] * 4)
    return File.chunked(png.exact(add_margin(photo, canvas, background)), canvas[0] * canvas[1] * 4)


def overlay_file(over: Overlay, margin: float, *, linear: bool) -> File:
    """Return a map with its margin, which is transparent.

    Args:
        over: The map.
        margin: As a share of its sides.
        linear: Whether the terminal mixes colours as light.
    """
    canvas = _canvas((over.indices.shape[1], over.indices.shape[0]), margin)
    colours = for_light(over.colours) if linear else over.colours
    file = png.indexed(*add_margin_to_indices(over.indices, colours, canvas, _CLEAR))
    return File.chunked(file, canvas[0] * canvas[1] * 4)


def layer(file: File, size: tuple[int, int], fitted: Fit) -> Layer:
    """Return an image, of some (width, height) without its margin, as it is shown in all of the cells."""
    return Layer(file, fitted.with_margin(size))


def _canvas(size: tuple[int, int], margin: float) -> tuple[int, int]:
    return size[0] + math.ceil(size[0] * margin), size[1] + math.ceil(size[1] * margin)
