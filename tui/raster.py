"""Pictures in terminal cells: a photo, scaled, with an attention map over it, as lines of half blocks.

A cell is about twice as high as wide, so the upper and the lower half of one are square pixels: a picture of
w x h pixels takes w cells in h / 2 lines. Pure functions of arrays; the worker thread of the browser calls them.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, UnidentifiedImageError
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ..cache.errors import CacheDamaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


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
    rounded = np.minimum((pixels.astype(np.uint32) + _STEP // 2) // _STEP * _STEP, 255)
    packed = (rounded[..., 0] << 16) | (rounded[..., 1] << 8) | rounded[..., 2]
    height = len(packed)
    return [_line(packed[y], packed[y + 1] if y + 1 < height else None) for y in range(0, height, 2)]


def _line(upper: NDArray[np.uint32], lower: NDArray[np.uint32] | None) -> Strip:
    """Return one line of cells; neighbours of equal colours are one segment."""
    width = len(upper)
    changed = upper[1:] != upper[:-1]
    if lower is not None:
        changed |= lower[1:] != lower[:-1]
    starts = [0, *(np.flatnonzero(changed) + 1).tolist()]
    tops = upper[starts].tolist()
    bottoms = [None] * len(starts) if lower is None else lower[starts].tolist()
    segments = [
        Segment((" " if top == bottom else UPPER_HALF) * (end - start), _style(top, bottom))
        for start, end, top, bottom in zip(starts, [*starts[1:], width], tops, bottoms, strict=True)
    ]
    return Strip(segments, width)


@lru_cache(maxsize=1 << 15)
def _style(top: int, bottom: int | None) -> Style:
    if top == bottom:
        return Style(bgcolor=_colour(top))
    return Style(color=_colour(top), bgcolor=None if bottom is None else _colour(bottom))


@lru_cache(maxsize=1 << 13)
def _colour(packed: int) -> Color:
    return Color.from_rgb(packed >> 16, packed >> 8 & 255, packed & 255)
