"""Which images the terminal keeps, under which numbers, and which of them it may drop."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

_MOST_BYTES: Final = 96_000_000  # of pixels; kitty drops images by itself beyond 320 MB
_MOST: Final = 256  # images, unless more are seen at once
_LOW: Final = 255  # values of a byte without 0
_HIGH: Final = 127  # Konsole takes numbers for signed ones


class Kept:
    """The images that the terminal keeps, the least recently used first.

    The two middle bytes of their numbers are 0, so that placeholders can name them (see `kitty.placeholders`). The
    first number is left to chance: two programs in one terminal hardly ever choose the same ones.
    """

    def __init__(self) -> None:
        self._first = secrets.randbelow(_HIGH)
        self._images: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()
        self._given = 0
        self._returned: list[int] = []

    def __contains__(self, name: Hashable) -> bool:
        return name in self._images

    def __getitem__(self, name: Hashable) -> int:
        """Return the number of an image that is kept."""
        return self._images[name][0]

    def use(self, name: Hashable) -> None:
        """Note that an image is used."""
        self._images.move_to_end(name)

    def add(self, name: Hashable, weight: int = 0) -> int:
        """Return a number for an image that is sent now.

        Args:
            name: The image's.
            weight: Bytes that the terminal needs for it.
        """
        number = self._returned.pop() if self._returned else self._new()
        self._images[name] = number, weight
        return number

    def drop(self, name: Hashable) -> int:
        """Return the number of an image that is kept no longer."""
        number, _ = self._images.pop(name)
        self._returned.append(number)
        return number

    def surplus(self, needed: Collection[Hashable]) -> list[int]:
        """Drop what was not used for longest and is not needed, until it is not too much; return the numbers."""
        weight = sum(weight for _, weight in self._images.values())
        dropped = []
        for name in [name for name in self._images if name not in needed]:
            if weight <= _MOST_BYTES and len(self._images) <= _MOST:
                break
            weight -= self._images[name][1]
            dropped.append(self.drop(name))
        return dropped

    def clear(self) -> list[int]:
        """Drop all; return the numbers."""
        return [self.drop(name) for name in list(self._images)]

    def _new(self) -> int:
        high, low = divmod(self._given, _LOW)
        self._given += 1
        return (1 + (self._first + high) % _HIGH) << 24 | 1 + low
