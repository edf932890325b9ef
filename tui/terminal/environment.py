"""What the environment tells about the terminal before anything is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .modes import Multiplexer

# Terminals that print a question instead of answering it, or that cannot show a browser at all.
_MUTE: Final = frozenset({"", "dumb", "unknown", "linux", "cons25", "emacs", "eterm", "eterm-color"})
# Emulators that name themselves in TERM: a multiplexer's variables beside one were inherited from elsewhere.
_OWN_NAMES: Final = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour", "rio", "mintty")


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that matter.

    Attributes:
        term: TERM.
        program: Name that the terminal has put into the environment; "" inside a multiplexer or Zellij, which hand
            on the name of the terminal that they were started in.
        multiplexer: What TERM, TMUX and STY say; the answers know better.
        has_tmux: Whether the `tmux` command reaches the server around this process.
        colorterm: COLORTERM.
        no_color: Whether NO_COLOR is set to something.
        ssh: Address of the SSH client; "" when this is no SSH session.
    """

    term: str
    program: str
    multiplexer: Multiplexer
    has_tmux: bool
    colorterm: str
    no_color: bool
    ssh: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Environment:
        """Read the variables."""
        multiplexer = _multiplexer(variables)
        connection = variables.get("SSH_CONNECTION", "").split()
        return cls(
            term=variables.get("TERM", ""),
            program="" if multiplexer or "ZELLIJ" in variables else _program(variables),
            multiplexer=multiplexer,
            has_tmux=bool(variables.get("TMUX")),
            colorterm=variables.get("COLORTERM", "").lower(),
            no_color=bool(variables.get("NO_COLOR")),
            ssh=connection[0] if connection else ("unknown" if "SSH_TTY" in variables else ""),
        )

    @property
    def is_mute(self) -> bool:
        """Whether the terminal must not be asked anything."""
        return self.term in _MUTE

    @property
    def is_careful(self) -> bool:
        """Whether the terminal is known to show the longer questions, or to take them for something else."""
        return bool(self.multiplexer) or self.program == "Apple_Terminal"


def _multiplexer(variables: Mapping[str, str]) -> Multiplexer:
    term = variables.get("TERM", "")
    if term.startswith(_OWN_NAMES):
        return ""
    if term.startswith("tmux") or variables.get("TMUX"):
        return "tmux"
    # Over SSH, TERM=screen can be either; only tmux says its name when it is asked.
    return "screen" if term.startswith("screen") or variables.get("STY") else ""


def _program(variables: Mapping[str, str]) -> str:
    if program := variables.get("TERM_PROGRAM") or variables.get("LC_TERMINAL"):
        return program
    known = {"KONSOLE_VERSION": "Konsole", "WT_SESSION": "Windows Terminal", "VTE_VERSION": "VTE"}
    return next((name for variable, name in known.items() if variable in variables), "")
