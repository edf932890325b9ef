"""Few colours for many: an adaptive palette in a few milliseconds.

Pillow's octree is quick and coarse, its median cut ten times as slow as a terminal's patience. So the octree gives the
first palette, and a few rounds of k-means over the colour histogram, not over the pixels, move it to where the colours
are: as close as median cut, for a fraction of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDS: Final = 3
_FEW: Final = 32  # with fewer colours areas of one colour are seen, and noise is the lesser evil
_CELLS: Final = 1 << 16  # of the histogram: 5 bits of red, 6 of green, 5 of blue


def quantize(pixels: NDArray[np.uint8], most: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a picture in at most so many colours.

    Args:
        pixels: uint8 [height, width, 3].
        most: Colours, 1 to 256.

    Returns:
        The colour of each pixel, uint8 [height, width], and the colours, uint8 [count, 3].
    """
    cells = _cells(pixels)
    weights = np.bincount(cells.ravel(), minlength=_CELLS)
    used = np.flatnonzero(weights)
    sums = [np.bincount(cells.ravel(), pixels[..., channel].ravel(), _CELLS)[used] for channel in range(3)]
    counts = weights[used].astype(np.float32)
    points = (np.stack(sums, axis=1) / counts[:, None]).astype(np.float32)
    centres = _first(pixels, most) if len(points) > most else points
    if len(points) > most:
        for _ in range(_ROUNDS):
            centres = _moved(points, counts, centres)
    nearest = _nearest(points, centres)
    kept, nearest = np.unique(nearest, return_inverse=True)
    of_cell = np.zeros(_CELLS, np.uint8)
    of_cell[used] = nearest
    colours = np.rint(centres[kept]).astype(np.uint8)
    return (_mixed(pixels, colours) if len(points) > most and most < _FEW else of_cell[cells]), colours


def _mixed(pixels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return indices by which neighbours mix to the colours that are missing."""
    full = np.concatenate([colours, np.repeat(colours[-1:], 256 - len(colours), axis=0)])
    pattern = Image.new("P", (1, 1))
    pattern.putpalette(full.tobytes())
    found = Image.fromarray(pixels).quantize(palette=pattern, dither=Image.Dither.FLOYDSTEINBERG)
    return np.asarray(np.minimum(np.asarray(found), len(colours) - 1))


def _cells(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
    red, green, blue = (pixels[..., channel].astype(np.intp) for channel in range(3))
    return (red >> 3 << 11) | (green >> 2 << 5) | (blue >> 3)


def _first(pixels: NDArray[np.uint8], most: int) -> NDArray[np.float32]:
    octree = Image.fromarray(pixels).quantize(most, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = np.asarray(octree.getpalette(), np.float32).reshape(-1, 3)
    return palette[: len(octree.getcolors(most) or ())]


def _moved(
    points: NDArray[np.float32], counts: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the mean colour of what is nearest to each centre; centres to which nothing is near are dropped."""
    nearest = _nearest(points, centres)
    total = np.bincount(nearest, counts, len(centres))
    sums = np.stack([np.bincount(nearest, counts * points[:, channel], len(centres)) for channel in range(3)], axis=1)
    near = total > 0
    return (sums[near] / total[near, None]).astype(np.float32)


def _nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.intp]:
    # |point - centre|^2 without the part that is the same for all centres.
    return np.asarray(np.argmin((centres**2).sum(axis=1) - 2 * (points @ centres.T), axis=1))
