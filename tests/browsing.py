"""What the tests of the app share: the browser under Textual's pilot, and waiting until a key has had its effect."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from hw3_browse.cache.live import open_cache
from hw3_browse.cache.zeroshot import ZeroShotRun
from hw3_browse.tui.app import BrowserApp
from hw3_browse.tui.captions_app import CaptionBrowser
from hw3_browse.tui.classes.app import ClassBrowser
from hw3_browse.tui.classes.view import ClassView
from hw3_browse.tui.runs import Runs
from hw3_browse.tui.settings import Settings
from hw3_browse.tui.terminal.modes import Terminal
from hw3_browse.tui.widgets.board import BoardView
from hw3_browse.tui.widgets.sample_list import SampleList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from textual.pilot import Pilot

    from hw3_browse.tui.prints import Print
    from hw3_browse.tui.source import Source

HALF = Terminal("half", "for the tests")
SIZES = [(80, 24), (160, 50)]
AppT = TypeVar("AppT", bound=BrowserApp[Any])


def browser(
    *sources: Source, settings: Settings | None = None, terminal: Terminal = HALF, **changes: Any
) -> CaptionBrowser:
    """Return a browser; `changes` are to its settings."""
    folders = [source.folder for source in sources]

    def reopen() -> Runs:
        return Runs([open_cache(folder) for folder in folders])

    return CaptionBrowser(Runs(sources), replace(settings or Settings(), **changes), terminal, reopen)


@asynccontextmanager
async def running(
    *sources: Source, size: tuple[int, int] = (80, 24), terminal: Terminal = HALF, **changes: Any
) -> AsyncIterator[tuple[CaptionBrowser, Pilot[None]]]:
    """Run a browser in a terminal of so many columns and lines, until its first picture is there."""
    async with started(browser(*sources, terminal=terminal, **changes), size) as found:
        yield found


@asynccontextmanager
async def classifying(
    folder: Path, *, size: tuple[int, int] = (80, 24), terminal: Terminal = HALF, prompt: int = 0, **changes: Any
) -> AsyncIterator[tuple[ClassBrowser, Pilot[None]]]:
    """Run the browser of a zero-shot run until its first picture is there."""

    def view() -> ClassView:
        return ClassView(ZeroShotRun.open(folder), prompt)

    async with started(ClassBrowser(view(), replace(Settings(), **changes), terminal, view), size) as found:
        yield found
        found[0].runs.close()


@asynccontextmanager
async def started(app: AppT, size: tuple[int, int]) -> AsyncIterator[tuple[AppT, Pilot[None]]]:
    """Run a browser."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await settle(app, pilot)
        yield app, pilot
    app.judging.close()


async def settle(app: BrowserApp[Any], pilot: Pilot[None]) -> None:
    """Wait until every key has had its effect, pictures and judgements included."""
    calm = 0
    while calm < 2:
        await pilot.pause(0.01)
        app.judging._writer.submit(lambda: None).result()
        busy = app.pictures.timer is not None or any(not worker.is_finished for worker in app.workers)
        calm = 0 if busy else calm + 1


async def press(app: BrowserApp[Any], pilot: Pilot[None], *pressed: str) -> None:
    await pilot.press(*pressed)
    await settle(app, pilot)


async def write(app: BrowserApp[Any], pilot: Pilot[None], text: str) -> None:
    """Type a text, and wait until it has had its effect."""
    names = {" ": "space", "_": "underscore"}
    await press(app, pilot, *(names.get(character, character) for character in text))


def shown(app: BrowserApp[Any]) -> Print:
    """Return the picture that the keys act on."""
    finished = app.query_one(BoardView).shown
    assert finished is not None
    return finished


def row(app: BrowserApp[Any]) -> int:
    return app.query_one(SampleList).cursor


def rows(app: BrowserApp[Any]) -> Sequence[str]:
    """Return the lines of the list that are in sight."""
    samples = app.query_one(SampleList)
    lines = (samples.render_line(y).text.rstrip() for y in range(samples.page))
    return [line for line in lines if line]


def details(app: BrowserApp[Any]) -> str:
    return str(app.details.children[0].render())


def folder_of(app: CaptionBrowser) -> Path:
    return app.runs.sources[0].folder
