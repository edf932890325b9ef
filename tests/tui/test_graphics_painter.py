"""Painters against a terminal in memory: what is seen, what is sent, what is kept, what is left behind."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pixel_terminal import PixelTerminal

from hw3_browse.cache.geometry import view_for
from hw3_browse.tui.colormap import table
from hw3_browse.tui.graphics.encoder import Encoder
from hw3_browse.tui.graphics.kitty import MOST_PLACEHOLDERS, PLACEHOLDER, numerals
from hw3_browse.tui.graphics.overlay import Overlay, lay_over, overlay
from hw3_browse.tui.graphics.painter import Painter, painter_for
from hw3_browse.tui.graphics.placing import Area, Placed
from hw3_browse.tui.graphics.plate import Plate
from hw3_browse.tui.terminal.modes import Terminal

CELL = (8, 16)
COLUMNS, LINES = 40, 14
PANEL = (12, 5)
WAYS = {
    "kitty": Terminal("kitty", "", CELL, program="kitty(0.42.1)"),
    "old kitty": Terminal("kitty", "", CELL, program="kitty(0.26.5)"),
    "ghostty": Terminal("kitty", "", CELL, program="ghostty 1.1.0"),
    "kitty in tmux": Terminal("kitty", "", CELL, multiplexer="tmux", passthrough=True, program="kitty(0.42.1)"),
    "placeholders": Terminal("kitty", "", CELL, multiplexer="tmux", passthrough=True),
    "iterm2": Terminal("iterm2", "", CELL),
    "iterm2 in tmux": Terminal("iterm2", "", CELL, multiplexer="tmux", passthrough=True),
    "sixel": Terminal("sixel", "", CELL),
    "sixel of tmux": Terminal("sixel", "", CELL, multiplexer="tmux"),
    "sixel through tmux": Terminal("sixel", "", CELL, multiplexer="tmux", passthrough=True),
}
LAYERED = ["kitty", "old kitty", "ghostty", "kitty in tmux"]
IN_CELLS = [way for way in WAYS if way not in LAYERED]

all_ways = pytest.mark.parametrize("way", WAYS)


@lru_cache
def photo(number: int, width: int = 90, height: int = 60) -> np.ndarray:
    small = np.random.default_rng(number).integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@lru_cache
def heat(number: int, width: int = 90, height: int = 60) -> Overlay:
    view = view_for((width, height), (224, 224), 0.9, "center", (7, 7))
    levels = np.random.default_rng(number).random((7, 7))
    return overlay(levels, view, 0.5, table("jet"), longest=60)


@lru_cache
def plate(way: str, number: int, word: int | None = None, cells: tuple[int, int] = PANEL) -> Plate:
    return Encoder(WAYS[way], frugal=True).encode(number, photo(number), None if word is None else heat(word), cells)


def screen(way: str) -> PixelTerminal:
    return PixelTerminal(COLUMNS, LINES, CELL, WAYS[way].passthrough, linear=way in {"kitty", "kitty in tmux"})


def fresh(way: str, placed: Sequence[Placed]) -> np.ndarray:
    """What is seen where nothing was before."""
    terminal = screen(way)
    terminal.write(painter_for(WAYS[way]).paint(placed))
    return terminal.pixels()


def overwrite(terminal: PixelTerminal, painter: Painter, area: Area, letter: str = " ") -> None:
    """Do what a frame does: write text over cells, and say so."""
    x, y, columns, lines = area
    for line in range(y, y + lines):
        terminal.write(f"\x1b[{line + 1};{x + 1}H\x1b[m{letter * columns}")
    painter.touched(area)


# -- What is seen ------------------------------------------------------------------------------------------------------


@all_ways
@pytest.mark.parametrize("word", [None, 1])
@pytest.mark.parametrize("shape", [(90, 60), (60, 90), (333, 97), (97, 333), (200, 200)])
def test_a_picture_is_seen_in_its_shape(way: str, word: int | None, shape: tuple[int, int]) -> None:
    encoder = Encoder(WAYS[way], background=(90, 100, 110))
    over = None if word is None else heat(word, *shape)
    made = encoder.encode("x", photo(0, *shape), over, (20, 9))
    fitted = encoder.fit(shape, (20, 9))
    assert (made.columns, made.lines) == (fitted.columns, fitted.lines)
    width, height = fitted.pixels
    assert abs(width / height - shape[0] / shape[1]) < 0.51 * (width + height) / height**2

    seen = fresh(way, [Placed(made, 3, 2)])
    drawn = np.asarray(Image.fromarray(photo(0, *shape)).resize((width, height), Image.Resampling.LANCZOS))
    wanted = drawn if over is None else lay_over(drawn, over)
    left, top = 3 * CELL[0], 2 * CELL[1]
    part = seen[top : top + height, left : left + width].astype(int)
    assert np.abs(part - wanted).mean() < (16 if word is not None else 8)
    cells = seen[top : top + made.lines * CELL[1], left : left + made.columns * CELL[0]]
    for margin in (cells[height + 1 :], cells[:, width + 1 :]):  # a border may be a pixel off
        assert np.abs(margin.astype(int) - (90, 100, 110)).max(initial=0) < (30 if "iterm2" in way else 3)
    cells[...] = 0
    assert not seen.any()


Shown = dict[int, tuple[int, int | None]]  # by place: number of the photo, and of the word
Step = tuple[Shown, Area | None]
steps = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 2), st.sampled_from([None, 0, 1, 2]))),
        st.none()
        | st.tuples(st.integers(0, COLUMNS - 9), st.integers(0, LINES - 4), st.integers(1, 9), st.integers(1, 4)),
    ),
    min_size=1,
    max_size=5,
)


@lru_cache(maxsize=512)
def expected(way: str, shown: frozenset[tuple[int, tuple[int, int | None]]]) -> np.ndarray:
    return fresh(way, places(way, dict(shown)))


def places(way: str, shown: Shown) -> list[Placed]:
    """Six panels, in two rows of three."""
    return [
        Placed(plate(way, *what), spot % 3 * (PANEL[0] + 1), spot // 3 * (PANEL[1] + 1)) for spot, what in shown.items()
    ]


@all_ways
@given(steps=steps)
@settings(max_examples=12)
def test_what_is_seen_does_not_depend_on_what_was(way: str, steps: list[Step]) -> None:
    terminal, painter = screen(way), painter_for(WAYS[way])
    for shown, area in steps:
        if area is not None:
            overwrite(terminal, painter, area)
        placed = places(way, shown)
        terminal.write(painter.paint(placed))
        assert painter.paint(placed) == ""
        assert np.array_equal(terminal.pixels(), expected(way, frozenset(shown.items())))
    terminal.write(painter.erase())
    assert not terminal.pixels().any()
    terminal.write(painter.leave())
    assert not terminal.images
    assert not terminal.puts


@all_ways
@given(steps=steps, budget=st.integers(1, 20_000))
@settings(max_examples=8)
def test_a_budget_only_puts_off(way: str, steps: list[Step], budget: int) -> None:
    terminal, painter = screen(way), painter_for(WAYS[way])
    for shown, _ in steps:
        placed = places(way, shown)
        for _ in range(len(placed) + 1):
            terminal.write(painter.paint(placed, budget=budget))
            if not painter.pending:
                break
        assert not painter.pending
        assert np.array_equal(terminal.pixels(), expected(way, frozenset(shown.items())))


@all_ways
def test_a_budget_sends_the_first_pictures_first(way: str) -> None:
    placed = [Placed(plate(way, number), 13 * number, 0) for number in range(3)]
    terminal, painter = screen(way), painter_for(WAYS[way])
    sent = painter.paint(placed, budget=1)
    assert painter.pending
    assert len(sent) < 0.6 * len(painter_for(WAYS[way]).paint(placed))
    terminal.write(sent)
    assert np.array_equal(terminal.pixels(), fresh(way, placed[:1]))


# -- What is sent ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", LAYERED)
def test_a_photo_is_sent_once(way: str) -> None:
    painter = painter_for(WAYS[way])
    first = painter.paint([Placed(plate(way, 0), 0, 0)])
    photo_size = plate(way, 0).layers[0].file.size
    assert len(first) > photo_size
    with_map = painter.paint([Placed(plate(way, 0, 0), 0, 0)])
    assert len(with_map) < 1600
    other_map = painter.paint([Placed(plate(way, 0, 1), 0, 0)])
    assert len(other_map) < 1600
    assert len(painter.paint([Placed(plate(way, 0, 0), 0, 0)])) < 200  # the map is known
    assert len(painter.paint([Placed(plate(way, 0, 0), 1, 1)])) < 700  # moved
    many = [Placed(plate(way, 0, word), 13 * word, 0) for word in range(3)]
    assert len(painter.paint(many)) < 3500
    painter.erase()
    assert len(painter.paint(many)) < 1500
    painter.touched()
    assert len(painter.paint(many)) < 200  # in tmux the anchors


@pytest.mark.parametrize("way", LAYERED)
def test_equal_photos_of_two_runs_are_one(way: str) -> None:
    encoder, painter = Encoder(WAYS[way]), painter_for(WAYS[way])
    of_a, of_b = (encoder.encode((run, 7), photo(0).copy(), None, PANEL) for run in range(2))
    painter.paint([Placed(of_a, 0, 0)])
    assert len(painter.paint([Placed(of_a, 0, 0), Placed(of_b, 13, 0)])) < 500


def test_a_changed_photo_under_the_same_key_is_noticed() -> None:
    encoder = Encoder(WAYS["kitty"])
    before, after = (encoder.encode("key", photo(number), None, PANEL) for number in range(2))
    assert before.layers[0].file != after.layers[0].file
    assert encoder.encode("key", photo(0), None, PANEL).layers[0].file is before.layers[0].file


@pytest.mark.parametrize("way", LAYERED)
def test_panels_of_like_sizes_share_a_photo(way: str) -> None:
    encoder = Encoder(WAYS[way])
    files = {
        encoder.encode(0, photo(0, 400, 300), None, (columns, 99)).layers[0].file.name for columns in range(40, 46)
    }
    assert len(files) == 1
    small = encoder.encode(0, photo(0, 400, 300), None, (10, 99)).layers[0].file
    large = encoder.encode(0, photo(0, 400, 300), None, (60, 99)).layers[0].file
    assert small.size < large.size / 3


@pytest.mark.parametrize("way", IN_CELLS)
def test_only_what_was_overwritten_is_sent_again(way: str) -> None:
    terminal, painter = screen(way), painter_for(WAYS[way])
    placed = [Placed(plate(way, 0, 0), 0, 0), Placed(plate(way, 1, 0), 13, 0)]
    terminal.write(painter.paint(placed))
    overwrite(terminal, painter, (14, 1, 3, 1))
    again = painter.paint(placed)
    size = plate(way, 1, 0).layers[0].file.size
    assert len(again) < (120 if way == "placeholders" else size + 100)
    terminal.write(again)
    assert np.array_equal(terminal.pixels(), fresh(way, placed))
    overwrite(terminal, painter, (0, LINES - 1, COLUMNS, 1))
    assert painter.paint(placed) == ""


@pytest.mark.parametrize("way", IN_CELLS)
def test_another_picture_in_the_same_cells_needs_no_blanks(way: str) -> None:
    painter = painter_for(WAYS[way])
    painter.paint([Placed(plate(way, 0, 0), 0, 0)])
    assert " " * PANEL[0] not in painter.paint([Placed(plate(way, 0, 1), 0, 0)])


@all_ways
def test_nothing_lies_there_that_was_overwritten(way: str) -> None:
    """A menu was drawn over a picture, which then goes: its cells belong to the menu."""
    terminal, painter = screen(way), painter_for(WAYS[way])
    placed = [Placed(plate(way, 0, 0), 2, 2)]
    terminal.write(painter.paint(placed))
    overwrite(terminal, painter, (1, 1, 6, 4), "x")
    terminal.write(painter.paint([]))
    assert not terminal.pixels().any()
    letters = {at for at, cell in terminal.cells.items() if cell.text == "x"}
    assert letters == {(x, y) for x in range(1, 7) for y in range(1, 5)}


# -- Text over pictures ------------------------------------------------------------------------------------------------


@all_ways
def test_a_notice_over_a_picture_stays(way: str) -> None:
    terminal, painter = screen(way), painter_for(WAYS[way])
    placed = [Placed(plate(way, 0, 0), 2, 1), Placed(plate(way, 1, 0), 20, 1)]
    notice = (5, 2, 6, 2)
    terminal.write(painter.paint(placed))
    overwrite(terminal, painter, notice, "x")
    for _ in range(2):
        terminal.write(painter.paint(placed, [notice]))
        assert all(terminal.cells[x, y].text == "x" for x in range(5, 11) for y in (2, 3))
        pixels = terminal.pixels()
        if not painter.beneath:
            assert not pixels[2 * 16 : 4 * 16, 5 * 8 : 11 * 8].any()
        alone = fresh(way, placed[1:])
        assert np.array_equal(pixels[:, 20 * 8 :], alone[:, 20 * 8 :])
    terminal.write(painter.paint(placed, [notice]))
    overwrite(terminal, painter, notice)
    terminal.write(painter.paint(placed))
    assert np.array_equal(terminal.pixels(), fresh(way, placed))


def test_placeholders_beside_a_notice_are_seen() -> None:
    terminal, painter = screen("placeholders"), painter_for(WAYS["placeholders"])
    placed = [Placed(plate("placeholders", 0, 0), 2, 1)]
    terminal.write(painter.paint(placed))
    overwrite(terminal, painter, (5, 2, 4, 2), "x")
    terminal.write(painter.paint(placed, [(5, 2, 4, 2)]))
    whole = fresh("placeholders", placed)
    whole[2 * 16 : 4 * 16, 5 * 8 : 9 * 8] = 0
    assert np.array_equal(terminal.pixels(), whole)


def test_which_pictures_may_lie_beneath_text() -> None:
    beneath = {way for way in WAYS if painter_for(WAYS[way]).beneath}
    assert beneath == {"kitty", "ghostty", "kitty in tmux"}
    depths = {
        way: [
            int(found)
            for found in re.findall(r",z=(-?\d+)", painter_for(WAYS[way]).paint([Placed(plate(way, 0, 0), 0, 0)]))
        ]
        for way in LAYERED
    }
    for way, (lower, upper) in depths.items():
        assert lower < upper
        assert (upper < -(1 << 30)) == (way in beneath)
        assert (lower > 0) == (way not in beneath)


# -- Beginning and end -------------------------------------------------------------------------------------------------


@all_ways
def test_after_a_reset_all_is_sent_again(way: str) -> None:
    painter = painter_for(WAYS[way])
    placed = [Placed(plate(way, 0, 0), 0, 0)]
    painter.paint(placed)
    painter.forget()
    terminal = screen(way)
    terminal.write(painter.paint(placed))
    assert np.array_equal(terminal.pixels(), fresh(way, placed))


@all_ways
def test_leaving_ends_what_was_being_written(way: str) -> None:
    painter = painter_for(WAYS[way])
    painter.paint([Placed(plate(way, 0, 0), 0, 0)])
    left = painter.leave()
    assert left.startswith("\x1b\\")
    assert painter.leave() == "\x1b\\"
    assert painter.paint([]) == ""


@pytest.mark.parametrize("way", ["kitty", "kitty in tmux", "placeholders"])
def test_the_terminal_keeps_no_more_than_it_must(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hw3_browse.tui.graphics.kept._MOST", 6)
    terminal, painter = screen(way), painter_for(WAYS[way])
    for word in range(12):
        placed = [Placed(plate(way, 0, word), 0, 0), Placed(plate(way, 1, word % 3), 13, 0)]
        terminal.write(painter.paint(placed))
        assert np.array_equal(terminal.pixels(), fresh(way, placed))
        assert len(terminal.images) <= 6


def test_numbers_of_two_browsers_differ() -> None:
    numbers = {
        re.findall(r"i=(\d+)", painter_for(WAYS["kitty"]).paint([Placed(plate("kitty", 0), 0, 0)]))[0]
        for _ in range(40)
    }
    assert len(numbers) > 20


def test_hundreds_of_pictures_have_numbers() -> None:
    terminal = PixelTerminal(300, 20, CELL, in_tmux=True)
    painter = painter_for(WAYS["kitty in tmux"])
    tiny = plate("kitty in tmux", 0, 0, (1, 1))
    terminal.write(painter.paint([Placed(tiny, x, y) for x in range(300) for y in range(2)]))
    assert len({put.parent for put in terminal.puts.values()}) == 600


def test_modes_without_pixels() -> None:
    with pytest.raises(ValueError, match="half"):
        painter_for(Terminal("half", ""))
    with pytest.raises(ValueError, match="none"):
        Encoder(Terminal("none", ""))


def test_placeholders_count_as_far_as_there_are_characters() -> None:
    assert len(set(numerals())) == MOST_PLACEHOLDERS
    assert numerals()[:4] == ("\u0305", "\u030d", "\u030e", "\u0310")
    assert all(unicodedata.combining(mark) == 230 for mark in numerals())
    huge = Encoder(WAYS["placeholders"]).fit((4000, 30), (900, 50))
    assert huge.columns == MOST_PLACEHOLDERS


@all_ways
def test_frugal_is_smaller(way: str) -> None:
    pixels = photo(5, 300, 220)
    noisy = np.clip(pixels + np.random.default_rng(0).normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
    sizes = [
        sum(layer.file.size for layer in Encoder(WAYS[way], frugal=frugal).encode(0, noisy, None, (38, 13)).layers)
        for frugal in (False, True)
    ]
    assert sizes[1] < 0.75 * sizes[0]


@all_ways
def test_only_our_own_sequences_and_placeholders_are_sent(way: str) -> None:
    sent = painter_for(WAYS[way]).paint([Placed(plate(way, 0, 0), 0, 0)])
    assert not set(re.sub(r"[\x1b\x07\x20-\x7e]", "", sent)) - {PLACEHOLDER, *numerals()}
