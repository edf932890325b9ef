"""A map over a picture, as pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageOps

from ...cache.errors import UsageError
from ...cache.text import printable

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from numpy.typing import NDArray

    from ...cache.geometry import View

_UNSEEN_LIGHT: Final = 0.45  # the part of its brightness that an unseen pixel keeps
_HATCH_LIGHT: Final = 0.15  # added to every second stripe
_STRIPES: Final = 56  # on the longer side of a picture


def find_colormap(name: str) -> Colormap:
    """Return matplotlib's colour map of a name.

    Raises:
        UsageError: There is none.
    """
    from matplotlib import colormaps  # noqa: PLC0415 (slow, and only for figures)

    try:
        return colormaps[name]
    except KeyError as error:
        raise UsageError(
            f"unknown colour map {printable(name)!r}: try jet, turbo, viridis, inferno or magma"
        ) from error


class Ground:
    """A picture at the size of its cell, ready to have maps laid over it.

    Args:
        image: The whole picture, at any resolution.
        view: Where maps lie on it.
        side: Pixels of its longer side. A smaller picture is enlarged: on one of 32 x 32, the crop's edge and
            the hatching need finer pixels than its own.

    Attributes:
        plain: The picture, uint8 [height, width, 3].
    """

    def __init__(self, image: Image.Image, view: View, side: int) -> None:
        self.plain: NDArray[np.uint8] = np.asarray(
            ImageOps.contain(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
        )
        self._view = view
        height, width, _ = self.plain.shape
        down, across = np.indices((height, width))
        stripe = (down + across) // max(side // _STRIPES, 1) % 2 == 0
        grey = self.plain.mean(axis=2) / 255
        self._unseen = _UNSEEN_LIGHT * grey + _HATCH_LIGHT * stripe

    def under(self, values: NDArray[np.floating], colors: Colormap, opacity: float) -> NDArray[np.uint8]:
        """Return the picture under a map, dark and hatched where the model saw nothing: uint8 [height, width, 3].

        Args:
            values: The map, [rows, cols], non-negative; coloured from 0 to its own maximum, be that over
                padding.
            colors: Of the map.
            opacity: Of the map, 0 to 1.

        Raises:
            ValueError: The map does not have the shape of the view's grid.
        """
        height, width, _ = self.plain.shape
        peak = float(np.max(values))
        placed, seen = self._view.place(values, width, height)
        steps = np.rint((placed / peak if peak > 0 else placed) * (colors.N - 1)).astype(np.intp)
        tint = colors(steps)[..., :3]  # the nearest of the map's colours, as on the screen
        shown = (1 - opacity) * (self.plain / 255) + opacity * tint
        mixed: NDArray[np.float64] = np.where(seen[..., None], shown, self._unseen[..., None])
        return np.rint(mixed * 255).astype(np.uint8)
