"""A cache that changes under the browser: computed anew, smaller, with other layers, damaged, gone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from browsing import press, row, rows, running, settle, shown
from fakes import make_cache
from pyarrow import parquet

from hw3_browse.cache.live import open_cache
from hw3_browse.cache.reader import Cache

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")  # nothing is remembered in the real one


async def test_a_smaller_cache_takes_the_place_of_a_larger_one(tmp_path: Path) -> None:
    """Selection and marks follow their pictures, by name; what is gone is gone."""
    folder = make_cache(tmp_path / "run", count=24)
    async with running(open_cache(folder), sort="index", size=(120, 40)) as (app, pilot):
        await press(app, pilot, "j", "j", "x", "G", "x", "y", "g", "j", "j", "right", "w")
        assert app.keeping.marked == {2, 23}
        make_cache(folder, count=9, seed=5, layers=1, heads=1, overwrite=True)
        await press(app, pilot, "R", "R", "j", "k")
        assert app.keeping.marked == {2}
        assert row(app) == 2
        assert len(rows(app)) == 9
        assert app.panels.pins == ()
        assert shown(app).request.index == 2
        await press(app, pilot, "right", "G")
        assert row(app) == 8


async def test_judgements_of_other_captions_are_not_shown(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", count=4, words=("a dog", "a cat"))
    async with running(open_cache(folder), sort="index") as (app, pilot):
        await press(app, pilot, "y")
        assert rows(app)[0].startswith("▌✓")
        make_cache(folder, count=4, words=("a bird", "a cat"), overwrite=True)
        await press(app, pilot, "R")
        app.desk._look()
        await settle(app, pilot)
        assert not rows(app)[0].startswith("▌✓")


async def test_what_cannot_be_opened_again_leaves_all_as_it_was(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", count=12)
    async with running(open_cache(folder)) as (app, pilot):
        shutil.rmtree(folder)
        await press(app, pilot, "R")
        assert app.title_bar.order == "by clipscore, best first"
        assert any("opened again" in toast._notification.title for toast in app.query("Toast"))  # type: ignore[attr-defined]
        await press(app, pilot, "O", "G", "slash", "a", "enter", "colon", "n", "o", "enter", "escape", "r")
        assert "..." not in app.title_bar.order
        make_cache(folder, count=12)
        await press(app, pilot, "backspace", "R", "g")
        assert shown(app).request.index == app.listing.index


async def test_rows_that_cannot_be_read_say_so(writable_copy: Path) -> None:
    file = writable_copy / "samples.parquet"
    content = bytearray(file.read_bytes())
    group = parquet.ParquetFile(file).metadata.row_group(0)
    for column in (group.column(number) for number in range(group.num_columns)):
        if column.path_in_schema in {"caption", "name"}:
            start = column.dictionary_page_offset or column.data_page_offset
            content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    file.write_bytes(content)
    with Cache.open(writable_copy) as damaged:
        async with running(damaged, size=(160, 50)) as (app, pilot):
            assert "cannot be read" in rows(app)[0]
            await press(app, pilot, "j", "x", "c", "slash", "d", "enter", "R", "colon", "n", "o", "enter")
            assert "samples.parquet" in app.status.state.plain
            assert app.is_running
