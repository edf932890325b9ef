"""Text from strangers, made safe for one line of a terminal.

Captions, references and file names come from datasets and from models. A terminal would obey the escape
sequences in them, bidirectional overrides would reorder what stands beside them, and a line break would tear
a list apart.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Sequences are removed with what they carry ("\x1b[31m" leaves nothing), but an unfinished string sequence
# only loses its introducer: a terminal would swallow everything after it, a reader should see it. No part of
# a pattern can run over another introducer, so that the time is linear in the length of the text.
_STRING: Final = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)"
_CONTROL: Final = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
_OTHER: Final = r"\x1b[ -/]*[0-Z\\-~]"
_SEQUENCES: Final = re.compile(f"{_STRING}|{_CONTROL}|{_OTHER}")

_BREAKS: Final = re.compile("\r\n|[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_JOINERS: Final = frozenset("\u200c\u200d")  # Persian and Indic words and emoji families need them
_REPLACEMENT: Final = "\ufffd"
_MOST_MARKS: Final = 8  # on one letter; real scripts stay below, "Zalgo" text stalls a terminal


def printable(text: str) -> str:
    r"""Return the text as one line that is safe to write to a terminal.

    Escape sequences, control characters, and invisible format characters (bidirectional controls, zero-width
    spaces, tags) are removed; tabs and line breaks of every kind become one space each; lone surrogates and
    private-use characters, to which kitty's placeholders for pictures belong, become U+FFFD; of a pile of
    combining marks the first eight stay. Other text, right-to-left scripts and emoji among it, is left as it
    is. Applying it twice changes nothing more. Markup of a library, such as Rich's ``[bold]``, is not
    touched: give it to `rich.text.Text`.

    >>> printable("a \x1b[31mred\x1b[0m kite\nin the sky")
    'a red kite in the sky'
    """
    if text.isascii() and text.isprintable():
        return text
    line = _BREAKS.sub(" ", _SEQUENCES.sub("", text))
    kept: list[str] = []
    marks = 0
    for character in line:
        category = unicodedata.category(character)
        if category in {"Mn", "Me"}:
            marks += 1
            if marks <= _MOST_MARKS:
                kept.append(character)
        elif character in _JOINERS:  # has no width either, so it does not end the pile
            kept.append(character)
        elif category not in {"Cc", "Cf"}:
            marks = 0
            kept.append(_REPLACEMENT if category in {"Cs", "Co"} else character)
    return "".join(kept)
