"""Panels of maps in the app: pinned maps, sheets of all words and all heads, colours, opacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browsing import SIZES, press, running, settle, shown
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Offset

from hw3_browse.cache.reader import Cache
from hw3_browse.tui.terminal.modes import Terminal
from hw3_browse.tui.tiles import Focus
from hw3_browse.tui.widgets import board

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hw3_browse.tui.captions_app import CaptionBrowser

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one


@pytest.fixture
def cache(cache_folder: Path) -> Iterator[Cache]:
    with Cache.open(cache_folder) as opened:
        yield opened


def foci(app: CaptionBrowser) -> list[Focus]:
    return [tile.focus for tile in app.board.tiles]


def text_of(app: CaptionBrowser) -> str:
    return "\n".join(app.board.render_line(y).text for y in range(app.board.size.height))


@pytest.mark.parametrize("size", SIZES)
async def test_pinned_maps_stand_side_by_side(cache: Cache, size: tuple[int, int]) -> None:
    async with running(cache, size=size) as (app, pilot):
        await press(app, pilot, "right", "w")
        assert foci(app) == [Focus(0, 1, "mean")]  # the pinned one is the selected one
        await press(app, pilot, "right", "w", "left_square_bracket")
        assert foci(app) == [Focus(0, 1, "mean"), Focus(1, 1, "mean"), Focus(1, 0, "mean")]
        assert [tile.selected for tile in app.board.tiles] == [False, False, True]
        assert [tile.pinned for tile in app.board.tiles] == [True, True, False]
        words = cache.sample(shown(app).request.index).words
        assert f"{words[0]} L2 mean •" in text_of(app)
        assert f"▌{words[1]} L1 mean" in text_of(app)
        # Each shows its own map.
        sample = cache.sample(shown(app).request.index)
        attention = cache.attention(sample.index)
        for tile, finished in zip(app.board.tiles, app.board._prints, strict=True):
            assert finished is not None
            grid = attention.word_map(tile.request.tokens, tile.focus.layer, "mean")
            assert finished.span == pytest.approx((grid.min(), grid.max()))
        for line in range(app.board.size.height):
            assert app.board.render_line(line).cell_length == app.board.size.width


async def test_walking_and_unpinning(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "right", "w", "right", "w", "right")
        await press(app, pilot, "tab")
        assert app.panels.focus == Focus(0, 1, "mean")
        await press(app, pilot, "tab")
        assert app.panels.focus == Focus(1, 1, "mean")
        await press(app, pilot, "tab", "shift+tab")
        assert app.panels.focus == Focus(1, 1, "mean")
        await press(app, pilot, "w")
        assert app.panels.pins == (Focus(0, 1, "mean"),)
        await press(app, pilot, "W")
        assert app.panels.pins == ()
        assert len(app.board.tiles) == 1


async def test_pins_belong_to_their_sample(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "right", "w", "right", "j")
        assert len(app.board.tiles) == 1
        await press(app, pilot, "k")
        assert foci(app)[0] == Focus(0, 1, "mean")


@pytest.mark.parametrize("size", SIZES)
async def test_a_sheet_shows_all_words(cache: Cache, size: tuple[int, int]) -> None:
    async with running(cache, size=size) as (app, pilot):
        await press(app, pilot, "right", "right", "a")
        words = cache.sample(shown(app).request.index).words
        every = [focus.unit for focus in foci(app)]
        assert set(every) <= {None, *range(len(words))}
        if size == (160, 50):
            assert every == [None, *range(len(words))]
        assert [tile.focus.unit for tile in app.board.tiles if tile.selected] == [1]
        await press(app, pilot, "$")  # the page follows the selected word
        assert [tile.focus.unit for tile in app.board.tiles if tile.selected] == [len(words) - 1]
        await press(app, pilot, "j")  # another sample's sheet
        assert app.panels.sheet == "words"
        await press(app, pilot, "escape")
        assert len(app.board.tiles) == 1


async def test_a_sheet_shows_all_layers_and_heads(cache: Cache) -> None:
    async with running(cache, size=(160, 50)) as (app, pilot):
        await press(app, pilot, "right", "A")
        shape = cache.manifest.attention
        assert len(app.board.tiles) == shape.layers * (shape.heads + 2)
        place = next(place for place, tile in enumerate(app.board.tiles) if tile.focus == Focus(0, 0, 2))
        rect = app.board.tiles[place].rect
        await pilot.click(app.board, offset=Offset(rect.x + 2, rect.y + 2))
        await settle(app, pilot)
        assert app.panels.focus == Focus(0, 0, 2)
        assert app.board.tiles[place].selected
        await pilot.click(app.board, offset=Offset(rect.x + 2, rect.y + 2))  # again: alone
        await settle(app, pilot)
        assert foci(app) == [Focus(0, 0, 2)]


async def test_only_what_is_different_is_drawn_again(cache: Cache) -> None:
    """In a sheet, another word costs two labels, not the pictures."""
    async with running(cache, size=(160, 50)) as (app, pilot):
        await press(app, pilot, "right", "a")
        drawn: list[int] = []
        real = app.board.render_line

        def counted(y: int) -> object:
            drawn.append(y)
            return real(y)

        app.board.render_line = counted  # type: ignore[method-assign,assignment]
        before = app.board._prints
        await press(app, pilot, "right")
        assert app.board._prints == before
        assert len(set(drawn)) <= 2


async def test_opacity_and_colours(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "right")
        first = shown(app)
        await press(app, pilot, "right_parenthesis")
        stronger = shown(app)
        assert stronger.request.opacity > first.request.opacity
        assert stronger.strips != first.strips
        await press(app, pilot, *["left_parenthesis"] * 9)
        assert 0 < shown(app).request.opacity < first.request.opacity
        await press(app, pilot, "comma")
        assert shown(app).request.colormap != first.request.colormap
        assert app.status.colormap == shown(app).request.colormap


async def test_letter_jump(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        index = next(i for i in range(len(cache)) if cache.caption(i).startswith("a man riding"))
        await press(app, pilot, "colon", *cache.name(index), "enter")
        words = cache.sample(index).words  # a man riding a skateboard under a red umbrella
        await press(app, pilot, "f", "u")
        assert app.words.unit == words.index("under")
        await press(app, pilot, "f", "U")
        assert app.words.unit == words.index("umbrella")
        await press(app, pilot, "f", "a")  # round the end
        assert app.words.unit == 0
        await press(app, pilot, "f", "z")
        assert app.words.unit == 0
        await press(app, pilot, "f", "escape", "j")
        assert app.listing.index != index  # the letter is not waited for any more


@pytest.mark.parametrize("most", [1, 1 << 30])
async def test_only_small_writes_are_synchronized(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """A terminal ends a synchronized update by itself, and that must not be in the midst of a photo."""
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda _, data: written.append(data))
    monkeypatch.setattr(board, "_SYNCHRONIZED_MOST", most)
    kitty = Terminal("kitty", "for the test", cell=(9, 18), truecolor=True, program="kitty(0.42.0)")
    async with running(Cache.open(cache_folder), size=(160, 50), terminal=kitty) as (app, pilot):
        await press(app, pilot, "right", "right", "j")
    sent = [data for data in written if "\x1b_G" in data and "a=d" not in data]
    assert len(sent) > 1
    assert all(("\x1b[?2026h" in data) == (most > 1) for data in sent)
