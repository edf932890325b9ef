"""The cache of a run that goes on, was killed, or is just being finished; and what its readers do to the writer."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from fakes import CAPTIONS, fake_plan, fake_row, make_cache
from hypothesis import given
from hypothesis import strategies as st

from hw3_browse.cache import live as live_module
from hw3_browse.cache import work
from hw3_browse.cache.errors import CacheDamaged, CacheError, CacheNewer, CacheNotFound, CacheUnfinished, UsageError
from hw3_browse.cache.live import LiveCache, open_cache
from hw3_browse.cache.live_rows import TEXTS, Row, Table
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.schema import Captioned, CaptionRow
from hw3_browse.cache.writer import CacheWriter

COUNT = 6
SCRIPT = Path(__file__).with_name("live_writer.py")


def row_of(index: int) -> Captioned:
    return fake_row(index, CAPTIONS[index % len(CAPTIONS)])


class Writer:
    """A writer in another process, one command at a time."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, folder, str(COUNT), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[1])},
        )
        self.greeting = self.answer()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def order(self, command: str, *indices: int) -> None:
        assert self.process.stdin is not None
        print(command, *indices, file=self.process.stdin, flush=True)

    def do(self, command: str, *indices: int) -> None:
        self.order(command, *indices)
        assert self.answer() == "done"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def looking_at(folder: Path) -> Iterator[LiveCache]:
    """An unfinished run, open."""
    opened = open_cache(folder)
    assert isinstance(opened, LiveCache)
    with opened:
        yield opened


def pictures(live: LiveCache) -> list[int]:
    """Which pictures of the dataset are there, in the order of the rows."""
    return [int(live.name(index)) for index in range(len(live))]


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run of six pictures that was left with the captions of 3, 0 and 1, which came in this order."""
    with CacheWriter(tmp_path / "run", fake_plan(COUNT, folder=tmp_path / "run"), COUNT) as writer:
        writer.add_captioned([row_of(3), row_of(0)])
        writer.add_captioned([row_of(1)])
    return tmp_path / "run"


# What is in it


def test_everything_known_of_a_picture_comes_back(killed: Path) -> None:
    with looking_at(killed) as live:
        assert (len(live), live.progress, live.is_running) == (3, (3, COUNT), False)
        for index, given_row in enumerate(map(row_of, (3, 0, 1))):
            sample = live.sample(index)
            for field in fields(CaptionRow):
                expected = index if field.name == "index" else getattr(given_row, field.name)
                assert getattr(sample, field.name) == expected, field.name
            assert sample.scores == {"logprob": pytest.approx(sum(given_row.logprobs))}
            assert (live.name(index), live.path(index), live.caption(index)) == (
                given_row.name, given_row.path, given_row.caption,
            )  # fmt: skip
            assert live.preview(index) == given_row.preview
            found = live.attention(index)
            assert (found.prefix, found.rows, found.cols) == (1, 4, 5)
            np.testing.assert_allclose(found.weights, given_row.attention, atol=0.01)


def test_columns(killed: Path) -> None:
    given_rows = [row_of(index) for index in (3, 0, 1)]
    with looking_at(killed) as live:
        for column in TEXTS:
            assert live.texts(column).to_pylist() == [getattr(row, column) for row in given_rows]
        assert live.texts("references").to_pylist() == [list(row.references) for row in given_rows]
        logprobs = [sum(row.logprobs) for row in given_rows]
        assert live.score_names == ("logprob",)
        assert live.scores("logprob").tolist() == pytest.approx(logprobs)
        assert live.order("logprob").tolist() == sorted(range(3), key=lambda index: -logprobs[index])
        assert live.order("logprob", reverse=True).tolist() == sorted(range(3), key=logprobs.__getitem__)
        assert live.order("name").tolist() == [1, 2, 0]
        assert live.order("name", reverse=True).tolist() == [0, 2, 1]
        assert live.order("index").tolist() == [0, 1, 2]
        assert live.find(given_rows[2].name) == 2
        assert live.find("nobody") is None
        with pytest.raises(KeyError):
            live.texts("words")
        with pytest.raises(UsageError, match=r"no score 'logprobs'.*did you mean 'logprob'"):
            live.scores("logprobs")
        with pytest.raises(UsageError, match=r"no score 'bleu4' .* it has: logprob, name, index"):
            live.order("bleu4")
        for wrong in (-1, 3):
            with pytest.raises(IndexError, match="not among the 3"):
                live.sample(wrong)


def test_indices_from_an_order_can_be_used(killed: Path) -> None:
    """They are numpy's integers, which SQLite and Arrow take for something else."""
    with looking_at(killed) as live:
        for index in live.order("logprob"):
            plain = int(index)
            assert type(live.sample(index).index) is int
            assert live.preview(index) == live.preview(plain)
            assert live.caption(index) == live.caption(plain)
            np.testing.assert_array_equal(live.attention(index).weights, live.attention(plain).weights)


def test_its_manifest_is_made_of_the_plan(killed: Path) -> None:
    with looking_at(killed) as live:
        manifest = live.manifest
        assert live.folder == killed
        assert manifest.plan == fake_plan(COUNT, folder=killed)
        assert manifest.count == COUNT
        assert [score.name for score in manifest.scores] == ["logprob"]
        shape = manifest.attention
        assert (shape.layers, shape.heads, shape.prefix, shape.rows, shape.cols, shape.codec) == (
            2, 3, 1, 4, 5, "u8-sqrt",
        )  # fmt: skip


def test_the_picture_itself_is_found_in_the_dataset(killed: Path) -> None:
    file = killed.parent / "images" / row_of(3).path
    with looking_at(killed) as live:
        assert live.image_file(0) is None
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
        assert live.image_file(0) == file.resolve()


def test_texts_that_no_file_can_hold(tmp_path: Path) -> None:
    row = replace(row_of(0), path="caf\udce9.jpg")  # of a name that is no UTF-8
    with CacheWriter(tmp_path / "run", {}, 1) as writer:
        writer.add_captioned([row])
        with looking_at(tmp_path / "run") as live:
            assert live.path(0) == live.sample(0).path == "caf\ufffd.jpg"  # as in the finished cache
        folder = writer.finish({}, (), {}, {})
    with Cache.open(folder) as cache:
        assert cache.sample(0).path == "caf\ufffd.jpg"


# While it grows


def test_rows_appear_and_keep_their_places(tmp_path: Path) -> None:
    with Writer(tmp_path / "run") as writer:
        writer.do("caption", 4, 2)
        with looking_at(tmp_path / "run") as live:
            assert live.is_running
            assert pictures(live) == [4, 2]
            before = live.scores("logprob"), live.texts("caption")
            assert live.refresh() == 0
            writer.do("caption", 3)
            assert len(live) == 2  # until somebody asks
            assert live.refresh() == 1
            writer.do("caption", 0, 1)
            assert live.refresh() == 2
            assert pictures(live) == [4, 2, 3, 0, 1]
            assert live.sample(3).caption == row_of(0).caption
            assert live.attention(4).weights.shape[0] == len(row_of(1).token_ids)
            assert live.progress == (5, COUNT)
            assert len(live.texts("references")) == len(live.scores("logprob")) == 5
            assert [len(column) for column in before] == [2, 2]


def test_a_long_run_is_read_in_turns(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_ROWS_A_QUERY", 1)
    monkeypatch.setattr(live_module, "_ROWS_A_REFRESH", 2)
    with looking_at(killed) as live:
        assert pictures(live) == [3, 0]
        assert live.refresh() == 1
        assert live.refresh() == 0
        assert pictures(live) == [3, 0, 1]
        assert live.texts("references").to_pylist() == [list(row_of(index).references) for index in (3, 0, 1)]


def test_a_killed_writer_and_the_one_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Writer(folder) as writer:
        writer.do("caption", 0, 1)
        with looking_at(folder) as live:
            writer.kill()
            assert not live.is_running
            assert live.refresh() == 0
            assert live.preview(1) == row_of(1).preview
            with Writer(folder) as other:
                assert other.greeting == "ready"
                assert live.is_running
                other.do("again", 1)  # it was captioned, but not embedded
                assert live.refresh() == 1
                assert [live.caption(index) for index in range(2)] == [row_of(0).caption, "said again"]
                assert live.sample(1).caption == "said again"
                other.do("caption", 2)
                assert live.refresh() == 1
                assert pictures(live) == [0, 1, 2]
                assert not live.replaced()


def test_a_writer_killed_amid_a_commit(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Writer(folder) as writer:
        writer.do("caption", 0, 1)
        with looking_at(folder) as open_before:
            open_before.attention(0)
            writer.order("die")
            writer.process.wait()
            assert (folder / "work.sqlite-journal").exists()
            assert (folder / "attention.sqlite-journal").exists()
            with looking_at(folder) as opened_after:
                for live in (open_before, opened_after):
                    assert live.refresh() == 0
                    assert pictures(live) == [0, 1]
                    assert live.preview(0) == row_of(0).preview
                    assert live.attention(1).weights.shape[0] == len(row_of(1).token_ids)
    with Writer(folder) as writer:
        writer.do("caption", *range(2, COUNT))
        writer.do("finish")
    with Cache.open(folder) as cache:
        assert cache.caption(5) == row_of(5).caption


def test_who_may_not_write_is_told_of_a_killed_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    with Writer(folder) as writer:
        writer.do("caption", 0, 1)
        writer.order("die")
        writer.process.wait()
    monkeypatch.setattr(work, "_roll_back", lambda _: None)
    with pytest.raises(CacheError, match="only who may write there can open it"):
        open_cache(folder)


# Its end


def test_finished_while_open(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Writer(folder) as writer:
        writer.do("caption", *reversed(range(COUNT)))
        with looking_at(folder) as live:
            assert not live.replaced()
            writer.do("finish")
            assert live.replaced()
            assert not live.is_running
            assert live.refresh() == 0
            assert live.sample(0).caption == row_of(COUNT - 1).caption  # what was open stays
            assert live.preview(1) == row_of(COUNT - 2).preview
            assert live.attention(2).rows == 4
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json", "samples.parquet", "attention.sqlite", "embeddings.parquet", "previews",
    }  # fmt: skip
    with open_cache(folder) as cache:
        assert isinstance(cache, Cache)
        assert cache.scores("logprob")[5] == pytest.approx(sum(row_of(5).logprobs))


def test_an_overwritten_cache_and_its_successor(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", 3)
    with Writer(folder, "overwrite") as writer, open_cache(folder) as old:
        assert writer.greeting == "ready"
        assert isinstance(old, Cache)
        writer.do("caption", 5)
        assert not old.replaced()
        with looking_at(tmp_path / ".run.new") as live:
            assert live.folder == folder
            assert live.is_running
            writer.do("caption", *range(5))
            assert live.refresh() == 5
            writer.do("finish")
            assert old.replaced()
            assert live.replaced()
            assert not live.is_running
            assert live.refresh() == 0
            assert live.preview(0) == row_of(5).preview
            assert live.attention(0).rows == 4
        for name in ("run", ".run.new"):
            with open_cache(tmp_path / name) as new:
                assert isinstance(new, Cache)
                assert (new.folder, len(new)) == (folder, COUNT)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_unfinished_run_that_another_plan_replaces(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with CacheWriter(folder, {"old": True}, 2) as writer:
        writer.add_captioned([fake_row(0, "old")])
    with Writer(folder, "overwrite") as other:
        other.do("caption", 1)
        with looking_at(folder) as live:  # the one that grows, not the one that goes
            assert (live.caption(0), live.is_running, live.folder) == (row_of(1).caption, True, folder)
            other.kill()
            assert not live.is_running
        with looking_at(folder) as live:
            assert (live.caption(0), live.is_running) == ("old", False)
            with Writer(folder, "overwrite") as again:
                again.do("caption", 0, 2, 3, 4, 5)
                assert not live.replaced()
                again.do("finish")
            assert live.replaced()
            assert live.preview(0) == fake_row(0, "old").preview
    with open_cache(folder) as cache:
        assert len(cache) == COUNT


def test_a_run_that_ends_while_it_is_being_opened(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def finish_and_open(folder: Path, working: Path) -> LiveCache:
        with CacheWriter(killed, fake_plan(COUNT, folder=killed), COUNT) as writer:
            writer.add_captioned([row_of(index) for index in range(COUNT)])
            writer.finish({}, (), {}, {})
        return opening(folder, working)

    opening = LiveCache.open
    monkeypatch.setattr(LiveCache, "open", finish_and_open)
    with open_cache(killed) as cache:
        assert isinstance(cache, Cache)


def test_a_closed_one_keeps_the_list_only(killed: Path) -> None:
    with looking_at(killed) as live:
        pass
    assert live.caption(0) == row_of(3).caption
    for question in (live.sample, live.attention, live.preview):
        with pytest.raises(CacheError, match="was closed"):
            question(0)
    with pytest.raises(CacheError, match="was closed"):
        live.refresh()


# What cannot be opened


def test_nothing_captioned_yet(tmp_path: Path) -> None:
    with (
        CacheWriter(tmp_path / "run", fake_plan(COUNT), COUNT),
        pytest.raises(CacheUnfinished, match="nothing captioned yet: 0 of 6; try again in a moment"),
    ):
        open_cache(tmp_path / "run")
    with pytest.raises(CacheUnfinished, match="nothing captioned: 0 of 6, and no process is at it"):
        open_cache(tmp_path / "run")


def test_killed_before_it_said_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "work.sqlite").write_bytes(b"")
    with pytest.raises(CacheUnfinished, match="nothing captioned, and no process"):
        open_cache(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", tmp_path / ".missing.new"):
        with pytest.raises(CacheNotFound):
            open_cache(folder)
    with pytest.raises(CacheNotFound):
        LiveCache.open(tmp_path)


def change(file: Path, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, parameters)


def test_an_older_run_can_be_looked_at_once_it_goes_on(killed: Path) -> None:
    change(killed / "work.sqlite", "DROP TABLE arrivals")
    (killed / "lock.sqlite").unlink()
    with pytest.raises(CacheUnfinished, match="begun by an older version"):
        open_cache(killed)
    with CacheWriter(killed, fake_plan(COUNT, folder=killed), COUNT) as writer, looking_at(killed) as live:
        assert pictures(live) == [0, 1, 3]
        writer.add_captioned([row_of(2)])
        live.refresh()
        assert pictures(live) == [0, 1, 3, 2]


def test_a_newer_run_is_refused(killed: Path) -> None:
    with closing(sqlite3.connect(killed / "work.sqlite")) as connection:
        (text,) = connection.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
    newer = json.dumps(json.loads(text) | {"format version": 2})
    change(killed / "work.sqlite", "UPDATE meta SET value = ? WHERE key = 'identity'", newer)
    with pytest.raises(CacheNewer, match="format 2, this program reads up to 1"):
        open_cache(killed)


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        ("work.sqlite", "UPDATE captions SET record = '{'"),
        ("work.sqlite", "UPDATE captions SET record = '{}'"),
        ("work.sqlite", "UPDATE captions SET record = replace(record, '\"index\": 3', '\"index\": 6')"),
        ("work.sqlite", "UPDATE captions SET record = CAST(x'ff' AS TEXT)"),
        ("work.sqlite", "UPDATE captions SET record = '[]'"),
        ("work.sqlite", 'UPDATE captions SET record = replace(record, \'"name": "\', \'"name": 1, "n": "\')'),
        ("work.sqlite", "UPDATE meta SET value = '[]'"),
        ("work.sqlite", "UPDATE meta SET value = replace(value, '\"count\": 6,', '\"count\": 1e12,')"),
        ("work.sqlite", "UPDATE meta SET value = replace(value, 'u8-sqrt', 'u9')"),
        ("work.sqlite", "DROP TABLE captions"),
    ],
)
def test_damage_that_shows_when_it_is_opened(killed: Path, file: str, statement: str) -> None:
    change(killed / file, statement)
    with pytest.raises(CacheDamaged, match=str(killed)):
        open_cache(killed)


def test_damage_that_shows_later(killed: Path) -> None:
    with looking_at(killed) as live:
        change(killed / "attention.sqlite", "UPDATE attention SET heads = 4 WHERE idx = 3")
        with pytest.raises(CacheDamaged, match="another shape"):
            live.attention(0)
        change(killed / "attention.sqlite", "UPDATE attention SET weights = x'00' WHERE idx = 0")
        with pytest.raises(CacheDamaged, match=str(killed)):
            live.attention(1)
        change(killed / "attention.sqlite", "UPDATE attention SET tokens = 'many' WHERE idx = 1")
        with pytest.raises(CacheDamaged, match="another shape"):
            live.attention(2)
        change(killed / "work.sqlite", "UPDATE captions SET preview = 1000000000000 WHERE idx = 3")
        with pytest.raises(CacheDamaged, match="not a JPEG"):
            live.preview(0)
        change(killed / "work.sqlite", "DELETE FROM captions WHERE idx = 1")
        with pytest.raises(CacheDamaged, match="no picture 1"):
            live.preview(2)
        change(killed / "work.sqlite", """UPDATE captions SET record = replace(record, '"rows": 4', '"rows": 5')""")
        with pytest.raises(CacheDamaged, match="another grid"):
            live.sample(0)


def test_a_commit_that_takes_long_while_one_opens(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveCache, "refresh", lambda _: 0)
    with pytest.raises(CacheError, match="does not let go"):
        open_cache(killed)


def test_a_missing_file_is_damage(killed: Path) -> None:
    (killed / "attention.sqlite").unlink()
    with pytest.raises(CacheNotFound, match="cannot be opened"):
        open_cache(killed)


# Writers and readers


def test_a_second_writer_is_turned_away(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Writer(folder) as writer:
        writer.do("caption", 0)
        with Writer(folder) as second:
            assert "another process is writing this cache" in second.greeting
        with Writer(folder, "overwrite") as second:
            assert "another process is writing this cache" in second.greeting
        with pytest.raises(CacheError, match="another process is writing this cache"):
            CacheWriter(folder, {"another": "plan"}, COUNT, overwrite=True)
        with looking_at(folder), pytest.raises(CacheError, match="another process is writing"):
            CacheWriter(folder, fake_plan(COUNT), COUNT)
        writer.kill()
    with CacheWriter(folder, fake_plan(COUNT), COUNT) as ours:
        assert ours.captioned() == {0}
        with pytest.raises(CacheError, match="another process is writing"):  # of the same process, too
            CacheWriter(folder, fake_plan(COUNT), COUNT)


def test_two_writers_over_one_cache(tmp_path: Path) -> None:
    folder = make_cache(tmp_path / "run", 2)
    with Writer(folder, "overwrite") as writer:
        with Writer(folder, "overwrite") as second:
            assert "another process is writing this cache" in second.greeting
        writer.do("caption", 0)
        with pytest.raises(CacheError, match="another process is writing this cache"):
            CacheWriter(folder, {"another": "plan"}, COUNT, overwrite=True)
        with looking_at(tmp_path / ".run.new") as live:
            assert pictures(live) == [0]


def test_a_run_that_must_go_is_not_taken_up_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    CacheWriter(folder, {"old": True}, COUNT).close()
    with Writer(folder, "overwrite") as writer:
        assert writer.greeting == "ready"
        with pytest.raises(CacheError, match="another process is writing this cache"):
            CacheWriter(folder, {"old": True}, COUNT)


def test_a_reader_stopped_amid_a_query_only_delays_the_writer(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Writer(folder) as writer:
        writer.do("caption", 0)
        for name in ("attention.sqlite", "work.sqlite"):
            with closing(sqlite3.connect(folder / name)) as stopped:
                stopped.execute("BEGIN")
                stopped.execute("SELECT count(*) FROM sqlite_master").fetchall()
                writer.order("caption", 1)
                while not (folder / f"{name}-journal").exists():
                    assert writer.process.poll() is None
                stopped.rollback()
            assert writer.answer() == "done"


def test_a_commit_that_takes_long_only_delays_the_reader(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_READING_MS", 10)
    with looking_at(killed) as live, closing(sqlite3.connect(killed / "work.sqlite")) as committing:
        committing.execute("BEGIN EXCLUSIVE")
        assert live.refresh() == 0
        assert live.caption(0) == row_of(3).caption
        with pytest.raises(CacheError, match="does not let go of the files; try again"):
            live.preview(0)
        committing.rollback()
        assert live.preview(0) == row_of(3).preview


def test_one_can_read_until_the_commit(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that left memory before it would lock readers out for as long as a batch takes."""
    monkeypatch.setattr(work, "_READING_MS", 10)
    with CacheWriter(killed, fake_plan(COUNT, folder=killed), COUNT) as writer, looking_at(killed) as live:
        for index in range(100, 164):  # 6 MB, three times SQLite's memory
            writer._attention.execute("INSERT INTO attention VALUES (?, 1, 1, 1, 1, x'', zeroblob(100000))", (index,))
        assert writer._attention.in_transaction
        assert live.attention(0).rows == 4
        writer._attention.rollback()


def test_nobody_fails_when_all_are_in_a_hurry(tmp_path: Path) -> None:
    problems: list[Exception] = []
    done = threading.Event()

    def read(live: LiveCache) -> None:
        try:
            while not done.is_set():
                live.refresh()
                for index in range(len(live)):
                    tokens = len(live.sample(index).token_ids)
                    assert live.attention(index).weights.shape[0] == tokens
                    assert live.preview(index)
                assert live.is_running
        except Exception as error:  # noqa: BLE001 (whatever it is, the test shows it)
            problems.append(error)

    with Writer(tmp_path / "run") as writer:
        writer.do("caption", 5)
        with looking_at(tmp_path / "run") as one, looking_at(tmp_path / "run") as other:
            readers = [threading.Thread(target=read, args=(live,)) for live in (one, other, other)]
            for reader in readers:
                reader.start()
            writer.order("hurry", 10)
            assert writer.answer() == "done"
            done.set()
            for reader in readers:
                reader.join()
            assert not problems
            one.refresh()
            assert pictures(one) == [5, 0, 1, 2, 3, 4]
        writer.do("finish")


# Columns that grow


texts = st.text(max_size=5)
rows = st.builds(Row, st.integers(0, 9), texts, texts, texts, st.floats(-9, 0))


@given(st.lists(st.lists(rows, max_size=5), max_size=12))
def test_a_table_is_what_was_added_last_in_the_order_of_what_came_first(batches: list[list[Row]]) -> None:
    table, expected = Table(10), dict[int, Row]()
    for batch in batches:
        before = table.rows
        shown = before.texts["caption"].to_pylist(), before.logprobs.tolist(), before.pictures.tolist()
        assert table.add(batch) == len({row.picture for row in batch})
        expected |= {row.picture: row for row in batch}
        assert (before.texts["caption"].to_pylist(), before.logprobs.tolist(), before.pictures.tolist()) == shown
    assert table.rows.pictures.tolist() == list(expected)
    assert table.rows.logprobs.tolist() == [row.logprob for row in expected.values()]
    for name in TEXTS:
        assert table.rows.texts[name].to_pylist() == [getattr(row, name) for row in expected.values()]


def test_rows_that_come_singly_stay_in_few_chunks() -> None:
    table = Table(1000)
    for picture in range(1000):
        table.add([Row(picture, "name", "path", "caption", 0.0)])
    assert table.rows.texts["name"].num_chunks <= 10


def test_pandas_is_not_waited_for(killed: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from hw3_browse.cache.live import open_cache\n"
        "live = open_cache(Path(sys.argv[1])); live.refresh(); live.caption(0); live.texts('references')\n"
        "live.order('name'); live.find('x'); live.scores('logprob'); live.sample(0); live.attention(0)\n"
        "print('pandas' in sys.modules, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script, killed], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
