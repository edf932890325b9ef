"""Other views of a picture: random-resized crops with a little colour, mirrored at random.

Contract: `view_of(pixels, index, view)` depends on its arguments alone, so that a view can be kept on disk and made
again anywhere. Pixels come in and go out as uint8 ``[height, width, 3]``, the model's input before normalisation.

Source: the crops of Szegedy et al. 2015, "Going deeper with convolutions" (torchvision's RandomResizedCrop), milder,
since a caption speaks of the whole picture.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageEnhance

_AREA: Final = (0.55, 1.0)  # of the picture that a crop keeps
_RATIO: Final = (4 / 5, 5 / 4)  # of its sides, over that of the picture
_COLOUR: Final = 0.2  # brightness, contrast and saturation change by at most this share


def view_of(
    pixels: UInt8[np.ndarray, "height width 3"], index: int, view: int, *, mirror: bool
) -> UInt8[np.ndarray, "height width 3"]:
    """A random view of a picture.

    Args:
        pixels: the picture, resized and cropped for the encoder.
        index: which picture of the dataset it is.
        view: which of its views; other numbers give other views.
        mirror: mirror every second view. Captions that say left and right forbid it.
    """
    rng = np.random.default_rng([view, index])
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC, box=_box(width, height, rng))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(1 + rng.uniform(-_COLOUR, _COLOUR))
    if mirror and rng.integers(2):
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(image)


def _box(width: int, height: int, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A random part of the picture: left, top, right, bottom."""
    area = rng.uniform(*_AREA)
    stretch = math.exp(rng.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
    across, down = min(1.0, math.sqrt(area * stretch)), min(1.0, math.sqrt(area / stretch))
    left, top = rng.uniform(0, 1 - across) * width, rng.uniform(0, 1 - down) * height
    return left, top, left + across * width, top + down * height
