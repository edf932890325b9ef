"""A picture, ready for the terminal: only texts are joined after this."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Final, Self

_CHUNK: Final = 4096  # characters, the limit of kitty's protocol


@dataclass(frozen=True)
class File:
    """An image, as it is sent.

    Attributes:
        name: Equal for equal images.
        parts: kitty: its base64 in chunks. Sixel and iTerm2: the sequences that draw it at the cursor.
        weight: Bytes that the terminal needs to keep it.
    """

    name: bytes
    parts: tuple[str, ...] = field(compare=False, repr=False)
    weight: int = field(compare=False)

    @classmethod
    def chunked(cls, content: bytes, weight: int) -> Self:
        """Return a file in chunks of base64."""
        text = base64.b64encode(content).decode("ascii")
        return cls(_name(content), tuple(text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)), weight)

    @classmethod
    def drawn(cls, *sequences: str) -> Self:
        """Return an image that sequences draw."""
        return cls(_name("".join(sequences).encode("ascii")), sequences, 0)

    @cached_property
    def size(self) -> int:
        """Characters to be sent."""
        return sum(map(len, self.parts))


@dataclass(frozen=True, slots=True)
class Layer:
    """One image of a picture.

    Attributes:
        file: The image.
        source: (width, height) in pixels of the part that is shown, from its top left corner.
    """

    file: File
    source: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A picture, ready for the terminal.

    Attributes:
        columns: Cells that it covers from left to right.
        lines: Cells that it covers from top to bottom.
        layers: Its images, the lowest first.
    """

    columns: int
    lines: int
    layers: tuple[Layer, ...]


def _name(content: bytes) -> bytes:
    return blake2b(content, digest_size=12).digest()
