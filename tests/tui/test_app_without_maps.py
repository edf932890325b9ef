"""A run without attention maps in the browser: plain pictures, and one line instead of a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import SIZES, details, press, running, shown
from fakes import make_cache

from hw3_browse.cache.reader import Cache
from hw3_browse.tui.captions_app import CaptionBrowser

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one

NO_MAPS = "this run has no attention maps"
WORDS = ["a red kite in the sky", "two dogs"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cache(tmp_path_factory.mktemp("plain") / "plain", count=4, maps=False, words=WORDS)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cache(tmp_path_factory.mktemp("mapped") / "mapped", count=4, words=WORDS)


def said(app: CaptionBrowser) -> list[str]:
    return [notice.message for notice in app._notifications]


def state(app: CaptionBrowser) -> str:
    return str(app.status.state)


@pytest.mark.parametrize("size", SIZES)
async def test_pictures_and_captions_are_browsed(plain: Path, size: tuple[int, int]) -> None:
    with Cache.open(plain) as cache:
        async with running(cache, size=size) as (app, pilot):
            assert NO_MAPS in state(app)
            assert shown(app).span is None
            await press(app, pilot, "right")
            assert state(app).startswith(app.words.units[0].text)
            assert NO_MAPS in state(app)
            assert shown(app).request.tokens == ()
            assert shown(app).span is None
            await press(app, pilot, "j", "right", "f", "t")
            assert app.words.sample is not None
            assert "logprob" in details(app) or size == SIZES[0]


@pytest.mark.parametrize("key", ["left_square_bracket", "right_curly_bracket", "m", "w", "a", "A"])
async def test_keys_of_maps_say_so(plain: Path, key: str) -> None:
    with Cache.open(plain) as cache:
        async with running(cache) as (app, pilot):
            await press(app, pilot, "right", key)
            assert said(app) == [NO_MAPS]
            assert len(app.board.tiles) == 1


async def test_saving_gives_the_picture_with_its_caption(plain: Path, tmp_path: Path) -> None:
    with Cache.open(plain) as cache:
        async with running(cache, figures=tmp_path) as (app, pilot):
            await press(app, pilot, "right", "s")
            (file,) = tmp_path.iterdir()
            assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_beside_a_run_with_maps(plain: Path, mapped: Path, tmp_path: Path, order: tuple[int, int]) -> None:
    folders = [plain, mapped]
    with Cache.open(folders[order[0]]) as first, Cache.open(folders[order[1]]) as second:
        async with running(first, second, size=(160, 50), figures=tmp_path) as (app, pilot):
            without, with_maps = order.index(0), order.index(1)
            app.words.walk(with_maps)
            await press(app, pilot, "right", "right")
            tokens = {tile.run: tile.request.tokens for tile in app.board.tiles}
            assert tokens[without] == ()
            assert len(tokens[with_maps]) == 1
            assert "layer 2/2" in state(app)
            await press(app, pilot, "a")
            assert len(app.board.tiles) > 2
            app.words.walk(without)  # a sheet of its words would be the same picture many times
            await press(app, pilot, "left")
            assert len(app.board.tiles) == 2
            assert NO_MAPS in state(app)
            await press(app, pilot, "s")
            assert len(list(tmp_path.iterdir())) == 1
