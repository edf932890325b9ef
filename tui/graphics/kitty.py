r"""The commands of the kitty graphics protocol that we send: `ESC _ G key=value,... ; payload ESC \`.

All of them ask the terminal not to answer (q=2): an answer would arrive as if it were typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BELOW_CELLS: Final = -(1 << 30)
PLACEHOLDER: Final = "\U0010eeee"
CLEAR_PIXEL: Final = ("AAAAAA==",), "f=32,s=1,v=1"  # what `transmit` needs for it

# The characters that say 0, 1, 2 ... on a placeholder, in ranges: "rowcolumn-diacritics.txt" of the protocol.
_NUMERALS: Final = (
    "0305 030D-030E 0310 0312 033D-033F 0346 034A-034C 0350-0352 0357 035B 0363-036F 0483-0487 0592-0595 0597-0599 "
    "059C-05A1 05A8-05A9 05AB-05AC 05AF 05C4 0610-0617 0657-065B 065D-065E 06D6-06DC 06DF-06E2 06E4 06E7-06E8 "
    "06EB-06EC 0730 0732-0733 0735-0736 073A 073D 073F-0741 0743 0745 0747 0749-074A 07EB-07F1 07F3 0816-0819 "
    "081B-0823 0825-0827 0829-082D 0951 0953-0954 0F82-0F83 0F86-0F87 135D-135F 17DD 193A 1A17 1A75-1A7C 1B6B "
    "1B6D-1B73 1CD0-1CD2 1CDA-1CDB 1CE0 1DC0-1DC1 1DC3-1DC9 1DCB-1DCC 1DD1-1DE6 1DFE 20D0-20D1 20D4-20D7 20DB-20DC "
    "20E1 20E7 20E9 20F0 2CEF-2CF1 2DE0-2DFF A66F A67C-A67D A6F0-A6F1 A8E0-A8F1 AAB0 AAB2-AAB3 AAB7-AAB8 AABE-AABF "
    "AAC1 FE20-FE26 10A0F 10A38 1D185-1D189 1D1AA-1D1AD 1D242-1D244"
)
MOST_PLACEHOLDERS: Final = 297  # in a line or a column: so far the characters count


def transmit(image: int, chunks: Sequence[str], keys: str = "f=100") -> Iterator[str]:
    """Return the commands that store an image in the terminal, in place of what has its number.

    Args:
        image: Its number, over 0.
        chunks: The file in base64, at most 4096 characters each, and each but the last a multiple of four.
        keys: What the file is; a PNG where not said.
    """
    last = len(chunks) - 1
    for number, chunk in enumerate(chunks):
        control = f"a=t,{keys},i={image},q=2" if number == 0 else "q=2"
        more = "" if last == 0 else f",m={int(number < last)}"
        yield _command(control + more, chunk)


@dataclass(frozen=True, slots=True)
class Put:
    """An image in one place.

    Attributes:
        image: The image's number.
        placement: A number among the places of this image, over 0.
        cells: (columns, lines) to fill.
        source: (width, height) of the part of the image that fills them, from its top left corner.
        depth: What is drawn over what. Below 0 an image is under text, below `BELOW_CELLS` under backgrounds too.
    """

    image: int
    placement: int
    cells: tuple[int, int]
    source: tuple[int, int]
    depth: int


def put(place: Put, anchor: int = 0) -> str:
    """Return the command that shows an image. The same numbers again move it.

    Args:
        place: What to show.
        anchor: Number of another image: where its placeholder is. 0: at the cursor, which stays there.
    """
    where = f"P={anchor},Q=1" if anchor else "C=1"
    (columns, lines), (width, height) = place.cells, place.source
    numbers = f"i={place.image},p={place.placement}"
    return _command(f"a=p,{numbers},c={columns},r={lines},w={width},h={height},z={place.depth},{where},q=2")


def prepare(image: int, cells: tuple[int, int]) -> str:
    """Return the command that lets placeholders show an image, fitted into so many cells: its placement 1."""
    return _command(f"a=p,U=1,i={image},p=1,c={cells[0]},r={cells[1]},q=2")


def take_away(image: int, placement: int) -> str:
    """Return the command that shows an image no longer in one place. The terminal keeps it."""
    return _command(f"a=d,d=i,i={image},p={placement},q=2")


def free(image: int) -> str:
    """Return the command that frees an image, wherever it is shown."""
    return _command(f"a=d,d=I,i={image},q=2")


def placeholders(image: int, line: int, column: int, count: int) -> str:
    """Return cells that show a part of a prepared image, from (line, column) of it on to the right.

    The image's number travels as one of 256 colours, which every terminal and multiplexer hands on, and in its highest
    byte. The cells after the first one count on by themselves.

    Args:
        image: The image's number, below 256 but for the highest of its four bytes.
        line: The image's line, from 0.
        column: The image's column, from 0.
        count: How many cells.
    """
    marks = "".join(numerals()[number] for number in (line, column, image >> 24))
    return f"\x1b[0;38;5;{image & 255}m{PLACEHOLDER}{marks}{PLACEHOLDER * (count - 1)}"


@lru_cache(maxsize=1)
def numerals() -> tuple[str, ...]:
    """Return the combining characters that say 0, 1, 2 and so on."""
    found: list[str] = []
    for part in _NUMERALS.split():
        first, _, last = part.partition("-")
        found += map(chr, range(int(first, 16), int(last or first, 16) + 1))
    return tuple(found)


def _command(control: str, payload: str = "") -> str:
    return f"\x1b_G{control};{payload}\x1b\\" if payload else f"\x1b_G{control}\x1b\\"
