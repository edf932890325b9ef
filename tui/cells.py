"""Text of which every terminal makes as many cells as Rich, so that nothing on its line is shifted.

Rich takes an emoji family, a skin tone, or a sign with its colour selector for one sign of two cells, as the newest
terminals do. Others (tmux, xterm) show their parts, or a narrow sign. The parts alone are the same everywhere.

One thing stays: vowel signs that stand beside their letter (Tamil, Devanagari, Khmer: category Mc) take no cell for
Rich and kitty, one for xterm, tmux and VTE. A line with them may end some cells further to the right.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from ..cache.text import printable

if TYPE_CHECKING:
    from re import Match

_PARTS: Final = re.compile(
    "[\ufe0e\ufe0f]"  # selectors: as text, as emoji
    "|\u200d"  # joiner
    "|[\U0001f3fb-\U0001f3ff]"  # skin tones
    "|[\U0001f1e6-\U0001f1ff]"  # letters of flags
)
_FLAG_A: Final = 0x1F1E6
_UNKNOWN: Final = "\ufffd"  # for characters younger than Python's tables: terminals may not know them either


def in_cells(text: str) -> str:
    """Return the text as one safe line (`printable`) without what terminals count in different ways.

    Families become their members, emoji have no skin tone, a sign is as wide as it is without a selector, and flags
    become the two letters of their country.

    >>> in_cells("👩\u200d👧 👍🏽 🇩🇪")
    '👩👧 👍 DE'
    """
    line = printable(text)
    if line.isascii():
        return line
    known = "".join(_UNKNOWN if unicodedata.category(character) == "Cn" else character for character in line)
    return _PARTS.sub(_plain, known)


def _plain(found: Match[str]) -> str:
    part, line = found[0], found.string
    if part >= "\U0001f3fb":
        return part if found.start() == 0 or line[found.start() - 1] == " " else ""
    if part >= "\U0001f1e6":
        return chr(ord("A") + ord(part) - _FLAG_A)
    following = line[found.end() : found.end() + 1]
    # In Sinhala, Malayalam or Arabic a joiner stands before a letter.
    return part if part == "\u200d" and following and unicodedata.category(following)[0] in "LM" else ""
