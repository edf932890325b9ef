"""Colours for terminals that mix light as light: half a light over another is brighter there than in a picture file.

Everybody else, figures that are saved included, mixes the numbers of a file, which grow with about the 2.2th root of
the light. No colour makes up for that over every photo: what is found here comes nearest over all of a photo's values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LUMA: Final = np.array([0.299, 0.587, 0.114])
_BELOW: Final = np.linspace(0, 1, 33)  # values of a photo


def for_light(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the colours that, mixed as light, look most as the given ones do when mixed as numbers.

    Args:
        colours: RGBA, not premultiplied, uint8 [count, 4].
    """
    over, alpha = colours[:, :3] / 255, colours[:, 3:] / 255
    wanted = _light(over[..., None] * alpha[..., None] + _BELOW * (1 - alpha[..., None]))  # [count, channel, below]
    below = _light(_BELOW)
    spread = below - below.mean()
    passed = ((wanted * spread).mean(axis=2) / (spread**2).mean()) @ _LUMA
    nearest = np.clip(1 - passed, 1e-6, 1)[:, None]
    added = wanted.mean(axis=2) - (1 - nearest) * below.mean()
    mixed = np.concatenate([_number(added / nearest), nearest], axis=1)
    return np.asarray(np.rint(mixed * 255), np.uint8)


def _light(number: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light of an sRGB value, both 0 to 1."""
    return np.where(number <= 0.04045, number / 12.92, ((number + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 (sRGB)


def _number(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sRGB value of a light, both 0 to 1."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)  # noqa: PLR2004 (sRGB)
