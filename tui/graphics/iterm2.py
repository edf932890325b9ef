"""iTerm2's inline images: a file in base64, which the terminal scales and draws at the cursor.

One side is given in whole cells, the one that the picture fills, and the other follows from the picture's shape:
terminals differ in what they do with two sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .fit import Fit

_PART: Final = 1 << 16  # characters of a part; tmux takes a megabyte at a time


def keys(fitted: Fit, cell: tuple[int, int], size: int) -> str:
    """Return what is to be done with a file of so many bytes."""
    fills_lines = fitted.pixels[1] == fitted.lines * cell[1]
    sides = f"height={fitted.lines};width=auto" if fills_lines else f"width={fitted.columns};height=auto"
    return f"inline=1;size={size};{sides};preserveAspectRatio=1;doNotMoveCursor=1"


def whole(control: str, data: str) -> list[str]:
    """Return the one sequence that draws a file."""
    return [f"\x1b]1337;File={control}:{data}\x07"]


def parts(control: str, data: str) -> list[str]:
    """Return the sequences that draw a file, none of them long; the last one draws it."""
    pieces = [f"\x1b]1337;FilePart={data[start : start + _PART]}\x07" for start in range(0, len(data), _PART)]
    return [f"\x1b]1337;MultipartFile={control}\x07", *pieces, "\x1b]1337;FileEnd\x07"]
