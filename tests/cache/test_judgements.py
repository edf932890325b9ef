"""Judgements: what is kept, for which caption, by two at once, after a kill, and what a stranger's file may do."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from fakes import CAPTIONS, make_cache
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hw3_browse.cache import statement_file
from hw3_browse.cache.judgements import Judgement, Judgements, JudgementsError, tag_named
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.statement_file import Overtaken
from hw3_browse.cache.statements import MOST
from hw3_browse.cache.succession import successor
from hw3_browse.cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

CAPTION = "two dogs on the beach"
NOBODY = 65_534


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LOGNAME", "ada")
    return tmp_path / "state"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a cache; judgements never look into it."""
    made = tmp_path / "runs" / "val"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def ours(folder: Path) -> Iterator[Judgements]:
    with closing(Judgements.beside(folder)) as opened:
        yield opened


@pytest.fixture
def theirs(folder: Path) -> Iterator[Judgements]:
    """The same file in another browser."""
    with closing(Judgements.beside(folder)) as opened:
        yield opened


def now(judgements: Judgements, caption: str = CAPTION) -> dict[str, Judgement]:
    return judgements.current(lambda paths: dict.fromkeys(paths, caption))


def fresh(folder: Path, path: str = "a.jpg", caption: str = CAPTION) -> Judgement:
    """What a browser sees that is started now."""
    with closing(Judgements.beside(folder)) as opened:
        return opened.of(path, caption)


def database(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# What is kept


def test_nothing_is_written_before_the_first_judgement(folder: Path, ours: Judgements, state: Path) -> None:
    assert ours.of("a.jpg", CAPTION) == Judgement("a.jpg", CAPTION, None, {}, "", frozenset())
    assert ours.of("a.jpg", CAPTION).empty
    assert now(ours) == {}
    assert ours.known_tags() == []
    assert list(ours.export()) == []
    assert not ours.changed()
    assert ours.undo() is None
    ours.set_tags("a.jpg", [], shown=[])
    ours.set_note("a.jpg", "")
    ours.remove_tag("a.jpg", "bad")
    ours.set_reasonable("a.jpg", CAPTION, None)
    assert list(folder.parent.iterdir()) == [folder]
    assert not state.exists()


def test_everything_comes_back(folder: Path, ours: Judgements) -> None:
    ours.set_reasonable("a.jpg", CAPTION, False)
    ours.set_fits("a.jpg", CAPTION, 2, "dogs", True)
    ours.set_fits("a.jpg", CAPTION, 10, "beach", False)
    ours.set_note("a.jpg", "one dog,\nnot two")
    ours.add_tag("a.jpg", "bad")
    expected = Judgement("a.jpg", CAPTION, False, {2: True, 10: False}, "one dog,\nnot two", frozenset({"bad"}))
    assert ours.of("a.jpg", CAPTION) == expected
    assert now(ours) == {"a.jpg": expected}
    assert fresh(folder) == expected
    assert list(fresh(folder).fits) == [2, 10]
    assert ours.file == folder.parent / "val.judgements.sqlite"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["val", "val.judgements.sqlite"]


def test_what_is_taken_back_is_gone(folder: Path, ours: Judgements) -> None:
    ours.set_reasonable("a.jpg", CAPTION, True)
    ours.set_fits("a.jpg", CAPTION, 0, "two", True)
    ours.set_note("a.jpg", "x")
    ours.add_tag("a.jpg", "bad")
    ours.set_reasonable("a.jpg", CAPTION, None)
    ours.set_fits("a.jpg", CAPTION, 0, "two", None)
    ours.set_note("a.jpg", " \n")
    ours.remove_tag("a.jpg", "bad")
    assert ours.of("a.jpg", CAPTION).empty
    assert fresh(folder).empty
    assert now(ours) == {}


def test_verdicts_belong_to_the_caption_and_the_rest_to_the_picture(folder: Path, ours: Judgements) -> None:
    ours.set_reasonable("a.jpg", CAPTION, True)
    ours.set_fits("a.jpg", CAPTION, 1, "dogs", True)
    ours.set_note("a.jpg", "dark")
    ours.add_tag("a.jpg", "bad")
    other = ours.of("a.jpg", "a cat")
    assert (other.reasonable, other.fits, other.note, other.tags) == (None, {}, "dark", {"bad"})
    assert now(ours, "a cat") == {"a.jpg": other}
    ours.set_reasonable("a.jpg", "a cat", False)
    assert ours.of("a.jpg", CAPTION).reasonable is True
    assert fresh(folder, caption="a cat").reasonable is False


def test_verdicts_on_an_old_caption_alone_are_no_judgement(ours: Judgements) -> None:
    ours.set_reasonable("a.jpg", "an old caption", True)
    assert now(ours) == {}


def test_judgements_outlive_a_new_run_over_the_cache(tmp_path: Path) -> None:
    run = make_cache(tmp_path / "run", count=2, words=["a cat", "a dog"])
    with closing(Judgements.beside(run)) as judgements:
        with Cache.open(run) as cache:
            paths = [cache.sample(index).path for index in range(2)]
            for path, caption in zip(paths, ("a cat", "a dog"), strict=True):
                judgements.set_reasonable(path, caption, True)
            judgements.set_note(paths[1], "kept")
        make_cache(run, count=2, words=["a cat", "a horse"], overwrite=True)
        with Cache.open(run) as cache:
            captions = {cache.sample(index).path: cache.caption(index) for index in range(2)}
        found = judgements.current(lambda wanted: {path: captions[path] for path in wanted})
        assert [(found[path].reasonable, found[path].note) for path in paths] == [(True, ""), (None, "kept")]
        rows = [(row["path"], row["caption"], row["current"]) for row in judgements.export(lambda _: captions)]
    assert rows == [(paths[0], "a cat", "yes"), (paths[1], "a dog", "no")]


def test_only_judged_pictures_are_asked_for_their_captions(ours: Judgements) -> None:
    ours.set_note("a.jpg", "x")
    ours.set_reasonable("b.jpg", CAPTION, True)
    ours.set_note("gone.jpg", "not in this run")
    asked: list[list[str]] = []

    def captions(paths: Collection[str]) -> Mapping[str, str]:
        asked.append(sorted(paths))
        return {"a.jpg": CAPTION, "b.jpg": CAPTION}

    assert ours.current(captions).keys() == {"a.jpg", "b.jpg"}
    assert asked == [["a.jpg", "b.jpg", "gone.jpg"]]


ANY_TEXT = st.text(st.characters(codec=None), max_size=40)


def kept(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


@settings(max_examples=40)
@given(path=ANY_TEXT, caption=ANY_TEXT, note=ANY_TEXT, word=ANY_TEXT)
@example(path="\udce9.jpg", caption="nul\0nul", note="\0", word="\x1b[31m")
@example(path="'; DROP TABLE statements; --", caption="%_?", note="n" * MOST["value"], word="w" * 5000)
@example(path="p" * MOST["path"], caption="😀" * MOST["caption"], note="😀" * MOST["value"], word="")
def test_any_text_comes_back(path: str, caption: str, note: str, word: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "val"
        with closing(Judgements.beside(folder)) as judgements:
            judgements.set_note(path, note)
            judgements.set_reasonable(path, caption, True)
            judgements.set_fits(path, caption, 3, word, False)
            seen = judgements.of(path, caption)
        assert fresh(folder, path, caption) == seen
        assert (seen.reasonable, seen.fits) == (True, {3: False})
        assert seen.note == (kept(note) if note.strip() else "")
        with closing(Judgements.beside(folder)) as judgements:
            (row,) = judgements.export()
        assert (row["path"], row["caption"]) == (kept(path), kept(caption))
        assert json.loads(row["words_json"])[0]["text"] == kept(word)[:1000]


@given(ANY_TEXT)
@example("  Too\tdark \x1b[31m ")
def test_a_tag_is_one_safe_line_and_stays_what_it_is(text: str) -> None:
    with suppress(JudgementsError):
        tag = tag_named(text)
        assert tag_named(tag) == tag == " ".join(tag.split())
        assert printable(tag) == tag != ""


def test_tags_that_are_none_are_refused(ours: Judgements) -> None:
    assert tag_named(" cafe\u0301  au lait\n") == "café au lait"
    for text in ("", " ", "a,b", "x" * 65, "\u202e"):
        with pytest.raises(JudgementsError, match="a tag has 1 to 64 characters and no comma"):
            ours.add_tag("a.jpg", text)
    assert not ours.file.exists()


def test_texts_that_are_too_long_are_refused(ours: Judgements) -> None:
    with pytest.raises(JudgementsError, match="the note has 65,537 characters; up to 65,536 can be kept"):
        ours.set_note("a.jpg", "x" * 65_537)
    with pytest.raises(JudgementsError, match="the caption has"):
        ours.set_reasonable("a.jpg", "x" * 65_537, True)
    with pytest.raises(JudgementsError, match="the path has"):
        ours.add_tag("x" * 4097, "bad")
    with pytest.raises(ValueError, match="-1 is not the index of a word"):
        ours.set_fits("a.jpg", CAPTION, -1, "x", True)
    assert not ours.file.exists()


def test_tags_by_use(ours: Judgements) -> None:
    for path, tags in (("a", ["dark", "bad"]), ("b", ["bad", "far"]), ("c", [])):
        ours.set_tags(path, tags, shown=[])
    assert ours.known_tags() == ["bad", "dark", "far"]


def test_the_export(ours: Judgements) -> None:
    ours.set_fits("a.jpg", CAPTION, 10, "beach", False)
    ours.set_fits("a.jpg", CAPTION, 1, "dogs", True)
    ours.set_reasonable("a.jpg", "an old one", False)
    ours.set_tags("a.jpg", ["dark", "bad"], shown=[])
    ours.set_note("b.jpg", "=1+1")
    rows = list(ours.export(lambda paths: dict.fromkeys(paths, CAPTION)))
    stamp = rows[0]["at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", stamp)
    common = {"path": "a.jpg", "note": "", "tags": "bad, dark", "who": "ada"}
    assert [{key: row[key] for key in row if key not in {"at", "words_json"}} for row in rows] == [
        common | {"caption": "an old one", "current": "no", "reasonable": "no", "words": ""},
        common | {"caption": CAPTION, "current": "yes", "reasonable": "", "words": "dogs:yes; beach:no"},
        {"path": "b.jpg", "caption": CAPTION, "current": "yes", "reasonable": "", "words": ""}
        | {"note": "=1+1", "tags": "", "who": "ada"},
    ]
    details = json.loads(rows[1]["words_json"])
    assert [(one["word"], one["text"], one["fits"], one["who"]) for one in details] == [
        (1, "dogs", True, "ada"),
        (10, "beach", False, "ada"),
    ]
    assert {row["current"] for row in ours.export()} == {""}
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writerows(rows)
    assert len(stream.getvalue().splitlines()) == 3


def test_the_documentation_reads_a_real_file(folder: Path, ours: Judgements) -> None:
    ours.set_reasonable("a.jpg", CAPTION, False)
    ours.add_tag("a.jpg", "bad")
    text = (Path(__file__).parents[2] / "docs" / "judgements.md").read_text("utf-8")
    query = re.search(r"```sql\n(SELECT .*?)```", text, re.DOTALL)
    assert query is not None
    with closing(sqlite3.connect(ours.file)) as connection:
        assert connection.execute(query[1]).fetchall() == [("a.jpg", CAPTION, "ada")]
        (schema,) = connection.execute("SELECT sql FROM sqlite_master").fetchone()
    documented = re.search(r"```sql\n(CREATE TABLE .*?);\n```", text, re.DOTALL)
    assert documented is not None
    assert documented[1].split() == schema.split()


# Undo


def test_undo_goes_back_step_by_step(folder: Path, ours: Judgements) -> None:
    ours.set_reasonable("a.jpg", CAPTION, True)
    ours.set_reasonable("a.jpg", CAPTION, False)
    ours.set_reasonable("a.jpg", CAPTION, False)  # says nothing new, so there is nothing to undo
    ours.set_tags("b.jpg", ["bad", "dark"], shown=[])
    ours.set_tags("b.jpg", ["dark", "far"], shown=["bad", "dark"])
    assert ours.of("b.jpg", CAPTION).tags == {"dark", "far"}
    assert ours.undo() == "b.jpg"
    assert ours.of("b.jpg", CAPTION).tags == {"bad", "dark"}
    assert ours.undo() == "b.jpg"
    assert ours.undo() == "a.jpg"
    assert ours.of("a.jpg", CAPTION).reasonable is True
    assert fresh(folder).reasonable is True
    assert ours.undo() == "a.jpg"
    assert ours.undo() is None
    assert now(ours) == {}


def test_undo_leaves_what_others_have_said_since(folder: Path, ours: Judgements, theirs: Judgements) -> None:
    ours.set_note("a.jpg", "first")
    ours.set_note("b.jpg", "mine")
    theirs.set_note("b.jpg", "theirs")
    theirs.set_reasonable("a.jpg", CAPTION, True)
    with pytest.raises(Overtaken, match=r"^b\.jpg: changed by ada since; it stays as it is now$"):
        ours.undo()
    assert ours.undo() == "a.jpg"
    assert fresh(folder, "b.jpg").note == "theirs"
    assert fresh(folder).reasonable is True
    assert ours.undo() is None


def test_undo_restores_who_said_it(ours: Judgements, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.set_note("a.jpg", "by Ada")
    monkeypatch.setenv("LOGNAME", "\udce9 grace")
    with closing(Judgements.beside(folder)) as grace:
        grace.set_note("a.jpg", "by Ada")  # the same: it stays Ada's
        assert [row["who"] for row in grace.export()] == ["ada"]
        grace.set_note("a.jpg", "by Grace")
        assert [row["who"] for row in grace.export()] == ["\ufffd grace"]
        grace.undo()
        assert [row["who"] for row in grace.export()] == ["ada"]


# Two at once


def test_each_sees_what_the_other_does(ours: Judgements, theirs: Judgements) -> None:
    assert not ours.changed()
    theirs.set_note("a.jpg", "x")
    assert ours.changed()
    assert not ours.changed()
    assert not theirs.changed()
    assert now(ours)["a.jpg"].note == "x"
    ours.set_note("a.jpg", "y")
    assert not ours.changed()
    assert theirs.of("a.jpg", CAPTION).note == "y"
    assert theirs.changed()  # of() is about one picture; the others may have changed too
    theirs.set_note("a.jpg", "z")
    ours.set_note("b.jpg", "between")
    assert ours.changed()
    assert now(ours)["a.jpg"].note == "z"
    theirs.set_note("a.jpg", "w")
    assert now(ours)["a.jpg"].note == "w"
    assert not ours.changed()


def test_a_file_that_another_made_first_is_news(ours: Judgements, theirs: Judgements) -> None:
    assert now(ours) == {}
    theirs.set_note("a.jpg", "x")
    ours.set_note("b.jpg", "y")
    assert ours.changed()
    assert now(ours).keys() == {"a.jpg", "b.jpg"}


def test_another_file_in_its_place_is_noticed(ours: Judgements, folder: Path, tmp_path: Path) -> None:
    ours.set_note("a.jpg", "x")
    with closing(Judgements.beside(tmp_path / "elsewhere")) as copy:
        copy.set_note("a.jpg", "copied")
    copy.file.replace(ours.file)
    assert ours.changed()
    assert now(ours)["a.jpg"].note == "copied"
    ours.set_note("b.jpg", "into the new one")
    assert fresh(folder, "b.jpg").note == "into the new one"
    ours.file.unlink()
    assert ours.changed()
    assert now(ours) == {}
    ours.set_note("a.jpg", "begun anew")
    assert fresh(folder).note == "begun anew"
    assert fresh(folder, "b.jpg").empty
    assert not ours.changed()
    ours.file.unlink()
    ours.set_note("c.jpg", "and again")
    assert ours.changed()  # a.jpg has lost its note
    assert now(ours).keys() == {"c.jpg"}


def test_tags_that_another_put_on_stay(ours: Judgements, theirs: Judgements) -> None:
    ours.add_tag("a.jpg", "bad")
    shown = ours.of("a.jpg", CAPTION).tags
    theirs.add_tag("a.jpg", "dark")
    ours.set_tags("a.jpg", ["far"], shown)
    assert ours.of("a.jpg", CAPTION).tags == {"dark", "far"}


PATHS, VALUES = ("a", "b"), (True, False, None)
CHANGES = st.one_of(
    st.tuples(st.just("set_reasonable"), st.sampled_from(PATHS), st.sampled_from("xy"), st.sampled_from(VALUES)),
    st.tuples(
        st.just("set_fits"),
        st.sampled_from(PATHS),
        st.sampled_from("xy"),
        st.integers(0, 2),
        st.just("word"),
        st.sampled_from(VALUES),
    ),
    st.tuples(st.just("set_note"), st.sampled_from(PATHS), st.sampled_from(["", "n", "m"])),
    st.tuples(st.sampled_from(["add_tag", "remove_tag"]), st.sampled_from(PATHS), st.sampled_from("st")),
)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), CHANGES), max_size=20))
def test_two_browsers_equal_one(changes: list[tuple[bool, tuple[object, ...]]]) -> None:
    """Whoever makes the changes: both see at any time what one alone would have made of them."""
    with tempfile.TemporaryDirectory() as place:
        names = ("shared", "shared", "alone")
        first, second, alone = (Judgements.beside(Path(place) / name) for name in names)
        with closing(first), closing(second), closing(alone):
            for by_first, (method, *arguments) in changes:
                getattr(first if by_first else second, str(method))(*arguments)
                getattr(alone, str(method))(*arguments)
                for caption in "xy":
                    assert now(first, caption) == now(second, caption) == now(alone, caption)


WRITER = """
import sys
from pathlib import Path
from hw3_browse.cache.judgements import Judgements

folder, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
judgements = Judgements.beside(folder)
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    match number % 4:
        case 0: judgements.set_note(f"{who}{number}.jpg", who)
        case 1: judgements.add_tag("shared.jpg", f"{who}{number}")
        case 2: judgements.set_fits("shared.jpg", "two dogs on the beach", number + (who == "b"), who, True)
        case 3: judgements.set_reasonable("shared.jpg", f"{who} {number}", True)
    print(number, flush=True)
"""


@contextmanager
def writer(folder: Path, who: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """A process that makes changes once it gets a line, and prints the number of each when it is kept."""
    command = [sys.executable, "-c", WRITER, str(folder), who, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def check_kept(folder: Path, who: str, done: int) -> None:
    """Everything that the writer has reported is there."""
    with closing(Judgements.beside(folder)) as judgements:
        shared = judgements.of("shared.jpg", CAPTION)
        for number in range(done):
            match number % 4:
                case 0:
                    assert judgements.of(f"{who}{number}.jpg", CAPTION).note == who
                case 1:
                    assert f"{who}{number}" in shared.tags
                case 2:
                    assert shared.fits[number + (who == "b")] is True
                case 3:
                    assert judgements.of("shared.jpg", f"{who} {number}").reasonable is True


def test_two_processes_lose_nothing(folder: Path) -> None:
    """Both find no file, and make it at the same time."""
    with writer(folder, "a", 100) as one, writer(folder, "b", 100) as other:
        start(one)
        start(other)
        for process in (one, other):
            assert process.communicate(timeout=120)[0].split()[-1] == "99"
            assert process.returncode == 0
    check_kept(folder, "a", 100)
    check_kept(folder, "b", 100)
    with closing(Judgements.beside(folder)) as judgements:
        assert len(judgements.of("shared.jpg", CAPTION).tags) == 50
        assert len(judgements.of("shared.jpg", CAPTION).fits) == 50


def test_threads_take_turns(folder: Path, ours: Judgements) -> None:
    def change(who: int) -> None:
        for number in range(20):
            ours.add_tag("a.jpg", f"{who}.{number}")
            ours.of("a.jpg", CAPTION)
            ours.changed()

    threads = [Thread(target=change, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ours.of("a.jpg", CAPTION).tags) == len(fresh(folder).tags) == 80


def test_a_change_takes_the_lock_before_it_looks(ours: Judgements, folder: Path) -> None:
    """Two who look first and lock later would each wait for the other to stop looking."""
    ours.set_note("a.jpg", "x")
    turned_away = []

    def look(statement: str) -> None:
        if statement.startswith("SELECT path"):
            with closing(sqlite3.connect(ours.file, timeout=0, isolation_level=None)) as other:
                try:
                    other.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    turned_away.append(str(error))

    connection = ours._own._connection
    assert connection is not None
    connection.set_trace_callback(look)
    ours.set_note("a.jpg", "y")
    assert turned_away == ["database is locked"]


def test_one_who_holds_the_file_delays_the_others(
    ours: Judgements, theirs: Judgements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_file, "_WAIT", 0.01)
    ours.set_note("a.jpg", "x")
    assert now(theirs)["a.jpg"].note == "x"
    with closing(sqlite3.connect(ours.file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JudgementsError, match="another program is writing there"):
            ours.set_note("b.jpg", "y")
        assert not theirs.changed()
        assert theirs.of("a.jpg", CAPTION).note == "x"  # from memory
        holder.execute("ROLLBACK")
    ours.set_note("b.jpg", "y")
    assert theirs.changed()
    assert now(theirs)["b.jpg"].note == "y"


# Kill


@pytest.mark.parametrize("after", [0, 3, 17])
def test_a_killed_writer_loses_nothing_that_it_reported(folder: Path, after: int) -> None:
    with writer(folder, "a", 10_000) as process:
        start(process)
        assert process.stdout is not None
        for number in range(after):
            assert process.stdout.readline() == f"{number}\n"
        process.send_signal(signal.SIGKILL)
        reported = after + len(process.stdout.read().splitlines())
        process.wait()
    check_kept(folder, "a", reported)
    with closing(Judgements.beside(folder)) as judgements:
        judgements.set_note("next.jpg", "still writable")


HALFWAY = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")  # so that pages reach the file before the commit
connection.execute("BEGIN IMMEDIATE")
connection.execute("DELETE FROM statements")
for number in range(200):
    row = (f"{number}.jpg", "", "note", "", "never committed " * 100, "", "ada", "")
    connection.execute("INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
print("halfway", flush=True)
sys.stdin.readline()
"""


def kill_halfway(file: Path) -> Path:
    """Kill a process that has overwritten half of the file, and return the journal that it leaves."""
    command = [sys.executable, "-c", HALFWAY, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "halfway\n"
        process.kill()
    journal = file.with_name(f"{file.name}-journal")
    assert journal.stat().st_size > 0
    assert b"never committed" in file.read_bytes()
    return journal


def test_half_a_transaction_is_taken_back(folder: Path, ours: Judgements) -> None:
    ours.set_note("a.jpg", "x")
    ours.close()
    journal = kill_halfway(ours.file)
    assert fresh(folder).note == "x"
    assert not journal.exists()
    assert fresh(folder, "0.jpg").empty


def test_a_journal_cannot_delete_files(folder: Path, ours: Judgements, tmp_path: Path) -> None:
    """SQLite deletes the file that the end of a journal names; a stranger may name any."""
    ours.set_note("a.jpg", "x")
    ours.close()
    journal = kill_halfway(ours.file)
    victim = tmp_path / "thesis.tex"
    victim.write_text("years of work")
    name = os.fsencode(victim)
    page = 0x40000000 // 4096 + 1
    numbers = (page.to_bytes(4), len(name).to_bytes(4), sum(name).to_bytes(4))
    with journal.open("ab") as stream:
        stream.write(numbers[0] + name + numbers[1] + numbers[2] + bytes.fromhex("d9d505f920a163d7"))
    for _ in range(2):
        with pytest.raises(JudgementsError, match="not a journal of ours, and not safe to use; delete it"):
            now(ours)
        with pytest.raises(JudgementsError, match="not a journal of ours"):
            ours.set_note("a.jpg", "y")
    assert victim.read_text() == "years of work"


# Where it cannot be written


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere, so be somebody else for a while."""
    if os.getuid() != 0:
        yield
        return
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that the user of `as_nobody` can read, with that user's own state folder beside it."""
    top = Path(tempfile.mkdtemp())
    (top / "share" / "val").mkdir(parents=True)
    (top / "state").mkdir()
    top.chmod(0o755)
    (top / "state").chmod(0o777)
    monkeypatch.setenv("XDG_STATE_HOME", str(top / "state"))
    yield top / "share"
    (top / "share").chmod(0o755)
    shutil.rmtree(top)


def test_a_share_that_cannot_be_written(share: Path) -> None:
    share.chmod(0o555)
    with as_nobody(), closing(Judgements.beside(share / "val")) as judgements:
        assert judgements.fallback
        assert now(judgements) == {}
        judgements.set_note("a.jpg", "x")
        assert judgements.file.parent == share.parent / "state" / "hw3-browse" / "judgements"
        assert judgements.file.name.startswith("val-")
        assert not judgements.changed()
        assert fresh(share / "val").note == "x"
        assert list(share.iterdir()) == [share / "val"]
        assert fresh(share / "other").empty


def test_what_a_colleague_said_on_such_a_share_is_seen_and_taken_along(share: Path) -> None:
    with closing(Judgements.beside(share / "val")) as colleague:
        colleague.set_note("a.jpg", "theirs")
        colleague.set_reasonable("b.jpg", CAPTION, True)
    share.chmod(0o555)
    colleague.file.chmod(0o444)
    before = colleague.file.read_bytes()
    with as_nobody(), closing(Judgements.beside(share / "val")) as judgements:
        assert judgements.fallback
        assert now(judgements)["a.jpg"].note == "theirs"
        judgements.set_note("a.jpg", "mine")
        assert now(judgements)["b.jpg"].reasonable is True
        assert fresh(share / "val").note == "mine"
    assert colleague.file.read_bytes() == before


def test_a_private_file_of_a_colleague_is_no_hindrance(share: Path) -> None:
    with closing(Judgements.beside(share / "val")) as colleague:
        colleague.set_note("a.jpg", "private")
    colleague.file.chmod(0o600)
    if os.getuid() != 0:
        colleague.file.chmod(0)
    with as_nobody(), closing(Judgements.beside(share / "val")) as judgements:
        assert judgements.fallback
        assert now(judgements) == {}
        judgements.set_note("a.jpg", "mine")
        assert fresh(share / "val").note == "mine"


def test_once_the_share_can_be_written_the_judgements_move_there(share: Path) -> None:
    share.chmod(0o555)
    with as_nobody(), closing(Judgements.beside(share / "val")) as judgements:
        judgements.set_note("a.jpg", "x")
    share.chmod(0o777)
    with as_nobody(), closing(Judgements.beside(share / "val")) as judgements:
        assert not judgements.fallback
        assert now(judgements)["a.jpg"].note == "x"
        judgements.set_note("b.jpg", "y")
        assert judgements.file.parent == share
        assert now(judgements).keys() == {"a.jpg", "b.jpg"}


def test_a_place_that_only_looks_writable() -> None:
    """As network drives do; nobody can make files in /proc."""
    with closing(Judgements.beside(Path("/proc/val"))) as judgements:
        judgements.set_note("a.jpg", "x")
        assert judgements.fallback
        assert judgements.of("a.jpg", CAPTION).note == "x"
        assert fresh(Path("/proc/val")).note == "x"
        assert judgements.undo() == "a.jpg"


def test_an_empty_file_hides_nothing(folder: Path, state: Path) -> None:
    """A place where files can be made, but no journals, leaves one."""
    with closing(Judgements.beside(folder)) as judgements:
        judgements.file.touch()
        elsewhere = judgements._other.file
        elsewhere.parent.mkdir(parents=True)
    with closing(Judgements(elsewhere, elsewhere)) as earlier:
        earlier.set_note("a.jpg", "x")
    assert fresh(folder).note == "x"


def test_no_place_at_all(state: Path) -> None:
    state.write_text("a file where the folder should be")
    with (
        closing(Judgements.beside(Path("/proc/val"))) as judgements,
        pytest.raises(JudgementsError, match="judgements cannot be kept there"),
    ):
        judgements.set_note("a.jpg", "x")


def test_a_link_to_the_cache_and_its_successor_have_the_same_judgements(
    folder: Path, ours: Judgements, tmp_path: Path
) -> None:
    (tmp_path / "latest").symlink_to(folder)
    with closing(Judgements.beside(tmp_path / "latest")) as linked:
        linked.set_note("a.jpg", "x")
    assert now(ours)["a.jpg"].note == "x"
    assert fresh(successor(folder)).note == "x"


# Strangers' files


def refused(judgements: Judgements, match: str) -> None:
    """Whatever is asked of the file, it is refused and stays as it is."""
    before = judgements.file.read_bytes()
    for _ in range(2):
        with pytest.raises(JudgementsError, match=match) as caught:
            now(judgements)
        assert "\n" not in str(caught.value)
        with pytest.raises(JudgementsError, match=match):
            judgements.set_note("a.jpg", "x")
    assert judgements.file.read_bytes() == before
    assert not judgements.fallback


def test_other_programs_files(ours: Judgements) -> None:
    ours.file.write_text("my shopping list\n" * 100)
    refused(ours, "damaged, or not a file of judgements")
    ours.file.unlink()
    database(ours.file, "CREATE TABLE statements (x)")
    refused(ours, "a database of another program")


def test_another_programs_log_is_left_to_it(ours: Judgements) -> None:
    database(ours.file, "PRAGMA journal_mode = WAL", "CREATE TABLE bookmarks (x)")
    refused(ours, "a database of another program")


def test_a_newer_format(ours: Judgements) -> None:
    ours.set_note("a.jpg", "x")
    database(ours.file, "PRAGMA user_version = 2", "ALTER TABLE statements ADD COLUMN more TEXT")
    refused(ours, "the judgements have format 2, this program reads up to 1; upgrade")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON statements BEGIN DELETE FROM statements; END",
        "ALTER TABLE statements ADD COLUMN more TEXT AS (zeroblob(1000000))",
        "DROP TABLE statements",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = -1",
    ],
)
def test_an_altered_schema(ours: Judgements, statement: str) -> None:
    ours.set_note("a.jpg", "x")
    database(ours.file, statement)
    refused(ours, "not as this program writes judgements")


def test_no_files(ours: Judgements, tmp_path: Path) -> None:
    ours.file.mkdir()
    with pytest.raises(JudgementsError, match="not a file"):
        now(ours)
    ours.file.rmdir()
    os.mkfifo(ours.file)
    with pytest.raises(JudgementsError, match="not a file"):
        ours.set_note("a.jpg", "x")
    ours.file.unlink()
    ours.file.symlink_to(tmp_path / "made by us")
    with pytest.raises(JudgementsError, match="a link that leads nowhere"):
        ours.set_note("a.jpg", "x")
    assert not (tmp_path / "made by us").exists()


def test_an_empty_file_is_begun(ours: Judgements, folder: Path) -> None:
    """What a kill between making the file and the first commit leaves."""
    ours.file.touch()
    assert now(ours) == {}
    ours.set_note("a.jpg", "x")
    assert fresh(folder).note == "x"


def test_rows_that_make_no_sense_are_passed_over(ours: Judgements) -> None:
    ours.set_note("a.jpg", "x")
    rows = [
        "'b.jpg', '', 'note', '', x'00ff', '', 'eve', ''",
        "'b.jpg', '', 'tag', x'62', '', '', 'eve', ''",
        "'b.jpg', '', 'tag', CAST(x'ff' AS TEXT), '', '', 'eve', ''",
        f"'b.jpg', '', 'tag', '{'x' * 65}', '', '', 'eve', ''",
        "'b.jpg', '', 'tag', char(27) || '[2J', '', '', 'eve', ''",
        "'b.jpg', '', 'tag', 'a,b', '', '', 'eve', ''",
        "'b.jpg', '', 'tag', ' b', '', '', 'eve', ''",
        f"'b.jpg', '{CAPTION}', 'reasonable', '', 'perhaps', '', 'eve', ''",
        f"'b.jpg', '{CAPTION}', 'fits', '-1', 'yes', '', 'eve', ''",
        f"'b.jpg', '{CAPTION}', 'fits', '²', 'yes', '', 'eve', ''",
        f"'b.jpg', '{CAPTION}', 'fits', '{'9' * 60}', 'yes', '', 'eve', ''",
        f"'b.jpg', '{CAPTION}', 'of a later version', '', 'yes', '', 'eve', ''",
        f"x'ff', '{CAPTION}', 'reasonable', '', 'yes', '', 'eve', ''",
        f"'c.jpg', '{CAPTION}', 'reasonable', '', 'no', '', 'eve', ''",
    ]
    database(ours.file, *(f"INSERT INTO statements VALUES ({row})" for row in rows))
    assert now(ours).keys() == {"a.jpg", "c.jpg"}
    assert [row["path"] for row in ours.export()] == ["a.jpg", "c.jpg"]
    assert ours.known_tags() == []
    ours.set_note("b.jpg", "over a blob")
    assert ours.of("b.jpg", CAPTION).note == "over a blob"


def test_too_much(ours: Judgements, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.set_tags("a.jpg", ["s", "t", "u"], shown=[])
    for name in ("_MOST_ROWS", "_MOST_CHARACTERS"):
        with monkeypatch.context() as patch, closing(Judgements(ours.file, ours.file)) as judgements:
            patch.setattr(statement_file, name, 2)
            with pytest.raises(JudgementsError, match="too large for judgements"):
                now(judgements)
    database(ours.file, "INSERT INTO statements VALUES ('b', '', 'note', '', zeroblob(2000000), '', '', '')")
    with pytest.raises(JudgementsError, match=r"too big"):
        now(ours)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of several pages."""
    with closing(Judgements.beside(tmp_path_factory.mktemp("sound") / "val")) as judgements:
        for number in range(12):
            judgements.set_note(f"{number}.jpg", CAPTIONS[number] * number)
            judgements.set_fits(f"{number}.jpg", CAPTION, number, "word", True)
    return judgements.file.read_bytes()


def test_a_message_that_is_no_text(ours: Judgements, sound: bytes) -> None:
    """SQLite quotes the damaged schema, which makes Python stumble over the message."""
    ours.file.write_bytes(sound.replace(b"tablestatements", b"table\xff\x1b[2Jments"))
    refused(ours, "damaged, or not a file of judgements")


@settings(max_examples=150)
@given(
    damage=st.lists(
        st.tuples(st.one_of(st.integers(0, 120), st.integers(0, 1 << 20)), st.integers(0, 255)), min_size=1, max_size=6
    ),
    cut=st.one_of(st.none(), st.integers(0, 1 << 20)),
)
def test_damage_is_one_clear_line(sound: bytes, damage: list[tuple[int, int]], cut: int | None) -> None:
    content = bytearray(sound)
    for place, byte in damage:
        content[place % len(content)] = byte
    if cut is not None:
        del content[cut % len(content) :]
    with tempfile.TemporaryDirectory() as place, closing(Judgements.beside(Path(place) / "val")) as judgements:
        judgements.file.write_bytes(content)
        beside = problem = str(judgements.file)
        try:
            now(judgements)
            list(judgements.export())
            judgements.set_note("0.jpg", "new")
        except JudgementsError as error:
            problem = str(error)
    # A file that says it must not be written is read, and changes go elsewhere: no problem either.
    assert beside in problem or str(judgements.file) in problem
    assert problem.isprintable()
