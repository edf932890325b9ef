"""Real terminal emulators show what the painter writes; skipped where they are not installed."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyte
import pytest
from PIL import Image, ImageFilter
from pseudo_terminal import Terminal as PseudoTerminal
from xterminals import Display, XTerminal, missing, tmux

from hw3_browse.cache.geometry import view_for
from hw3_browse.tui.colormap import table
from hw3_browse.tui.graphics.encoder import Encoder
from hw3_browse.tui.graphics.overlay import Overlay, lay_over, overlay
from hw3_browse.tui.graphics.painter import painter_for
from hw3_browse.tui.graphics.placing import Placed
from hw3_browse.tui.terminal.modes import Mode, Terminal

SHAPE = 300, 200


def photo(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(30, 226, (5, 7, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize(SHAPE, Image.Resampling.BICUBIC))


def heat(seed: int) -> Overlay:
    view = view_for(SHAPE, (224, 224), 0.9, "center", (7, 7))
    return overlay(np.random.default_rng(seed).random((7, 7)), view, 0.5, table("jet"))


def kitty_version() -> tuple[int, int]:
    command = [os.environ.get("HW3_KITTY", "kitty"), "--version"]
    found = re.search(r"(\d+)\.(\d+)", subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found is not None
    return int(found[1]), int(found[2])


def needs(emulator: str, *, in_tmux: bool = False) -> None:
    lacking = missing(emulator) or ("tmux" if in_tmux and shutil.which("tmux") is None else "")
    if lacking:
        pytest.skip(f"not installed: {lacking}")
    if in_tmux and kitty_version() < (0, 28):
        pytest.skip("this kitty knows no placeholders: set HW3_KITTY to one from 0.28 on")


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    with Display() as server:
        yield server


@pytest.mark.parametrize(
    ("emulator", "mode", "in_tmux", "whole"),
    [
        ("kitty", "kitty", False, False),
        ("kitty", "kitty", True, False),
        ("kitty", "kitty", True, True),
        ("xterm", "sixel", False, False),
        ("konsole", "kitty", False, False),
        ("mlterm", "sixel", False, False),
    ],
)
def test_pictures_are_seen(
    emulator: str, mode: Mode, in_tmux: bool, whole: bool, request: pytest.FixtureRequest
) -> None:
    """Photo, map, another map, text over it, two pictures, moved, gone."""
    needs(emulator, in_tmux=in_tmux)
    display: Display = request.getfixturevalue("display")
    program = emulator if emulator != "kitty" else "" if whole else "kitty({}.{})".format(*kitty_version())
    with contextlib.ExitStack() as stack:
        around = stack.enter_context(tmux()) if in_tmux else ()
        terminal = stack.enter_context(XTerminal(display, emulator, None, around))
        known = Terminal(
            mode, "", terminal.cell, multiplexer="tmux" if in_tmux else "", passthrough=in_tmux, program=program
        )
        encoder, painter = Encoder(known), painter_for(known)
        fitted = encoder.fit(SHAPE, (30, 12))
        origin = _origin(terminal)

        def wait_for(*shown: tuple[int, int, int, int | None]) -> None:
            """Wait until exactly these pictures (x, y, photo, map) are seen."""
            terminal.wait_for(lambda pixels: all(_seen(pixels, origin, known, fitted.pixels, each) for each in shown))

        def show(*shown: tuple[int, int, int, int | None]) -> None:
            placed = [
                Placed(encoder.encode(number, photo(number), None if word is None else heat(word), (30, 12)), x, y)
                for x, y, number, word in shown
            ]
            terminal.write(painter.paint(placed))
            wait_for(*shown)

        show((2, 2, 0, None))
        show((2, 2, 0, 1))
        show((2, 2, 0, 2), (40, 2, 1, 1))
        terminal.write("".join(f"\x1b[{line};1H\x1b[m{' ' * 36}" for line in range(1, 16)))
        painter.touched((0, 0, 36, 15))
        show((2, 2, 0, 2), (40, 2, 1, 1))
        show((5, 3, 0, 2))
        terminal.write(painter.erase())
        terminal.wait_for(lambda pixels: _dark(pixels, origin))
        terminal.write(painter.leave())
        show((2, 2, 1, None))


def _origin(terminal: XTerminal) -> tuple[int, int]:
    """Clear the screen and return where its first cell is in the window: a white cell tells."""
    terminal.write("\x1b[?1049h\x1b[?25l\x1b[2J\x1b[1;1H\x1b[48;2;255;0;255m \x1b[m")
    mark = (255, 0, 255)
    pixels = terminal.wait_for(lambda pixels: bool((pixels == mark).all(axis=2).any()))
    rows, columns = np.nonzero((pixels == mark).all(axis=2))
    terminal.write("\x1b[1;1H ")
    terminal.wait_for(lambda pixels: not (pixels == mark).all(axis=2).any())
    return int(columns.min()), int(rows.min())


def _seen(
    pixels: np.ndarray,
    origin: tuple[int, int],
    terminal: Terminal,
    size: tuple[int, int],
    shown: tuple[int, int, int, int | None],
) -> bool:
    """Tell whether a picture is where it should be, and nothing of it above or to the left."""
    x, y, number, word = shown
    left, top = origin[0] + x * terminal.cell[0], origin[1] + y * terminal.cell[1]
    part = pixels[top : top + size[1], left : left + size[0]].astype(float)
    drawn = np.asarray(Image.fromarray(photo(number)).resize(size))
    wanted = drawn if word is None else lay_over(drawn, heat(word))
    # Borders of patches are blurred by some and not by others, and light is mixed in two ways.
    near = np.asarray(Image.fromarray(wanted).filter(ImageFilter.BoxBlur(2)), float)
    difference = np.abs(part - near).mean()
    around = max(pixels[top - 4, left : left + size[0]].max(), pixels[top : top + size[1], left - 4].max())
    return bool(difference < (9 if word is None else 17) and around < 80)


def _dark(pixels: np.ndarray, origin: tuple[int, int]) -> bool:
    return int(pixels[origin[1] : origin[1] + 200, origin[0] : origin[0] + 700].max()) < 80


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_tmux_draws_inline_pictures_at_their_place(tmp_path: Path) -> None:
    """tmux hands sequences on wherever the terminal's cursor happens to be: it has to be moved there before."""
    known = Terminal("iterm2", "", multiplexer="tmux", passthrough=True)
    encoder, painter = Encoder(known), painter_for(known)
    placed = [
        Placed(encoder.encode(number, photo(number), None, (20, 8)), *at)
        for number, at in enumerate([(30, 4), (3, 12)])
    ]
    (tmp_path / "painted").write_text(painter.paint(placed))
    painted = shlex.quote(str(tmp_path / "painted"))
    script = f"printf '\\033[2J\\033[20;70Hready'; read go; cat {painted}; printf done; sleep 60"
    with tmux() as around, PseudoTerminal([*around, "sh", "-c", script]) as terminal:
        terminal.wait_for("ready")
        terminal.press("\r")
        terminal.wait_for("done")
        raw = terminal.raw
    ends = [found.end() for found in re.finditer(rb"\x1b\]1337;FileEnd\x07", raw)]
    assert len(ends) == 2
    for end, item in zip(ends, placed, strict=True):
        screen = pyte.Screen(80, 24)
        pyte.ByteStream(screen).feed(
            re.sub(rb"\x1b\][^\x07]*\x07|\x1b\[[<>=?][0-9;]*[A-Za-z]|\x1bP.*?\x1b\\", b"", raw[:end])
        )
        assert (screen.cursor.x, screen.cursor.y) == (item.x, item.y)


def test_the_harness_photographs_a_program(tmp_path: Path) -> None:
    needs("xterm")
    shot = tmp_path / "shot.png"
    harness = Path(__file__).parents[1] / "xterminals.py"
    command = [sys.executable, str(harness), "xterm", str(shot), "--", "sh", "-c", "printf hello; sleep 60"]
    subprocess.run(command, check=True)
    assert np.asarray(Image.open(shot)).max() > 200
