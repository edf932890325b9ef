"""Finding samples in the app: search, filter, go to, the sort menu, column heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from browsing import SIZES, details, press, row, rows, running, shown, write
from textual.geometry import Offset

from hw3_browse.cache.reader import Cache
from hw3_browse.tui.widgets.board import BoardView
from hw3_browse.tui.widgets.sample_list import ListHead, SampleList

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one


@pytest.fixture
def cache(cache_folder: Path) -> Iterator[Cache]:
    with Cache.open(cache_folder) as opened:
        yield opened


async def test_search_narrows_while_it_is_typed_and_esc_goes_back(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "j", "j")
        index = shown(app).request.index
        await press(app, pilot, "slash")
        await write(app, pilot, "two dogs")
        dogs = [line for line in rows(app) if "two dogs" in line]
        assert len(dogs) == len(rows(app)) == 5
        assert "(1 of 5 left)" in app.title_bar.place or "of 5 left" in app.title_bar.place
        assert app.title_bar.filter == "/two dogs"
        await press(app, pilot, "escape")
        assert len(app.list._ordering or ()) == 20
        await press(app, pilot, "slash")
        await write(app, pilot, "sheep")
        await press(app, pilot, "enter")
        assert app.title_bar.filter == "/sheep"
        assert app.focused is app.list
        await press(app, pilot, "j", "backspace")
        assert app.title_bar.filter == ""
        assert len(app.list._ordering or ()) == 20
        assert shown(app).request.index != index  # the sheep that was walked to stays selected


async def test_the_arrows_walk_while_one_types(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "slash")
        await write(app, pilot, "dogs")
        await press(app, pilot, "down")
        assert row(app) == 1
        assert app.prompt.query_one("Input").has_focus


async def test_letters_that_are_keys_are_typed(cache: Cache) -> None:
    """Not one of the browser's keys does anything while a line is typed."""
    async with running(cache) as (app, pilot):
        await press(app, pilot, "slash")
        await write(app, pilot, "qjGrsT")
        assert app.is_running
        assert app.prompt.query_one("Input").value == "qjGrsT"
        assert app.current_theme.dark
        assert not app.listing.reverse


async def test_nothing_left(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        before = shown(app).request.index
        await press(app, pilot, "slash")
        await write(app, pilot, "no such thing")
        await press(app, pilot, "enter")
        assert app.query_one(BoardView).shown is None
        assert app.title_bar.place == "none of 20"
        await press(app, pilot, "j", "l", "G", "s", "x", "y", "w")  # nothing to act on, and no crash
        await press(app, pilot, "escape", "backspace")
        assert shown(app).request.index == before


async def test_filter(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        scores = cache.scores("clipscore")
        limit = float(np.sort(scores)[7])
        await press(app, pilot, "F")
        await write(app, pilot, "clipscore <= ")
        assert "^" not in app.status.state.plain
        await write(app, pilot, f"{limit:.6f}".rstrip("0") + "1")
        await press(app, pilot, "enter")
        left = app.list._ordering
        assert left is not None
        assert len(left) == int(np.count_nonzero(scores <= limit + 1e-5))
        # Ranks stay those of the whole run, and the details say what is left.
        assert left.rank_at(0) == 20 - len(left) + 1
        assert f"{len(left)} of 20 left" in details(app)


async def test_a_wrong_filter_points_at_the_spot(cache: Cache) -> None:
    async with running(cache, size=(160, 50)) as (app, pilot):
        await press(app, pilot, "F")
        await write(app, pilot, "clipscor < 1")
        line = app.status.state.plain
        assert "clipscore" in line  # did you mean
        typed = app.prompt.query_one("Input")
        assert line.index("v") + 1 == typed.region.x  # the status line has a margin of one
        await press(app, pilot, "enter")
        assert typed.has_focus  # it is not taken
        assert len(app.list._ordering or ()) == 20
        await press(app, pilot, "escape")
        assert app.focused is app.list


async def test_a_filter_from_the_command_line(cache: Cache) -> None:
    async with running(cache, filter='caption ~ "dogs"') as (app, _):
        assert len(app.list._ordering or ()) == 5
        assert app.title_bar.filter == 'caption ~ "dogs"'


async def test_position_survives_a_filter_and_its_end(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        while "two dogs" not in cache.caption(shown(app).request.index):
            await press(app, pilot, "j")
        index = shown(app).request.index
        position = row(app)
        await press(app, pilot, "right", "slash")
        await write(app, pilot, "dogs")
        await press(app, pilot, "enter")
        assert shown(app).request.index == index
        assert app.words.unit == 0
        await press(app, pilot, "backspace")
        assert row(app) == position
        assert shown(app).request.index == index


@pytest.mark.parametrize("typed", ["7", "name"])
async def test_go_to_a_rank_or_a_name(cache: Cache, typed: str) -> None:
    async with running(cache) as (app, pilot):
        index = int(cache.order("clipscore")[6])
        await press(app, pilot, "colon")
        await write(app, pilot, cache.name(index) if typed == "name" else typed)
        await press(app, pilot, "enter")
        assert row(app) == 6
        assert shown(app).request.index == index
        await press(app, pilot, "colon")
        await write(app, pilot, "nobody")
        await press(app, pilot, "enter")
        assert "no picture named nobody" in app.status.state.plain
        await press(app, pilot, "escape")
        assert row(app) == 6


async def test_the_sort_menu(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "o")
        assert app.chooser.region.area > 0
        await write(app, pilot, "bleu")
        await press(app, pilot, "enter")
        assert app.title_bar.order == "by bleu4, best first"
        assert app.focused is app.list
        await press(app, pilot, "o", "enter")  # the present one, again: turned round
        assert app.title_bar.order == "by bleu4, worst first"
        await press(app, pilot, "o", "escape")
        assert app.title_bar.order == "by bleu4, worst first"


@pytest.mark.parametrize("size", SIZES)
async def test_a_click_in_the_menu(cache: Cache, size: tuple[int, int]) -> None:
    async with running(cache, size=size) as (app, pilot):
        await press(app, pilot, "o")
        await pilot.click(app.chooser, offset=Offset(3, 3))  # the second choice
        await press(app, pilot)
        assert app.title_bar.order == "by refclipscore, best first"


async def test_the_palette_does_what_a_key_does(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "ctrl+p")
        await write(app, pilot, "last of the list")
        await press(app, pilot, "enter")
        assert row(app) == 19


async def test_heads_sort(cache: Cache) -> None:
    async with running(cache, size=(108, 40)) as (app, pilot):
        head = app.query_one(ListHead)
        text = str(head.render())
        await pilot.click(ListHead, offset=Offset(text.index("name") + 1, 0))
        await press(app, pilot)
        assert app.title_bar.order == "by name, A first"
        text = str(head.render())
        await pilot.click(ListHead, offset=Offset(text.index("name") + 1, 0))
        await press(app, pilot)
        assert app.title_bar.order == "by name, Z first"
        assert app.query_one(SampleList).cursor >= 0


async def test_the_histogram_marks_the_selected_sample(cache: Cache) -> None:
    async with running(cache, size=(160, 60)) as (app, pilot):

        def mark() -> int:
            return next(line.index("▲") for line in details(app).splitlines() if "▲" in line)

        best = mark()
        await press(app, pilot, "G")
        assert mark() < best
