"""How pictures can be shown, and what is known of the terminal that has to show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Mode = Literal["kitty", "iterm2", "sixel", "half", "none"]
Multiplexer = Literal["", "tmux", "screen"]
Colour = tuple[int, int, int]  # red, green, blue; 0 to 255

MODES: Final[tuple[Mode, ...]] = get_args(Mode)
DEFAULT_CELL: Final = (8, 16)  # pixels; where the terminal does not say
DEFAULT_SIXEL_COLOURS: Final = 256


@dataclass(frozen=True, slots=True)
class Terminal:
    r"""What the terminal can do and how pictures are shown in it.

    Attributes:
        mode: How pictures are shown; "none" shows none at all.
        why: The reason for `mode`, in words.
        cell: Width and height of a character cell in pixels; at least 1.
        cell_known: Whether the terminal said so itself; else `cell` is `DEFAULT_CELL`.
        multiplexer: What stands between the program and the terminal.
        passthrough: Whether graphics must be wrapped for tmux (`ESC P tmux; ... ESC \`, each ESC in it doubled),
            because they are meant for the terminal around it. False where tmux itself understands `mode`.
        placeholders: In mode "kitty": whether Unicode placeholders (U+10EEEE) show an image. The only way through
            tmux; where false, images must be placed at the cursor.
        sixel_colours: Colour registers that the terminal has for Sixel.
        truecolor: Whether text may have 24-bit colours.
        background: The terminal's own background; None where it did not say.
        program: What the terminal calls itself, such as "kitty(0.42.1)"; "" where it did not say.
        typed: Bytes that were not answers: what the user typed meanwhile.
        facts: What was found, name and value, for people to read.
    """

    mode: Mode
    why: str
    cell: tuple[int, int] = DEFAULT_CELL
    cell_known: bool = False
    multiplexer: Multiplexer = ""
    passthrough: bool = False
    placeholders: bool = False
    sixel_colours: int = DEFAULT_SIXEL_COLOURS
    truecolor: bool = False
    background: Colour | None = None
    program: str = ""
    typed: bytes = b""
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def is_dark(self) -> bool | None:
        """Whether the terminal's background is dark; None where it is not known."""
        if self.background is None:
            return None
        red, green, blue = self.background
        return 299 * red + 587 * green + 114 * blue < 128_000  # noqa: PLR2004 (Rec. 601 luma, in thousandths)
