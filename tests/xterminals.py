"""Real terminal emulators on an invisible X server: run a program in one, type, and look at the pixels.

    with Display() as display, XTerminal(display, "kitty", feeding()) as terminal:
        terminal.write(painter.paint(...))
        terminal.wait_for(lambda pixels: ...)

Used by tests of graphics, and by hand to look at the whole browser:

    python tests/xterminals.py kitty shot.png --keys Right Right -- hw3-browse CACHE

$HW3_KITTY names another kitty than the one that is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

PATIENCE = 60.0  # seconds; only ever waited for in full when a test fails
NEEDED = ("Xvfb", "import", "xdotool")
SIZE = 1000, 700  # pixels of the screen, which the emulator fills

_XTERM = (
    "xterm",
    *("-ti", "vt340", "-geometry", "120x48+0+0", "-fn", "7x13", "-b", "0", "+sb", "-bg", "black", "-fg", "gray90"),
    *("-xrm", "XTerm*numColorRegisters: 256", "-xrm", "XTerm*decGraphicsID: vt340", "-e"),
)
_KITTY = (
    *(
        "--config",
        "NONE",
        "-o",
        "linux_display_server=x11",
        "-o",
        "update_check_interval=0",
        "-o",
        "cursor_blink_interval=0",
    ),
    *(
        "-o",
        "remember_window_size=no",
        "-o",
        f"initial_window_width={SIZE[0]}",
        "-o",
        f"initial_window_height={SIZE[1]}",
    ),
    *("-o", "confirm_os_window_close=0", "-o", "window_padding_width=0", "-o", "placement_strategy=top-left"),
)


def command_for(emulator: str) -> tuple[str, ...]:
    """Return the command that runs what follows it in an emulator, without the emulator's own decorations."""
    if emulator == "kitty":
        return (os.environ.get("HW3_KITTY", "kitty"), *_KITTY)
    if emulator == "xterm":
        return _XTERM
    if emulator == "konsole":
        return ("konsole", "--nofork", "--hide-menubar", "--hide-tabbar", "--fullscreen", "-e")
    if emulator == "mlterm":
        return ("mlterm", "-b", "black", "-f", "white", "-g", "120x40", "--sbmod=none", "-e")
    raise ValueError(f"unknown emulator {emulator!r}")


def missing(emulator: str) -> str:
    """Return what is not installed, "" if an emulator can be run."""
    return ", ".join(name for name in (command_for(emulator)[0], *NEEDED) if shutil.which(name) is None)


class Display:
    """An X server without a screen."""

    def __enter__(self) -> Self:
        read, write = os.pipe()
        geometry = f"{SIZE[0]}x{SIZE[1]}x24"
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", geometry, "-nolisten", "tcp"]
        self._server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as answer:
            self.name = f":{answer.readline().strip()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.terminate()
        self._server.wait()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to be shown there."""
        return {"DISPLAY": self.name, "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb", "XDG_SESSION_TYPE": "x11"}

    def pixels(self) -> NDArray[np.uint8]:
        """Return what is on the screen: [height, width, 3]."""
        command = ["import", "-window", "root", "-display", self.name, "png:-"]
        png = subprocess.run(command, capture_output=True, check=True).stdout
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def press(self, *keys: str) -> None:
        """Press keys, by their names in X: "a", "Right", "ctrl+c"."""
        subprocess.run(["xdotool", "key", "--delay", "60", *keys], env={**os.environ, **self.environment}, check=True)


class XTerminal:
    """An emulator that runs one command.

    Args:
        display: Where.
        emulator: "kitty", "xterm", "konsole" or "mlterm".
        command: What runs in it; None: what is written by `write` is shown.
        around: Put before the command, such as tmux and its arguments.
        environment: Variables that are added.
    """

    def __init__(
        self,
        display: Display,
        emulator: str,
        command: Sequence[str] | None = None,
        around: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self._display = display
        self._folder = Path(tempfile.mkdtemp())
        self._pipe = self._folder / "pipe"
        self._report = self._folder / "size"
        os.mkfifo(self._pipe)
        feeding = [sys.executable, __file__, "--feed", str(self._pipe), str(self._report)]
        variables = {**os.environ, **display.environment, **(environment or {})}
        for name in ("TMUX", "NO_COLOR"):
            variables.pop(name, None)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command_for(emulator), *around, *(feeding if command is None else command)],
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._feed = os.open(self._pipe, os.O_RDWR) if command is None else None

    def __enter__(self) -> Self:
        if self._feed is not None:
            deadline = time.monotonic() + PATIENCE
            while not self._report.exists() or not self._report.read_text():
                assert time.monotonic() < deadline, f"the emulator does not start: {self.log()}"
                time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()
        if self._feed is not None:
            os.close(self._feed)
        shutil.rmtree(self._folder)

    @property
    def size(self) -> tuple[int, int, int, int]:
        """Lines, columns, width and height in pixels, as the program in the emulator sees them."""
        lines, columns, width, height = map(int, self._report.read_text().split())
        return lines, columns, width, height

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of a cell in pixels."""
        lines, columns, width, height = self.size
        return width // columns, height // lines

    def log(self) -> str:
        """Return what the emulator said."""
        return (self._folder / "log").read_text(errors="replace")

    def write(self, text: str) -> None:
        """Show a text, or do what its sequences say."""
        assert self._feed is not None
        data = text.encode()
        while data:
            data = data[os.write(self._feed, data) :]

    def wait_for(self, condition: Callable[[NDArray[np.uint8]], bool]) -> NDArray[np.uint8]:
        """Wait until the screen fulfils a condition; return it."""
        deadline = time.monotonic() + PATIENCE
        while not condition(pixels := self._display.pixels()):
            if time.monotonic() > deadline:
                Image.fromarray(pixels).save(shot := Path(tempfile.gettempdir()) / "waited-in-vain.png")
                raise AssertionError(f"waited in vain; the screen is in {shot}; {self.log()}")
            time.sleep(0.05)
        return pixels

    def settled(self, seconds: float = 0.5) -> NDArray[np.uint8]:
        """Return the screen when it has not changed for so long."""
        before, since = self._display.pixels(), time.monotonic()
        while time.monotonic() - since < seconds:
            time.sleep(0.05)
            now = self._display.pixels()
            if not np.array_equal(now, before):
                before, since = now, time.monotonic()
        return before


def _feed(pipe: str, report: str) -> None:
    """Be the program in the emulator: say how large it is, and copy a pipe to it, unchanged."""
    mode = termios.tcgetattr(0)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, mode)
    time.sleep(0.3)  # emulators settle on their size a moment after the start
    size = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    Path(report).write_text(" ".join(map(str, size)))
    with Path(pipe).open("rb", buffering=0) as source:
        while data := source.read(1 << 16):
            while data:
                data = data[os.write(1, data) :]


def _shoot(arguments: Sequence[str]) -> None:
    """Run a program, press keys, and save what is seen."""
    parser = argparse.ArgumentParser(description="Photograph a program in a terminal emulator.")
    parser.add_argument("emulator")
    parser.add_argument("shot", type=Path, help="PNG to be written; with keys, -1, -2 ... is added before each of them")
    parser.add_argument("--keys", nargs="*", default=[], help="keys to press, by their names in X")
    parser.add_argument("--tmux", action="store_true", help="in tmux")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    with (
        Display() as display,
        tmux() if options.tmux else contextlib.nullcontext(()) as around,
        XTerminal(display, options.emulator, options.command, around) as terminal,
    ):
        terminal.wait_for(lambda pixels: bool(pixels.any()))
        for number, key in enumerate(["", *options.keys]):
            if key:
                display.press(key)
            shot = options.shot.with_stem(f"{options.shot.stem}-{number}") if options.keys else options.shot
            Image.fromarray(terminal.settled(1.5)).save(shot)


@contextlib.contextmanager
def tmux() -> Iterator[tuple[str, ...]]:
    """Give the command that runs what follows it in a tmux of its own, which hands graphics on."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "tmux.conf"
        settings.write_text("set -g allow-passthrough on\nset -g status off\nset -g default-terminal tmux-256color\n")
        server = "tmux", "-S", f"{folder}/socket", "-u", "-f", str(settings)
        try:
            yield (*server, "new-session", "--")
        finally:
            subprocess.run([*server, "kill-server"], capture_output=True, check=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--feed"]:
        _feed(*sys.argv[2:4])
    else:
        _shoot(sys.argv[1:])
