"""A program in a pseudo-terminal of its own, and a clock on what it writes."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import pty
import select
import signal
import struct
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

QUIET: Final = 0.4  # seconds without a byte: the answer is complete; a blinking cursor comes after 0.5
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program wrote after keys.

    Attributes:
        first: Seconds from the (last) key to the first byte after it.
        last: Seconds to the last byte.
        marked: Seconds until a text had come that was waited for; NaN where there was none.
        size: Bytes, from the first key on.
        cpu: Seconds of processor time, all threads; in steps of 10 ms.
    """

    first: float
    last: float
    marked: float
    size: int
    cpu: float


class Session:
    """One measured program; a context manager that ends it.

    Args:
        command: The program and its arguments.
        size: Columns and lines of the terminal.
        pid_file: Where the measured program leaves the number of its process; it need not be the one that is started.
    """

    def __init__(self, command: Sequence[str], size: tuple[int, int], pid_file: Path) -> None:
        self._pid_file = pid_file
        pid_file.unlink(missing_ok=True)
        variables = dict(os.environ) | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        for name in ("NO_COLOR", "TMUX", "COLUMNS", "LINES"):
            variables.pop(name, None)
        self._start = time.monotonic()
        self._child, self._file = pty.fork()
        if self._child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execvpe(command[0], list(command), variables)  # noqa: S606 (no shell)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Quit the program, and read what it still writes; kill it where something went wrong."""
        os.write(self._file, b"q")
        deadline = time.monotonic() + (PATIENCE if kind is None else 0)
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                if select.select([self._file], [], [], 1)[0]:
                    os.read(self._file, 1 << 16)  # fails when the program has ended
            os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._file)

    def read_until(self, *texts: str) -> list[float]:
        """Read until all texts have come, in this order; return the seconds from the start to each."""
        times = []
        seen = b""
        for text in map(str.encode, texts):
            while text not in seen:
                seen += self._read(PATIENCE)
            seen = seen[seen.index(text) + len(text) :]
            times.append(time.monotonic() - self._start)
        return times

    def settle(self) -> None:
        """Read until nothing more comes."""
        while select.select([self._file], [], [], QUIET)[0]:
            self._read(0)

    def press(self, keys: str, mark: str = "") -> Answer:
        """Press a key, or several at once; return what came until it was quiet, and a marked text had come.

        Args:
            keys: What the terminal sends.
            mark: A text to wait for.
        """
        return self.hold(keys, 1, 0, mark)

    def hold(self, keys: str, times: int, pause: float, mark: str = "") -> Answer:
        """Press keys again and again; see `press`.

        Args:
            keys: What the terminal sends.
            times: How often.
            pause: Seconds between two presses.
            mark: A text to wait for.
        """
        answer = bytearray()
        cpu = self.cpu()
        for turn in range(times):
            os.write(self._file, keys.encode())
            began = last = time.monotonic()
            before = len(answer)
            while turn < times - 1 and (rest := began + pause - time.monotonic()) > 0:
                if select.select([self._file], [], [], rest)[0]:
                    answer += self._read(0)
        first: float | None = None
        marked: float | None = None
        while (mark and marked is None) or select.select([self._file], [], [], QUIET)[0]:
            answer += self._read(PATIENCE)
            last = time.monotonic()
            first = first or last - began
            if mark and marked is None:
                if mark.encode() in answer[before:]:
                    marked = last - began
                elif last - began > PATIENCE:
                    raise TimeoutError(f"{keys!r} did not bring {mark!r} in {PATIENCE:.0f} seconds")
        size, cpu = len(answer), self.cpu() - cpu
        return Answer(first or math.nan, last - began, marked or math.nan, size, cpu)

    def memory(self) -> float:
        """Return the resident memory in MB."""
        pages = int(self._proc("statm").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu(self) -> float:
        """Return the seconds of processor time that all threads have used."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _proc(self, name: str) -> str:
        return Path(f"/proc/{int(self._pid_file.read_text())}/{name}").read_text()

    def _read(self, patience: float) -> bytes:
        if not select.select([self._file], [], [], patience)[0]:
            raise TimeoutError(f"nothing more came in {patience:.0f} seconds")
        return os.read(self._file, 1 << 16)
