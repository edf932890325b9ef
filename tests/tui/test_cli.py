"""The command without a terminal: text, JSON, CSV, exit codes, and what is opened where nothing is named."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pseudo_terminal import COMMAND
from rich.cells import cell_len

from hw3_browse.cache.places import remember_cache
from hw3_browse.cache.reader import Cache
from hw3_browse.tui import cli, demo

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_print_is_aligned_sorted_and_safe(nasty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(nasty_folder), "--print"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["rank", "clipscore", "name", "caption"]
    assert len(lines) == 24
    assert [int(line.split()[0]) for line in lines] == list(range(1, 25))
    scores = [float(line.split()[1]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert all("\x1b" not in line and "\u202e" not in line for line in lines)
    start = head.index("caption")
    with Cache.open(nasty_folder) as cache:
        best = cache.order("clipscore")[0]
        assert lines[0][start:] == cache.caption(int(best))  # this one is harmless
    assert all(cell_len(line[: head.index("name")]) == head.index("name") for line in lines)


def test_without_a_terminal_the_list_is_printed(cache_folder: Path) -> None:
    done = run(cache_folder, "--limit", 3, "--reverse")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["rank", "20", "19", "18"]
    assert done.stderr == ""


def test_json_is_for_programs(nasty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(nasty_folder), "--json", "--sort", "cider"]) == 0
    output = capsys.readouterr().out
    assert output.isascii()
    entries = json.loads(output)
    assert len(entries) == 24
    ranks = [entry["rank"] for entry in entries]
    undefined = ranks.count(None)
    assert undefined
    assert ranks == [*range(1, 25 - undefined), *[None] * undefined]
    assert [entry["scores"]["cider"] is None for entry in entries] == [rank is None for rank in ranks]
    with Cache.open(nasty_folder) as cache:
        for entry in entries:
            sample = cache.sample(entry["index"])
            assert (entry["name"], entry["caption"]) == (sample.name, sample.caption)
            assert entry["references"] == list(sample.references)


def test_csv_is_for_programs(nasty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(nasty_folder), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 24
    with Cache.open(nasty_folder) as cache:
        values = cache.scores("cider")
        for row in rows:
            index = cache.find(row["name"])
            assert index is not None
            expected = values[index]
            assert row["cider"] == "" if math.isnan(expected) else float(row["cider"]) == expected


def test_an_empty_limit(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(cache_folder), "--json", "--limit", "0"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("form", ["--print", "--json", "--csv"])
def test_a_reader_that_has_enough_is_no_error(cache_folder: Path, form: str) -> None:
    line = f"{' '.join(COMMAND)} {cache_folder} {form} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_a_pipe_that_breaks_in_the_middle(cache_folder: Path) -> None:
    """`head` may end while the buffer is still filling; here the pipe is closed before a byte is read."""
    line = f"{' '.join(COMMAND)} {cache_folder} --print | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "clipscor"], "did you mean 'clipscore'?"),
        (["--limit", "-1"], "expected a whole number"),
        (["--print", "--json"], "not allowed with"),
        (["--unknown"], "unrecognized arguments"),
    ],
)
def test_misuse_is_explained(cache_folder: Path, arguments: list[str], message: str) -> None:
    done = run(cache_folder, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_no_cache_there_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path / "nothing")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "nothing" in done.stderr


def test_a_damaged_cache_is_one_line(writable_copy: Path) -> None:
    file = writable_copy / "samples.parquet"
    file.write_bytes(b"x" * file.stat().st_size)
    done = run(writable_copy)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for argument, expected in (("--version", "hw3-browse "), ("--help", "examples:")):
        with pytest.raises(SystemExit) as end:
            cli.main([argument])
        assert end.value.code == 0
        assert expected in capsys.readouterr().out


def test_the_last_cache_is_opened(cache_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remember_cache(cache_folder)
    assert cli.main(["--print", "--limit", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_without_a_cache_and_without_torch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    assert cli.main([]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "hw3-browse[models]" in message


def test_without_a_cache_the_demo_is_computed(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = (
        "from pathlib import Path; from hw3_browse.cache.places import remember_cache; "
        f"remember_cache(Path({str(cache_folder)!r}))"
    )
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(demo, "_COMMAND", (sys.executable, "-c", program))
    assert cli.main(["--print"]) == 0
    captured = capfd.readouterr()
    assert "computing the bundled demo" in captured.err
    assert len(captured.out.splitlines()) == 21


def test_a_demo_that_fails(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(demo, "_COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    assert cli.main([]) == 2
    assert "exit code 3" in capfd.readouterr().err
