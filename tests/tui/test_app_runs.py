"""Several runs in the app, a cache computed anew, and the cache of a run that is still going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from browsing import press, row, rows, running, settle, shown
from fakes import fake_plan, fake_row, make_cache
from textual.geometry import Offset

from hw3_browse.cache.live import open_cache
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import Score
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.tui.widgets.sample_list import ListHead

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one

FIRST = ("a dog runs on the beach", "two cats sleep on a sofa")
SECOND = ("a black dog sits on the beach", "two cats on a red sofa")

LOGPROB = Score("logprob", True, "sum of the tokens' log-probabilities")


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    one = make_cache(tmp_path / "one", count=10, words=FIRST)
    other = make_cache(tmp_path / "other", count=10, seed=1, words=SECOND, layers=3, heads=2)
    return one, other


async def test_two_runs_side_by_side(two: tuple[Path, Path]) -> None:
    with Cache.open(two[0]) as one, Cache.open(two[1]) as other:
        async with running(one, other, size=(160, 50)) as (app, pilot):
            assert "a one, b other" in app.title_bar.run
            head = str(app.query_one(ListHead).render())
            assert head.split() == ["rank", "clipscore", "↓", "diff", "b", "caption"]
            assert [tile.run for tile in app.board.tiles] == [0, 1]
            texts = [" ".join(entry.texts) for entry in app.caption.entries]
            assert sorted(texts)[0] in {*FIRST, *SECOND}
            assert len(texts) == 2
            index = app.listing.index
            assert index is not None
            first, second = (source.sample(app.runs.at(run, index)) for run, source in enumerate((one, other)))
            assert texts == [first.caption, second.caption]
            marked = [{entry.texts[place] for place in entry.differing} for entry in app.caption.entries]
            expected = ({"runs"}, {"black", "sits"}) if "dog" in first.caption else ({"sleep"}, {"red"})
            assert tuple(marked) == expected
            # The same word in both runs, each with its own map.
            await press(app, pilot, "right", "right")
            tokens = [tile.request.tokens for tile in app.board.tiles]
            place = second.words.index(first.words[1])
            assert tokens[1] == tuple(t for t, word in enumerate(second.word_of_piece) if word == place)
            # Now the other one's words are walked.
            await press(app, pilot, "v", "right")
            assert app.words.run == 1
            assert app.caption.entries[0].selected is None
            assert app.caption.entries[1].selected == place + 1


async def test_sort_by_the_difference(two: tuple[Path, Path]) -> None:
    with Cache.open(two[0]) as one, Cache.open(two[1]) as other:
        async with running(one, other, sort="diff.clipscore") as (app, pilot):
            differences = other.scores("clipscore") - one.scores("clipscore")
            assert app.listing.index == int(np.argmax(differences))
            await press(app, pilot, "r")
            await press(app, pilot, "g")
            assert app.listing.index == int(np.argmin(differences))


async def test_a_reload_keeps_the_place(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", count=12)
    async with running(open_cache(folder), sort="cider") as (app, pilot):
        await press(app, pilot, "r", "j", "j", "j")
        name = app.runs.name(app.listing.index or 0)
        make_cache(folder, count=12, seed=5, overwrite=True)
        app.desk._look()
        await settle(app, pilot)
        assert any("computed anew" in toast._notification.title for toast in app.query("Toast"))  # type: ignore[attr-defined]
        await press(app, pilot, "R")
        assert app.runs.name(app.listing.index or 0) == name
        assert app.title_bar.order == "by cider, worst first"
        assert shown(app).request.index == app.listing.index
        with Cache.open(folder) as fresh:
            assert app.words.sample == fresh.sample(app.listing.index or 0)


async def test_a_running_precompute(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    plan = fake_plan(8, 0, folder)
    with CacheWriter(folder, plan, 8) as writer:
        writer.add_captioned([fake_row(index, FIRST[index % 2]) for index in range(3)])
        live = open_cache(folder)
        async with running(live, size=(120, 40), sort="index") as (app, pilot):
            assert "3 of 8 pictures, running" in app.title_bar.run
            assert len(rows(app)) == 3
            await press(app, pilot, "j", "right")
            index = shown(app).request.index
            path = app.runs.path(index)
            writer.add_captioned([fake_row(index, FIRST[index % 2]) for index in range(3, 8)])
            app.desk._look()
            await settle(app, pilot)
            assert "8 of 8 pictures" in app.title_bar.run
            assert len(rows(app)) == 8
            assert row(app) == 1
            assert shown(app).request.index == index
            assert app.words.unit == 0
            writer.finish({"logprob": np.linspace(-9, -1, 8)}, [LOGPROB], {}, {})
            app.desk._look()
            await settle(app, pilot)
            assert not app.runs.is_live  # the finished cache was opened at once
            assert app.runs.path(app.listing.index or 0) == path
            assert "8 pictures" in app.title_bar.run


async def test_another_run_may_have_fewer_layers_and_heads(two: tuple[Path, Path]) -> None:
    """What is chosen in one run is the nearest in the other, and comes back."""
    with Cache.open(two[0]) as one, Cache.open(two[1]) as other:
        async with running(one, other, size=(160, 50)) as (app, pilot):
            await press(app, pilot, "v", "right", "]", "]", "v")
            assert "layer 2/2" in app.status.state.plain
            await press(app, pilot, "A")
            assert len(app.board.tiles) == 2 * (2 + 3)
            await press(app, pilot, "{", "v")  # the third head; the other run has two
            assert "layer 3/3, head 2" in app.status.state.plain
            assert app.board.shown is not None
            assert app.board.shown.request.head == 1
            await press(app, pilot, "v")
            assert "layer 2/2, head 3" in app.status.state.plain


async def test_a_click_on_the_other_run_selects_its_word(two: tuple[Path, Path]) -> None:
    with Cache.open(two[0]) as one, Cache.open(two[1]) as other:
        async with running(one, other, size=(160, 50)) as (app, pilot):
            while one.caption(app.runs.at(0, app.listing.index or 0)) != FIRST[0]:
                await press(app, pilot, "j")
            await press(app, pilot, "right", "right")  # "dog", the third word of the other's caption
            rect = app.board.tiles[1].rect
            await pilot.click(app.board, offset=Offset(rect.x + 2, rect.y + 2))
            await settle(app, pilot)
            assert app.words.run == 1
            assert app.words.selected is not None
            assert app.words.selected.text == "dog"
