"""How a picture is brought to another size: smoothly, but a tiny one that is enlarged keeps its pixels sharp.

Of a picture of 32 x 32 pixels one wants to see the pixels that the classifier saw, not a blur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    Size = tuple[int, int]

_TINY: Final = 96  # pixels of the longer side
_LEAST_FACTOR: Final = 2  # below it, pixels of uneven sizes would be seen


def is_sharp(picture: Size, shown: Size) -> bool:
    """Tell whether a picture of (width, height) keeps sharp pixels when it is shown in another size."""
    return max(picture) <= _TINY and max(shown) >= _LEAST_FACTOR * max(picture)


def resized(image: Image.Image, size: Size) -> Image.Image:
    """Return a picture in another (width, height)."""
    sharp = is_sharp(image.size, size)
    return image.resize(size, Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS)


def multiple(picture: Size, shown: Size) -> Size:
    """Return the least whole multiple of a size that is not smaller than what is shown.

    >>> multiple((32, 24), (100, 75))
    (128, 96)
    """
    factor = max(1, -(-max(shown) // max(picture)))
    return picture[0] * factor, picture[1] * factor
