r"""The questions, as bytes for the terminal.

Each ends with one that is nearly always answered (the sentinel), so that silence about the others is known at once.
"""

from __future__ import annotations

from typing import Final

from .answers import QUERY_ID

_NAME: Final = b"\x1b[>q"  # XTVERSION
_CELL: Final = b"\x1b[16t\x1b[14t"  # pixels of a cell, of the text area
_BACKGROUND: Final = b"\x1b]11;?\x1b\\"
_REGISTERS: Final = b"\x1b[?1;1;0S"  # XTSMGRAPHICS
# Set a colour and ask which one is set (DECRQSS): the only way to learn of 24 bits where SSH forwards no COLORTERM.
_COLOUR: Final = b"\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m"
_KITTY: Final = b"\x1b_Gi=%d,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" % QUERY_ID
# tmux takes this kind of string for the pane's title. Put it away first and bring it back.
_GUARDED_KITTY: Final = b"\x1b[22;2t" + _KITTY + b"\x1b[23;2t"
_ATTRIBUTES: Final = b"\x1b[c"  # DA1
_STATUS: Final = b"\x1b[5n"
# What a terminal that knows no such strings has printed is wiped away: the cursor stands on a line of its own.
_WIPE: Final = b"\r\x1b[K"

FULL: Final = _NAME + _CELL + _BACKGROUND + _REGISTERS + _COLOUR + _GUARDED_KITTY + _WIPE + _ATTRIBUTES
CAREFUL: Final = _NAME + _CELL + _ATTRIBUTES  # for a multiplexer itself, and terminals that print strings
SIZE: Final = _NAME + _CELL + _BACKGROUND + _ATTRIBUTES  # where the user has chosen how pictures are shown
# tmux answers device attributes itself, so that another question has to tell that the terminal has read them all.
AROUND_TMUX: Final = _NAME + _CELL + _BACKGROUND + _KITTY + _STATUS


def through_tmux(sequence: bytes) -> bytes:
    """Wrap a sequence so that tmux hands it on to the terminal around it."""
    return b"\x1bPtmux;" + sequence.replace(b"\x1b", b"\x1b\x1b") + b"\x1b\\"
