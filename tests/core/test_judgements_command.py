"""``hw3 judgements``: the table of what was judged."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from fakes import make_cache
from zeroshot_fakes import make_zeroshot_run

from hw3_browse.cache.judgements import Judgements
from hw3_browse.cache.reader import Cache
from hw3_browse.core.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return make_cache(tmp_path / "run", count=6)


def test_the_table(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Cache.open(folder) as cache:
        first, second = cache.sample(0), cache.sample(1)
    store = Judgements.beside(folder)
    store.set_reasonable(first.path, first.caption, value=True)
    store.set_fits(first.path, first.caption, 1, first.words[1], value=False)
    store.set_tags(second.path, ["bad"], ())
    store.set_note(second.path, "two\nlines \x1b[31mred")
    store.set_reasonable(second.path, "a caption of a former run", value=False)
    store.close()
    assert main(["judgements", str(folder)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    by_caption = {row["caption"]: row for row in rows}
    assert by_caption[first.caption]["reasonable"] == "yes"
    assert by_caption[first.caption]["words"] == f"{first.words[1]}:no"
    assert by_caption[first.caption]["current"] == "yes"
    former = by_caption["a caption of a former run"]
    assert (former["current"], former["reasonable"], former["tags"]) == ("no", "no", "bad")
    assert former["note"] == "two lines red"
    assert main(["judgements", str(folder), "--out", str(tmp_path / "judged.csv")]) == 0
    written = (tmp_path / "judged.csv").read_text("utf-8")
    assert list(csv.DictReader(io.StringIO(written))) == rows


def test_notes_on_a_zeroshot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_zeroshot_run(tmp_path / "zero")
    store = Judgements.beside(run)
    store.set_note("3_3.png", "green")
    store.close()
    assert main(["judgements", str(run)]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["path"], row["note"], row["caption"]) == ("3_3.png", "green", "")


def test_nothing_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judgements", str(folder)]) == 2
    assert "nothing has been judged" in capsys.readouterr().err
