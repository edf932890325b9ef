"""Pictures in terminal cells: a photo, scaled, with an attention map over it, as lines of half blocks.

A cell is about twice as high as wide, so the upper and the lower half of one are square pixels: a picture of
w x h pixels takes w cells in h / 2 lines. Pure functions of arrays; the worker thread of the browser calls them.
"""

from __future__ import annotations

import io
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, UnidentifiedImageError
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from ..cache.errors import CacheDamaged
from . import escapes
from .enlarging import resized
from .strips import WrittenStrip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from textual.strip import Strip

UPPER_HALF: Final = "▀"
OPACITY: Final = 0.5
_MOST_PIXELS: Final = 16_000_000  # previews are far smaller; a forged one must not take the memory
_STEP: Final = 4  # colours are rounded to steps of 4: not to be seen, but fewer styles and fewer bytes to send
_UNSEEN_LIGHT: Final = 0.35
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)


def decode(jpeg: bytes) -> Image.Image:
    """Return the picture in a JPEG as RGB.

    Raises:
        CacheDamaged: It cannot be read, or is far larger than a preview.
    """
    try:
        image = Image.open(io.BytesIO(jpeg))
        if image.width * image.height > _MOST_PIXELS:
            raise CacheDamaged(f"the preview has {image.width} x {image.height} pixels: it was not made by precompute")
        return image.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CacheDamaged(f"the preview cannot be read ({error})") from error


def fit(size: tuple[int, int], cells: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) in pixels of the largest rendering of a picture that keeps its shape.

    Args:
        size: (width, height) of the picture.
        cells: (columns, lines) of the panel, at least one each.
    """
    width, height = size
    columns, lines = cells
    scale = min(columns / width, 2 * lines / height)
    return min(columns, max(1, round(width * scale))), min(2 * lines, max(1, round(height * scale)))


def scale(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture at (width, height) pixels: uint8 [height, width, 3]."""
    return np.asarray(resized(image, size))


def levels(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a map [rows, cols] in units of its own maximum, so that 1 is the reddest; zeros stay zeros."""
    peak = grid.max()
    return grid / peak if peak > 0 else np.zeros_like(grid)


def blend(
    photo: NDArray[np.uint8],
    values: NDArray[np.float32],
    seen: NDArray[np.bool_],
    *,
    colours: NDArray[np.uint8],
    opacity: float = OPACITY,
    monochrome: bool = False,
) -> NDArray[np.uint8]:
    """Lay a map over a photo, in the colours and the strength of a saved figure.

    Args:
        photo: uint8 [height, width, 3].
        values: The map in [0, 1] on the photo's pixels, [height, width].
        seen: [height, width]; what the model did not see is shown dark and without colour.
        colours: The colour table, uint8 [256, 3].
        opacity: Of the colours over the photo, 0 to 1.
        monochrome: Show the map as brightness alone, for a terminal without colours.

    Returns:
        uint8 [height, width, 3].
    """
    grey = np.repeat((photo @ _LUMA)[..., None], 3, axis=-1)
    if monochrome:
        over = grey * (0.2 + 0.8 * values[..., None])
    else:
        steps = np.rint(values * (len(colours) - 1)).astype(np.intp)
        over = photo * np.float32(1 - opacity) + colours[steps] * np.float32(opacity)
    return np.where(seen[..., None], over, grey * _UNSEEN_LIGHT).astype(np.uint8)


def half_blocks(pixels: NDArray[np.uint8]) -> list[Strip]:
    """Return pixels [height, width, 3] as lines of cells, each with two pixels, one above the other.

    Below an odd last row of pixels the terminal's own background stays.
    """
    rounded = np.minimum((pixels.astype(np.uint16) + _STEP // 2) // _STEP * _STEP, 255).astype(np.uint8)
    even = len(rounded) // 2 * 2
    lines = [*_lines(rounded[:even:2], rounded[1:even:2])]
    return lines if even == len(rounded) else [*lines, *_lines(rounded[even:], None)]


def _lines(uppers: NDArray[np.uint8], lowers: NDArray[np.uint8] | None) -> Iterator[Strip]:
    """Yield lines of cells: rounded colours [lines, width, 3] of the upper halves, and of the lower ones if any."""
    for line, text in enumerate(escapes.half_blocks(uppers, lowers)):
        upper, lower = uppers[line], None if lowers is None else lowers[line]
        yield WrittenStrip(text, partial(_segments, upper, lower), len(upper))


def _segments(upper: NDArray[np.uint8], lower: NDArray[np.uint8] | None) -> Iterator[Segment]:
    """Yield one line of cells; neighbours of equal colours are one segment."""
    changed = (upper[1:] != upper[:-1]).any(-1)
    if lower is not None:
        changed |= (lower[1:] != lower[:-1]).any(-1)
    starts = [0, *(np.flatnonzero(changed) + 1).tolist()]
    for start, end in pairwise([*starts, len(upper)]):
        top = Color.from_rgb(*upper[start].tolist())
        bottom = None if lower is None else Color.from_rgb(*lower[start].tolist())
        glyph = " " if top == bottom else UPPER_HALF
        yield Segment(glyph * (end - start), Style(color=None if top == bottom else top, bgcolor=bottom))
