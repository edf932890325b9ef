"""Finds out what the terminal can do, before Textual takes it over.

One batched question, with primary device attributes last: nearly every terminal answers those, so that it is known
at once which of the others are not answered. Inside tmux a second question goes to the terminal around it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

from ...cache.errors import UsageError
from . import questions
from .answers import Answers, Reader
from .choose import AUTO, choose
from .environment import Environment
from .findings import Findings
from .line import Line, Size
from .modes import MODES
from .silence import Silence
from .tmux import ask_tmux

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .modes import Multiplexer, Terminal
    from .tmux import Tmux


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the sentinel, in seconds.

    Attributes:
        first: For a terminal that is known to be silent; every other is given this long before that is looked up.
        full: For any other: SSH may be slow.
    """

    first: float = 0.2
    full: float = 2.0


_PATIENCE: Final = Patience()
_FORCED: Final = 0.5  # of the full patience, where nothing but sizes and colours is asked


def probe(
    forced: str = AUTO,
    *,
    line: Line | None = None,
    variables: Mapping[str, str] | None = None,
    patience: Patience = _PATIENCE,
) -> Terminal:
    """Ask the terminal and choose how pictures are shown. Call it before Textual starts.

    Args:
        forced: A mode that the user wants whatever the terminal says, or "auto".
        line: The terminal; the process's own if None.
        variables: The environment; the process's own if None.
        patience: How long to wait.

    Raises:
        UsageError: `forced` is no mode.
        KeyboardInterrupt: The user pressed Ctrl+C meanwhile.
    """
    if forced not in (AUTO, *MODES):
        raise UsageError(f"graphics: no mode {forced!r}; there are: {', '.join((AUTO, *MODES))}")
    variables = os.environ if variables is None else variables
    environment = Environment.of(variables)
    line = line or Line.standard()
    if line is None or not line.is_terminal:
        return choose(_unasked(environment, "not asked: standard input and error are not both a terminal"), forced)
    if environment.is_mute:
        told = f"TERM={environment.term}" if environment.term else "TERM is not set"
        return choose(_unasked(environment, f"not asked: {told}", line.size()), forced)
    talk = _Talk(line, environment, variables, patience, wants_graphics=forced == AUTO)
    return choose(talk.findings(), forced)


def _unasked(environment: Environment, why: str, size: Size = Size(0, 0, 0, 0)) -> Findings:  # noqa: B008 (frozen)
    return Findings(environment, Answers(), environment.multiplexer, Answers(), None, size, why)


class _Talk:
    """One conversation with the terminal.

    Args:
        line: The terminal.
        environment: What is known of it before.
        variables: The environment, for the `tmux` command.
        patience: How long to wait.
        wants_graphics: Whether to ask for more than the sizes.
    """

    def __init__(
        self,
        line: Line,
        environment: Environment,
        variables: Mapping[str, str],
        patience: Patience,
        *,
        wants_graphics: bool,
    ) -> None:
        self._line = line
        self._environment = environment
        self._variables = variables
        self._first = patience.first
        self._rest = (patience.full if wants_graphics else patience.full * _FORCED) - patience.first
        self._wants_graphics = wants_graphics
        self._reader = Reader()
        self._began = monotonic()

    def findings(self) -> Findings:
        """Ask, and gather the answers; the line is as it was when this returns or raises."""
        careful = self._environment.is_careful
        with self._line.raw():
            answered = self._ask(self._question(careful=careful), lambda: self._answers.attributes is not None)
            multiplexer = _between(self._answers, self._environment)
            if careful and not multiplexer and answered and self._environment.multiplexer:
                # The variables were inherited from a multiplexer in which this terminal was started.
                self._reader.answers = Answers()
                self._ask(self._question(careful=False), lambda: self._answers.attributes is not None)
            answers, outer, tmux = self._answers, Answers(), None
            if multiplexer == "tmux":
                tmux = ask_tmux(self._variables) if self._environment.has_tmux else None
                outer = self._ask_around(tmux) if self._wants_graphics else Answers()
            self._reader.finish()
        took = monotonic() - self._began
        asked = f"answered within {took * 1000:.0f} ms" if answered else f"no answer within {took:.1f} s"
        size, typed = self._line.size(), self._reader.typed
        return Findings(self._environment, answers, multiplexer, outer, tmux, size, asked, typed)

    @property
    def _answers(self) -> Answers:
        return self._reader.answers

    def _question(self, *, careful: bool) -> bytes:
        if careful:
            return questions.CAREFUL
        return questions.FULL if self._wants_graphics else questions.SIZE

    def _ask_around(self, tmux: Tmux | None) -> Answers:
        """Ask the terminal around tmux, where something can come of it."""
        if tmux and (tmux.passthrough is False or not tmux.terminal):
            return Answers()
        self._reader.answers = Answers()
        self._ask(questions.through_tmux(questions.AROUND_TMUX), lambda: self._answers.alive, "around tmux")
        return self._answers

    def _ask(self, question: bytes, done: Callable[[], bool], part: str = "") -> bool:
        """Ask, and wait as long as it is worth it; returns whether the sentinel was answered."""
        silence = Silence(self._environment, part)
        answered = self._line.ask(question, self._reader, done, self._first)
        if not answered and not silence.is_known():
            answered = self._line.ask(b"", self._reader, done, self._rest)
        if answered or self._wants_graphics:  # else it had less time than it may need
            silence.keep(silent=not answered)
        return answered


def _between(answers: Answers, environment: Environment) -> Multiplexer:
    """Return what stands between, by the answers first: TERM and TMUX may come from elsewhere."""
    name = answers.program.lower()
    if name.startswith("tmux"):
        return "tmux"
    if "screen" in name:
        return "screen"
    return "" if name else environment.multiplexer
