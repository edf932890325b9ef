"""Measures pictures in pixels: bytes that are sent and milliseconds of a worker, for each protocol.

    python benchmarks/graphics.py [--photo FILE] [--panel 90x40] [--cell 10x20]
    python benchmarks/graphics.py --small           a smoke test

Four things that a user does: a photo appears; the word changes; the word changes back; a sheet of twelve words. Half
blocks, which every terminal has, are 1.0, so that the ratios mean the same on every machine. Without --photo a
synthetic picture is taken, about as busy as a photograph.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from measuring.tables import markdown
from PIL import Image
from rich.color import ColorSystem

from hw3_browse.cache.geometry import view_for
from hw3_browse.tui import raster
from hw3_browse.tui.colormap import table
from hw3_browse.tui.graphics.encoder import Encoder
from hw3_browse.tui.graphics.overlay import overlay
from hw3_browse.tui.graphics.painter import painter_for
from hw3_browse.tui.graphics.placing import Placed
from hw3_browse.tui.terminal.modes import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hw3_browse.cache.geometry import View

_RUNS: Final = 5
_WORDS: Final = 12
_ACROSS: Final = 4
_STEPS: Final = ("photo", "word", "back", "sheet")
_TMUX: Final = {"multiplexer": "tmux", "passthrough": True}


@dataclass(frozen=True)
class Scene:
    """What is shown, and where.

    Attributes:
        photo: uint8 [height, width, 3].
        view: Where the model looked.
        panel: (columns, lines).
        cell: (width, height) in pixels.
    """

    photo: NDArray[np.uint8]
    view: View
    panel: tuple[int, int]
    cell: tuple[int, int]

    @property
    def tile(self) -> tuple[int, int]:
        """(columns, lines) of one of twelve pictures in the panel."""
        return self.panel[0] // _ACROSS - 1, self.panel[1] // (_WORDS // _ACROSS) - 1

    def levels(self, word: int) -> NDArray[np.float32]:
        """Return the map of a word: peaked, as maps are."""
        grid = np.random.default_rng(word).random((self.view.rows, self.view.cols), np.float32) ** 6
        return raster.levels(grid)


def half_blocks(scene: Scene) -> dict[str, tuple[int, float]]:
    """Return bytes and seconds of each step in half blocks, which send all again each time."""

    def text(cells: tuple[int, int], word: int | None) -> str:
        size = raster.fit((scene.photo.shape[1], scene.photo.shape[0]), cells)
        pixels = raster.scale(Image.fromarray(scene.photo), size)
        if word is not None:
            values, seen = scene.view.place(scene.levels(word), *size)
            pixels = raster.blend(pixels, values, seen, colours=table("jet"))
        return "".join(
            segment.style.render(segment.text, color_system=ColorSystem.TRUECOLOR) if segment.style else segment.text
            for strip in raster.half_blocks(pixels)
            for segment in strip
        )

    words = {"photo": [None], "word": [1], "back": [0], "sheet": range(_WORDS)}
    return {
        step: _measured(
            lambda step=step: sum(
                len(text(scene.tile if step == "sheet" else scene.panel, word).encode()) for word in words[step]
            )
        )
        for step in _STEPS
    }


def pixels(scene: Scene, terminal: Terminal, *, frugal: bool) -> dict[str, tuple[int, float]]:
    """Return bytes and seconds of each step in a protocol."""
    encoder, painter = Encoder(terminal, frugal=frugal), painter_for(terminal)
    jet = table("jet")

    def placed(cells: tuple[int, int], words: Sequence[int | None]) -> list[Placed]:
        overlays = [None if word is None else overlay(scene.levels(word), scene.view, 0.5, jet) for word in words]
        return [
            Placed(
                encoder.encode(0, scene.photo, over, cells),
                number % _ACROSS * (cells[0] + 1),
                number // _ACROSS * (cells[1] + 1),
            )
            for number, over in enumerate(overlays)
        ]

    found = {}
    steps: tuple[tuple[str, tuple[int, int], Sequence[int | None]], ...] = (
        ("photo", scene.panel, [None]),
        ("first word", scene.panel, [0]),
        ("word", scene.panel, [1]),
        ("back", scene.panel, [0]),
        ("sheet", scene.tile, range(_WORDS)),
    )
    for step, cells, words in steps:
        before = time.perf_counter()
        plates = placed(cells, words)
        seconds = time.perf_counter() - before
        found[step] = len(painter.paint(plates).encode()), seconds
    return found


def _measured(work: Callable[[], int]) -> tuple[int, float]:
    times = []
    for _ in range(_RUNS):
        before = time.perf_counter()
        count = work()
        times.append(time.perf_counter() - before)
    return count, min(times)


def best(measure: Callable[[], dict[str, tuple[int, float]]], count: int) -> dict[str, tuple[int, float]]:
    """Return the bytes of the first and the least seconds of some runs."""
    runs = [measure() for _ in range(count)]
    return {step: (runs[0][step][0], min(run[step][1] for run in runs)) for step in _STEPS}


def synthetic() -> NDArray[np.uint8]:
    """Return a picture of 448 x 299 pixels, smooth in the large and noisy in the small."""
    rng = np.random.default_rng(0)
    size = 448, 299
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 255, (side, side, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC),
            float,
        )
        for side in (6, 40)
    ]
    mixed = layers[0] * 0.75 + layers[1] * 0.25 + rng.normal(0, 3, (size[1], size[0], 1))
    return np.clip(mixed, 0, 255).astype(np.uint8)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, help="a picture, scaled to 448 pixels as previews are")
    parser.add_argument("--panel", default="90x40", help="columns and lines")
    parser.add_argument("--cell", default="10x20", help="width and height of a cell in pixels")
    parser.add_argument("--small", action="store_true", help="a smoke test")
    options = parser.parse_args()
    if options.small:
        options.panel, options.cell = "24x12", "4x8"
    photo = synthetic()
    if options.photo:
        image = Image.open(options.photo).convert("RGB")
        image.thumbnail((448, 448), Image.Resampling.LANCZOS)
        photo = np.asarray(image)
    panel, cell = (tuple(map(int, text.split("x"))) for text in (options.panel, options.cell))
    view = view_for((photo.shape[1], photo.shape[0]), (224, 224), 0.9, "center", (14, 14))
    scene = Scene(photo, view, panel, cell)
    terminals = {
        "kitty": Terminal("kitty", "", cell, program="kitty(0.42.1)"),
        "kitty, tmux": Terminal("kitty", "", cell, program="kitty(0.42.1)", **_TMUX),
        "placeholders": Terminal("kitty", "", cell, **_TMUX),
        "iterm2": Terminal("iterm2", "", cell),
        "sixel": Terminal("sixel", "", cell),
    }
    height, width = photo.shape[:2]
    print(f"photo {width} x {height}, panel {panel[0]} x {panel[1]} cells of {cell[0]} x {cell[1]} pixels\n")
    base = half_blocks(scene)
    rows = [("half blocks", *_cells(base, base))]
    for name, terminal in terminals.items():
        for frugal in (False, True):
            found = best(partial(pixels, scene, terminal, frugal=frugal), 1 if options.small else _RUNS)
            rows.append((f"{name}{', frugal' if frugal else ''}", *_cells(found, base)))
    print(markdown(("KB, ms, KB as a ratio to half blocks", *_STEPS), rows))


def _cells(found: dict[str, tuple[int, float]], base: dict[str, tuple[int, float]]) -> list[str]:
    return [
        f"{found[step][0] / 1000:.1f}, {found[step][1] * 1000:.1f}, {found[step][0] / base[step][0]:.3f}"
        for step in _STEPS
    ]


if __name__ == "__main__":
    main()
