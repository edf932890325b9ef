"""A real pseudo-terminal with a screen that can be read: runs a program as a user would, for end-to-end tests."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

import pyte

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

COMMAND = (sys.executable, "-m", "hw3_browse.tui.cli")
PATIENCE = 120.0  # seconds; only ever waited for in full when a test fails
ENTER_ALTERNATE = b"\x1b[?1049h"
LEAVE_ALTERNATE = b"\x1b[?1049l"
# Sequences that pyte would print: kitty's keyboard protocol and requests for a mode's state.
_FOREIGN = re.compile(rb"\x1b\[[<>=][0-9;]*u|\x1b\[\?[0-9;]*\$p")


class Terminal:
    """Runs one command in a pty of its own session.

    Args:
        command: The program and its arguments.
        columns: Width.
        lines: Height.
        environment: Variables added to this process's; None takes one away.
    """

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        lines: int = 24,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        variables = dict(os.environ) | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        for unwanted in ("NO_COLOR", "COLORFGBG", "TMUX"):
            variables.pop(unwanted, None)
        for name, value in (environment or {}).items():
            variables.pop(name, None) if value is None else variables.update({name: value})
        self.raw = b""
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.pid, self._file = pty.fork()
        if self.pid == 0:  # the child: nothing but exec
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execvpe(command[0], list(command), variables)
        self._status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()
        with contextlib.suppress(OSError):
            os.close(self._file)

    def press(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the terminal, as when the connection dies."""
        os.close(self._file)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self, seconds: float) -> bytes:
        """Read what comes until there is nothing for so long; returns it."""
        start = len(self.raw)
        while select.select([self._file], [], [], seconds)[0]:
            try:
                data = os.read(self._file, 1 << 16)
            except OSError:  # the program has ended
                break
            if not data:
                break
            self.raw += data
            self._stream.feed(_FOREIGN.sub(b"", data))
        return self.raw[start:]

    def wait_for(self, condition: str | Callable[[str], bool]) -> str:
        """Wait until the screen holds a text, or fulfils a condition; returns the screen."""
        fulfilled = (lambda text: condition in text) if isinstance(condition, str) else condition
        deadline = time.monotonic() + PATIENCE
        while not fulfilled(self.text):
            assert time.monotonic() < deadline, f"waited in vain for {condition!r}; the screen is\n{self.text}"
            self.read(0.02)
        return self.text

    def wait(self) -> int:
        """Wait for the program's end and return its exit code, negative if a signal killed it."""
        deadline = time.monotonic() + PATIENCE
        while self._status is None:
            with contextlib.suppress(OSError, ValueError):
                self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f"the program does not end; the screen is\n{self.text}"
        with contextlib.suppress(OSError, ValueError):
            self.read(0.05)
        return self._status


def is_clean(raw: bytes) -> bool:
    """Tell whether a program has undone everything that it did to the terminal."""

    def last_is_off(mode: int) -> bool:
        on, off = raw.rfind(b"\x1b[?%dh" % mode), raw.rfind(b"\x1b[?%dl" % mode)
        return off >= on

    mouse_and_others = all(last_is_off(mode) for mode in (1000, 1003, 1004, 1006, 1015, 1049, 2004))
    cursor_shown = raw.rfind(b"\x1b[?25h") >= raw.rfind(b"\x1b[?25l")
    keyboard_back = raw.count(b"u") == 0 or raw.rfind(b"\x1b[<u") >= raw.rfind(b"\x1b[>")
    return mouse_and_others and cursor_shown and keyboard_back
