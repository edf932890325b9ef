"""iTerm2's inline images: a file in base64, which the terminal stretches over some cells, from the cursor on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .fit import Fit

_PART: Final = 1 << 16  # characters of a part; tmux takes a megabyte at a time


def keys(fitted: Fit, size: int) -> str:
    """Return what is to be done with a file of so many bytes."""
    place = f"width={fitted.columns};height={fitted.lines};preserveAspectRatio=0;doNotMoveCursor=1"
    return f"inline=1;size={size};{place}"


def whole(control: str, data: str) -> list[str]:
    """Return the one sequence that draws a file."""
    return [f"\x1b]1337;File={control}:{data}\x07"]


def parts(control: str, data: str) -> list[str]:
    """Return the sequences that draw a file, none of them long; the last one draws it."""
    pieces = [f"\x1b]1337;FilePart={data[start : start + _PART]}\x07" for start in range(0, len(data), _PART)]
    return [f"\x1b]1337;MultipartFile={control}\x07", *pieces, "\x1b]1337;FileEnd\x07"]
