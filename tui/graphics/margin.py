"""The margin to the right of a picture and below it, by which it fills its last cells in the panel's own colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .palette import quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..terminal.modes import Colour


def add_margin(pixels: NDArray[np.uint8], size: tuple[int, int], colour: Colour) -> NDArray[np.uint8]:
    """Return a picture, uint8 [height, width, 3], in the upper left corner of a canvas of (width, height)."""
    canvas = np.empty((size[1], size[0], 3), np.uint8)
    canvas[...] = colour
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    return canvas


def add_margin_to_indices(
    indices: NDArray[np.uint8], colours: NDArray[np.uint8], size: tuple[int, int], colour: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the same for a picture of few colours; the margin's is added to them.

    Args:
        indices: The colour of each pixel, uint8 [height, width].
        colours: uint8 [count, channels], at most 255.
        size: (width, height) of the canvas.
        colour: The margin's, of as many channels.
    """
    canvas = np.full((size[1], size[0]), len(colours), np.uint8)
    canvas[: indices.shape[0], : indices.shape[1]] = indices
    return canvas, np.concatenate([colours, np.asarray([colour], np.uint8)])


def few_colours(
    pixels: NDArray[np.uint8], most: int, size: tuple[int, int], colour: Colour
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a picture in at most so many colours, the margin's among them, as `add_margin_to_indices` does."""
    return add_margin_to_indices(*quantize(pixels, most - 1), size, colour)
