"""Presses keys, types, clicks and resizes at random, by seed, and says what must hold of the browser whatever was done.

By hand, for long: `python tests/monkey.py KIND SEED BURSTS`, with the kinds of `game`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import unicodedata
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from browsing import classifying, running, settle
from fakes import CAPTIONS, SCORES, fake_plan, fake_row, fake_scores, make_cache
from rich.cells import cell_len
from textual import events
from textual.keys import _character_to_key, _get_unicode_name_from_key
from textual.widgets import Input
from zeroshot_fakes import NAMES, make_zeroshot_run

from hw3_browse.cache.live import open_cache
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.tui.app import LEAST_HEIGHT, LEAST_WIDTH
from hw3_browse.tui.widgets.key_line import KeyLine
from hw3_browse.tui.widgets.sample_list import CURSOR, MARKED, ListHead
from hw3_browse.tui.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot
    from textual.widget import Widget

    from hw3_browse.tui.app import BrowserApp
    from hw3_browse.tui.source import Source

# Quitting and the shell end the game, and figures take a second each.
_UNPLAYED = {"program.quit", "program.suspend", "keep.save", "keep.save_marked"}
TEXTS = (
    "dog",
    "clipscore < .5",
    'caption ~ "a" and not tag:bad',
    "7",
    "9" * 30,
    "nobody",
    "一",
    "👩‍👩‍👧",
    "(",
    "rank <= 3 or",
    "marked",
    "fits = no",
    'b.caption ~ "x"',
    "diff.clipscore > 0",
    "index",
    "sort",
    "correct and p2.correct = no",
    "class ~ dog",
)
WIDTHS = (30, LEAST_WIDTH - 1, LEAST_WIDTH, 80, 109, 110, 199, 200, 300)
HEIGHTS = (8, LEAST_HEIGHT - 1, LEAST_HEIGHT, 20, 24, 50, 100)


class Monkey:
    """One that plays.

    Args:
        app: With what.
        pilot: Of the app.
        seed: Another seed, another game.
    """

    def __init__(self, app: BrowserApp[Any], pilot: Pilot[None], seed: int) -> None:
        self._app = app
        self._pilot = pilot
        self.dice = random.Random(seed)
        self.done: list[object] = []
        self._keys = [key for one in app.declared if one.id not in _UNPLAYED for key in one.key.split(",")]

    async def play(self, bursts: int, between: Callable[[], None] = lambda: None) -> None:
        """Do a few things at once, wait until they have had their effect, and look: so many times."""
        for _ in range(bursts):
            for _ in range(self.dice.randint(1, 8)):
                await self._do_something()
                assert self._app.is_running, self.done
            between()
            await settle(self._app, self._pilot)
            try:
                check(self._app)
            except AssertionError as error:
                raise AssertionError(f"{error}; {self._app.size}; done: {self.done[-20:]}") from error

    async def _do_something(self) -> None:
        dice = self.dice.random()
        if dice < 0.78:
            self.press(self.dice.choice(self._keys))
        elif dice < 0.86:
            for character in self.dice.choice(TEXTS):
                self.press(_character_to_key(character))
        elif dice < 0.92:
            self.press(self.dice.choice(["enter", "escape", "backspace", "delete"]))
        elif dice < 0.96:
            place = self.dice.randrange(self._app.size.width), self.dice.randrange(self._app.size.height)
            self.done.append(place)
            await self._pilot.click(offset=place)
        elif dice < 0.98:
            size = self.dice.choice(WIDTHS), self.dice.choice(HEIGHTS)
            self.done.append(size)
            await self._pilot.resize_terminal(*size)
        if self.dice.random() < 0.5:
            await asyncio.sleep(0)

    def press(self, key: str) -> None:
        """Press a key, without waiting for its effect, as over a slow line."""
        self.done.append(key)
        self._app.post_message(events.Key(key, _character(key)))


def _character(key: str) -> str | None:
    if len(key) == 1:
        return key
    try:
        return " " if key == "space" else unicodedata.lookup(_get_unicode_name_from_key(key))
    except KeyError:
        return None


def check(app: BrowserApp[Any]) -> None:
    """Check what must hold when all keys have had their effect."""
    assert app._exception is None
    _check_layout(app)
    if not _seen(app.list) and not _seen(app.board):
        return
    for panel in (app.list, app.board, app.reading, app.chooser):
        if _seen(panel):
            _check_lines(panel)
    for line in (app.title_bar, app.status, app.query_one(KeyLine), app.query_one(ListHead)):
        text = str(line.render())
        assert _is_printable(text), repr(text)
        assert line.size.width == 0 or isinstance(line, ListHead) or cell_len(text) <= line.size.width, text
    assert _is_printable(str(app.details.children[0].render()))
    _check_selection(app)
    _check_typing(app)


def _seen(widget: Widget) -> bool:
    return bool(widget.is_on_screen and widget.region.area)


def _check_layout(app: BrowserApp[Any]) -> None:
    """The panels fill the screen and do not overlap."""
    panels = (app.title_bar, *app.query("#list-pane, #side"), app.board, app.details, app.reading, app.status)
    lines = (app.query_one(KeyLine), app.prompt, app.query_one(TooSmall))
    seen = [panel for panel in (*panels, *lines) if _seen(panel)]
    if app.size.width < LEAST_WIDTH or app.size.height < LEAST_HEIGHT:
        assert [type(panel) for panel in seen] == [TooSmall]
    for place, panel in enumerate(seen):
        assert panel.region in app.screen.region
        assert not any(panel.region.overlaps(other.region) for other in seen[place + 1 :]), panel
    assert sum(panel.region.area for panel in seen) == app.screen.region.area


def _check_lines(panel: Widget) -> None:
    """Every line has the panel's width, and holds nothing that a terminal would obey."""
    width = panel.scrollable_content_region.width
    for y in range(panel.size.height):
        strip = panel.render_line(y)
        assert strip.cell_length == width == sum(cell_len(segment.text) for segment in strip), (panel, y, strip.text)
        assert _is_printable(strip.text), (panel, repr(strip.text))


def _is_printable(text: str) -> bool:
    return all(character.isprintable() or character in "\n\u200c\u200d" for character in text)


def _check_selection(app: BrowserApp[Any]) -> None:
    """The selected row is in sight, and its picture, or the reason why not, on the board."""
    ordering, samples, board = app.listing.ordering, app.list, app.board
    assert ordering is not None
    assert app.title_bar.order
    assert "..." not in app.title_bar.order
    if len(ordering) == 0:
        assert app.listing.index is None
        return
    assert ordering.index_at(samples.cursor) == app.listing.index
    if _seen(samples):
        top = samples.scroll_offset.y
        assert top <= samples.cursor < top + samples.page
        assert samples.render_line(samples.cursor - top).text[0] in CURSOR + MARKED
    if not board.tiles:
        assert "replaced" in board._problem
        return
    assert sum(tile.selected for tile in board.tiles) == 1
    shown = board.shown
    assert shown is not None
    assert shown.request.index == app.runs.at(shown.request.run, app.listing.index or 0)
    for place, tile in enumerate(board.tiles):
        rect = tile.rect
        assert min(rect.x, rect.y) >= 0
        assert rect.x + rect.columns <= board.size.width
        assert rect.y + rect.lines <= board.size.height
        for other in (other.rect for other in board.tiles[place + 1 :]):
            beside = rect.x + rect.columns <= other.x or other.x + other.columns <= rect.x
            assert beside or rect.y + rect.lines <= other.y or other.y + other.lines <= rect.y


def _check_typing(app: BrowserApp[Any]) -> None:
    """At most one thing takes the keys, and it is seen."""
    screen = app.screen
    assert screen.has_class("-side") == (screen.has_class("-help") or screen.has_class("-menu"))
    assert not (screen.has_class("-help") and screen.has_class("-menu"))
    assert not (screen.has_class("-asking") and screen.has_class("-menu"))
    assert (app.focused is app.prompt.query_one(Input)) == screen.has_class("-asking")


# -- Caches to play with -----------------------------------------------------------------------------------------------


async def game(kind: str, folder: Path, seed: int, bursts: int, size: tuple[int, int] = (80, 24)) -> list[object]:
    """Play with a browser on a run of a kind.

    Args:
        kind: "nasty", "two" (runs), "live" (still written), "new" (computed anew), or "zero-shot".
        folder: For the run, and for figures.
        seed: Another seed, another game.
        bursts: How many times a few things are done at once.
        size: Of the terminal at first.

    Returns:
        What was done.
    """
    if kind == "zero-shot":
        run = make_zeroshot_run(folder / "zero", count=24, names=(*NAMES, "\x1b[31m一只猫", "a " * 60), unknown=(2, 3))
        async with classifying(run, size=size, figures=folder / "figures") as (app, pilot):
            monkey = Monkey(app, pilot, seed)
            await monkey.play(bursts)
        return monkey.done
    with ExitStack() as stack:
        sources, between = open_kind(kind, folder, random.Random(seed), stack)
        async with running(*sources, size=size, figures=folder / "figures") as (app, pilot):
            monkey = Monkey(app, pilot, seed)

            def look() -> None:
                if between():
                    app.desk._look()

            await monkey.play(bursts, look)
    return monkey.done


def open_kind(
    kind: str, folder: Path, dice: random.Random, stack: ExitStack
) -> tuple[list[Source], Callable[[], bool]]:
    """Return runs, and what happens to them between two bursts (it tells whether anything did)."""
    one = folder / "one"
    if kind == "live":
        return _live(one, dice, stack)
    make_cache(one, count=24)
    if kind == "two":
        make_cache(folder / "two", count=17, seed=1, layers=3, heads=2, words=CAPTIONS[3:9])
        return [open_cache(one), open_cache(folder / "two")], lambda: False

    def compute_anew() -> bool:
        if kind != "new" or dice.random() > 0.2:
            return False
        count, layers, heads = dice.choice([24, 14, 9]), dice.randint(1, 3), dice.randint(1, 4)
        make_cache(one, count=count, seed=dice.randint(0, 5), layers=layers, heads=heads, overwrite=True)
        return True

    return [open_cache(one)], compute_anew


def _live(folder: Path, dice: random.Random, stack: ExitStack) -> tuple[list[Source], Callable[[], bool]]:
    rows = [fake_row(index, CAPTIONS[index % len(CAPTIONS)]) for index in range(20)]
    writer = stack.enter_context(CacheWriter(folder, fake_plan(len(rows), 0, folder), len(rows)))
    writer.add_captioned(rows[:5])
    written = 5

    def grow() -> bool:
        nonlocal written
        if written > len(rows) or dice.random() > 0.3:
            return False
        if written == len(rows):
            writer.finish(fake_scores(rows), SCORES, {}, {})
            written += 1
        else:
            until = min(len(rows), written + dice.randint(1, 6))
            writer.add_captioned(rows[written:until])
            written = until
        return True

    return [open_cache(folder)], grow


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_STATE_HOME"] = temporary  # nothing is remembered in the real home
        print(len(asyncio.run(game(sys.argv[1], Path(temporary), int(sys.argv[2]), int(sys.argv[3])))), "things done")
