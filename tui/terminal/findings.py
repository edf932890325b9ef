"""All that is known of the terminal, gathered in one place for the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .programs import known

if TYPE_CHECKING:
    from .answers import Answers
    from .environment import Environment
    from .line import Size
    from .modes import Colour, Multiplexer
    from .programs import Program
    from .tmux import Tmux


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, from all sources.

    Attributes:
        environment: What the variables say.
        answers: What the terminal answered; a multiplexer's own answers inside of one.
        multiplexer: What stands between.
        outer: What the terminal around tmux answered.
        tmux: What tmux said of itself, where it could be asked.
        size: What the kernel knows.
        asked: How the asking went, in words.
        typed: What the user typed meanwhile.
    """

    environment: Environment
    answers: Answers
    multiplexer: Multiplexer
    outer: Answers
    tmux: Tmux | None
    size: Size
    asked: str
    typed: bytes = b""

    @property
    def told(self) -> str:
        """What the terminal (the one around tmux) calls itself; "" where nobody knows."""
        if self.multiplexer == "tmux":
            return self.outer.program or (self.tmux.terminal if self.tmux else "")
        return self.answers.program

    @property
    def program(self) -> Program:
        """The terminal (the one around tmux), as far as it is known by name."""
        if self.told or self.multiplexer:
            return known(self.told)
        return known(self.environment.program, self.environment.term)

    @property
    def background(self) -> Colour | None:
        """The terminal's background."""
        return self.answers.background or self.outer.background
