"""Judging and keeping in the app: verdicts, tags, notes, marks, saved grids, the clipboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browsing import details, press, row, rows, running, settle, shown, write

from hw3_browse.cache.judgements import Judgements
from hw3_browse.cache.reader import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one


@pytest.fixture
def cache(writable_copy: Path) -> Iterator[Cache]:
    with Cache.open(writable_copy) as opened:
        yield opened


def said(cache: Cache, index: int) -> object:
    store = Judgements.beside(cache.folder)
    try:
        sample = cache.sample(index)
        return store.of(sample.path, sample.caption)
    finally:
        store.close()


async def test_words_are_judged(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        index = shown(app).request.index
        await press(app, pilot, "right", "y", "right", "n")
        assert said(cache, index).fits == {0: True, 1: False}
        words = cache.sample(index).words
        assert app.caption.entries[0].texts[:2] == [f"{words[0]}✓", f"{words[1]}✗"]
        await press(app, pilot, "n")  # the same again takes it back
        assert said(cache, index).fits == {0: True}
        await press(app, pilot, "U")
        assert said(cache, index).fits == {0: True, 1: False}


async def test_captions_are_judged(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        index = shown(app).request.index
        await press(app, pilot, "y")  # no word is selected
        assert said(cache, index).reasonable is True
        assert rows(app)[0].startswith("▌✓")
        assert "✓ reasonable" in details(app)
        await press(app, pilot, "right", "N")
        assert said(cache, index).reasonable is False
        assert said(cache, index).fits == {}
        assert rows(app)[0].startswith("▌✗")


async def test_tags_and_notes_are_typed_and_can_be_filtered(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        index = shown(app).request.index
        await press(app, pilot, "number_sign")
        await write(app, pilot, "bad")
        await press(app, pilot, "comma", "space")
        await write(app, pilot, "needs look")
        await press(app, pilot, "enter", "e")
        await write(app, pilot, "wrong animal")
        await press(app, pilot, "enter")
        judgement = said(cache, index)
        assert judgement.tags == {"bad", "needs look"}
        assert judgement.note == "wrong animal"
        assert "bad, needs look" in details(app)
        assert "wrong animal" in details(app)
        await press(app, pilot, "j", "F")
        await write(app, pilot, "tag")
        await press(app, pilot, "colon")
        await write(app, pilot, "bad")
        await press(app, pilot, "enter")
        assert len(app.listing.ordering or ()) == 1
        assert shown(app).request.index == index
        # Filtered by what is judged, the list follows a change.
        await press(app, pilot, "number_sign", *["backspace"] * 30, "enter")
        assert len(app.listing.ordering or ()) == 0


async def test_another_browsers_judgement_appears(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        index = shown(app).request.index
        sample = cache.sample(index)
        other = Judgements.beside(cache.folder)
        other.set_reasonable(sample.path, sample.caption, value=True)
        other.close()
        app.desk._look()
        await settle(app, pilot)
        assert rows(app)[0].startswith("▌✓")


async def test_judgements_survive_the_browser(cache: Cache) -> None:
    async with running(cache) as (app, pilot):
        await press(app, pilot, "y")
    async with running(cache) as (app, pilot):
        app.desk._look()
        await settle(app, pilot)
        assert rows(app)[0].startswith("▌✓")


async def test_marked_samples_are_saved(cache: Cache, tmp_path: Path) -> None:
    async with running(cache, figures=tmp_path / "figures", figure_format="svg") as (app, pilot):
        await press(app, pilot, "x")
        assert row(app) == 1
        await press(app, pilot, "x", "k")
        assert [line[0] for line in rows(app)[:3]] == ["●", "●", " "]
        await press(app, pilot, "S")
        files = sorted((tmp_path / "figures").iterdir())
        names = {cache.name(int(index)) for index in cache.order("clipscore")[:2]}
        assert {file.suffix for file in files} == {".svg"}
        assert len(files) == 2
        assert all(any(name in file.name for file in files) for name in names)
        assert "2 figures in" in app.status.state.plain
        await press(app, pilot, "F")
        await write(app, pilot, "marked")
        await press(app, pilot, "enter")
        assert len(app.listing.ordering or ()) == 2


async def test_the_grid_of_the_pinned_words(cache: Cache, tmp_path: Path) -> None:
    async with running(cache, figures=tmp_path / "figures") as (app, pilot):
        words = cache.sample(shown(app).request.index).words
        await press(app, pilot, "right", "right", "w", "right", "left_square_bracket", "w", "s")
        (file,) = (tmp_path / "figures").iterdir()
        assert f"{words[1]}+{words[2]}" in file.name


async def test_nothing_marked_nothing_saved(cache: Cache, tmp_path: Path) -> None:
    async with running(cache, figures=tmp_path / "figures") as (app, pilot):
        await press(app, pilot, "S")
        assert not (tmp_path / "figures").exists()
        assert app.query("Toast")


@pytest.mark.parametrize(("key", "what"), [("c", "caption"), ("C", "name"), ("P", "path")])
async def test_copying(cache: Cache, key: str, what: str) -> None:
    async with running(cache) as (app, pilot):
        sample = cache.sample(shown(app).request.index)
        await press(app, pilot, key)
        assert app.clipboard == getattr(sample, what)


async def test_a_foreign_judgements_file_is_said_and_left_alone(cache: Cache) -> None:
    store = Judgements.beside(cache.folder)
    store.file.write_bytes(b"this is somebody's text, not a database")
    async with running(cache) as (app, pilot):
        await press(app, pilot, "y")
        assert any("-error" in toast.classes for toast in app.query("Toast"))
        await press(app, pilot, "j")
        assert row(app) == 1
    assert store.file.read_bytes() == b"this is somebody's text, not a database"
