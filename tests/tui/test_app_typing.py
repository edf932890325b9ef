"""Keys that come at once, as over a slow line, each take effect before the next; menus and the typed line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browsing import details, press, row, running, settle, shown, write
from textual import events
from textual.geometry import Offset
from textual.keys import _character_to_key
from textual.widgets import Input

from hw3_browse.cache.reader import Cache
from hw3_browse.tui.widgets.caption import Caption
from hw3_browse.tui.widgets.sample_list import SampleList

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from textual.pilot import Pilot

    from hw3_browse.tui.captions_app import CaptionBrowser

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one


@pytest.fixture
def cache(cache_folder: Path) -> Iterator[Cache]:
    with Cache.open(cache_folder) as opened:
        yield opened


async def at_once(app: CaptionBrowser, pilot: Pilot[None], text: str) -> None:
    """Press all keys of a text before the first one has any effect."""
    names = {"\r": "enter", "\x1b": "escape", "\x10": "ctrl+p", "\x15": "ctrl+u"}
    for character in text:
        printable = character if character.isprintable() else None
        app.post_message(events.Key(names.get(character) or _character_to_key(character), printable))
    await settle(app, pilot)


def typed(app: CaptionBrowser) -> str:
    return app.prompt.query_one(Input).value


@pytest.mark.parametrize(
    ("text", "order", "found"),
    [
        ("/dogs", "by clipscore, best first", "/dogs"),
        ("/dogs\r", "by clipscore, best first", "/dogs"),
        ("/dogs\x1b", "by clipscore, best first", ""),
        ("/dogs\rr", "by clipscore, worst first", "/dogs"),
        ("/dogs\r/\x15sheep\r", "by clipscore, best first", "/sheep"),
        ("Fmarked\rF\x15words > 2\r", "by clipscore, best first", "words > 2"),
        ("obleu\rr", "by bleu4, worst first", ""),
        ("oname\r/dogs\r", "by name, A first", "/dogs"),
        ("\x10worst first\r", "by clipscore, worst first", ""),
        ("\x10search\rdogs", "by clipscore, best first", "/dogs"),
        ("Tr", "by clipscore, worst first", ""),
    ],
)
async def test_keys_at_once(cache: Cache, text: str, order: str, found: str) -> None:
    async with running(cache) as (app, pilot):
        await at_once(app, pilot, text)
        assert app.title_bar.order == order
        assert app.title_bar.filter == found


async def test_a_word_and_a_rank_at_once(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await at_once(app, pilot, ":12\rl")
        assert row(app) == 11
        assert app.words.unit == 0
        words = [unit.text for unit in app.words.units]
        place = next(place for place, word in enumerate(words) if place and word[0] != words[0][0])
        await at_once(app, pilot, f"f{words[place][0]}r")
        assert app.words.unit == place
        assert app.listing.reverse
        await press(app, pilot, "f", "escape")  # no letter, no jump
        assert app.words.unit == place
        await press(app, pilot, "f", "left")  # what is no letter keeps its meaning
        assert app.words.unit == place - 1


async def test_pasted_text_is_never_taken_for_keys(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        app.post_message(events.Paste("qrS\x1b[31m"))
        await settle(app, pilot)
        assert app.is_running
        assert not app.listing.reverse
        await press(app, pilot, "slash")
        app.post_message(events.Paste("two \x1b[31mdogs\n"))
        await at_once(app, pilot, "\r")
        assert app.title_bar.filter == "/two dogs"
        await press(app, pilot, "o")
        app.post_message(events.Paste("bleu"))
        await at_once(app, pilot, "\r")
        assert app.title_bar.order == "by bleu4, best first"


async def test_a_click_beside_it_does_not_end_the_typing(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "slash")
        await write(app, pilot, "do")
        await pilot.click(SampleList, offset=Offset(20, 1))
        await pilot.click(Caption, offset=Offset(2, 0))
        await write(app, pilot, "gs")
        assert typed(app) == "dogs"
        assert row(app) == 1
        assert app.words.unit == 0
        await press(app, pilot, "enter", "o")
        await pilot.click(SampleList, offset=Offset(20, 2))
        await write(app, pilot, "bleu")
        await press(app, pilot, "enter")
        assert app.title_bar.order == "by bleu4, best first"


async def test_a_menu_and_the_typed_line_take_turns(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "slash")
        await write(app, pilot, "dogs")
        await press(app, pilot, "ctrl+t")
        assert app.screen.has_class("-menu")
        assert not app.screen.has_class("-asking")
        assert app.title_bar.filter == "/dogs"
        await pilot.click("KeyLine", offset=Offset(app.size.width // 5, 0))  # "search"
        await settle(app, pilot)
        assert app.screen.has_class("-asking")
        assert not app.screen.has_class("-menu")
        assert typed(app) == "dogs"
        await press(app, pilot, "escape")
        await pilot.click("KeyLine", offset=Offset(2, 0))
        assert not app.screen.has_class("-asking")


async def test_nothing_is_done_where_nothing_is_seen(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "slash")
        await write(app, pilot, "dogs")
        await pilot.resize_terminal(50, 10)
        await press(app, pilot, "r", "y", "x", "backspace")
        await pilot.resize_terminal(80, 24)
        await settle(app, pilot)
        assert typed(app) == "dogs"
        assert not app.listing.reverse
        assert not app.keeping.marked
        assert not app.judging.current
        await write(app, pilot, "!")
        assert typed(app) == "dogs!"
        assert app.focused is app.prompt.query_one(Input)
        await pilot.resize_terminal(50, 10)
        await press(app, pilot, "q")
        assert not app.is_running


async def test_the_caret_stays_while_the_list_comes_back(cache: Cache) -> None:
    """ "skateboard" is a search by itself; what follows makes a wrong filter of it, and the list whole again."""
    async with running(cache, size=(120, 40)) as (app, pilot):
        await press(app, pilot, "j", "F")
        await write(app, pilot, "sheep")
        assert app.title_bar.filter == "sheep"
        await write(app, pilot, " <")
        assert app.title_bar.filter == ""
        assert "v" in app.status.state.plain.split()[0]
        await press(app, pilot, "ctrl+p", "escape")  # leaves the line
        assert "v" not in app.status.state.plain.split()[0]


async def test_nothing_left_is_nothing_shown(cache: Cache) -> None:
    async with running(cache, size=(160, 50)) as (app, pilot):
        await press(app, pilot, "right")
        index = shown(app).request.index
        caption, told = app.caption.entries, details(app)
        await press(app, pilot, "slash")
        await write(app, pilot, "no such thing")
        assert app.caption.entries == ()
        assert details(app) == ""
        assert app.status.state.plain == ""
        await press(app, pilot, "escape")
        assert shown(app).request.index == index
        assert app.caption.entries == caption
        assert details(app) == told
