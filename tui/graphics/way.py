"""The ways to show pictures in pixels, and which one a terminal takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..terminal.modes import Terminal

_FOLLOWING: Final = (0, 31)  # the first kitty with places that follow other places
_BENEATH: Final = (0, 28)  # the first kitty that draws below backgrounds without spoiling them, and mixes light


class Way(Enum):
    """How pictures reach the screen."""

    LAYERS = auto()  # kitty: photo and map are two images, which the terminal keeps and lays over each other
    PLACEHOLDERS = auto()  # kitty around tmux: photo and map are one image, shown by placeholders in all of its cells
    SIXEL = auto()  # photo and map are one picture, drawn at the cursor
    ITERM2 = auto()  # likewise


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a way of showing pictures depends on.

    Attributes:
        way: How pictures reach the screen.
        in_tmux: Whether sequences must be wrapped for tmux, which does not understand them.
        beneath: In `Way.LAYERS`: whether cells with a background of their own cover pictures.
        linear: In `Way.LAYERS`: whether the terminal mixes colours as light.
    """

    way: Way
    in_tmux: bool
    beneath: bool
    linear: bool


def abilities(terminal: Terminal) -> Abilities:
    """Return how a terminal shows pictures.

    Raises:
        ValueError: It does not show pixels.
    """
    kitty = _kitty(terminal.program)
    ghostty = terminal.program.lower().startswith("ghostty")
    modern = kitty >= _BENEATH
    return Abilities(_way(terminal, kitty), terminal.passthrough, beneath=modern or ghostty, linear=modern)


def _way(terminal: Terminal, kitty: tuple[int, int]) -> Way:
    if terminal.mode == "kitty":
        return Way.PLACEHOLDERS if terminal.passthrough and kitty < _FOLLOWING else Way.LAYERS
    ways = {"sixel": Way.SIXEL, "iterm2": Way.ITERM2}
    if terminal.mode not in ways:
        raise ValueError(f"no pixels in mode {terminal.mode!r}")
    return ways[terminal.mode]


def _kitty(program: str) -> tuple[int, int]:
    """Return the version of a terminal that is a kitty, else (0, 0)."""
    version = re.match(r"kitty\((\d+)\.(\d+)", program)
    return (int(version[1]), int(version[2])) if version else (0, 0)
