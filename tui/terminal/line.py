"""The line to the terminal: raw while something is asked, and always as it was afterwards."""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
import termios
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

    from .answers import Reader

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_LOCAL_FLAGS: Final = 3  # place in what tcgetattr returns
_CONTROL_CHARACTERS: Final = 6


@dataclass(frozen=True, slots=True)
class Size:
    """What the kernel knows of the terminal's size; 0 where it does not know."""

    columns: int
    lines: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Line:
    """The two ends of a terminal that Textual uses: it reads standard input and draws on standard error.

    Attributes:
        source: File to read from.
        sink: File to write to.
    """

    source: int
    sink: int

    @classmethod
    def standard(cls) -> Line | None:
        """Return the process's own; None if it has none, or either is no terminal."""
        if sys.__stdin__ is None or sys.__stderr__ is None:
            return None
        try:
            line = cls(sys.__stdin__.fileno(), sys.__stderr__.fileno())
        except (ValueError, OSError):  # closed
            return None
        return line if line.is_terminal else None

    @property
    def is_terminal(self) -> bool:
        """Whether both ends are a terminal."""
        return os.isatty(self.source) and os.isatty(self.sink)

    def size(self) -> Size:
        """Ask the kernel for the size."""
        import fcntl  # noqa: PLC0415

        try:
            answer = fcntl.ioctl(self.sink, termios.TIOCGWINSZ, bytes(8))
        except OSError:
            return Size(0, 0, 0, 0)
        lines, columns, width, height = struct.unpack("4H", answer)
        return Size(columns, lines, width, height)

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Let keys through at once and unseen, without signals; undone in every case.

        What was typed before stays in the line. SIGTERM and SIGHUP end the process as before, but after the line
        has been put back.
        """
        before = termios.tcgetattr(self.source)
        with _undone_by_signals(lambda: self._set(before)):
            try:
                self._set(_raw(before))
                yield
            finally:
                self._set(before)

    def ask(self, question: bytes, reader: Reader, done: Callable[[], bool], patience: float) -> bool:
        """Write a question and read until `done` or out of patience (seconds); call it where the line is `raw`.

        Returns:
            Whether it was done.

        Raises:
            KeyboardInterrupt: The user pressed Ctrl+C.
        """
        if question:
            _write(self.sink, question)
        deadline = monotonic() + patience
        while not done():
            data = self._read(deadline - monotonic())
            if not data:
                break
            reader.feed(data)
            if reader.interrupted:
                raise KeyboardInterrupt
        return done()

    def _read(self, patience: float) -> bytes:
        """Read what there is; b"" when nothing comes in time, or never will."""
        if patience <= 0 or not select.select([self.source], [], [], patience)[0]:
            return b""
        try:
            return os.read(self.source, 4096)
        except OSError:  # the terminal is gone
            return b""

    def _set(self, attributes: list[Any]) -> None:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self.source, termios.TCSANOW, attributes)


def _raw(before: list[Any]) -> list[Any]:
    attributes = [*before]
    attributes[_LOCAL_FLAGS] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
    characters = [*before[_CONTROL_CHARACTERS]]
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    attributes[_CONTROL_CHARACTERS] = characters
    return attributes


def _write(sink: int, data: bytes) -> None:
    with suppress(OSError):  # the terminal is gone: nothing will be answered
        while data:
            data = data[os.write(sink, data) :]


@contextmanager
def _undone_by_signals(undo: Callable[[], None]) -> Iterator[None]:
    """Call `undo` before a signal ends the process; only the main thread may handle signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        undo()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = {number: signal.getsignal(number) for number in _ENDING}
    handled = [number for number in _ENDING if before[number] == signal.SIG_DFL]
    for number in handled:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
