"""An attention map as a small picture in few colours, to be laid over a photo by the terminal or by us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...cache.geometry import View

LONGEST: Final = 256  # pixels of the longer side: a patch's border is off by less than a five-hundredth of the picture
_STEPS: Final = 64  # colours of a map; more are not to be told apart over a photo, and cost four bytes each
_UNSEEN: Final = (0, 0, 0, 166)  # black over what the model did not see: 35 % of its light is left


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """A picture of few colours that lets another shine through.

    Attributes:
        indices: The colour of each pixel, uint8 [height, width].
        colours: RGBA, not premultiplied, uint8 [count, 4]; at most 255, so that one more can be added.
    """

    indices: NDArray[np.uint8]
    colours: NDArray[np.uint8]


def overlay(
    levels: NDArray[np.floating], view: View, opacity: float, colours: NDArray[np.uint8], longest: int = LONGEST
) -> Overlay:
    """Return a map as a picture that covers the whole photo, in the photo's shape.

    Patches have sharp borders where the model had them, to within half a pixel of the result.

    Args:
        levels: The map, [rows, cols], in [0, 1]; others are clipped.
        view: Where the patches lie on the photo; outside of it the photo is darkened.
        opacity: Of the colours over the photo, 0 to 1.
        colours: Colours from low to high, uint8 [any, 3].
        longest: Pixels of the longer side of the result.

    Raises:
        ValueError: `levels` does not have the shape of the view's grid.
    """
    scale = longest / max(view.width, view.height)
    width, height = max(1, round(view.width * scale)), max(1, round(view.height * scale))
    steps = np.rint(np.clip(levels, 0, 1) * (_STEPS - 1))
    placed, seen = view.place(steps, width, height)
    kept, indices = np.unique(np.where(seen, placed, -1).astype(np.intp), return_inverse=True)
    shades = np.empty((len(kept), 4), np.uint8)
    shades[:, :3] = colours[np.rint(np.maximum(kept, 0) / (_STEPS - 1) * (len(colours) - 1)).astype(np.intp)]
    shades[:, 3] = round(min(max(opacity, 0.0), 1.0) * 255)
    shades[kept < 0] = _UNSEEN
    return Overlay(indices.reshape(height, width).astype(np.uint8), shades)


def lay_over(photo: NDArray[np.uint8], over: Overlay) -> NDArray[np.uint8]:
    """Return a photo, uint8 [height, width, 3], under an overlay that is stretched over all of it."""
    height, width = photo.shape[:2]
    rows = ((np.arange(height) + 0.5) * (over.indices.shape[0] / height)).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * (over.indices.shape[1] / width)).astype(np.intp)
    shades = over.colours.astype(np.uint16)
    alpha = shades[:, 3:]
    weighted, rest = shades[:, :3] * alpha, 255 - alpha
    index = over.indices[rows[:, None], columns[None, :]]
    return np.asarray((photo * rest[index] + weighted[index] + 127) // 255, np.uint8)
