"""The browser in a real pseudo-terminal: what a user meets, the ways out, and a terminal that is left clean."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from pseudo_terminal import COMMAND, ENTER_ALTERNATE, Terminal, is_clean

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")

READY = "20 pictures"


def browse(folder: Path, *arguments: str, **options: object) -> Terminal:
    return Terminal([*COMMAND, str(folder), *arguments], **options)  # type: ignore[arg-type]


def wait_for_picture(terminal: Terminal) -> None:
    terminal.wait_for("references")
    terminal.wait_for("▀")


@pytest.mark.parametrize("size", [(80, 24), (160, 50), (300, 100), (60, 16)])
def test_a_walk_through_the_list(cache_folder: Path, size: tuple[int, int]) -> None:
    with browse(cache_folder, columns=size[0], lines=size[1]) as terminal:
        terminal.wait_for("by clipscore, best first")
        terminal.wait_for("rank 1 of 20")
        terminal.press("j\x1b[B")  # also the arrow
        terminal.wait_for("rank 3 of 20")
        terminal.press("G")
        terminal.wait_for("rank 20 of 20")
        terminal.press("\x1b[C")
        terminal.wait_for("layer 2/2")
        if size[0] >= 80:  # below it there is no room for the scale
            terminal.wait_for("a patch")
        terminal.press("q")
        assert terminal.wait() == 0
        assert is_clean(terminal.raw)


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_quit_keys(cache_folder: Path, key: str) -> None:
    with browse(cache_folder) as terminal:
        terminal.wait_for(READY)
        terminal.press(key)
        assert terminal.wait() == 0
        assert is_clean(terminal.raw)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_clean(cache_folder: Path, number: signal.Signals) -> None:
    with browse(cache_folder) as terminal:
        terminal.wait_for(READY)
        wait_for_picture(terminal)
        os.kill(terminal.pid, number)
        assert terminal.wait() == 128 + number
        assert ENTER_ALTERNATE in terminal.raw
        assert is_clean(terminal.raw)


def test_a_dead_connection_ends_it(cache_folder: Path) -> None:
    with browse(cache_folder) as terminal:
        terminal.wait_for(READY)
        wait_for_picture(terminal)
        terminal.hang_up()
        assert terminal.wait() == 128 + signal.SIGHUP


def test_suspend_and_resume(cache_folder: Path) -> None:
    with browse(cache_folder) as terminal:
        terminal.wait_for("rank 1 of 20")
        wait_for_picture(terminal)
        terminal.press("\x1a")
        _, status = os.waitpid(terminal.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        terminal.read(0.2)
        assert is_clean(terminal.raw)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.press("j")
        terminal.wait_for("rank 2 of 20")
        terminal.press("q")
        assert terminal.wait() == 0


def test_a_crash_is_logged_and_the_terminal_clean(cache_folder: Path, home: Path) -> None:
    program = (
        "import sys; from hw3_browse.tui import cli; from hw3_browse.tui.parts.listing import Listing\n"
        "def crash(self): raise RuntimeError('a bug')\n"
        "Listing.turn = crash\n"
        "sys.argv = ['hw3-browse', sys.argv[1]]; cli.entry()"
    )
    with Terminal([COMMAND[0], "-c", program, str(cache_folder)]) as terminal:
        terminal.wait_for("rank 1 of 20")
        terminal.press("r")
        assert terminal.wait() == 1
        assert is_clean(terminal.raw)
        assert "hw3-browse crashed: RuntimeError: a bug" in terminal.text
        (log,) = home.glob("**/crashes/*.log")
        assert "in crash" in log.read_text()
        assert log.name in terminal.text.replace("\n", "")


def test_too_small_says_so_and_recovers(cache_folder: Path) -> None:
    with browse(cache_folder, columns=50, lines=12) as terminal:
        terminal.wait_for("50\u00d712 is too small")
        terminal.resize(80, 24)
        terminal.wait_for("rank 1 of 20")
        wait_for_picture(terminal)
        terminal.resize(79, 12)
        terminal.wait_for("79\u00d712 is too small")
        terminal.press("q")
        assert terminal.wait() == 0


def test_selection_survives_a_resize(cache_folder: Path) -> None:
    with browse(cache_folder, environment={"COLUMNS": "70", "LINES": "20"}) as terminal:  # as some shells export
        terminal.wait_for("rank 1 of 20")
        terminal.press("jjjjjjjjj")
        terminal.wait_for("rank 10 of 20")
        terminal.press("l")
        terminal.wait_for("layer 2/2")
        terminal.resize(160, 50)
        terminal.wait_for(lambda text: "rank 10 of 20" in text and "layer 2/2" in text and "▀" in text)


def test_the_selection_is_seen_without_colours(cache_folder: Path) -> None:
    with browse(cache_folder, environment={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("rank 1 of 20")
        terminal.press("jl")  # at once: the word is chosen before its caption has been read
        terminal.wait_for("a patch")
        reversed_text = "".join(
            terminal.screen.buffer[line][column].data
            for line in range(terminal.screen.lines)
            for column in range(terminal.screen.columns)
            if terminal.screen.buffer[line][column].reverse
        )
        chosen = next(line for line in terminal.screen.display if line.startswith("▌"))
        assert chosen[1:].split()[0] == "2"
        assert chosen.strip().split("  ")[-1].strip() in reversed_text
        assert reversed_text.count("▌") == 1
        terminal.press("q")
        assert terminal.wait() == 0


def test_nothing_heavy_is_imported(cache_folder: Path, tmp_path: Path) -> None:
    """In a fresh process with a picture on its screen there is no torch, no pandas, no matplotlib."""
    seen = tmp_path / "modules"
    program = (
        "import sys, atexit, pathlib; from hw3_browse.tui import cli\n"
        f"atexit.register(lambda: pathlib.Path({str(seen)!r}).write_text(' '.join(sys.modules)))\n"
        "sys.argv = ['hw3-browse', sys.argv[1]]; cli.entry()"
    )
    with Terminal([COMMAND[0], "-c", program, str(cache_folder)]) as terminal:
        wait_for_picture(terminal)
        terminal.press("q")
        assert terminal.wait() == 0
    modules = set(seen.read_text().split())
    assert "hw3_browse.tui.app" in modules
    assert "PIL.Image" in modules  # the picture was really made
    assert not modules & {"torch", "pandas", "matplotlib", "hw3_browse.core"}


def test_nothing_heavy_before_the_first_frame(cache_folder: Path) -> None:
    program = (
        "import sys, pathlib; from hw3_browse.cache.live import open_cache\n"
        "from hw3_browse.tui.captions_app import CaptionBrowser\n"
        "from hw3_browse.tui.runs import Runs; from hw3_browse.tui.settings import Settings\n"
        "from hw3_browse.tui.terminal.modes import Terminal\n"
        "runs = Runs([open_cache(pathlib.Path(sys.argv[1]))])\n"
        "CaptionBrowser(runs, Settings(), Terminal('half', ''), lambda: runs); print(*sys.modules)"
    )
    done = subprocess.run([COMMAND[0], "-c", program, cache_folder], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "textual" in modules
    assert not modules & {"PIL.Image", "pyarrow", "zstandard", "matplotlib", "torch", "pandas"}
