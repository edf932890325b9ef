"""Whether the terminal shows pictures in each of the three protocols, and why (not)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .programs import UNKNOWN, has_placeholders

if TYPE_CHECKING:
    from .findings import Findings

Protocol = Literal["kitty", "iterm2", "sixel"]
TITLES: Final[dict[Protocol, str]] = {"kitty": "kitty graphics", "iterm2": "iTerm2 images", "sixel": "Sixel"}
ALLOW_PASSTHROUGH: Final = "tmux without allow-passthrough: set -g allow-passthrough on"
_NO_SCREEN: Final = "GNU screen hands no pictures on"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something can be had, and the reason in words."""

    usable: bool
    why: str

    def __str__(self) -> str:
        """Return it as a fact for people."""
        return f"{'yes' if self.usable else 'no'}: {self.why}"


def verdicts(found: Findings) -> dict[Protocol, Verdict]:
    """Judge all protocols."""
    if found.multiplexer == "screen":
        return dict.fromkeys(TITLES, Verdict(usable=False, why=_NO_SCREEN))
    if found.multiplexer == "tmux":
        return {"kitty": _kitty_in_tmux(found), "iterm2": _ITERM2_IN_TMUX, "sixel": _sixel_in_tmux(found)}
    return {"kitty": _kitty(found), "iterm2": _iterm2(found), "sixel": _sixel(found)}


_ITERM2_IN_TMUX: Final = Verdict(usable=False, why="tmux would draw over them")


def _kitty(found: Findings) -> Verdict:
    answer = found.answers.kitty
    if answer == "OK":
        return Verdict(usable=True, why="the terminal answered the kitty graphics query")
    return Verdict(usable=False, why=f"the terminal answered {answer}" if answer else "the query was not answered")


def _iterm2(found: Findings) -> Verdict:
    program = found.program
    source = found.told or _named_by(found)
    if program.iterm2 == "with sixel" and not found.answers.has_sixel:
        return Verdict(usable=False, why=f"{program.name} ({source}) has its images switched off")
    if program.iterm2:
        return Verdict(usable=True, why=f"{program.name} shows them ({source})")
    return Verdict(usable=False, why="not a terminal that is known for them")


def _sixel(found: Findings) -> Verdict:
    if found.answers.has_sixel:
        return Verdict(usable=True, why="the terminal's device attributes name it (4)")
    silent = found.answers.attributes is None
    return Verdict(usable=False, why="no device attributes" if silent else "the device attributes do not name it (4)")


def _kitty_in_tmux(found: Findings) -> Verdict:
    around = found.told or "the terminal around tmux"
    if found.tmux and found.tmux.passthrough is False:
        able = found.program is UNKNOWN or has_placeholders(found.program, found.told)
        return Verdict(usable=False, why=ALLOW_PASSTHROUGH if able else f"{around} could not show them inside tmux")
    if found.tmux and not found.tmux.utf8:
        return Verdict(usable=False, why="tmux draws without UTF-8: start it as tmux -u")
    if found.outer.kitty != "OK":
        hint = "" if found.tmux or found.outer.alive else f"; perhaps {ALLOW_PASSTHROUGH}"
        return Verdict(usable=False, why=f"{around} did not answer the query through tmux{hint}")
    if not has_placeholders(found.program, found.told):
        return Verdict(usable=False, why=f"{around} lacks Unicode placeholders, the only way inside tmux")
    return Verdict(usable=True, why=f"{around} answered the kitty graphics query through tmux")


def _sixel_in_tmux(found: Findings) -> Verdict:
    if not found.answers.has_sixel:
        return Verdict(usable=False, why="this tmux was built without it (3.4 and later can have it)")
    if found.tmux and "sixel" not in found.tmux.features:
        around = found.told or "the terminal around it"
        return Verdict(usable=False, why=f"tmux has it, but {around} does not, as far as tmux knows")
    return Verdict(usable=True, why="tmux's device attributes name it (4)")


def _named_by(found: Findings) -> str:
    return f"by its name {found.environment.program or found.environment.term}"
