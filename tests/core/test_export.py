"""``hw3 export``: every column, judgements, three formats, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fakes import fake_plan, fake_row, make_cache
from zeroshot_fakes import make_zeroshot_run

from hw3_browse.cache.judgements import Judgements
from hw3_browse.cache.reader import Cache
from hw3_browse.cache.writer import CacheWriter
from hw3_browse.cache.zeroshot import ZeroShotRun
from hw3_browse.core import export
from hw3_browse.core.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "report.md"
CONTROL = re.compile("[\x00-\x09\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = make_cache(tmp_path / "run", count=14)
    with Cache.open(folder) as cache:
        first, second = cache.sample(0), cache.sample(9)
    store = Judgements.beside(folder)
    store.set_reasonable(first.path, first.caption, value=True)
    store.set_fits(first.path, first.caption, 1, first.words[1], value=False)
    store.set_note(second.path, "two\nlines \x1b[31mred")
    store.set_tags(second.path, ["bad", "again"], ())
    store.close()
    return folder


def jsonl(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["export", str(folder), "--jsonl", "-", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_lines_hold_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = jsonl(folder, capsys)
    with Cache.open(folder) as cache:
        samples = [cache.sample(index) for index in range(len(cache))]
    assert [row["caption"] for row in rows] == [sample.caption for sample in samples]
    assert [row["references"] for row in rows] == [list(sample.references) for sample in samples]
    for row, sample in zip(rows, samples, strict=True):
        scores = {name: None if np.isnan(value) else value for name, value in sample.scores.items()}
        assert {name: row[name] for name in scores} == scores
    assert any(row["cider"] is None for row in rows)
    first, second = rows[0], rows[9]
    assert (first["reasonable"], first["fits"][:3]) == (True, [None, False, None])
    assert len(first["fits"]) == len(first["words"])
    assert (second["note"], second["tags"]) == ("two\nlines \x1b[31mred", ["again", "bad"])
    assert {row["note"] for row in rows} == {None, second["note"]}


def test_csv_is_safe_and_complete(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(folder)]) == 0
    text = capsys.readouterr().out
    assert not CONTROL.search(text)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 14
    assert list(rows[0]) == list(jsonl(folder, capsys)[0])
    assert (rows[0]["reasonable"], rows[1]["reasonable"], rows[4]["cider"]) == ("true", "", "")
    assert json.loads(rows[0]["fits"])[1] is False
    assert rows[9]["note"] == "two lines red"
    assert "猫" in rows[7]["words"]
    assert main(["export", str(folder), "--csv", str(tmp_path / "new" / "a.csv")]) == 0
    assert (tmp_path / "new" / "a.csv").read_bytes().decode() == text


def test_parquet_keeps_types(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.parquet"
    assert main(["export", str(folder), "--parquet", str(file)]) == 0
    table = pq.read_table(file)
    own = pq.read_table(folder / "samples.parquet")
    assert table.select(own.column_names).equals(own)
    assert table.to_pylist()[9]["tags"] == ["again", "bad"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_three_lines_of_the_documentation(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 3
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(folder), "--parquet", "RUN.parquet"]) == 0
    capsys.readouterr()
    exec(code, {})
    assert "clipscore" in capsys.readouterr().out


@pytest.mark.parametrize("size", [1, 5, 14, 100])
def test_pieces_do_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    whole = jsonl(folder, capsys)
    monkeypatch.setattr(export, "_BATCH", size)
    assert jsonl(folder, capsys) == whole
    filtered = jsonl(folder, capsys, "--filter", "caption ~ a and not judged")
    assert filtered == [row for row in whole if "a" in row["caption"].lower() and row["path"] not in judged(whole)]


def judged(rows: list[dict[str, Any]]) -> set[str]:
    return {row["path"] for row in rows if row["reasonable"] is not None or row["note"] or row["tags"]}


def test_rank_counts_as_in_the_browser(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Cache.open(folder) as cache:
        best = cache.name(int(cache.order("clipscore")[0]))
    assert [row["name"] for row in jsonl(folder, capsys, "--filter", "rank = 1")] == [best]


def test_nothing_left_is_a_head_alone(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(folder), "--filter", "words > 999"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("index,name,path,")
    assert main(["export", str(folder), "--filter", "words > 999", "--parquet", str(tmp_path / "none.parquet")]) == 0
    assert pq.read_metadata(tmp_path / "none.parquet").num_rows == 0


def test_an_unfinished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "live"
    with CacheWriter(folder, fake_plan(5), 5) as writer:
        writer.add_captioned([fake_row(index, "a dog", 0) for index in (3, 1)])
        rows = jsonl(folder, capsys)
    assert sorted(row["name"] for row in rows) == ["000000000001", "000000000003"]
    assert all(row["logprob"] < 0 for row in rows)


def test_a_zeroshot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_zeroshot_run(tmp_path / "zero", 9, unknown=(4,))
    rows = jsonl(folder, capsys)
    with ZeroShotRun.open(folder) as run:
        for index, row in enumerate(rows):
            truth = run.true_label(index)
            assert row["label_name"] == (None if truth is None else run.labels[truth])
            for prompt in range(len(run.prompts)):
                guess = run.top(index, prompt)[0][0]
                assert row[f"p{prompt}_name"] == run.labels[guess]
                assert row[f"p{prompt}_correct"] == (None if truth is None else truth == guess)
    assert main(["export", str(folder)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--csv", "{run}/samples.csv"], "lies in the run itself"),
        (["--parquet", "{run}/samples.parquet"], "lies in the run itself"),
        (["--parquet", "-"], "needs a file"),
        (["--csv", "{run}/.."], "is no file"),
        (["--csv", "{run}/manifest.json/x.csv"], "lies in the run itself"),
        (["--csv", "/proc/nowhere/x.csv"], "cannot be written"),
        (["--filter", "clipscor < 1"], "did you mean clipscore?"),
    ],
)
def test_misuse_is_said_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    assert main(["export", str(folder), *(option.format(run=folder) for option in options)]) == 2
    said = capsys.readouterr().err.strip()
    assert line in said
    assert len(said.splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_filter_of_a_zeroshot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_zeroshot_run(tmp_path / "zero", count=30)
    with ZeroShotRun.open(folder) as run:
        wrong = [run.name(index) for index in range(30) if run.values(1, "correct")[index] == 0]
    assert 0 < len(wrong) < 30
    assert [row["name"] for row in jsonl(folder, capsys, "--filter", "not p2.correct")] == wrong
    assert jsonl(folder, capsys, "--filter", "class = dog and class = cat") == []
    assert main(["export", str(folder), "--filter", "caption ~ dog"]) == 2
    assert "no field" in capsys.readouterr().err


def test_notes_on_a_zeroshot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_zeroshot_run(tmp_path / "zero")
    store = Judgements.beside(folder)
    store.set_note("1_1.png", "a cat, surely")
    store.set_tags("1_1.png", ["odd"], ())
    store.close()
    (row,) = jsonl(folder, capsys, "--filter", "tag:odd")
    assert (row["name"], row["note"], row["tags"]) == ("1_1", "a cat, surely", ["odd"])
    assert jsonl(folder, capsys)[0]["note"] is None


def test_a_damaged_table_is_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "samples.parquet"
    content = bytearray(file.read_bytes())
    content[200:400] = bytes(200)
    file.write_bytes(content)
    assert main(["export", str(folder), "--csv", str(tmp_path / "a.csv")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "a.csv").exists()


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "hw3_browse.core.cli", "export", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
