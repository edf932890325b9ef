"""Progress of a long stage: one redrawn line on a terminal, a plain line now and then anywhere else.

A stage counts its own units (pictures, steps). The rate is measured over the work done here and now: what an
interrupted run had finished before (`Progress.restart_from`) is shown as done, but makes nothing look faster.
Writing never ends a run: when the terminal has gone away, progress falls silent. Of several processes that share a
run, the first one alone shows it.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from ..cache.text import printable
from .distributed import world

REDRAW_SECONDS = 0.1
LINE_SECONDS = 10.0
_CLEAR = "\r\x1b[2K"


class Progress:
    """A counter with a rate and the time left; use it as a context manager.

    Args:
        label: What is being done, for example ``"captions"``.
        total: Units in all, those already done included; None when unknown.
        unit: Name of the units, in the plural (``"pictures"``).
        stream: Where to write; standard error when None.
        clock: Seconds that only grow; tests bring their own.

    Example:
        >>> with Progress("captions", len(items), "pictures") as progress:
        ...     for batch in batches:
        ...         work(batch)
        ...         progress.update(len(batch))
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        unit: str,
        stream: TextIO | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = printable(label)
        self.total = total
        self.unit = unit
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._redraws = _is_terminal(self._stream)
        self._interval = REDRAW_SECONDS if self._redraws else LINE_SECONDS
        self._gone = not world().is_first
        self._note = ""
        self._skipped = 0
        self._started = self._shown = clock()

    def __enter__(self) -> Self:
        """Start the clock."""
        self._started = self._shown = self._clock()
        if self._redraws:
            self._show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave a last, complete line behind; after an error it says how far the work came."""
        self._write(_CLEAR if self._redraws else "", self._last_line(finished=kind is None), "\n")

    def restart_from(self, done: int) -> None:
        """Begin at ``done`` units that an earlier run finished; the rate counts from here."""
        self.done = self._skipped = done
        self._started = self._clock()
        if self._redraws:
            self._show()

    def update(self, n: int = 1, note: str = "") -> None:
        """Count ``n`` more units; ``note`` (``"loss 2.31"``) ends the line until another one comes."""
        self.done += n
        self._note = printable(note) or self._note
        if self._clock() - self._shown >= self._interval:
            self._show()

    @property
    def rate(self) -> float:
        """Units a second since the start (or restart); 0 before the first one."""
        elapsed = self._clock() - self._started
        return (self.done - self._skipped) / elapsed if elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the present rate; None while it cannot be known."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    def _line(self) -> str:
        parts = [self._count()]
        if self.total:
            parts[0] += f" ({min(1.0, self.done / self.total):.0%})"
        if self.rate:
            parts.append(_rate_text(self.rate, self.unit))
        if (left := self.seconds_left) is not None:
            parts.append(f"{duration(left)} left")
        if self._note:
            parts.append(self._note)
        return f"{self.label}: {', '.join(parts)}"

    def _last_line(self, *, finished: bool) -> str:
        took = duration(self._clock() - self._started)
        line = f"{self.label}: {self._count()}, " + (f"took {took}" if finished else f"stopped after {took}")
        if self.rate:
            line += f", {_rate_text(self.rate, self.unit)}"
        if self._skipped:
            line += f", {self._skipped:,} of them before"
        return line + (f", {self._note}" if self._note else "")

    def _count(self) -> str:
        total = "" if self.total is None else f"/{self.total:,}"
        return f"{self.done:,}{total} {self.unit}"

    def _show(self) -> None:
        self._shown = self._clock()
        if self._redraws:
            # One cell stays free: a full line would wrap on terminals without delayed wrapping.
            width = shutil.get_terminal_size().columns - 1
            self._write(_CLEAR, self._line()[:width], "")
        else:
            self._write("", self._line(), "\n")

    def _write(self, before: str, line: str, after: str) -> None:
        if self._gone:
            return
        try:
            self._stream.write(before + line + after)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal was closed, or the pipe's reader left
            self._gone = True


def duration(seconds: float) -> str:
    """``seconds`` for a person: ``"0.4 s"``, ``"42 s"``, ``"3 min 05 s"``, ``"2 h 07 min"``."""
    if seconds < 0.95:  # noqa: PLR2004 - what would be printed as 1.0
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_over = divmod(minutes, 60)
    return f"{hours} h {minutes_over:02} min" if hours else f"{minutes} min {rest:02} s"


def _rate_text(rate: float, unit: str) -> str:
    """The rate with three digits or so; below one unit a second, the seconds that one takes."""
    if rate < 1:
        return f"{1 / rate:.1f} s each"
    return f"{rate:,.0f} {unit}/s" if rate >= 100 else f"{rate:.1f} {unit}/s"  # noqa: PLR2004


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # a logger's stand-in, or already closed
        return False
