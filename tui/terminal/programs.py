"""Terminals whose pictures need to be known by name: what a terminal answers is not all that one must know of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from .modes import Mode

_ANSWERED: Final = ("kitty", "iterm2", "sixel")


@dataclass(frozen=True, slots=True)
class Program:
    """A terminal emulator.

    Attributes:
        name: As people call it.
        names: How XTVERSION, TERM_PROGRAM, LC_TERMINAL or TERM begin, in small letters.
        order: Its protocols, the best first; of these the ones are taken that it also answers for.
        iterm2: Whether it shows iTerm2's inline images, for which there is no question: always, or when it answers
            for Sixel, since one setting switches both.
        placeholders: First version whose kitty graphics know Unicode placeholders; None if none does.
        truecolor: Whether it has 24-bit colours.
    """

    name: str
    names: tuple[str, ...]
    order: tuple[Mode, ...] = _ANSWERED
    iterm2: Literal["always", "with sixel", ""] = ""
    placeholders: tuple[int, int] | None = None
    truecolor: bool = True


UNKNOWN: Final = Program("unknown", (), truecolor=False)
PROGRAMS: Final = (
    Program("kitty", ("kitty", "xterm-kitty"), placeholders=(0, 28)),
    Program("Ghostty", ("ghostty", "xterm-ghostty"), placeholders=(0, 0)),
    # These answer the kitty query, but lack parts of it (placeholders at least); their own protocol is their best.
    Program("WezTerm", ("wezterm",), ("iterm2", "sixel", "kitty"), "always"),
    Program("iTerm2", ("iterm2", "iterm.app"), ("iterm2", "sixel"), "always"),
    Program("Warp", ("warp",), ("iterm2", "kitty"), "always"),
    Program("VS Code", ("xterm.js", "vscode"), ("iterm2", "sixel", "kitty"), "with sixel"),
    Program("Tabby", ("tabby",), ("iterm2", "sixel"), "with sixel"),
    Program("Hyper", ("hyper",), ("iterm2", "sixel"), "with sixel"),
    Program("Rio", ("rio",), ("sixel", "kitty")),  # draws inline images in wrong sizes
    Program("Konsole", ("konsole",), ("kitty", "sixel")),
    Program("Zellij", ("zellij",), ("sixel",), truecolor=False),
    Program("mintty", ("mintty",), ("iterm2", "sixel"), "always"),
    Program("foot", ("foot",), ("sixel",)),
    Program("Contour", ("contour",)),
    Program("Windows Terminal", ("windows terminal",)),
    Program("XTerm", ("xterm(",)),
    Program("mlterm", ("mlterm",), truecolor=False),
    Program("VTE", ("vte",)),
    Program("Alacritty", ("alacritty",)),
    Program("Apple Terminal", ("apple_terminal",), (), truecolor=False),
)


def known(*names: str) -> Program:
    """Return the terminal of the first name that is known; `UNKNOWN` if none is."""
    for name in names:
        for program in PROGRAMS:
            if name.lower().startswith(program.names):
                return program
    return UNKNOWN


def has_placeholders(program: Program, told: str) -> bool:
    """Return whether a terminal knows Unicode placeholders, by what it calls itself ("kitty(0.42.1)")."""
    if program.placeholders is None:
        return False
    numbers = re.search(r"(\d{1,4})\.(\d{1,4})", told)
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    return version >= program.placeholders
