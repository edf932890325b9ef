"""The browser of zero-shot runs in a real pseudo-terminal, as a user has it: prompts, the way to captions and back."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from fakes import make_cache
from pseudo_terminal import COMMAND, Terminal, is_clean
from zeroshot_fakes import make_zeroshot_run

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = """
import sys, atexit, pathlib
from hw3_browse.tui import cli
seen = sys.argv.pop()
atexit.register(lambda: pathlib.Path(seen).write_text(" ".join(sys.modules)))
cli.entry()
"""


def test_from_one_run_to_the_other_and_back(tmp_path: Path, home: Path) -> None:
    seen = home / "modules"
    run = make_zeroshot_run(tmp_path / "runs" / "zero", count=30)
    make_cache(tmp_path / "runs" / "words", count=8)
    with Terminal([COMMAND[0], "-c", _PROGRAM, str(run), str(seen)]) as terminal:
        terminal.wait_for("rank 1 of 30")
        terminal.wait_for("prompt 1/3")
        terminal.press("\x1b[C")  # right
        terminal.wait_for("prompt 2/3")
        terminal.press("gjj")
        terminal.wait_for("rank 3 of 30")
        name = terminal.text.splitlines()[4].split()[2]
        terminal.press("b")
        terminal.wait_for("captions, 8 pictures")
        terminal.press("\r")
        terminal.wait_for("rank 1 of 8")
        terminal.press("j")
        terminal.wait_for("rank 2 of 8")
        terminal.press("b")
        terminal.wait_for("zero-shot, 30 pictures")
        terminal.press("\r")
        terminal.wait_for("rank 3 of 30")  # as it was left: by the second prompt, at the third picture
        terminal.wait_for("prompt 2/3")
        assert name in terminal.text
        terminal.press("q")
        assert terminal.wait() == 0
        assert is_clean(terminal.raw)
    modules = set(seen.read_text().split())
    assert {"hw3_browse.tui.classes.app", "hw3_browse.tui.captions_app", "PIL.Image"} <= modules
    assert not modules & {"torch", "pandas", "matplotlib", "hw3_browse.core"}


def test_nothing_heavy_before_the_first_frame(tmp_path: Path) -> None:
    run = make_zeroshot_run(tmp_path / "zero")
    program = (
        "import sys, pathlib; from hw3_browse.tui.opening import browser_for, open_runs\n"
        "from hw3_browse.tui.settings import Settings; from hw3_browse.tui.terminal.modes import Terminal\n"
        "runs = open_runs([pathlib.Path(sys.argv[1])])\n"
        "browser_for(runs, Settings(), Terminal('half', ''), lambda: runs); print(*sys.modules)"
    )
    done = subprocess.run([COMMAND[0], "-c", program, run], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "hw3_browse.tui.classes.app" in modules
    assert not modules & {"PIL.Image", "pyarrow", "zstandard", "matplotlib", "torch", "pandas"}
    assert "hw3_browse.tui.captions_app" not in modules  # each kind has its own
