"""The browser inside a real tmux: drawn, walked through, and gone without a trace."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from pseudo_terminal import COMMAND, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


class Tmux:
    """A tmux server of its own with one window of 80x24."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "bash --norc --noprofile")

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def press(self, *keys: str) -> None:
        self("send-keys", *keys)

    def screen(self, *, styled: bool = False) -> str:
        return self("capture-pane", "-p", *(["-e"] if styled else []))

    def wait_for(self, condition: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + PATIENCE
        while not condition(screen := self.screen()):
            assert time.monotonic() < deadline, f"waited in vain; the screen is\n{screen}"
            time.sleep(0.05)
        return screen


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path / "tmux")
    yield server
    server("kill-server")


def test_a_session(tmux: Tmux, cache_folder: Path) -> None:
    tmux.press("PS1='$ '; clear", "Enter")
    tmux.press(f"{shlex.join([*COMMAND, str(cache_folder)])}; echo ended with $?", "Enter")
    tmux.wait_for(lambda screen: "rank 1 of 20" in screen and "▀" in screen)
    tmux.press("j", "Down", "Right")
    screen = tmux.wait_for(lambda screen: "rank 3 of 20" in screen and "layer 2/2" in screen)
    assert len(screen.splitlines()) == 24
    assert "\x1b[" in tmux.screen(styled=True)
    tmux("resize-window", "-x", "160", "-y", "50")
    time.sleep(1)  # tmux 3.3 puts off the program's SIGWINCH for 250 ms, anew with every command that it gets
    tmux.wait_for(lambda screen: " of 20  ━" in screen and "rank 3 of 20" in screen)  # bars: the wide layout
    tmux.press("q")
    tmux.wait_for(lambda screen: "ended with 0" in screen)
    assert tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}").split() == ["0", "0", "1"]


def test_killing_the_window_ends_the_browser(tmux: Tmux, cache_folder: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    script = f"trap '' HUP; {shlex.join([*COMMAND, str(cache_folder)])}; echo $? > {shlex.quote(str(code))}"
    tmux("new-window", f"bash -c {shlex.quote(script)}")
    tmux.wait_for(lambda screen: "rank 1 of 20" in screen)
    tmux("kill-window")
    deadline = time.monotonic() + PATIENCE
    while not code.exists() or not code.read_text().strip():
        assert time.monotonic() < deadline, "the browser did not end with its window"
        time.sleep(0.05)
    assert code.read_text().strip() == "129"
